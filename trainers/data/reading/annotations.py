"""Columns of a table that are labels by several annotators: no features; their consensus can be the target.

What they agree on, and what they say together, is computed by quality/annotators.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from goodfit.spelling import close
from goodfit.trainers.data.quality.annotators import dawid_skene
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.readable import one_line

if TYPE_CHECKING:
    import pandas as pd

MOST_CLASSES = 1000  # that annotators may choose from
LONGEST_WHOLE = 20  # characters of a whole number
_WHOLE = re.compile("0|-?[1-9][0-9]*")


@dataclass(frozen=True, slots=True)
class Annotations:
    """What annotators have said.

    Attributes:
        annotators: the columns.
        classes: all that they have said, sorted, as the data have them.
        given: int64 (rows, annotators), places in `classes`; -1 where one said nothing.
    """

    annotators: tuple[str, ...]
    classes: np.ndarray
    given: np.ndarray

    def take(self, rows: np.ndarray) -> Annotations:
        """These rows alone."""
        return replace(self, given=self.given[rows])


def read_annotations(columns: Mapping[str, pd.Series], target: pd.Series | None, source: str) -> Annotations:
    """The columns of annotators.

    Args:
        columns: by name.
        target: that was given besides; None: the consensus is to be predicted.
        source: how messages name the data.

    Raises:
        DataProblem: there is one annotator alone, a column holds no classes, one has classes that nobody else knows,
            or a row has no label at all, where the consensus is to be predicted.
    """
    if len(columns) < 2:
        raise DataProblem(f"{source}: data.annotators names one column; give two or more, or make it the target")
    written = {name: _written(column, source) for name, column in columns.items()}
    said = {name: {value for value in values if value is not None} for name, values in written.items()}
    empty = [name for name, values in said.items() if not values]
    if empty:
        raise DataProblem(f"{source}: annotator {one_line(empty[0])} has given no label; take the column out")
    known = None if target is None else {value for value in _written(target, source) if value is not None}
    for name, values in said.items():
        others = known if known is not None else set().union(*(said[other] for other in said if other != name))
        _check_known(name, written[name], values, others, source, with_target=known is not None)
    classes = sorted(set().union(*said.values()))
    if len(classes) > MOST_CLASSES:
        raise DataProblem(f"{source}: the annotators have {len(classes)} classes; {MOST_CLASSES} are the most")
    place = {value: number for number, value in enumerate(classes)} | {None: -1}
    given = np.array([[place[value] for value in values] for values in written.values()], dtype=np.int64).T
    if target is None and len(unlabelled := np.flatnonzero((given < 0).all(axis=1))):
        raise DataProblem(
            f"{source}: no annotator has labelled row {unlabelled[0]} (the first row is 0), nor {len(unlabelled) - 1} "
            "others; take these rows out"
        )
    whole = all(_whole(value) for value in classes)
    return Annotations(
        tuple(columns), np.array([int(value) for value in classes]) if whole else np.array(classes), given
    )


def consensus_target(found: Annotations) -> np.ndarray:
    """The consensus of each row, by Dawid and Skene, as the data have the classes."""
    labels: np.ndarray = found.classes[dawid_skene(found.given, len(found.classes)).labels]
    return labels


def _written(column: pd.Series, source: str) -> list[str | None]:
    """The labels of a column as text, whole numbers without decimals; None where there is none."""
    import pandas as pd

    if pd.api.types.is_float_dtype(column):
        numbers = column.dropna()
        whole = np.isfinite(numbers) & (numbers == np.floor(numbers))
        if not whole.all():
            raise DataProblem(
                f"{source}: annotator {one_line(str(column.name))} has numbers such as {numbers[~whole].iloc[0]:g}; "
                "annotators give classes"
            )
    return [None if missing else _text(value) for value, missing in zip(column.tolist(), column.isna(), strict=True)]


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, float) else str(value)


def _whole(text: str) -> bool:
    """Whether a text is a whole number of 64 bits, as it is written."""
    return len(text) <= LONGEST_WHOLE and bool(_WHOLE.fullmatch(text)) and abs(int(text)) < 2**63


def _check_known(
    name: str, written: list[str | None], values: set[str], others: set[str], source: str, *, with_target: bool
) -> None:
    """DataProblem where an annotator has classes that nobody else knows: most likely it is written otherwise."""
    strange = sorted(values - others)
    if not strange:
        return
    whose = "the target" if with_target else "another annotator"
    alike = next((other for one in strange for other in others if one.strip().lower() == other.strip().lower()), None)
    if not (with_target or alike is not None or len(strange) == len(values)):
        return  # a rare class that one alone has seen
    first = strange[0]
    row = written.index(first)
    near = alike or close(first, sorted(others))
    hint = f"; did you mean {one_line(near)}?" if near else ""
    more = f" and {len(strange) - 1} more {'class' if len(strange) == 2 else 'classes'}" if len(strange) > 1 else ""
    raise DataProblem(
        f"{source}: annotator {one_line(name)} has the class {one_line(first)}{more} (row {row}), which {whose} has not"
        f"{hint}; write the classes alike, or leave the column out of data.annotators"
    )
