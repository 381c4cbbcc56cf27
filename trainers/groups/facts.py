"""The groups of a study: those of each column, and those of all columns together, which are their intersections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from goodfit.trainers.data_specs import GroupSpec
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.groups.columns import GroupColumns

MOST_GROUPS = 100  # intersections; of more there are too few rows each, and too many metrics by epoch


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups that occur in a study's data.

    Attributes:
        spec: the columns, and what training does about differences.
        labels: of each column.
        cells: of each group of all columns together the place of its label in each column. A row's group is a place
            in here; -1 is a combination that does not occur in the data.
        positive: the class index of the positive outcome.
        classes: how many classes there are.
        examples: a value of each column, as the data have it.
    """

    spec: GroupSpec
    labels: tuple[tuple[str, ...], ...]
    cells: tuple[tuple[int, ...], ...]
    positive: int
    classes: int = 2
    examples: tuple[Any, ...] = ()

    @classmethod
    def of(
        cls, spec: GroupSpec, columns: GroupColumns, task: str, classes: Sequence[str], source: str
    ) -> tuple[Groups, np.ndarray]:
        """The groups, and that of each row.

        Raises:
            DataProblem: the target does not say who has the positive outcome, or there are too many intersections.
        """
        positive = _positive(spec, task, classes, source)
        cells, codes = np.unique(columns.codes, axis=0, return_inverse=True)
        if len(cells) > MOST_GROUPS:
            raise DataProblem(
                f"{source}: fairness.by names {', '.join(spec.by)}, which make {len(cells)} groups together, more than "
                f"{MOST_GROUPS}; name fewer columns, or columns of fewer groups"
            )
        if spec.thresholds != "none" and len(classes) > 2:
            raise DataProblem(
                f"{source}: fairness.thresholds needs a target of two classes, and it has {len(classes)}; leave it out"
            )
        present = tuple(tuple(cell) for cell in cells.tolist())
        found = cls(spec, columns.labels, present, positive, len(classes), columns.examples)
        found._check_names(source)
        return found, codes.reshape(-1).astype(np.int64)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Groups:
        spec = dict(values["spec"])
        spec["by"] = tuple(spec["by"])
        spec["bins"] = tuple((name, tuple(bounds)) for name, bounds in spec["bins"])
        return cls(
            GroupSpec(**spec),
            tuple(tuple(one) for one in values["labels"]),
            tuple(tuple(one) for one in values["cells"]),
            values["positive"],
            values["classes"],
            tuple(values["examples"]),
        )

    def _check_names(self, source: str) -> None:
        """DataProblem where two groups would have one name, as by values such as "x/age:old"."""
        alone = [name for column in range(len(self.spec.by)) for name in self.of_column(column)[0]]
        every = alone if len(self.spec.by) == 1 else [*alone, *self.names]
        if twice := next((name for name in every if every.count(name) > 1), None):
            raise DataProblem(
                f"{source}: fairness.by names {', '.join(self.spec.by)}, of which two groups would have the name "
                f"{twice}; write their values without a slash and the name of another column"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Of each cell: "sex:female", of several columns "sex:female/age:under 25"."""
        return tuple(self._name(cell) for cell in self.cells)

    def _name(self, cell: Sequence[int]) -> str:
        return "/".join(
            f"{column}:{labels[place]}" for column, labels, place in zip(self.spec.by, self.labels, cell, strict=True)
        )

    @property
    def everyone(self) -> tuple[str, ...]:
        """The names of all groups: those of each column, then their intersections."""
        alone = [name for column in range(len(self.spec.by)) for name in self.of_column(column)[0]]
        return tuple(dict.fromkeys([*alone, *self.names]))

    def of_column(self, column: int) -> tuple[tuple[str, ...], np.ndarray]:
        """The names of one column's groups, and the place among them of each cell."""
        names = tuple(f"{self.spec.by[column]}:{label}" for label in self.labels[column])
        return names, np.array([cell[column] for cell in self.cells], dtype=np.int64)

    def codes(self, rows: Sequence[Sequence[str]]) -> np.ndarray:
        """The group of each row whose labels are given by column; -1 where that combination is not known."""
        known = {
            tuple(labels[place] for labels, place in zip(self.labels, cell, strict=True)): number
            for number, cell in enumerate(self.cells)
        }
        return np.array([known.get(row, -1) for row in zip(*rows, strict=True)], dtype=np.int64)


def _positive(spec: GroupSpec, task: str, classes: Sequence[str], source: str) -> int:
    """The class index of the positive outcome; DataProblem where the target does not say it."""
    if task != "classification":
        raise DataProblem(
            f"{source}: fairness compares who gets the positive outcome, and the target is a number; predict a column "
            "of two classes, such as whether it is above a bound, or leave `fairness` out"
        )
    if spec.positive is None:
        if len(classes) > 2:
            raise DataProblem(
                f"{source}: fairness needs to know which of the {len(classes)} classes is the positive outcome; give "
                f"`fairness: {{positive: {classes[-1]}}}`, one of: {', '.join(classes)}"
            )
        return 1
    named = {name: place for place, name in enumerate(classes)} | _whole(classes)
    if spec.positive not in named:
        raise DataProblem(
            f"{source}: fairness.positive is {spec.positive}, which is no class of the target; choose from: "
            f"{', '.join(classes)}"
        )
    return named[spec.positive]


def _whole(classes: Sequence[str]) -> dict[str, int]:
    """Booleans as YAML reads them: true for True."""
    return {name.lower(): place for place, name in enumerate(classes) if name in ("True", "False")}
