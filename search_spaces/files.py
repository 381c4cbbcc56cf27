"""Spaces in YAML files: the library in this folder, and users' own."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from goodfit.search_spaces.document import read_file
from goodfit.search_spaces.flaws import MORE, DocumentError, Flaw, Problems, TooManyProblems, dotted
from goodfit.search_spaces.parse import parse_space
from goodfit.search_spaces.scalars import Value, shortened
from goodfit.search_spaces.space import Space
from goodfit.search_spaces.values import nearest

FOLDER = Path(__file__).parent


class SpaceFileError(ValueError):
    """A space's file cannot be used; `flaws` has everything that is wrong in it."""

    def __init__(self, file: Path, flaws: list[Flaw]) -> None:
        self.file = file
        self.flaws = tuple(flaws)
        super().__init__("\n".join(told(file, flaw) for flaw in flaws))


def library() -> list[str]:
    """The names of the spaces that come with Goodfit."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def library_file(name: str) -> Path:
    """The file of a space of the library."""
    return FOLDER / f"{name}.yaml"


def load(name: str) -> Space:
    """A space of the library.

    Raises:
        LookupError: there is none of that name; the nearest is suggested.
    """
    if name not in library():
        raise LookupError(f"there is no search space {name!r}; {nearest(name, library())}")
    return read_space(library_file(name))


def read_space(path: Path, fixed: Mapping[str, Value] | None = None) -> Space:
    """A space from a YAML file whose keys are the parameters.

    Args:
        path: the file.
        fixed: parameters to pin; see parse_space.

    Raises:
        SpaceFileError: it cannot be read, or something in it is wrong.
    """
    try:
        document = _kept(path) if path.parent == FOLDER else read_file(path)
    except DocumentError as error:
        raise SpaceFileError(path, error.flaws) from error
    if document.value is None:
        raise SpaceFileError(path, [Flaw(0, "", "is empty; name the parameters to search")])
    problems, more = Problems(), []
    try:
        space = parse_space(document.value, problems, fixed)
    except TooManyProblems:
        more = [Flaw(0, "", MORE)]
    if problems:
        flaws = [Flaw(document.line(at), shortened(dotted(at)), shortened(text)) for at, text in problems]
        raise SpaceFileError(path, sorted([*flaws, *more], key=lambda flaw: flaw.line))
    return space


# Of the library, which does not change under a running process: a file takes 10 ms to read.
_kept = functools.cache(read_file)


def told(file: Path, flaw: Flaw) -> str:
    """A flaw with its place: cnn.yaml:12: depth.low: is missing."""
    where = f"{file}:{flaw.line}" if flaw.line else str(file)
    return f"{where}: {flaw.key}: {flaw.text}" if flaw.key else f"{where}: {flaw.text}"
