"""The rows that an explanation is of, the rows that stand for absent parts, and the parts by the columns of the user.

Rows of a study are those of its validation split, unless they are named; the background is drawn from its training
rows. No torch here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from goodfit.trainers.data import load, load_test
from goodfit.trainers.data.facts import Facts, Split, joined
from goodfit.trainers.data.kinds.registry import kind_named, kind_of
from goodfit.trainers.data.kinds.table import Table
from goodfit.trainers.data.kinds.text import Text, texts_to_predict
from goodfit.trainers.data.reading.cache import forget
from goodfit.trainers.data.reading.images import Images
from goodfit.trainers.data.row_numbers import split_frame
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec

if TYPE_CHECKING:
    import pandas as pd

MOST_MEASURED = 1000  # rows that permutation importance is measured on
FAMILIES = {"table": "table", "image": "image", "series": "series", "text": "text"}
BY_AXES = {1: "table", 2: "series", 3: "image"}  # of what a package adds, by the axes of a row
USUAL_ROWS = {"table": 100, "image": 4, "series": 20, "text": 20}
BACKGROUND = {"table": 50, "image": 50, "series": 50, "text": 1}
BACKGROUND_NUMBERS = 2**24  # that background rows have in all
LARGEST = 2**24  # numbers of a row: its gradients, and what a net makes of it, have to fit into memory several times
PARTS = ("train", "validation", "test")


def family_of(facts: Facts) -> str:
    """As what rows are explained: table, image, series or text."""
    return FAMILIES.get(facts.kind) or BY_AXES[len(facts.input_shape)]


def check_size(facts: Facts) -> None:
    """DataProblem where one row is too large to be explained in bounded memory."""
    if facts.inputs > LARGEST:
        how = "train with `prepare: {size: 1024}`, or " if facts.kind == "image" else ""
        raise DataProblem(
            f"a row of {facts.name} has {facts.inputs:,} numbers ({'x'.join(map(str, facts.input_shape))}); up to "
            f"{LARGEST:,} are explained: {how}give smaller ones"
        )


@dataclass(frozen=True)
class Sample:
    """Some rows.

    Attributes:
        x: as a model takes them.
        labels: what their users call them: numbers in the source, or the index of a frame.
        raw: a table's columns as read, or texts, as a frame; None of other data.
        y: their targets as a model is trained on them; None where they are not known.
    """

    x: np.ndarray
    labels: tuple[Any, ...]
    raw: pd.DataFrame | None = None
    y: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, places: Sequence[int] | np.ndarray) -> Sample:
        """The rows at these places alone."""
        chosen = np.asarray(places, dtype=int)
        return Sample(
            np.asarray(self.x[chosen]),
            tuple(self.labels[place] for place in chosen),
            None if self.raw is None else self.raw.iloc[chosen],
            None if self.y is None else self.y[chosen],
        )


@dataclass(frozen=True)
class Material:
    """What a model is explained with.

    Attributes:
        rows: to explain.
        background: what absent parts are taken from.
        measured: rows with their targets, for permutation importance; None where there are none.
        notes: what to know of them, in sentences.
    """

    rows: Sample
    background: Sample
    measured: Sample | None = None
    notes: tuple[str, ...] = field(default_factory=tuple)


def of_study(spec: DataSpec, facts: Facts, wanted: Sequence[int] | None, seed: int) -> Material:
    """Rows of a study: by their numbers in the source, or some of its validation rows.

    Args:
        spec: of the data that the model was trained on.
        facts: of the model.
        wanted: the numbers; of a series those of windows within the validation split. None: some, drawn by the seed.
        seed: of what is drawn.

    Raises:
        DataProblem: the data cannot be read, or have no such row.
    """
    check_size(facts)
    spec = replace(spec, keep=True)
    family = family_of(facts)
    try:
        held = _Held(spec)
        rows = held.drawn(USUAL_ROWS[family], seed) if wanted is None else held.chosen(wanted)
        background = held.background(_most_background(facts), seed)
        measured = held.drawn(MOST_MEASURED, seed) if family == "table" else None
        return Material(rows, background, measured)
    finally:
        forget()


class _Held:
    """The splits of a study's data, with the numbers of their rows."""

    def __init__(self, spec: DataSpec) -> None:
        self._spec, self._kind = spec, kind_of(spec)
        data = load(spec)
        self._splits: dict[str, Split] = {"train": data.train, "validation": data.validation}
        self._numbers: dict[str, np.ndarray] = {}
        self._frames: dict[str, pd.DataFrame] = {}

    def drawn(self, most: int, seed: int) -> Sample:
        """At most so many of the validation rows, in their order."""
        count = len(self._splits["validation"])
        return self._sample("validation", _drawn(count, most, seed))

    def background(self, most: int, seed: int) -> Sample:
        """At most so many of the training rows."""
        return self._sample("train", _drawn(len(self._splits["train"]), most, seed))

    def chosen(self, wanted: Sequence[int]) -> Sample:
        """Rows by their numbers, in the order in which they are wanted; DataProblem for one that is not there."""
        places = [self._place(number) for number in wanted]
        found = {part: [at for held, at in places if held == part] for part in PARTS}
        samples = {part: self._sample(part, np.array(at)) for part, at in found.items() if at}
        taken = dict.fromkeys(samples, 0)
        parts = []
        for part, _ in places:
            parts.append(samples[part].take([taken[part]]))
            taken[part] += 1
        return _together(parts)

    def _place(self, number: int) -> tuple[str, int]:
        """In which split a row is, and where there."""
        for part in PARTS:
            if part == "test" and not self._has_test():
                continue
            at = np.flatnonzero(self._numbers_of(part) == number)
            if len(at):
                return part, int(at[0])
        raise DataProblem(f"{self._spec.source} has no row {number} to explain; {self._known()}")

    def _has_test(self) -> bool:
        """Whether the test split has rows with numbers."""
        return bool(self._spec.test) and self._by_source

    @property
    def _by_source(self) -> bool:
        """Whether rows have numbers in the source."""
        return isinstance(self._kind, Table | Text) or isinstance(self._splits["train"].x, Images)

    def _known(self) -> str:
        if not self._by_source:
            count = len(self._splits["validation"])
            return f"its validation split has the rows 0 to {count - 1}"
        last = max(int(self._numbers_of(part).max(initial=-1)) for part in PARTS if part != "test" or self._has_test())
        return f"its rows are 0 to {last}, without those that are not used"

    def _split(self, part: str) -> Split:
        if part not in self._splits:
            self._splits[part] = load_test(self._spec)
        return self._splits[part]

    def _numbers_of(self, part: str) -> np.ndarray:
        """The numbers of a split's rows, in its order."""
        if part in self._numbers:
            return self._numbers[part]
        if isinstance(self._kind, Table | Text):
            _, rows = self._kind.split_raw(self._kind.spec_type.of(self._spec))  # type: ignore[arg-type]
            self._numbers |= rows._asdict()
        else:
            x = self._split(part).x if self._by_source or part == "validation" else None
            if isinstance(x, Images):
                self._numbers[part] = x.rows
            else:
                self._numbers[part] = np.arange(0 if x is None else len(x))
        return self._numbers[part]

    def _sample(self, part: str, places: np.ndarray) -> Sample:
        split = self._split(part)
        numbers = self._numbers_of(part)[places] if part != "train" or self._by_source else places
        x = joined(np.asarray(split.x[places]), None if split.codes is None else split.codes[places])
        return Sample(x, tuple(map(int, numbers)), self._raw(part, numbers), split.y[places])

    def _raw(self, part: str, numbers: np.ndarray) -> pd.DataFrame | None:
        """The rows as read; of data that are no table nor texts none."""
        if not isinstance(self._kind, Table | Text) or self._splits["train"].x.ndim > 2:
            return None
        if part not in self._frames:
            self._frames[part] = split_frame(self._spec, part)
        return self._frames[part].loc[numbers]


