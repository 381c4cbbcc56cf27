"""What adapters of other libraries need of a trial, beside what every trainer gets.

A class of its own, for a trainer sees none of it: its objective has a split, its parameters are known before it starts,
and it ends with its last epoch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from goodfit.trainers.messages import EndSearch, Suggested
from goodfit.trainers.trial.handle import NotANumber, Trial
from goodfit.trainers.trial.metrics import named_alone
from goodfit.trainers.trial.notes import checked_key


class Inside:
    """A trial from inside.

    Attributes:
        study: the name of its study.
        objective: the metric that the study optimizes.
        direction: minimize or maximize.
        objectives: the metric and the direction of each objective, the first among them.
        open_space: whether its trainer may ask for parameters that its configuration lacks.
        changes: whether its parameters may change while it trains.
        best: the best trial of the study, as it was when this attempt began; None: none has a value yet.
    """

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        assignment = trial._assignment  # noqa: SLF001 - the inside of it
        self._attempt = assignment.attempt
        self.study, self.objective = assignment.study, assignment.metric
        self.direction, self.open_space = assignment.direction, assignment.open_space
        self.changes, self.best = assignment.must_resume, assignment.best
        self.objectives = ((assignment.metric, assignment.direction), *assignment.more_objectives)

    def report(self, metrics: Mapping[str, Any]) -> None:
        """Report an epoch's metrics under the names that they have: those of other libraries have no split.

        Raises:
            BadTrainer, MetricMissing: as by Trial.report; also where the first report lacks the objective.
        """
        self._trial._take(named_alone(metrics), metrics, complete=True)  # noqa: SLF001

    def suggest(self, value: Any, parameter: Mapping[str, Any]) -> None:
        """Tell the study of a parameter that the trainer has asked for, and the value that it has got."""
        send = self._trial._channel.send  # noqa: SLF001
        send(Suggested(self._trial.number, self._attempt, value, dict(parameter)))

    def end_search(self) -> None:
        """Have no further trial of the search begin; those that run go on."""
        self._trial._channel.send(EndSearch(self._trial.number, self._attempt))  # noqa: SLF001

    def note(self, key: str, value: Any) -> None:
        """Keep a user attribute of another library: a note whose value is anything that JSON has a form for."""
        self._trial._keep_note(checked_key(key, self._trial._notes), value)  # noqa: SLF001

    @property
    def notes(self) -> Mapping[str, Any]:
        """What is noted, by this attempt and those before."""
        return self._trial._notes  # noqa: SLF001

    def finish(self, value: float | None = None) -> None:
        """The trainer has come to its end, whether or not that was the last epoch.

        Args:
            value: the objective, where it is not that of the last report.
        """
        if value is not None and not math.isfinite(value):
            raise NotANumber(f"{self.objective} is {value}, as the trainer returns it")
        self._trial._over, self._trial._returned = True, value  # noqa: SLF001
