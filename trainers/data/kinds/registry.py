"""The table of the kinds of data, in the order in which they are tried on a spec."""

from __future__ import annotations

from collections.abc import Mapping

from goodfit.trainers.data.datasets.tables import is_path
from goodfit.trainers.data.kinds.corpus import Corpus
from goodfit.trainers.data.kinds.image_folder import ImageFolder
from goodfit.trainers.data.kinds.kind import Kind, Loaded
from goodfit.trainers.data.kinds.pairs import Pairs
from goodfit.trainers.data.kinds.series import Series
from goodfit.trainers.data.kinds.table import Table
from goodfit.trainers.data.kinds.text import Text
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec

KINDS: Mapping[str, Kind] = {
    kind.name: kind for kind in (ImageFolder(), Pairs(), Series(), Corpus(), Text(), Table())
}  # a table is what is of no other kind


def kind_of(spec: DataSpec) -> Kind:
    """The kind of a study's data; DataProblem where a key stands with data of another kind than its own."""
    return next(kind for kind in KINDS.values() if kind.detects(spec))


def kind_named(name: str) -> Kind:
    """The kind that the facts of data name."""
    return KINDS[name]


def load_kind(spec: DataSpec) -> Loaded:
    """The splits of a study's data as their kind loads them."""
    kind = kind_of(spec)
    check_file_keys(spec, kind)
    return kind.load(spec)


def check_file_keys(spec: DataSpec, kind: Kind) -> None:
    """DataProblem where a key on how a file is read stands with data that are none, or are of another kind."""
    for key in Table.file_keys:
        if getattr(spec, key) in (None, ()):
            continue
        if not is_path(spec.source):
            raise DataProblem(f"{spec.source}: data.{key} is for files, and {spec.source} is built in; leave it out")
        if key not in kind.file_keys:
            raise DataProblem(f"{spec.source}: data.{key} does not go with {kind.name} data; leave it out")
