"""Why a trial was proposed, paused, resumed or stopped: the stored decisions as events, each with a sentence.

A sentence says what stands in a decision or in the trial's record, and no more. A study whose search method keeps no
decisions is explained by its file and its trials alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from goodfit.service.json_values import Values
from goodfit.service.records import Decision, Trial, TrialState, is_control

if TYPE_CHECKING:
    from goodfit.service.spec import StudySpec

PROPOSED, PAUSED, WENT_ON, RESUMED, STOPPED = "proposed", "paused", "went on", "resumed", "stopped"
TOOK_OVER = "took over"  # the model of another member of its population
_FEW, _MANY = 0.01, 0.99  # chances beyond which a figure would say more than is known

_SOURCES = {
    "defaults": "It begins with the trainer's defaults, as far as they lie in the search space; the rest was drawn.",
    "start_from": "It was given by search.start_from; what that leaves open is the trainer's default, or drawn.",
    "warm_start": "It is one of the best of the earlier studies that search.warm_start names, or was drawn near one.",
    "prior": "It takes the priors of the search space, or was drawn near them.",
    "control": "It is a control: a configuration drawn at random and never paused or pruned.",
}
_RANDOM = {
    "ranks": "Its configuration was drawn at random: such trials look where no model does.",
    "full": "Its configuration was drawn at random, for a full run: those tell how early and final values are related.",
    "model": "Its configuration was drawn at random: all that the model proposed had been tried.",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that happened to a trial, and why.

    Attributes:
        event: proposed, paused, went on, resumed, stopped, took over, or the state in which it is.
        epoch: how far it had come.
        until: up to where it was to train; None: to its end, or nothing was said of that.
        decision: the index of the decision; None where none was kept.
        text: in sentences.
        evidence: what the decision went by, as it is stored.
    """

    event: str
    epoch: int
    until: int | None
    decision: int | None
    text: str
    evidence: Values


def by_trial(decisions: Iterable[Decision]) -> dict[int, list[Decision]]:
    """The decisions that concern each trial: those that gave it a worker, and those for which it gave one up."""
    found: dict[int, list[Decision]] = {}
    for decision in decisions:
        members = [trial for trial, _ in decision.why.get("members", ())]
        for number in dict.fromkeys(members or (decision.trial, decision.why.get("after"))):
            if number is not None:
                found.setdefault(number, []).append(decision)
    return found


def reasons_of(trial: Trial, decisions: Sequence[Decision], spec: StudySpec, place: int) -> list[Reason]:
    """What happened to a trial, in order.

    Args:
        trial: the record.
        decisions: those that concern it, in order; empty where the method keeps none.
        spec: of its study.
        place: how many trials of the search came before it.
    """
    writer = _Writer(trial, spec)
    if trial.confirms is not None:
        text = f"It trains the configuration of trial {trial.confirms} again on a fresh seed, to confirm it."
        begin = [Reason(PROPOSED, 0, None, None, text, {})]
    elif spec.search.trains_population:
        begin = [Reason(PROPOSED, 0, None, None, _as_a_member(spec, place), {})]
        begin += [writer.compared(decision) for decision in decisions]
    elif decisions:
        begin = [writer.decided(decision) for decision in decisions]
    else:
        begin = [Reason(PROPOSED, 0, None, None, _by_the_file(spec, place), {})]
    return [*begin, *writer.state(decisions)]


def _by_the_file(spec: StudySpec, place: int) -> str:
    """Where the configuration of a trial comes from, of a study that keeps no decisions."""
    given = len(spec.search.start_from) if spec.search.method != "grid" else 0
    if place < given:
        return _SOURCES["start_from"]
    knows_defaults = spec.search.try_defaults and not spec.open_space
    if place == given and knows_defaults and spec.search.method != "grid":
        return _SOURCES["defaults"]
    begun = given + (spec.defaults_trial is not None)
    firsts = spec.believed
    if begun <= place < begun + len(firsts):
        return _SOURCES[firsts[place - begun][0]]
    if is_control(place, spec.control):
        return _SOURCES["control"]
    near = ", or it was drawn near the priors or the best of the earlier studies" if firsts else ""
    return f"The study's search method, {spec.search.method}, proposed it{near}."


def _as_a_member(spec: StudySpec, place: int) -> str:
    """Where the first configuration of a member of a population comes from, and what was to happen with it."""
    text = _by_the_file(spec, place) if place <= len(spec.search.start_from) else ""
    drawn = text if text in _SOURCES.values() else "Its first configuration was drawn at random."
    return (
        f"{drawn} It is one of {spec.search.population} members that are compared after every "
        f"{spec.search.interval} epochs."
    )


