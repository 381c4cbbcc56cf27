"""A file or an address of another tool -> a study in the making. Nothing that is read is run."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from goodfit.search_spaces.document import MAX_CHARACTERS, Document, nearest_file, read_text
from goodfit.search_spaces.flaws import DocumentError
from goodfit.service.errors import InputError, Problem, StudyFileError
from goodfit.service.exchange import (
    determined,
    katib,
    optuna_studies,
    python_dialects,
    python_search,
    syne_tune,
    wandb_sweep,
)
from goodfit.service.exchange.draft import Draft
from goodfit.service.exchange.foreign import Foreign
from goodfit.service.exchange.python_file import PythonFile

SECONDS = 7.0  # for an address to answer, and for each piece of what it answers
LONGEST = 15.0  # for all of it


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file in YAML or JSON.

    Attributes:
        label: of the tool.
        recognises: whether a document is one.
        convert: writes it into a draft.
        keys: by which it is known, for messages.
        why: of keys that do not carry over, or of sections: what takes their place.
    """

    label: str
    recognises: Callable[[Foreign], bool]
    convert: Callable[[Foreign, Draft], None]
    keys: Sequence[str]
    why: Mapping[str, str]


def _format(label: str, module: ModuleType) -> Format:
    return Format(label, module.recognises, module.convert, module.KEYS, module.WHY)


_WANDB = _format("W&B sweep", wandb_sweep)
# In the order in which they are tried.
FORMATS = (
    _format("Katib experiment", katib),
    _format("Determined configuration", determined),
    _format("Syne Tune configuration", syne_tune),
    _WANDB,
)


def import_from(source: str, *, study: str | None = None, trainer: str | None = None) -> Draft:
    """The study that a file, an address or an Optuna storage of another tool stands for.

    Args:
        source: a path, http(s)://..., or a storage's URL, with #NAME for one of its studies.
        study: of a storage that has several, this one.
        trainer: what is to be trained; None: a place for it.

    Raises:
        InputError: there is nothing, or nothing that is known; it says what was looked for.
    """
    draft = _optuna(source, study) if optuna_studies.is_storage(source) else _file(source)
    if trainer is not None:
        draft.trainer = trainer
    lost = [Problem(one.line, one.key, one.text) for one in draft.lost]
    draft.finish()
    if not draft.space:
        raise StudyFileError(source, [Problem(0, "", "has no parameters that carry over"), *lost])
    draft.lost.sort(key=lambda one: one.line or 10**9)
    return draft


def _optuna(source: str, name: str | None) -> Draft:
    source, _, named = source.partition("#")
    name = name or named or None
    with optuna_studies.opened(source) as storage:
        study = optuna_studies.load(storage, name, source)
        draft = Draft(f"the Optuna study {study.study_name}")
        optuna_studies.convert(study, source, draft)
    return draft


def _file(source: str) -> Draft:
    text = _fetched(source) if "://" in source else _read(Path(source))
    draft = Draft(source, name=Path(source.partition("?")[0]).stem)
    draft.called(draft.name)
    if source.partition("?")[0].endswith((".py", ".ipynb")):
        _python(text, source, draft)
    else:
        _document(text, source, draft)
    return draft


def _python(text: str, source: str, draft: Draft) -> None:
    if source.endswith(".ipynb"):
        raise InputError(f"{source}: is a notebook; save its search as a .py file")
    file = PythonFile(text, source)
    dialect = python_search.dialect_of(file)
    if dialect is None and (sweep := wandb_sweep.in_python(file)) is not None:
        for line, key, code in sweep.code:
            draft.lose(line, key, f"is left out: {code} is code, which is not run")
        _convert(Foreign(sweep.document), _WANDB, source, draft)
        return
    if dialect is None and file.imports("optuna"):
        raise InputError(
            f"{source}: is a script for Optuna, whose objective is a trainer as it is: name it in a study file without "
            f"`space:`, by `trainer: {source}:objective` and `objective: {{metric: value, direction: minimize}}`. "
            "An Optuna study is imported from its storage's URL, such as sqlite:///x.db"
        )
    if dialect is None:
        known = " or ".join(f"{one.label} ({', '.join(list(one.makers)[:4])}, ...)" for one in python_dialects.DIALECTS)
        raise InputError(f"{source}: has no dictionary of hyperparameters with distributions of {known}")
    draft.origin = f"{source} ({dialect.label})"
    python_search.convert(file, dialect, draft)


