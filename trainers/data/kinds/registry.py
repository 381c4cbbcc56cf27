"""The table of the kinds of data, in the order in which they are tried on a spec; and those that packages add."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points

from goodfit.trainers.data.datasets.tables import is_path
from goodfit.trainers.data.kinds.corpus import Corpus
from goodfit.trainers.data.kinds.image_folder import ImageFolder
from goodfit.trainers.data.kinds.kind import Kind, Loaded, refuse
from goodfit.trainers.data.kinds.pairs import Pairs
from goodfit.trainers.data.kinds.series import Series
from goodfit.trainers.data.kinds.table import Table
from goodfit.trainers.data.kinds.text import Text
from goodfit.trainers.data.reading.raw import nearest
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DATA_KINDS, DataSpec

KINDS: Mapping[str, Kind] = {
    kind.name: kind for kind in (ImageFolder(), Pairs(), Series(), Corpus(), Text(), Table())
}  # a table is what is of no other kind


_ALWAYS = (
    "source", "kind", "options", "validation", "test", "seed", "stratified", "folds", "fold", "reshuffle",
    "validation_seed", "keep", "augment",
)  # fmt: skip
_FIELDS = tuple(field.name for field in dataclasses.fields(DataSpec))


def kind_of(spec: DataSpec) -> Kind:
    """The kind of a study's data; DataProblem where a key stands with data of another kind than its own."""
    if spec.is_added and spec.kind not in KINDS:
        return kind_named(str(spec.kind))
    if spec.options:
        raise DataProblem(f"{spec.source}: data.options are for kinds of data that a package adds; leave them out")
    return next(kind for kind in KINDS.values() if kind.detects(spec))


def kind_named(name: str) -> Kind:
    """The kind that the facts of data name; DataProblem where no installed package adds it."""
    return KINDS[name] if name in KINDS else _added(name)


def load_kind(spec: DataSpec) -> Loaded:
    """The splits of a study's data as their kind loads them."""
    kind = kind_of(spec)
    if kind.name in KINDS:
        _check_file_keys(spec, kind)
        return kind.load(spec)
    others = [name for name in _FIELDS if name not in (*_ALWAYS, *kind.keys)]
    refuse(spec, others, f": {{key}} does not go with {kind.name} data; leave it out")
    with faults_told(kind, f"{spec.source} cannot be loaded as {kind.name} data"):
        return kind.load(spec)


@contextlib.contextmanager
def faults_told(kind: Kind, what: str) -> Iterator[None]:
    """Raise a DataProblem in the place of any exception of a kind that a package adds; one of ours is a bug of ours."""
    try:
        yield
    except (DataProblem, MemoryError):
        raise
    except Exception as error:
        if kind.name in KINDS:
            raise
        raise DataProblem(f"{what}: {type(error).__name__}: {error}") from error


@functools.lru_cache
def _added(name: str) -> Kind:
    """The kind that an installed package adds by a name."""
    points = {point.name: point for point in entry_points(group=DATA_KINDS)}
    if name not in points:
        raise DataProblem(f"no installed package adds the kind of data {name!r}; {nearest(name, (*KINDS, *points))}")
    point = points[name]
    try:
        kind = point.load()()
    except (Exception, SystemExit) as error:  # of an installed package
        raise DataProblem(
            f"the kind of data {name} ({point.value}) cannot be made: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(kind, Kind):
        raise DataProblem(f"the kind of data {name} ({point.value}) is no subclass of goodfit.trainers.data.Kind")
    kind.name = name
    return kind


def _check_file_keys(spec: DataSpec, kind: Kind) -> None:
    """DataProblem where a key on how a file is read stands with data that are none, or are of another kind."""
    for key in Table.keys:
        if getattr(spec, key) in (None, ()):
            continue
        if not is_path(spec.source):
            raise DataProblem(f"{spec.source}: data.{key} is for files, and {spec.source} is built in; leave it out")
        if key not in kind.keys:
            raise DataProblem(f"{spec.source}: data.{key} does not go with {kind.name} data; leave it out")
