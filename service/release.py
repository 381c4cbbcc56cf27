"""Whether a study's best model may be released: its gates, and what was decided. Pure: no store, no clock.

A decision is an entry of the audit log (records.RELEASES): `release` is what the gates come to, `approve` and `reject`
are people's. Which model has which alias in MLflow's registry follows from the decisions of a study, in their order.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from goodfit.service.diagnosis.confirmation import winner_of
from goodfit.service.errors import did_you_mean
from goodfit.service.objective import Constraint
from goodfit.service.records import FINISHED, AuditEntry, Report, Study, Trial, TrialState, Verdict
from goodfit.service.spec import StudySpec
from goodfit.service.spec.checks import unscored
from goodfit.service.spec.release import APPROVED, CONFIRMED, GOOD_FIT, Gate
from goodfit.trainers.readable import one_line

CHAMPION, CANDIDATE, REJECTED = "champion", "candidate", "rejected"
RELEASE, APPROVE, REJECT = "release", "approve", "reject"  # the actions of decisions
LABEL_FIGURES = "label_errors"  # the kind of a study's figures that a look for label errors leaves


@dataclass(frozen=True, slots=True)
class Held:
    """A gate, and whether it holds.

    Attributes:
        gate: as the study file has it.
        held: whether it holds.
        reason: what it was judged by: "test/accuracy is 0.93".
    """

    gate: str
    held: bool
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"gate": self.gate, "held": self.held, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Ruling:
    """A decision about the release of one model.

    Attributes:
        at: seconds since the epoch.
        by: who decided.
        action: release, approve or reject.
        trial: whose model.
        status: champion, candidate or rejected: what it is since.
        gates: of the study, as they were then.
        override: the gates that failed, and that an approval has overruled.
        note: of who decided.
    """

    at: float
    by: str
    action: str
    trial: int
    status: str
    gates: Sequence[Held] = ()
    override: Sequence[str] = ()
    note: str = ""

    @classmethod
    def of(cls, entry: AuditEntry) -> Ruling:
        """The decision that an entry of the audit log is."""
        found = entry.after or {}
        gates = tuple(Held(one["gate"], one["held"], one["reason"]) for one in found.get("gates", ()))
        override = tuple(found.get("override", ()))
        note = found.get("note", "")
        return cls(entry.at, entry.who, entry.action, found["trial"], found["status"], gates, override, note)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, as the audit log has them beside who and when."""
        return {
            "trial": self.trial,
            "status": self.status,
            "gates": [one.to_dict() for one in self.gates],
            "override": list(self.override),
            "note": self.note,
        }

    @property
    def text(self) -> str:
        """It in one sentence, and one line."""
        note = one_line(self.note)
        if self.status == REJECTED:
            return f"trial {self.trial} is rejected" + (f": {note}" if note else "")
        failed = [one.reason for one in self.gates if not one.held]
        if self.action == RELEASE:
            return f"trial {self.trial} is {self.status}" + (f": {'; '.join(failed)}" if failed else "")
        said = f"trial {self.trial} is {self.status}, approved by {self.by}"
        if self.override:
            said += f" over {len(self.override)} failed {_gates(self.override)}: {', '.join(self.override)}"
        return said + (f" ({note})" if note else "")


