"""What a kind of data does: how it is recognized, loaded, reported on, and read from raw rows to predict.

The table of all kinds is in registry.py. A new kind is a module with a subclass of Kind, and one row there; or a class
in an installed package, see docs/extending.md.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

import numpy as np

from goodfit.trainers.data.facts import Data, Facts, Split
from goodfit.trainers.data.reading.raw import check_values
from goodfit.trainers.data.reporting.parts import part_splits, split_parts
from goodfit.trainers.data.split import Rows
from goodfit.trainers.data_specs import AddedSpec, DataSpec, SourceSpec
from goodfit.trainers.errors import DataProblem

if TYPE_CHECKING:
    from goodfit.trainers.data.reading.images import Images

S = TypeVar("S", bound=SourceSpec)
Loaded = tuple[Data, Split]  # training and validation with the facts about them, and the test split apart
_USUAL = DataSpec("")
_WRITTEN = {
    **{f"split_{name}": f"split.{name}" for name in ("column", "group", "time")},
    **{name: f"split.{name}" for name in ("folds", "reshuffle")},
    **{name: f"prepare.{name}" for name in ("scale", "missing", "indicator", "encode", "balance", "size", "mode")},
    "fairness": "fairness",
}


class Kind(ABC, Generic[S]):
    """A kind of data.

    Attributes:
        name: as `data: {kind: NAME}`, the facts of the data and trainers' `kinds` have it.
        spec_type: the dataclass of the keys that go with it; its methods get one, and all other keys are refused.
        refusal: what is said of another key, which is {key}.
        refusals: the same of keys of which more can be said.
        passed_over: what is said of keys that this kind alone has, where the data are found to be of another.
        searched: the keys of `data.prepare` that a search may vary.
        scale_reads_all: fitting a scale decodes every row; `goodfit check` does without.
    """

    name: str
    spec_type: type[S] = cast("type[S]", AddedSpec)
    refusal: str = ": {key} does not go with {kind} data; leave it out"
    refusals: ClassVar[Mapping[str, str]] = {}
    passed_over: ClassVar[Mapping[str, str]] = {}
    searched: Sequence[str] = ()
    scale_reads_all: bool = False

    def detects(self, spec: DataSpec) -> bool:
        """Whether a spec is of this kind; DataProblem where its keys contradict each other."""
        return spec.kind == self.name

    @abstractmethod
    def load(self, spec: S) -> Loaded:
        """The splits, and the facts about them; DataProblem says what is wrong."""

    def report(self, spec: S, loaded: Loaded | DataProblem) -> dict[str, Any]:
        """What `goodfit data` shows, plain JSON values; `loaded`: the data, or why they cannot be trained on."""
        if isinstance(loaded, DataProblem):
            raise loaded
        data, _ = loaded
        reason = {"reason": data.facts.reason} if data.facts.reason else {}
        return {**split_parts(spec, data, part_splits(spec, *loaded)), **reason}

    def notes(self, spec: S, data: Data) -> list[str]:  # noqa: ARG002 - others have some
        """What reading the data alters, or what may be meant otherwise, each in a sentence."""
        return []

    def row_numbers(self, spec: S) -> Rows:
        """The numbers that the rows of each split have in the source; DataProblem where splits are no rows of it."""
        raise DataProblem(
            f"{spec.source}: rows are judged one by one of tables, arrays, images and texts, and these are {self.name} "
            "data"
        )

    def has_no_rows(self, x: Any) -> bool:
        """Whether raw rows to predict are none at all, so that nothing is to be checked of them."""
        return is_empty(x)

    def inputs(self, x: Any, facts: Facts) -> np.ndarray | Images:
        """Raw rows to predict as a model of these facts takes them; DataProblem where they do not suit it."""
        rows = np.asarray(x, dtype=np.float64)
        if rows.shape[1:] != facts.input_shape:
            shape = ", ".join(map(str, facts.input_shape))
            raise DataProblem(f"the rows to predict are (rows, {shape}), not {rows.shape}")
        check_values(rows, (), "error" if facts.preparation.fill is None else "mean", "the rows to predict")
        return facts.preparation.inputs(rows)

    def example(self, facts: Facts) -> Any:
        """One raw row that a model of these facts takes."""
        return np.zeros((1, *facts.input_shape))


def is_empty(x: Any) -> bool:
    """Whether there are no rows at all."""
    return not isinstance(x, (str, Mapping)) and hasattr(x, "__len__") and len(x) == 0


def given(spec: SourceSpec, names: Iterable[str]) -> str | None:
    """The first of some fields of a spec that the study sets; a scale of none is the default without numbers."""
    for name in names:
        value = getattr(spec, name)
        if value not in (None, (), getattr(_USUAL, name)) and (name, value) != ("scale", "none"):
            return name
    return None


def refuse(spec: SourceSpec, names: Iterable[str], sentence: str, more: Mapping[str, str] | None = None) -> None:
    """DataProblem where the study sets one of these fields, which do not go with its kind of data.

    Args:
        spec: of the study.
        names: fields of DataSpec.
        sentence: what is said, with {key} in it, which is the key as the study file has it: "prepare.scale".
        more: what is said of some of them instead.
    """
    name = given(spec, names)
    if name is not None:
        said = (more or {}).get(name, sentence)
        raise DataProblem(f"{spec.source}{said.replace('{key}', _WRITTEN.get(name, f'data.{name}'))}")
