"""The process that looks at a submission with code of its own: `python -m` this module, with FOLDER.

FOLDER has question.json and the study's files in code/; the answer is written beside them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from goodfit.service import errors
from goodfit.service.app.submission import Rules, Submission, read_submission
from goodfit.trainers.importing import leave_source_tree, use_packages_of


def main(folder: Path) -> None:
    """Read, check, answer."""
    use_packages_of("the server's workers")
    leave_source_tree()
    question = json.loads((folder / "question.json").read_text(encoding="utf-8"))
    rules = Rules(tuple(Path(root) for root in question["roots"]), allow_code=True)
    answer: dict[str, Any]
    try:
        spec = read_submission(Submission(**question["submission"]), rules, folder / "code")
        answer = {"spec": spec.to_dict()}
    except errors.GoodfitError as error:
        answer = errors.to_dict(error)
    (folder / "answer.json").write_text(json.dumps(answer).replace(f"{folder / 'code'}/", ""), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