def _gates(items: Sequence[object]) -> str:
    return "gate" if len(items) == 1 else "gates"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a study's decisions come to.

    Attributes:
        number: how many decisions it follows from.
        champion: the trial whose model is released; None: none is.
        candidate: the trial whose model is registered, and not released; None: none is.
        newest: the trial of the last decision.
        last: the last decision about each trial.
        reviews: likewise, of those that people have made.
    """

    number: int = 0
    champion: int | None = None
    candidate: int | None = None
    newest: int | None = None
    last: Mapping[int, Ruling] = field(default_factory=dict)
    reviews: Mapping[int, Ruling] = field(default_factory=dict)

    def reason(self, trial: int) -> str:
        """Why it is that, in a sentence; empty where nothing was decided of it."""
        return self.last[trial].text if trial in self.last else ""

    def status(self, trial: int) -> str | None:
        """What the model of a trial is; None where nothing was decided of it."""
        if trial == self.champion:
            return CHAMPION
        return self.last[trial].status if trial in self.last else None


def standing(rulings: Sequence[Ruling], first: int | None = None) -> Standing:
    """Which of a study's models is released.

    A failed gate never takes the alias from a model that has it. A rejection does: the one released before gets it.

    Args:
        rulings: all decisions, in their order.
        first: the trial that was champion before the first of them.
    """
    released = [] if first is None else [first]
    champion: int | None = first
    candidate: int | None = None
    last: dict[int, Ruling] = {}
    reviews: dict[int, Ruling] = {}
    for one in rulings:
        if one.status == CHAMPION:
            released = [*(trial for trial in released if trial != one.trial), one.trial]
        elif one.status == REJECTED:
            released = [trial for trial in released if trial != one.trial]
        champion = released[-1] if released else None
        candidate = one.trial if one.status == CANDIDATE and one.trial != champion else None
        last[one.trial] = one
        if one.action != RELEASE:
            reviews[one.trial] = one
    return Standing(len(rulings), champion, candidate, rulings[-1].trial if rulings else first, last, reviews)


def due(stands: Standing, best: Trial, gates: Sequence[Held], at: float, by: str) -> Ruling | None:
    """What the gates come to for a study's best trial, where that has not been decided yet.

    What somebody has rejected stays so until it is approved; an approval holds for the gates that it has overruled.
    """
    review, before = stands.reviews.get(best.number), stands.last.get(best.number)
    if review is not None and review.action == REJECT:
        return None
    failed = {one.gate for one in gates if not one.held}
    overruled = review is not None and failed <= set(review.override)
    released = not failed or overruled or stands.champion == best.number
    ruling = Ruling(at, by, RELEASE, best.number, CHAMPION if released else CANDIDATE, gates)
    if before is None or not _alike(before, ruling):
        return ruling
    return ruling if released and stands.champion != best.number else None


def _alike(one: Ruling, other: Ruling) -> bool:
    """Whether two decisions say the same of the same gates."""
    outcomes = [[(gate.gate, gate.held) for gate in ruling.gates] for ruling in (one, other)]
    return one.status == other.status and outcomes[0] == outcomes[1]


def reviewed(action: str, best: Trial, gates: Sequence[Held], at: float, by: str, note: str) -> Ruling:
    """What somebody decides about a study's best trial; an approval says which failed gates it overrules."""
    if action == REJECT:
        return Ruling(at, by, REJECT, best.number, REJECTED, gates, (), note)
    override = tuple(one.gate for one in gates if not one.held)
    return Ruling(at, by, APPROVE, best.number, CHAMPION, gates, override, note)


def judge(
    spec: StudySpec,
    study: Study,
    trials: Sequence[Trial],
    best: Trial,
    curve: Sequence[Report],
    review: Ruling | None,
) -> list[Held]:
    """Each gate of a study, and whether it holds for its best trial.

    Args:
        spec: of the study; without `release:` it has no gates.
        study: the record, with its figures.
        trials: its best ones and those of its confirmation.
        best: the trial.
        curve: its reports.
        review: what somebody decided about it last; None: nobody did.
    """
    metrics = metrics_of(best, trials, curve)
    gates = spec.release.require if spec.release is not None else ()
    return [_judged(gate, spec, study, trials, best, metrics, review) for gate in gates]


def metrics_of(best: Trial, trials: Sequence[Trial], curve: Sequence[Report]) -> dict[str, float]:
    """What a trial came to at its best epoch, and `test/...`: the mean over the seeds of its confirmation."""
    at_best = [report for report in curve if report.epoch == best.best_epoch] or list(curve[-1:])
    found = dict(at_best[-1].metrics) if at_best else {}
    scored = [one.test for one in trials if one.confirms == best.number and one.test is not None]
    names = dict.fromkeys(name for test in scored for name in test)
    for name in names:
        values = [test[name] for test in scored if name in test]
        found[f"test/{name}"] = statistics.fmean(values) if all(map(math.isfinite, values)) else math.nan
    return found


