"""Tables: what each column adds to a prediction, which count over all rows, and how the output follows them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from goodfit.trainers.errors import DataProblem
from goodfit.trainers.explaining.explanation import Check, Dependence, Explanation, Importance, RowExplained
from goodfit.trainers.explaining.games import Game
from goodfit.trainers.explaining.importance import (
    measure_of,
    partial_dependence,
    permutation_importance,
    shown_column,
)
from goodfit.trainers.explaining.models import OutOfTime, TorchModel, meaning_of
from goodfit.trainers.explaining.rows import among_active, by_outputs, checks_of, one_by_one
from goodfit.trainers.explaining.samples import columns_of
from goodfit.trainers.explaining.shapley import Attribution

if TYPE_CHECKING:
    from goodfit.trainers.explaining.explaining import Task

FEW = 10  # columns of which all coalitions are looked at without being asked to
MOST_EXACT = 16  # likewise, when asked to: 65,536 coalitions a row
MOST_KERNEL = 1000  # columns; its matrices grow with their square
DEPENDENCES = 6


class _Table:
    """A table's rows as games."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.columns, self.players = columns_of(task.model.facts)
        rows = task.material.rows
        self.shown = [shown_column(rows, place, name) for place, name in enumerate(self.columns)]
        self.method = task.request.method or self._usual()
        self._check()

    def _usual(self) -> str:
        """The method for so many columns."""
        if len(self.columns) <= FEW:
            return "exact"
        if len(self.columns) <= MOST_KERNEL:
            return "kernel"
        return "occlusion" if self.task.why_no_gradients else "gradient"

    def _check(self) -> None:
        count = len(self.columns)
        if self.method == "exact" and count > MOST_EXACT:
            raise DataProblem(
                f"method exact looks at 2**{count} coalitions of {count} columns; up to {MOST_EXACT} columns are "
                "taken: give kernel, which samples them"
            )
        if self.method in ("kernel", "lime") and count > MOST_KERNEL:
            raise DataProblem(
                f"method {self.method} takes up to {MOST_KERNEL} columns, not {count}; give gradient or occlusion"
            )
        if self.method == "gradient":
            self.task.torch_model("gradient")
        elif self.task.request.method is None and not isinstance(self.task.model, TorchModel):
            self.task.note(f"{self.task.why_no_gradients}; so it is explained by its outputs")

    def game(self, place: int) -> Game:
        """The game of a row among all columns."""
        task = self.task
        background = task.material.background.x
        return Game(task.outputs, task.material.rows.x[place], background, self.players, len(self.columns))

    def attribute(self, place: int) -> Attribution:
        """What the columns add in a row; those whose value all background rows share add nothing, exactly."""
        return among_active(self.game(place), lambda game: self._attributed(game, place))

    def _attributed(self, game: Game, place: int) -> Attribution:
        return (
            self._by_gradients(game, place) if self.method == "gradient" else by_outputs(self.task, self.method, game)
        )

    def _by_gradients(self, game: Game, place: int) -> Attribution:
        """Of the output that is explained alone; the others are 0."""
        from goodfit.trainers.explaining.gradients import integrated

        output = int(self.task.places[place])
        found = integrated(self.task.torch_model("gradient"), game.row, game.baselines, output, self.task.outputs.check)
        names = meaning_of(self.task.model.facts).names
        values = np.zeros((game.count, len(names)))
        kept = game.players >= 0
        np.add.at(values[:, output], game.players[kept], found.values[kept])
        base, prediction = np.zeros(len(names)), np.zeros(len(names))
        base[output], prediction[output] = found.base, found.prediction
        return Attribution(values, base, prediction, coalitions=found.points, span=found.span)


def explain_table(task: Task) -> Explanation:
    """The attributions of a table's rows, and what holds over all of them."""
    table = _Table(task)
    facts, names = task.model.facts, meaning_of(task.model.facts).names
    places = task.places
    found = one_by_one(task, table.attribute)
    rows = tuple(_row(table, one, place, int(places[place]), names) for place, one in enumerate(found))
    size = None if table.method == "gradient" else np.mean([np.abs(one.values) for one in found], axis=0)
    explanation = Explanation(
        family="table",
        method=table.method,
        methods=(table.method,),
        unit=meaning_of(facts).unit,
        outputs=names,
        output=task.output,
        parts=table.columns,
        rows=rows,
        size=size,
    )
    checks = _checks(table, found, rows)
    importance = _importance(table)
    dependence = _dependence(table, explanation)
    return replace(
        explanation,
        importance=tuple(importance),
        measure=measure_of(facts) if importance else "",
        dependence=tuple(dependence),
        checks=tuple(checks),
        methods=(
            table.method,
            *(["permutation importance"] if importance else []),
            *(["partial dependence"] if dependence else []),
        ),
        notes=tuple(task.notes),
    )


def _row(table: _Table, found: Attribution, place: int, output: int, names: tuple[str, ...]) -> RowExplained:
    return RowExplained(
        row=table.task.material.rows.labels[place],
        output=names[output],
        prediction=float(found.prediction[output]),
        base=float(found.base[output]),
        values=found.values[:, output],
        error=None if found.error is None else found.error[:, output],
        shown=tuple(_text(values[place]) for values in table.shown),
    )


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"


def _checks(table: _Table, found: list[Attribution], rows: tuple[RowExplained, ...]) -> list[Check]:
    task, method = table.task, table.method
    outputs = [int(task.places[place]) for place in range(len(rows))]
    games = [table.game(place) for place in range(len(rows))]
    return checks_of(task, method, found, games, [row.values for row in rows], outputs)


def _importance(table: _Table) -> list[Importance]:
    task = table.task
    if task.material.measured is None or task.material.measured.y is None:
        task.note("permutation importance needs rows with their targets, which are not here")
        return []
    try:
        return permutation_importance(
            task.outputs, task.material.measured, table.players, len(table.columns), task.model.facts, task.request.seed
        )
    except OutOfTime:
        task.note(f"permutation importance was not done within {task.request.seconds:g} s; give --seconds for more")
        return []


def _dependence(table: _Table, explanation: Explanation) -> list[Dependence]:
    """The curves of the columns that count most; of several classes, of the one that is predicted most often."""
    task = table.task
    output = int(np.bincount(task.places[: len(explanation.rows)]).argmax())
    called = explanation.outputs[output]
    found = []
    try:
        for place in explanation.order()[:DEPENDENCES]:
            curve = partial_dependence(
                task.outputs, task.material.background, table.players, place, table.columns[place], output, called
            )
            found += [curve] if curve is not None else []
    except OutOfTime:
        task.note(f"partial dependence was not done within {task.request.seconds:g} s; give --seconds for more")
    return found