def _document(text: str, source: str, draft: Draft) -> None:
    flaws: list[Problem] = []
    for base, part in _parts(text):
        try:
            document = read_text(part)
        except DocumentError as error:
            flaws += [Problem(flaw.line and flaw.line + base, flaw.key, flaw.text) for flaw in error.flaws]
            continue
        if isinstance(document.value, dict) and (found := _known(document, base)) is not None:
            _convert(*found, source, draft)
            return
        if isinstance(document.value, dict) and {"trainer", "space"} <= document.value.keys():
            raise InputError(f"{source}: is a study file already; `goodfit run {source}` runs it")
    if flaws:
        raise StudyFileError(source, flaws)
    if text.lstrip()[:1] == "<":
        raise InputError(f"{source}: is a web page, not a file; give the address of the file itself")
    looked = "; ".join(f"{form.label}: {', '.join(form.keys)}" for form in FORMATS)
    raise InputError(
        f"{source}: is no file that is known. Looked for {looked}. Ray Tune's and Syne Tune's searches are read from "
        "their .py files, Optuna's studies from a storage's URL such as sqlite:///x.db"
    )


def _convert(foreign: Foreign, form: Format, source: str, draft: Draft) -> None:
    """Write a document into a draft, and what of it does not carry over."""
    draft.origin = f"{source} ({form.label})"
    form.convert(foreign, draft)
    for line, key in foreign.rest():
        draft.lose(line, key, _why(form, key))


def _parts(text: str) -> list[tuple[int, str]]:
    """The documents of a YAML file, each with the number of lines before it."""
    parts, base = [], 0
    for part in re.split(r"^---[ \t]*(?:#.*)?$", text, flags=re.MULTILINE):
        if part.strip():
            parts.append((base, part))
        base += part.count("\n")
    return parts


def _known(document: Document, base: int) -> tuple[Foreign, Format] | None:
    for form in FORMATS:
        foreign = Foreign(document, base)
        if form.recognises(foreign):
            return foreign, form
    return None


def _why(form: Format, key: str) -> str:
    """What takes the place of a key that was not taken."""
    parts = [part for part in key.split(".") if not part.isdigit()]  # without the places in lists
    names = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((form.why[name] for name in names if name in form.why), "does not carry over")


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig") as file:
            return file.read(MAX_CHARACTERS + 1)
    except FileNotFoundError:
        why = f"there is no such file{nearest_file(path)}"
    except IsADirectoryError:
        why = "is a folder; name a file in it"
    except UnicodeDecodeError as error:
        why = f"is not UTF-8 text (byte {error.start})"
    except (OSError, ValueError) as error:
        why = f"cannot be read: {getattr(error, 'strerror', None) or error}"
    raise InputError(f"{path}: {why}")


def _fetched(url: str) -> str:
    """The text at an address: http or https, of a bounded size, in a bounded time."""
    import httpx2

    if not url.startswith(("http://", "https://")):
        raise InputError(f"{url}: only http, https and Optuna's storages are read; " + _schemes())
    try:
        with (
            httpx2.Client(follow_redirects=True, timeout=SECONDS) as client,
            client.stream("GET", url) as answer,
        ):
            if not answer.is_success:
                raise InputError(f"{url}: answers {answer.status_code}")
            text, began = "", time.monotonic()
            for piece in answer.iter_text():
                text += piece
                if time.monotonic() - began > LONGEST:
                    raise InputError(f"{url}: takes more than {LONGEST:g} s; load it yourself, and import the file")
                if len(text) > MAX_CHARACTERS:
                    raise InputError(f"{url}: has more than {MAX_CHARACTERS:,} characters")
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise InputError(f"{url}: cannot be reached: {error or type(error).__name__}") from error
    return text


def _schemes() -> str:
    return "Optuna's: " + ", ".join(f"{scheme}://" for scheme in optuna_studies.SCHEMES)
