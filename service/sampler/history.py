"""Records as Optuna trials, and the export to a real optuna.Study.

Trials keep their numbers. Nothing here proposes or judges.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import optuna
from optuna.pruners import BasePruner, NopPruner
from optuna.samplers import RandomSampler
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as State

from goodfit.search_spaces.parameters import Fixed
from goodfit.search_spaces.space import Space
from goodfit.service.objective import Objective
from goodfit.service.records import Report, Trial, TrialState
from goodfit.service.sampler.axes import Axis, axes_of, searched

Curve = dict[int, float]  # epoch -> objective, epochs ascending
FINITE = "finite"  # the constraint that a trial breaks whose loss is not a number


def to_optuna_study(
    name: str, space: Space, objective: Objective, trials: Sequence[Trial], reports: Sequence[Report]
) -> optuna.Study:
    """A real Optuna study of what the store has, for Optuna's plots, importances and data frames.

    A QUEUED trial is WAITING, a PAUSED one RUNNING, a CANCELLED one FAIL; a pruned one has its last value, as in
    Optuna. What Optuna has no place for is in the user attributes: of the study `metric` and `fixed`, of a trial
    `number`, `state`, `verdict`, `gap`, `best_epoch` and `best_value`.
    """
    study = new_study(name, objective.direction, InMemoryStorage(), None)
    study.set_user_attr("metric", objective.metric)
    study.set_user_attr("fixed", {item.name: item.value for item in space if isinstance(item, Fixed)})
    axes, curves = axes_of(space), curves_of(reports, objective.metric)
    for trial in sorted(trials, key=lambda trial: trial.number):
        study.add_trial(_exported(trial, axes, curves.get(trial.number, {})))
    return study


def new_study(name: str, direction: str, storage: InMemoryStorage, pruner: BasePruner | None) -> optuna.Study:
    """An empty study. Its sampler is Optuna's simplest: search.py does not use it, users set their own."""
    with quiet():
        return optuna.create_study(
            study_name=name,
            direction=StudyDirection[direction.upper()],
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


def violation(trial: Trial) -> float:
    """How badly a trial breaks FINITE: the worse, the fewer epochs it held."""
    return 1.0 / (1 + trial.epochs)


def curves_of(reports: Sequence[Report], metric: str) -> dict[int, Curve]:
    """The objective by trial and epoch, of the epochs that measured it."""
    curves: dict[int, Curve] = {}
    for report in sorted(reports, key=lambda report: (report.trial, report.epoch)):
        if metric in report.metrics:
            curves.setdefault(report.trial, {})[report.epoch] = report.metrics[metric]
    return curves


def _exported(trial: Trial, axes: Mapping[str, Axis], curve: Curve) -> FrozenTrial:
    state = State.WAITING if trial.state is TrialState.QUEUED else state_of(trial)
    params, distributions = searched(axes, trial.params)
    return FrozenTrial(
        number=trial.number,
        trial_id=trial.number,
        state=state,
        value=value_of(trial, curve),
        datetime_start=None if state is State.WAITING else _local_time(trial.started or trial.ended or 0.0),
        datetime_complete=_local_time(trial.ended or 0.0) if state.is_finished() else None,
        params=params,
        distributions=distributions,
        user_attrs={
            "number": trial.number,
            "state": trial.label,
            "verdict": str(trial.verdict) if trial.verdict else None,
            "gap": trial.gap,
            "best_epoch": trial.best_epoch,
            "best_value": trial.value,
        },
        system_attrs={},
        intermediate_values=curve,
    )


def _local_time(seconds: float) -> datetime:
    """Local time without a zone: what Optuna keeps, and compares with its own clock."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().replace(tzinfo=None)
