"""What is sent of a study file: its text, and the files beside it that the place it goes to has not."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodfit.service.app.submission import FILES, FILES_CHARACTERS, Submission
from goodfit.service.client.arguments import path_of, texts_of, whole_number_of
from goodfit.service.errors import InputError, Problem, StudyFileError
from goodfit.service.queries.reading import document_of, values_of
from goodfit.trainers.code import code_file, find_code

if TYPE_CHECKING:
    from goodfit.trainers.code import Found

StudyFile = str | Path | Mapping[str, Any]


def submission_of(
    file: StudyFile, *, overrides: Sequence[str] = (), priority: int = 0, fresh: bool = False
) -> Submission:
    """A study to hand in, from its file or from the values that a file would hold.

    Raises:
        StudyFileError: the file cannot be read.
    """
    overrides = texts_of("overrides", overrides, "budget.trials=40")
    priority = whole_number_of("priority", priority)
    if isinstance(file, Mapping):
        try:
            text = json.dumps(file)
        except (TypeError, ValueError) as error:
            raise InputError(f"a study is given as plain values: {error}") from error
        return Submission(text, tuple(overrides), priority=priority, fresh=fresh)
    try:
        text = path_of("the study", file, "churn.yaml").read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise StudyFileError(str(file), [Problem(0, "", "there is no such file")]) from error
    except UnicodeDecodeError as error:
        raise StudyFileError(str(file), [Problem(0, "", f"is not UTF-8 text (byte {error.start})")]) from error
    except OSError as error:
        raise StudyFileError(str(file), [Problem(0, "", f"cannot be read: {error.strerror or error}")]) from error
    return Submission(text, tuple(overrides), priority=priority, fresh=fresh, file=str(file))


def packed(submission: Submission) -> Submission:
    """The same with everything that it names on this machine: its code with what that imports, a file of a space.

    Raises:
        InputError: a file cannot be read, or all are too large to be sent.
    """
    values = values_of(submission)
    folder = Path(submission.file).resolve().parent if Path(submission.file).is_file() else Path.cwd()
    named = dict(_named(values))
    references = {key: _located(folder, value) for key, value in named.items()}
    found = find_code(references.values(), (str(folder), str(Path.cwd())))
    changes: list[str] = []
    files: dict[str, str] = {}
    if found.files:
        root = found.root
        files = {file.relative_to(root).as_posix(): _text(file) for file in found.files}
        _check_size(files)
        for key, reference in references.items():
            place, _, attribute = reference.rpartition(":")
            if Path(place) in found.files:
                name = Path(place).relative_to(root).as_posix()
                changes.append(f"{key}={json.dumps(f'{name}:{attribute}')}")
            elif key == "trainer" and root not in found.folders and (file := _module_file(reference, found)):
                changes.append(f"{key}={json.dumps(f'{file}:{attribute}')}")
    space = folder / named.get("space", "")
    if space.suffix and space.is_file():
        changes.append(f"space={json.dumps(document_of(_text(space), str(space)))}")
    changes += _earlier(values, folder)
    overrides = (*submission.overrides, *changes)
    left, hidden = _relative(found.named), _relative(found.hidden)
    return replace(submission, overrides=overrides, files=files, left=left, hidden=hidden)


def _earlier(values: Mapping[str, Any], folder: Path) -> list[str]:
    """The earlier studies with what lies in files and storages of this machine: the place it goes to reads none."""
    from goodfit.service.app.earlier import sent
    from goodfit.service.spec.warm_start import is_elsewhere

    search = values.get("search")
    starts = search.get("warm_start") if isinstance(search, Mapping) else None
    starts = [starts] if isinstance(starts, str) else starts
    if not isinstance(starts, list) or not any(map(is_elsewhere, starts)):
        return []
    told = [sent(str(start), folder) if is_elsewhere(start) else start for start in starts]
    return [f"search.warm_start={json.dumps(told)}"]


def _module_file(reference: str, found: Found) -> str | None:
    """The file of a module that a study names, from the root of all that is sent."""
    for folder in found.folders:
        names = [file.relative_to(folder).as_posix() for file in found.files if file.is_relative_to(folder)]
        if (name := code_file(reference, names)) is not None:
            return (folder / name).relative_to(found.root).as_posix()
    return None


def _located(folder: Path, reference: str) -> str:
    """A reference to a file with its whole path, as it is found beside the study file or else from here."""
    if ".py:" not in reference:
        return reference
    written, _, attribute = reference.rpartition(":")
    path = Path(written).expanduser()
    place = next((place for place in (folder / path, Path.cwd() / path) if place.is_file()), folder / path)
    return f"{os.path.abspath(place)}:{attribute}"  # noqa: PTH100 - a link keeps its name, beside its neighbours


def _relative(files: Iterable[Path]) -> tuple[str, ...]:
    """Files as they are named from here."""
    return tuple(sorted(os.path.relpath(file) for file in files))


def _check_size(files: Mapping[str, str]) -> None:
    total = sum(map(len, files.values()))
    if total > FILES_CHARACTERS or len(files) > FILES:
        largest = sorted(files, key=lambda name: -len(files[name]))[:3]
        raise InputError(
            f"the trainer and what it imports from beside it are {len(files)} files of {total:,} characters, and "
            f"{FILES} of {FILES_CHARACTERS:,} can be sent: make a package of them that the workers have installed "
            f"(`requirements:`); the largest: {', '.join(largest)}"
        )


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


def _text(place: Path) -> str:
    try:
        return place.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{place} cannot be sent with the study: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from error
    except OSError as error:
        raise InputError(f"{place} cannot be sent with the study: {error}") from error