class _Writer:
    """Sentences on one trial."""

    def __init__(self, trial: Trial, spec: StudySpec) -> None:
        self._trial, self._spec = trial, spec
        self._unit = "fold" if spec.folds else "epoch"
        self._metric = spec.objective.metric

    def decided(self, decision: Decision) -> Reason:
        """What a decision meant for the trial."""
        why, number = decision.why, self._trial.number
        mine, came = decision.trial == number, why.get("after") == number
        if mine and decision.new:
            return self._reason(PROPOSED, 0, decision, f"{self._source(why)} {self._first_target(decision)}")
        epoch = next((seen.epoch for seen in decision.seen if came and seen.trial == number), None)
        epoch = why.get("own", why).get("at", 0) if epoch is None else epoch
        if not mine:
            return self._reason(PAUSED, epoch, decision, self._paused(decision, epoch))
        if why.get("ends"):
            return self._reason(STOPPED, epoch, decision, self._stopped(why, epoch))
        to = self._to(decision.until)
        if came:
            text = f"At {self._unit} {epoch} it ranked {_rank(why)} and went on at once {to}: {self._because(why)}."
            return self._reason(WENT_ON, epoch, decision, text)
        text = f"It was resumed from {self._unit} {epoch}, {to}: {self._because(why)}."
        return self._reason(RESUMED, epoch, decision, text)

    def compared(self, decision: Decision) -> Reason:
        """What became of it when its population was compared."""
        why, number, sign = decision.why, self._trial.number, -1 if self._spec.objective.direction == "maximize" else 1
        values = dict(why["members"])
        order = sorted(values, key=lambda trial: (math.isnan(values[trial]), sign * values[trial], trial))
        rank = f"ranked {order.index(number) + 1} of {len(order)}, with {self._metric} {_number(values[number])}"
        epoch = why["epoch"]
        taken = next((one for one in why["exploits"] if one["trial"] == number), None)
        if taken is not None:
            donor = taken["donor"]
            text = (
                f"At epoch {epoch} it {rank}, and took over the model of trial {donor}, which had "
                f"{_number(values[donor])}; it goes on with {self._changed(taken['params'])}."
            )
            return Reason(TOOK_OVER, epoch, None, decision.index, text, why)
        followers = [one["trial"] for one in why["exploits"] if one["donor"] == number]
        gave = f" Its model was taken over by trial {' and '.join(map(str, followers))}." if followers else ""
        return Reason(WENT_ON, epoch, None, decision.index, f"At epoch {epoch} it {rank}, and went on.{gave}", why)

    def _changed(self, params: Mapping[str, Any]) -> str:
        """The parameters that change in the study, as a member has them."""
        return ", ".join(f"{name} {_short(params[name])}" for name in self._spec.search.perturb if name in params)

    def _reason(self, event: str, epoch: int, decision: Decision, text: str) -> Reason:
        until = decision.until if decision.trial == self._trial.number else None
        return Reason(event, epoch, until, decision.index, text, decision.why)

    def _to(self, until: int | None) -> str:
        return "to train to its end" if until is None else f"to train to {self._unit} {until}"

    def _source(self, why: Values) -> str:
        source = why.get("source")
        if source == "curves":
            return f"A model of all curves so far proposed it{self._expected(why)}."
        if source == "finals":
            return f"A model of the final values so far proposed it{self._expected(why, ' among full runs')}."
        if source == "random":
            return _RANDOM[why["by"]]
        return _SOURCES.get(str(source), f"The study's search method, {source}, proposed it.")

    def _first_target(self, decision: Decision) -> str:
        if decision.until is None:
            return "It was to train to its end without a pause."
        return (
            f"New configurations were first trained to {self._unit} {decision.until} then: {self._trust(decision.why)}."
        )

    def _trust(self, why: Values) -> str:
        """What early ranks were taken to be worth."""
        where = f"values at {self._unit} {why['reliability_at']} and at the end"
        correlation = f"{why['reliability']:.2f}"
        if why["learned"]:
            return f"the rank correlation between {where} was estimated at {correlation} from the study's curves"
        return f"a rank correlation of {correlation} between {where} is assumed until there are curves to learn from"

    def _expected(self, why: Values, most: str = " for the time at hand") -> str:
        """The forecast, where one was made, and of what it promised most."""
        if "forecast" not in why:
            return ""
        low, middle, high = map(_number, why["forecast"])
        text = (
            f": weighed against the other candidates, it promised most{most}, with {self._metric} "
            f"expected at {middle} (90% interval {low} to {high}) by {self._unit} {why['epoch']}"
        )
        if "best" not in why:
            return text
        return f"{text} and a chance of {_chance(why['chance'])} to beat {_number(why['best'])}, the best value then"

    def _because(self, why: Values) -> str:
        """Why a trial went on."""
        if why.get("stays"):
            return "it cannot be paused, and nothing was sure enough to end it"
        if "closing" in why:
            no_more = "no new configuration could start any more"
            if why["by"] == "full":
                return f"{no_more}, and too few trials had been trained to their end"
            return f"{no_more}, and the better half at each level went on"
        if "left" in why:
            return (
                f"the budget has about {why['left']:.0f} {self._unit}s left, its last value was the best among the "
                f"paused, and {why['finals']} trials are to be trained to their end"
            )
        if why["by"] == "full":
            return "its last value was the best among the paused, and full runs tell how early and final values relate"
        if why["by"] == "ranks":
            return "it was in the better half, there, of the trials that ranks alone promote"
        return f"the model of all curves chose it{self._expected(why)}"

    def _paused(self, decision: Decision, epoch: int) -> str:
        why = decision.why
        there = "" if why.get("at") == epoch else f" at {self._unit} {why.get('at')}"
        text = (
            f"At {self._unit} {epoch} it was paused. It ranked {_rank(why)}{there}, and the worker was given to trial "
        )
        text += f"{decision.trial}, {'a new configuration' if decision.new else 'which was resumed'}"
        model = why["by"] == "model" and "forecast" in why
        return f"{text}: the model of all curves chose it." if model else f"{text}."

    def _stopped(self, why: Values, epoch: int) -> str:
        return (
            f"At {self._unit} {epoch} it was stopped, since it cannot be paused: it ranked {_rank(why)}, in the worse "
            f"half, and {self._trust(why)}."
        )

    def state(self, decisions: Sequence[Decision]) -> Iterator[Reason]:
        """How it ended, or where it is now; nothing where the last decision says it already."""
        trial = self._trial
        if decisions and decisions[-1].trial == trial.number and decisions[-1].why.get("ends"):
            return
        text = self._state_text(decisions)
        yield Reason(trial.label, trial.epochs, trial.until, None, text, {})

    def _state_text(self, decisions: Sequence[Decision]) -> str:
        trial, at = self._trial, f"at {self._unit} {self._trial.epochs}"
        match trial.state:
            case TrialState.COMPLETE:
                return self._complete() + self._best()
            case TrialState.PRUNED:
                return self._pruned(decisions) + self._best()
            case TrialState.FAILED:
                return f"It failed {at} ({trial.failure}): {trial.message or 'no message'}."
            case TrialState.CANCELLED:
                return f"The study ended while it was {at}: it was cancelled."
            case TrialState.PAUSED:
                return f"It is paused {at}, and may be resumed."
            case TrialState.RUNNING:
                return f"It runs, {at}."
        return f"It waits for a worker, {at}."

    def _complete(self) -> str:
        trial, length = self._trial, self._spec.reports
        if trial.stop_at is not None:
            return f"It was stopped at {self._unit} {trial.stop_at}: it overfits (training.stop_on)."
        if trial.epochs < length:
            return f"Its training ended of itself at {self._unit} {trial.epochs} of {length}."
        return f"It was trained to its end, {self._unit} {trial.epochs}."

    def _pruned(self, decisions: Sequence[Decision]) -> str:
        trial = self._trial
        at = f"{self._unit} {trial.prune_at if trial.prune_at is not None else trial.epochs}"
        if decisions and trial.until is not None and trial.until == trial.prune_at:
            return f"The search ended, and it was not resumed: it counts as pruned at {at}."
        method = self._spec.pruning.method
        if self._spec.more_objectives and self._spec.prunes and trial.prune_at is not None:
            return f"It was pruned at {at}: too many of the trials there had a better non-dominated rank."
        if method in ("none", "auto"):
            return f"It ended at {at}: its trainer gave it up, or the search ended before it was resumed."
        return f"It was pruned at {at} (pruning: {method})."

    def _best(self) -> str:
        trial = self._trial
        if trial.value is None or trial.best_epoch is None:
            return ""
        broken = (
            "" if trial.feasible else self._spec.goal.broken_by({**(trial.measured or {}), self._metric: trial.value})
        )
        breaks = f" It breaks the constraints: {broken}." if broken else ""
        return f" Its best {self._metric} is {_number(trial.value)}, of {self._unit} {trial.best_epoch}.{breaks}"


def _rank(why: Mapping[str, Any]) -> str:
    return f"{why['rank']} of {why['of']}"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _chance(chance: float) -> str:
    if chance < _FEW:
        return "under 1%"
    return "over 99%" if chance > _MANY else f"{chance:.0%}"
