"""Files of other tools, imported for a test, and what the drafts have to be."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

from goodfit.search_spaces.document import read_text
from goodfit.service.exchange.draft import Draft
from goodfit.service.exchange.importing import import_from

TRAINER = """
def train(trial):
    for epoch in trial.epochs():
        trial.report(train={"loss": 1.0}, val={"loss": 1.0})
"""


def imported(folder: Path, text: str, name: str = "given.yaml", **more: Any) -> Draft:
    file = folder / name
    file.write_text(dedent(text).lstrip("\n"))
    draft = import_from(str(file), **more)
    assert_reads(folder, draft)
    return draft


def assert_reads(folder: Path, draft: Draft) -> None:
    """The study file is one: it says the same as the draft, and `check` finds nothing wrong."""
    from goodfit.service.spec import read

    assert json.loads(json.dumps(read_text(draft.to_yaml()).value)) == json.loads(json.dumps(draft.to_dict()))
    (folder / "train.py").write_text(TRAINER)
    place = folder / "study.yaml"
    place.write_text(draft.to_yaml())
    read(place, ["trainer=train.py:train"])


def lost(draft: Draft) -> dict[str, int]:
    return {one.key: one.line for one in draft.lost}
