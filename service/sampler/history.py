"""Records as Optuna trials, and the export to a real optuna.Study.

Trials keep their numbers. Nothing here proposes or judges.
"""

from __future__ import annotations

import contextlib
import copy
import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner, NopPruner
from optuna.samplers import RandomSampler
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as State

from goodfit.search_spaces.parameters import Fixed
from goodfit.search_spaces.space import Space
from goodfit.service.objective import Objective
from goodfit.service.records import Failure, Report, Trial, TrialState, losses_of
from goodfit.service.sampler.axes import Axis, axes_of, searched

Curve = dict[int, float]  # epoch -> objective, epochs ascending
FINITE = "finite"  # the constraint that a trial breaks whose loss is not a number
TRAINED = "trained"  # and the one that a pruned trial breaks, where there are several objectives


def to_optuna_study(
    name: str, space: Space, objective: Objective, trials: Sequence[Trial], reports: Sequence[Report]
) -> optuna.Study:
    """A real Optuna study of what the store has, for Optuna's plots, importances and data frames.

    A QUEUED trial is WAITING, a PAUSED one RUNNING, a CANCELLED one FAIL; a pruned one has its last value, as in
    Optuna. What Optuna has no place for is in the user attributes: of the study `metric` and `fixed`, of a trial
    `number`, `state`, `verdict`, `gap`, `best_epoch` and `best_value`, and its notes: one with such a name as
    `notes.NAME`. Of several objectives (`metrics`) a trial has the values at its best epoch by the first one, and no
    curve. Constraints are there as Optuna has them.
    """
    study = new_study(name, objective, InMemoryStorage(), None)
    study.set_user_attr("metric", objective.metric)
    if objective.others:
        study.set_user_attr("metrics", [one.metric for one in objective.all])
    study.set_user_attr("fixed", {item.name: item.value for item in space if isinstance(item, Fixed)})
    axes, curves = axes_of(space), curves_of(reports, replace(objective, constraints=()))
    for trial in sorted(trials, key=lambda trial: trial.number):
        study.add_trial(_exported(trial, axes, curves.get(trial.number, {}), objective))
    return study


class KeptTrial(FrozenTrial):
    """A trial that is copied without its distributions, which never change.

    Optuna copies a trial as its storage takes it in and as it gives it back, and distributions are most of that work.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> KeptTrial:
        found = copy.copy(self)
        found.params, found.distributions = dict(self.params), dict(self.distributions)
        found.user_attrs, found.system_attrs = copy.deepcopy(self.user_attrs, memo), dict(self.system_attrs)
        found.intermediate_values = dict(self.intermediate_values)
        return found

    @classmethod
    def of(
        cls,
        state: State,
        worth: Sequence[float] | None,
        values: Mapping[str, Any],
        distributions: Mapping[str, BaseDistribution],
        *,
        curve: Curve | None = None,
        noted: Mapping[str, Any] | None = None,
        constraints: Mapping[str, float] | None = None,
    ) -> KeptTrial:
        """As Optuna's `create_trial`: a study numbers it when it is added."""
        now = dt.datetime.now()  # noqa: DTZ005 - as Optuna's own
        found = cls(
            number=-1,
            trial_id=-1,
            state=state,
            value=None,
            values=worth,
            datetime_start=now,
            datetime_complete=now if state.is_finished() else None,
            params=dict(values),
            distributions=dict(distributions),
            user_attrs={},
            system_attrs=dict(noted or {}),
            intermediate_values=dict(curve or {}),
        )
        for constraint, by in (constraints or {}).items():
            found.set_constraint(constraint, by)
        return found


def new_study(name: str, objective: Objective, storage: InMemoryStorage, pruner: BasePruner | None) -> optuna.Study:
    """An empty study. Its sampler is Optuna's simplest: search.py does not use it, users set their own."""
    with quiet():
        return optuna.create_study(
            study_name=name,
            directions=[StudyDirection[one.direction.upper()] for one in objective.all],
            storage=storage,
            sampler=RandomSampler(seed=0),
            pruner=pruner or NopPruner(),
        )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna from announcing a study; its loggers have the user's level again afterwards."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(level, optuna.logging.WARNING))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)


