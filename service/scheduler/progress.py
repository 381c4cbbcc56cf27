"""What an event makes of one trial: a proposal, a report, the end of an attempt."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from goodfit.service.ports import Proposal
from goodfit.service.records import Trial, trial_seed
from goodfit.service.scheduler.events import Plan
from goodfit.trainers.messages import Ended, Outcome, Reported


def proposed(plan: Plan, proposal: Proposal, searched: int, until: int | None) -> Trial:
    """A new trial of a search that has begun so many; it trains to an epoch first, None: to its end."""
    seed = trial_seed(plan.seed, searched) if plan.trial_seed is None else plan.trial_seed
    params = proposal.params or {}
    if plan.open_space:  # its parameters are those that it will ask for
        return Trial(proposal.trial, {}, seed, until=until, proposed=params)
    return Trial(proposal.trial, params, seed, until=until)


def confirming(trial: Trial, number: int, seed: int) -> Trial:
    """A trial that trains the configuration of another again, on a fresh seed."""
    return Trial(number, trial.params, seed, confirms=trial.number, share=trial.share, schedule=trial.schedule)


def reported(plan: Plan, trial: Trial, event: Reported) -> Trial:
    """The trial after one epoch more; its value is that of its best epoch, or of the last where that counts."""
    value = event.metrics.get(plan.objective.metric)
    changes: dict[str, Any] = {"epochs": event.epoch, "worker_deaths": 0}
    if value is not None:
        changes["last_value"] = value
        before = None if plan.folds or plan.last_counts else trial.value
        if not math.isnan(value) and (before is None or plan.objective.better(value, before)):
            changes |= {"value": value, "best_epoch": event.epoch}
            changes["measured"] = plan.objective.measured(event.metrics)
            changes["violation"] = plan.objective.violation(event.metrics)
    if event.final:  # no decision is due: another attempt has only to end
        changes["until"] = None
    return replace(trial, **changes)


def given_up(trial: Trial, event: Ended) -> Trial:
    """The trial, pruned where its trainer itself gave it up."""
    return replace(trial, prune_at=trial.epochs) if event.outcome is Outcome.PRUNED and not trial.cut else trial


def completed(trial: Trial, event: Ended) -> dict[str, Any]:
    """What a trial that was trained to its end has measured."""
    measured: dict[str, Any] = {"test": event.test, "size": event.size, "message": event.message}
    if event.value is not None:  # returned, and not that of its last report
        measured |= {"value": event.value, "last_value": event.value, "best_epoch": trial.epochs}
    return measured
