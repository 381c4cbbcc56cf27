"""What a study that is handed in says: its values, and its spec where it is to run here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodfit.service.app.submission import Submission
from goodfit.service.errors import Problem, StudyFileError

if TYPE_CHECKING:
    from goodfit.service.spec import StudySpec


def read_here(submission: Submission) -> StudySpec:
    """The spec of a study that is run by the user's own service: it may name whatever they have.

    Raises:
        InputError: it cannot run; says why.
    """
    from goodfit.service.app import check
    from goodfit.service.spec import from_mapping, read

    path = Path(submission.file)
    spec = read(path, submission.overrides) if path.is_file() else from_mapping(values_of(submission), Path.cwd())
    check(spec)
    return spec


def values_of(submission: Submission) -> dict[str, Any]:
    """What the file and the overrides say; what is wrong with them is said elsewhere."""
    from goodfit.service.spec.overrides import override

    value = document_of(submission.spec, submission.file)
    return override(value if isinstance(value, dict) else {}, submission.overrides, [])[0]


def document_of(text: str, name: str) -> object:
    """What a YAML text says; StudyFileError with its lines where it cannot be read."""
    from goodfit.search_spaces.document import read_text
    from goodfit.search_spaces.flaws import DocumentError

    try:
        return read_text(text).value
    except DocumentError as error:
        raise StudyFileError(name, [Problem(flaw.line, flaw.key, flaw.text) for flaw in error.flaws]) from error
