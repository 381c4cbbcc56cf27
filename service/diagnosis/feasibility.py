"""Why a study has no best trial, or no front, although some were trained to their end."""

from __future__ import annotations

import math
from collections.abc import Iterable

from goodfit.service.objective import Objective
from goodfit.service.records import Trial, TrialState, is_candidate, losses_of


def why_none_feasible(trials: Iterable[Trial], objective: Objective) -> str | None:
    """What to say where no complete trial keeps the constraints; None where one does, or none is complete."""
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE and trial.confirms is None]
    if not complete or any(trial.feasible for trial in complete):
        return None
    nearest = min(complete, key=lambda trial: (trial.violation, trial.number))
    value = math.nan if nearest.value is None else nearest.value
    broken = objective.broken_by({**(nearest.measured or {}), objective.metric: value})
    if len(complete) > 1:
        found = f"all {len(complete)} complete trials break the constraints; the nearest is trial {nearest.number}"
    else:
        found = "the only complete trial breaks the constraints"
    return f"{found}: {broken}. Loosen a bound, widen the space, or raise the budget"


def why_no_front(trials: Iterable[Trial], objective: Objective) -> str | None:
    """What to say where complete trials keep the constraints, and none has all objectives; None elsewhere."""
    able = [trial for trial in trials if is_candidate(trial)]
    if not objective.others or not able or any(losses_of(trial, objective) is not None for trial in able):
        return None
    names = ", ".join(one.metric for one in objective.all)
    which = "the only complete trial" if len(able) == 1 else f"each of the {len(able)} complete trials"
    return f"{which} lacks a finite number in one of {names} at its best epoch; see what the trainer reports"