def _most_background(facts: Facts) -> int:
    """How many rows stand for absent parts: fewer where a row is large."""
    return max(1, min(BACKGROUND[family_of(facts)], BACKGROUND_NUMBERS // facts.inputs))


def _drawn(count: int, most: int, seed: int) -> np.ndarray:
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng([seed, count]).choice(count, size=most, replace=False))


def _together(parts: Sequence[Sample]) -> Sample:
    """Samples of a row each as one."""
    import pandas as pd

    raw = [part.raw for part in parts if part.raw is not None]
    y = [part.y for part in parts if part.y is not None]
    return Sample(
        np.concatenate([part.x for part in parts]),
        tuple(label for part in parts for label in part.labels),
        pd.concat(raw) if raw else None,
        np.concatenate(y) if y else None,
    )


def given(x: Any, facts: Facts, background: Sample | None) -> Material:
    """Rows that a user gives, in a form that the model's `predict` takes; without a background they are their own."""
    check_size(facts)
    kind = kind_named(facts.kind)
    if kind.has_no_rows(x):
        raise DataProblem("there are no rows to explain; give at least one")
    prepared = kind.inputs(x, facts)
    family = family_of(facts)
    most = max(USUAL_ROWS[family], 1)
    labels = _labels(x, len(prepared))
    notes = []
    if len(prepared) > most:
        notes.append(f"of the {len(prepared)} rows the first {most} are explained; give fewer at a time for others")
    chosen = np.arange(min(len(prepared), most))
    rows = Sample(np.asarray(prepared[chosen]), labels[: len(chosen)], _given_raw(x, facts, len(chosen), labels))
    if background is None:
        many = _drawn(len(prepared), _most_background(facts), 0)
        background = Sample(np.asarray(prepared[many]), tuple(labels[at] for at in many))
        notes.append("absent parts are taken from the rows that were given: the training rows are not here")
    return Material(rows, background, None, tuple(notes))


def _labels(x: Any, count: int) -> tuple[Any, ...]:
    index = getattr(x, "index", None)
    if index is not None and not callable(index) and len(index) == count:
        return tuple(index)
    return tuple(range(count))


def _given_raw(x: Any, facts: Facts, count: int, labels: Sequence[Any]) -> pd.DataFrame | None:
    """The columns as given, for people to read."""
    import pandas as pd

    if facts.kind == "text":
        texts = texts_to_predict(x, facts.features[0])
        return pd.DataFrame({facts.features[0]: texts[:count]}, index=pd.Index(list(labels[:count])))
    if facts.kind != "table":
        return None
    columns = list(facts.cells.raw_columns(facts.features))
    if isinstance(x, Mapping):
        x = [x]
    frame = x if isinstance(x, pd.DataFrame) else pd.DataFrame(x)
    if not set(columns) <= set(map(str, frame.columns)):
        frame = frame.set_axis(columns, axis="columns") if frame.shape[1] == len(columns) else frame
    frame = frame.set_axis([str(name) for name in frame.columns], axis="columns")
    return frame[columns].iloc[:count] if set(columns) <= set(frame.columns) and len(frame) >= count else None


def columns_of(facts: Facts) -> tuple[tuple[str, ...], np.ndarray]:
    """The columns of the user's table, and which of them each number of a prepared row comes from."""
    fitted = facts.preparation
    if facts.kind != "table":
        return tuple(f"x{place}" for place in range(facts.inputs)), np.arange(facts.inputs)
    columns = facts.cells.raw_columns(facts.features)
    origin = {part: date.name for date in facts.cells.dates for part in date.columns}
    place = {name: at for at, name in enumerate(columns)}
    numbers = [name for name in facts.features if name not in fitted.categories]
    sources = [*numbers, *(numbers[at] for at in fitted.indicators)]
    for column, words in fitted.categories.items():
        sources += [column] * (len(words) if fitted.encode == "onehot" else 1)
    return columns, np.array([place[origin.get(name, name)] for name in sources])
