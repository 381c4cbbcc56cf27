"""Why a trial was proposed, paused, resumed or stopped, from what the store has of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from goodfit.service.app.homes import spec_of
from goodfit.service.reasons import Reason, by_trial, reasons_of

if TYPE_CHECKING:
    from goodfit.service.ports import Trials
    from goodfit.service.records import Study, Trial


@dataclass(frozen=True, slots=True)
class Why:
    """What happened to a trial, in order."""

    study: str
    trial: int
    state: str  # Trial.label
    reasons: Sequence[Reason]

    def to_dict(self) -> dict[str, Any]:
        """As `goodfit why --json` gives it."""
        events = [{name: getattr(reason, name) for name in Reason.__slots__} for reason in self.reasons]
        return {"study": self.study, "trial": self.trial, "state": self.state, "reasons": events}

    def __str__(self) -> str:
        return "\n".join(reason.text for reason in self.reasons)


def why_of(store: Trials, study: Study, trial: Trial) -> Why:
    """Why a trial of a study is as it is."""
    confirming = [one for one in store.confirming(study.id) if one.confirms is not None]
    place = trial.number - sum(one.number < trial.number for one in confirming)
    decisions = by_trial(store.decisions(study.id)).get(trial.number, [])
    return Why(study.name, trial.number, trial.label, reasons_of(trial, decisions, spec_of(study), place))
