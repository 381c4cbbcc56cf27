"""What is left of a study: its search, its confirmation; and what becomes of a trial that is to be trained again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from goodfit.service.records import (
    FINISHED,
    Failure,
    StudyState,
    Trial,
    TrialState,
    best_with_each,
    pareto_front,
    ranked,
    trial_seed,
)
from goodfit.service.scheduler.events import Close, Plan, Reason
from goodfit.service.scheduler.failure_limit import cause_of

# What these trials had trained may be as wrong as what ended them; the others lost a worker, time or memory.
_FROM_THE_START = (Failure.ERROR, Failure.NAN)


def is_at_budget(plan: Plan, searched: int) -> bool:
    """Whether a search of so many trials has as many as it may have."""
    return plan.trials is not None and searched >= plan.trials


def is_spent(plan: Plan, trials: Collection[Trial]) -> bool:
    """Whether the search has trained as many epochs as it may."""
    if plan.epoch_budget is None:
        return False
    return sum(trial.epochs for trial in trials if trial.confirms is None) >= plan.epoch_budget


def reaches_target(plan: Plan, trial: Trial) -> bool:
    """Whether this trial of the search ends it."""
    if plan.target is None or trial.value is None or trial.confirms is not None:
        return False
    if trial.state is not TrialState.COMPLETE:
        return False
    if not trial.feasible:
        return False
    return trial.value == plan.target or plan.objective.better(trial.value, plan.target)


def confirmations_due(plan: Plan, trials: Collection[Trial]) -> list[tuple[Trial, int]]:
    """The best trials of the search, each with the fresh seeds on which it is still to be trained again.

    All configurations get the same seeds, so that they are compared on the same draws. What an earlier
    confirmation trained already, before the search went on, is not trained once more. Of several objectives, those
    of the front are confirmed that are best by the first one. Where the plan contrasts parameters, the best trial with
    each of their values comes with them, though it may break the constraints: it shows what keeping them costs.
    """
    if plan.confirm is None:
        return []
    top, seeds = plan.confirm
    there = {(one.confirms, one.seed) for one in trials if one.state is not TrialState.CANCELLED}
    fresh = [trial_seed(plan.seed, -1 - turn) for turn in range(seeds)]  # of no trial of the search: these count from 0
    objective = plan.objective
    chosen = (pareto_front(trials, objective) if objective.others else ranked(trials, objective))[:top]
    chosen += [trial for trial in best_with_each(trials, plan.contrast, objective) if trial not in chosen]
    return [(trial, seed) for trial in chosen for seed in fresh if (trial.number, seed) not in there]


def is_over(plan: Plan, trials: Collection[Trial], *, time_spent: bool) -> bool:
    """Whether a runner would find nothing to do, as far as can be told without asking the sampler."""
    if any(trial.state not in FINISHED for trial in trials):
        return False
    searched = sum(trial.confirms is None for trial in trials)
    ended = time_spent or is_at_budget(plan, searched) or is_spent(plan, trials)
    ended = ended or any(reaches_target(plan, trial) for trial in trials)
    return ended and not confirmations_due(plan, trials)


def closed(plan: Plan, reason: Reason | None, message: str | None, trials: Collection[Trial]) -> Close:
    """How a study ends that has nothing left to do, for this reason, or None: because its search is over."""
    match reason:
        case Reason.INTERRUPT | Reason.NO_DISK:
            return Close(StudyState.INTERRUPTED, message)
        case Reason.STOP:
            return Close(StudyState.STOPPED, message)
        case Reason.UNUSABLE | Reason.FAILURES:
            return Close(StudyState.FAILED, message)
    if any(trial.state is TrialState.COMPLETE for trial in trials):
        return Close(StudyState.DONE, message)
    why = _budget_below_one_training(plan) or _commonest_failure(trials)
    return Close(StudyState.FAILED, f"no trial was trained to its end{why}")


def _commonest_failure(trials: Collection[Trial]) -> str:
    """Why most of the failed trials failed, in the words of the first of them."""
    failed = [trial for trial in trials if trial.state is TrialState.FAILED]
    if not failed:
        return ""
    (cause, count), *_ = Counter(cause_of(trial) for trial in failed).most_common(1)
    first = next(trial for trial in failed if cause_of(trial) == cause)
    return f": {count} of {len(trials)} trials failed with: {first.message or first.label}"


def _budget_below_one_training(plan: Plan) -> str:
    unit = "folds" if plan.folds else "epochs"
    if plan.epoch_budget is None or plan.epoch_budget >= plan.epochs:
        return ""
    return f": budget.epochs is {plan.epoch_budget}, a training {plan.epochs} {unit}"


def again(trial: Trial) -> Trial:
    """A trial that failed, or was cancelled for want of budget, back in the queue under its number.

    After an error or a NaN it begins anew; otherwise it goes on from its last checkpoint.
    """
    changes: dict[str, Any] = dict.fromkeys(
        ("until", "failure", "message", "ended", "verdict", "gap", "diagnosis", "test")
    )
    if trial.failure in _FROM_THE_START:
        changes |= dict.fromkeys(("value", "best_epoch", "last_value", "size", "measured", "violation", "notes"))
        changes |= {"epochs": 0, "began": trial.attempts + 1, "schedule": None}
    return replace(trial.to(TrialState.QUEUED, worker_deaths=0), **changes)