def state_of(trial: Trial) -> State:
    """Optuna's state. Its models leave FAIL out: a cancelled curve says nothing against its configuration."""
    match trial.state:
        case TrialState.QUEUED | TrialState.RUNNING | TrialState.PAUSED:
            return State.RUNNING
        case TrialState.PRUNED:
            return State.PRUNED
        case TrialState.COMPLETE if trial.value is not None and not math.isnan(trial.value):
            return State.COMPLETE
    return State.FAIL


def value_of(trial: Trial, curve: Curve) -> float | None:
    """What Optuna takes for a trial's value: the best, or the last one if it was pruned."""
    match state_of(trial):
        case State.COMPLETE:
            return trial.value
        case State.PRUNED if curve:
            last = curve[max(curve)]
            return None if math.isnan(last) else last
    return None


def values_of(trial: Trial, curve: Curve, objective: Objective) -> list[float] | None:
    """What Optuna takes for a trial's values: of several objectives those at its best epoch, if it is complete."""
    if not objective.others:
        value = value_of(trial, curve)
        return None if value is None else [value]
    losses = losses_of(trial, objective) if state_of(trial) is State.COMPLETE else None
    if losses is None:
        return None
    return [one.sign * loss for one, loss in zip(objective.all, losses, strict=True)]


def broken(trial: Trial, objective: Objective) -> dict[str, float]:
    """By how much a finished trial breaks what the search takes for constraints; nothing where the study has none.

    Of several objectives Optuna's models cannot compare a pruned trial with others: it counts as one that breaks a
    constraint, the more, the earlier it ended.
    """
    found = {FINITE: violation(trial)} if trial.failure is Failure.NAN else {}
    found |= bounds_of(trial, objective)
    if objective.others and trial.state is TrialState.PRUNED:
        found[TRAINED] = violation(trial)
    return found


def bounds_of(trial: Trial, objective: Objective) -> dict[str, float]:
    """By how much a trial breaks each of the study's constraints at its best epoch; 0: not."""
    if trial.value is None:
        return {}
    measured = {**(trial.measured or {}), objective.metric: trial.value}
    return {str(one): one.violation(measured.get(one.metric)) for one in objective.constraints}


def violation(trial: Trial) -> float:
    """How badly a trial breaks FINITE or TRAINED: the worse, the fewer epochs it held."""
    return 1.0 / (1 + trial.epochs)


def curves_of(reports: Sequence[Report], objective: Objective) -> dict[int, Curve]:
    """The objective by trial and epoch, of the epochs that measured it; by its constraints, as it is ranked."""
    curves: dict[int, Curve] = {}
    for report in sorted(reports, key=lambda report: (report.trial, report.epoch)):
        value = report.metrics.get(objective.metric)
        if value is not None:
            curves.setdefault(report.trial, {})[report.epoch] = objective.penalized(value, report.metrics)
    return curves


def _exported(trial: Trial, axes: Mapping[str, Axis], curve: Curve, objective: Objective) -> FrozenTrial:
    state = State.WAITING if trial.state is TrialState.QUEUED else state_of(trial)
    values = values_of(trial, curve, objective)
    if state is State.COMPLETE and values is None:  # another objective was not a number
        state = State.FAIL
    params, distributions = searched(axes, trial.params)
    exported = FrozenTrial(
        number=trial.number,
        trial_id=trial.number,
        state=state,
        value=None,
        values=values,
        datetime_start=None if state is State.WAITING else _local_time(trial.started or trial.ended or 0.0),
        datetime_complete=_local_time(trial.ended or 0.0) if state.is_finished() else None,
        params=params,
        distributions=distributions,
        user_attrs=_attributes(trial),
        system_attrs={},
        intermediate_values={} if objective.others else curve,
    )
    for constraint, by in bounds_of(trial, objective).items() if state.is_finished() else ():
        exported.set_constraint(constraint, by)
    return exported


def _attributes(trial: Trial) -> dict[str, Any]:
    """Goodfit's findings and the trial's notes; a note that is named as a finding does not take its place."""
    found = {
        "number": trial.number,
        "state": trial.label,
        "verdict": str(trial.verdict) if trial.verdict else None,
        "gap": trial.gap,
        "best_epoch": trial.best_epoch,
        "best_value": trial.value,
    }
    notes = {f"notes.{key}" if key in found else key: value for key, value in (trial.notes or {}).items()}
    return {**notes, **found}


def _local_time(seconds: float) -> dt.datetime:
    """Local time without a zone: what Optuna keeps, and compares with its own clock."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).astimezone().replace(tzinfo=None)
