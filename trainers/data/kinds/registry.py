"""The table of the kinds of data, in the order in which they are tried on a spec; and those that packages add."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterator, Mapping
from functools import partial
from importlib.metadata import entry_points
from typing import Any

from goodfit.trainers.data.datasets.tables import is_path
from goodfit.trainers.data.kinds.corpus import Corpus
from goodfit.trainers.data.kinds.image_folder import ImageFolder
from goodfit.trainers.data.kinds.kind import Kind, Loaded, refuse
from goodfit.trainers.data.kinds.pairs import Pairs
from goodfit.trainers.data.kinds.prepared import prepared
from goodfit.trainers.data.kinds.series import Series
from goodfit.trainers.data.kinds.table import Table
from goodfit.trainers.data.kinds.text import Text
from goodfit.trainers.data.reading.raw import nearest
from goodfit.trainers.data_specs import DATA_KINDS, DataSpec
from goodfit.trainers.errors import DataProblem

KINDS: Mapping[str, Kind[Any]] = {
    kind.name: kind for kind in (ImageFolder(), Pairs(), Series(), Corpus(), Text(), Table())
}  # a table is what is of no other kind
FOR_FILES = ("separator", "decimal", "gaps", "header", "numbers", "dates", "day_first", "task", "annotators")


def kind_of(spec: DataSpec) -> Kind[Any]:
    """The kind of a study's data; DataProblem where a key shows that another kind is meant."""
    if spec.is_added and spec.kind not in KINDS:
        return kind_named(str(spec.kind))
    if spec.options:
        raise DataProblem(f"{spec.source}: data.options are for kinds of data that a package adds; leave them out")
    for kind in KINDS.values():
        if kind.detects(spec):
            return kind
        refuse(spec, kind.passed_over, "", kind.passed_over)
    raise AssertionError("a table is what is of no other kind")


def kind_named(name: str) -> Kind[Any]:
    """The kind that the facts of data name; DataProblem where no installed package adds it."""
    return KINDS[name] if name in KINDS else _added(name)


def load_kind(spec: DataSpec) -> Loaded:
    """The splits of a study's data as their kind loads them."""
    kind = kind_of(spec)
    if kind.name in KINDS and not is_path(spec.source):
        refuse(spec, FOR_FILES, f": {{key}} is for files, and {spec.source} is built in; leave it out")
    refuse(spec, _others(kind), kind.refusal.replace("{kind}", kind.name), kind.refusals)
    with faults_as_problems(kind, f"{spec.source} cannot be loaded as {kind.name} data"):
        whole = kind.spec_type.of(spec)
        return kind.load(whole) if kind.name not in KINDS else prepared(spec, partial(kind.load, whole))


def _others(kind: Kind[Any]) -> list[str]:
    """The keys that do not go with a kind."""
    mine = {one.name for one in dataclasses.fields(kind.spec_type)}
    return [one.name for one in dataclasses.fields(DataSpec) if one.name not in mine]


@contextlib.contextmanager
def faults_as_problems(kind: Kind[Any], what: str) -> Iterator[None]:
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
def _added(name: str) -> Kind[Any]:
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
    unknown = {one.name for one in dataclasses.fields(kind.spec_type)} - {
        one.name for one in dataclasses.fields(DataSpec)
    }
    if unknown:
        raise DataProblem(
            f"the kind of data {name} ({point.value}) takes {min(unknown)}, which is no key of a study's data; read it "
            "from the options"
        )
    kind.name = name
    return kind
