"""`trial.study` as Optuna's objectives know it: what a trial on a worker can say of its study, and how it ends it."""

from __future__ import annotations

import functools
import logging
from typing import Any

from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from goodfit.trainers.trial import Inside

_KNOWN = "study_name, direction, directions, best_trial, best_value, best_params and stop()"


class ObjectiveStudy:
    """A study of ours, as it was when the trial began.

    Attributes:
        study_name: in Goodfit.
        directions: of its objectives, in their order.
        user_attrs: none: the study file says what is of the whole study.
    """

    def __init__(self, inside: Inside) -> None:
        self.study_name = inside.study
        self.directions = [StudyDirection[direction.upper()] for _, direction in inside.objectives]
        self.user_attrs: dict[str, Any] = {}
        self._inside = inside

    @functools.cached_property
    def storage(self) -> InMemoryStorage:
        """A storage with this one trial in it, its first, for optuna.artifacts and the like, which write to it."""
        storage = InMemoryStorage()
        log = logging.getLogger(InMemoryStorage.__module__)
        before = log.level
        log.setLevel(logging.WARNING)  # it says of each study that it was created
        storage.create_new_trial(storage.create_new_study(self.directions, self.study_name))
        log.setLevel(before)
        return storage

    @property
    def direction(self) -> StudyDirection:
        self._require_one("direction", "use trial.study.directions")
        return self.directions[0]

    @property
    def best_trial(self) -> FrozenTrial:
        """The best trial, as it was when this one began; ValueError where none has a value yet, as in Optuna."""
        self._require_one("best_trial", "`goodfit best NAME --pareto` shows the front")
        best = self._inside.best
        if best is None:
            raise ValueError("No trials are completed yet.")
        return FrozenTrial(
            number=best.trial,
            trial_id=best.trial,
            state=TrialState.COMPLETE,
            value=best.value,
            params=dict(best.params),
            distributions={},  # known to the trials that asked for them
            user_attrs=dict(best.notes),
            system_attrs={},
            intermediate_values={},
            datetime_start=None,
            datetime_complete=None,
        )

    @property
    def best_value(self) -> float:
        """As best_trial."""
        return self.best_trial.value  # type: ignore[return-value]

    @property
    def best_params(self) -> dict[str, Any]:
        """As best_trial."""
        return self.best_trial.params

    def stop(self) -> None:
        """Have no further trial begin; those that run go on to their ends."""
        self._inside.end_search()

    def _require_one(self, name: str, instead: str) -> None:
        if self._is_multi_objective():
            raise RuntimeError(f"trial.study.{name} is of a study with one objective; {instead}")

    def _is_multi_objective(self) -> bool:
        return len(self.directions) > 1

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"trial.study.{name} is not available: trials run on workers, which do not see the other trials; "
            f"of its study a trial has {_KNOWN}",
            name=name,
            obj=self,
        )