def _judged(
    gate: Gate,
    spec: StudySpec,
    study: Study,
    trials: Sequence[Trial],
    best: Trial,
    metrics: Mapping[str, float],
    review: Ruling | None,
) -> Held:
    if gate.bound is not None:
        held, reason = _bounded(gate.bound, metrics, _unconfirmed(spec, study))
    elif gate.limit is not None:
        held, reason = _labels(gate.limit, study, best)
    elif gate.name == CONFIRMED:
        held, reason = _confirmed(spec, trials, best, _unconfirmed(spec, study))
    elif gate.name == GOOD_FIT:
        held, reason = (
            best.verdict is Verdict.GOOD_FIT,
            f"the verdict of trial {best.number} is {best.verdict or 'open'}",
        )
    elif gate.name == APPROVED:
        held, reason = _approved(review, best)
    else:  # of a newer version
        held, reason = False, f"{gate} is not known to this version of Goodfit"
    return Held(str(gate), held, reason)


def _bounded(bound: Constraint, metrics: Mapping[str, float], unconfirmed: str) -> tuple[bool, str]:
    value = metrics.get(bound.metric)
    if value is None:
        if bound.metric.startswith("test/") and not any(name.startswith("test/") for name in metrics):
            return False, f"{bound.metric} was not measured: {unconfirmed}"
        near = f"; {did_you_mean(bound.metric, metrics)}" if metrics else ""
        return False, f"{bound.metric} was not measured{near}"
    if not math.isfinite(value):
        return False, f"{bound.metric} is {value}"
    limit = str(bound).removeprefix(bound.metric).strip()
    held = not bound.violation(value)
    return held, f"{bound.metric} is {value:.4g}" + ("" if held else f", not {limit}")


def _labels(limit: float, study: Study, best: Trial) -> tuple[bool, str]:
    """By what a look for label errors has left, which has to be of the data that the model was trained with."""
    found = (study.figures or {}).get(LABEL_FIGURES)
    if found is None:
        return False, "label errors have not been looked for; `goodfit data FILE --labels` or study.label_issues() does"
    share = found.get("share")
    if not isinstance(share, (int, float)) or not math.isfinite(share):
        return False, "the share of label errors is not known"
    data = found.get("data")
    if data is not None and best.data is not None and data != best.data.rpartition("+")[2]:
        return False, "label errors were looked for in other data than the model was trained with"
    return share <= limit, f"{share:.2%} of the rows may be labelled wrong" + (
        "" if share <= limit else f", more than {limit:.2%}"
    )


def _confirmed(spec: StudySpec, trials: Sequence[Trial], best: Trial, unconfirmed: str) -> tuple[bool, str]:
    again = [trial for trial in trials if trial.confirms is not None]
    choice = winner_of(trials, spec.goal)
    if choice is not None and choice.trial == best.number:
        seeds = sum(trial.confirms == best.number and trial.state is TrialState.COMPLETE for trial in again)
        return True, f"trial {best.number} was confirmed on {seeds} {'seed' if seeds == 1 else 'seeds'}"
    if not again:
        return False, unconfirmed
    if any(trial.state not in FINISHED for trial in again):
        return False, "its confirmation has not ended"
    return False, "its confirmation came to no result" if choice is None else f"trial {choice.trial} was confirmed"


def _unconfirmed(spec: StudySpec, study: Study) -> str:
    """Why no trial was trained again, and what to do."""
    if spec.confirm is not None:
        return "it was not confirmed"
    if why := unscored(spec.data):
        return f"the study has no `confirm:`, which {why}"
    return f"the study has no `confirm:`; `goodfit confirm {study.name} --top 3 --seeds 3` confirms its best"


def _approved(review: Ruling | None, best: Trial) -> tuple[bool, str]:
    if review is None:
        return False, f"nobody has approved trial {best.number}"
    if review.action == APPROVE:
        return True, f"{review.by} has approved trial {best.number}"
    return False, f"{review.by} has rejected trial {best.number}"
