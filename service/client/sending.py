"""What is sent of a study file: its text, and the files beside it that the place it goes to has not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.app.submission import Submission
from service.errors import InputError, Problem, StudyFileError

if TYPE_CHECKING:
    from service.spec import StudySpec

StudyFile = str | Path | Mapping[str, Any]


def submission_of(
    file: StudyFile, *, overrides: Sequence[str] = (), priority: int = 0, fresh: bool = False
) -> Submission:
    """A study to hand in, from its file or from the values that a file would hold.

    Raises:
        StudyFileError: the file cannot be read.
    """
    if isinstance(file, Mapping):
        try:
            text = json.dumps(file)
        except (TypeError, ValueError) as error:
            raise InputError(f"a study is given as plain values: {error}") from error
        return Submission(text, tuple(overrides), priority=priority, fresh=fresh)
    try:
        text = Path(file).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise StudyFileError(str(file), [Problem(0, "", "there is no such file")]) from error
    except UnicodeDecodeError as error:
        raise StudyFileError(str(file), [Problem(0, "", f"is not UTF-8 text (byte {error.start})")]) from error
    except OSError as error:
        raise StudyFileError(str(file), [Problem(0, "", f"cannot be read: {error.strerror or error}")]) from error
    return Submission(text, tuple(overrides), priority=priority, fresh=fresh, file=str(file))


def read_here(submission: Submission) -> StudySpec:
    """The spec of a study that is run by the user's own service: it may name whatever they have.

    Raises:
        InputError: it cannot run; says why.
    """
    from service.app import check
    from service.spec import from_mapping, read

    path = Path(submission.file)
    spec = read(path, submission.overrides) if path.is_file() else from_mapping(_values(submission), Path.cwd())
    check(spec)
    return spec


def packed(submission: Submission) -> Submission:
    """The same with everything that it names on this machine: a trainer's file, a file of a search space."""
    values = _values(submission)
    folder = Path(submission.file).resolve().parent if Path(submission.file).is_file() else Path.cwd()
    files: dict[str, str] = {}
    changes: list[str] = []
    for key, value in _named(values):
        path, colon, attribute = value.rpartition(":") if ".py:" in value else (value, "", "")
        place = folder / path
        if colon and place.is_file():
            files[place.name] = _text(place)
            changes.append(f"{key}={json.dumps(f'{place.name}:{attribute}')}")
        elif key == "space" and place.suffix and place.is_file():
            changes.append(f"space={json.dumps(_document(_text(place), str(place)))}")
    overrides = (*submission.overrides, *changes)
    return Submission(submission.spec, overrides, files, submission.priority, submission.fresh, submission.file)


def _named(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The keys that can name code or a space, with what they name."""
    data = values.get("data")
    data = data if isinstance(data, Mapping) else {}
    augment = data.get("augment")
    augment = augment if isinstance(augment, Mapping) else {}
    found = [
        ("trainer", values.get("trainer")),
        ("space", values.get("space")),
        ("data.source", data.get("source")),
        ("data.augment.translate", augment.get("translate")),
    ]
    return [(key, str(value)) for key, value in found if isinstance(value, str)]


def _values(submission: Submission) -> dict[str, Any]:
    """What the file and the overrides say; what is wrong with them is said elsewhere."""
    from service.spec.overrides import override

    value = _document(submission.spec, submission.file)
    return override(value if isinstance(value, dict) else {}, submission.overrides, [])[0]


def _document(text: str, name: str) -> object:
    from search_spaces.document import DocumentError, read_text

    try:
        return read_text(text).value
    except DocumentError as error:
        raise StudyFileError(name, [Problem(flaw.line, flaw.key, flaw.text) for flaw in error.flaws]) from error


def _text(place: Path) -> str:
    try:
        return place.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{place} cannot be sent with the study: {error}") from error
