"""The decisions of a search, derived again from what is stored: does the study decide what it decided?

Each decision is derived from the stored ones before it, so a difference does not hide behind an earlier one, by the
version of the spec that the study had then. What the trainer's defaults were is taken from the decisions, which keep
them: the trainer itself is not needed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from goodfit.service import app
from goodfit.service.allocation import renumbered
from goodfit.service.app.run import rules_of, sampler_for
from goodfit.service.errors import InputError
from goodfit.service.ports import Proposal
from goodfit.service.queries.source import Source
from goodfit.service.records import Decision, Study, Trial, Version
from goodfit.service.spec import StudySpec

if TYPE_CHECKING:
    from goodfit.service.sampler.auto import AutoAllocator

PAGE = 500  # decisions or trials at a time
CURVES = 100  # likewise, trials whose curves are read
MOST = 20  # differences; one mostly follows from another


@dataclass(frozen=True, slots=True)
class Difference:
    """A decision that is another one when it is derived again; None: nothing would have been trained."""

    decision: int
    trial: int
    stored: Mapping[str, Any]
    derived: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of it.

    Attributes:
        study: its name.
        decisions: how many were derived again.
        differences: at most MOST.
        more: whether it ended there.
        note: why there was nothing to derive, or what may be why decisions differ.
    """

    study: str
    decisions: int
    differences: Sequence[Difference] = ()
    more: bool = False
    note: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As `goodfit replay --json` gives it."""
        rows = [{name: getattr(one, name) for name in Difference.__slots__} for one in self.differences]
        return {name: getattr(self, name) for name in self.__slots__} | {"differences": rows}


def replay(source: Source, name: str, on_progress: Callable[[int], None] = lambda _: None) -> Replayed:
    """Derive every decision of a study again.

    Args:
        source: where the study is.
        name: of the study.
        on_progress: called after each decision, with how many there were so far.

    Raises:
        InputError: a decision and the trials of the study do not fit together.
    """
    study = source.study(name).study
    spec = app.spec_of(study)
    if spec.search.trains_population:
        return _population(source, name, spec, on_progress)
    presets = [one for one in _decisions(source, name) if "given" in one.why]
    held = _specs(study, source.versions(name))
    again = _Again(source, name, held.pop(0)[1], presets)
    count, differences = 0, list[Difference]()
    for decision in _decisions(source, name):
        while held and held[0][0] <= decision.index:
            first, spec = held.pop(0)
            again = _Again(source, name, spec, presets)
            again.catch_up(first)
        found = again.difference(decision)
        count += 1
        on_progress(count)
        if found is not None:
            differences.append(found)
        if len(differences) == MOST:
            break
    note = _why_none(app.spec_of(study)) if not count else again.note() if differences else None
    return Replayed(name, count, tuple(differences), len(differences) == MOST, note)


def _population(source: Source, name: str, spec: StudySpec, on_progress: Callable[[int], None]) -> Replayed:
    """Have the population compared again, each time as it was."""
    from goodfit.service.population import comparisons

    rules = rules_of(spec)
    decisions = list(_decisions(source, name))
    found = comparisons(list(_trials(source, name)), decisions)
    differences = []
    for count, (decision, one) in enumerate(zip(decisions, found, strict=True)):
        again = rules.exploits(found[:count], replace(one, exploits=()))
        stored, derived = ([asdict(exploit) for exploit in exploits] for exploits in (one.exploits, again))
        if json.dumps(stored, sort_keys=True) != json.dumps(derived, sort_keys=True):
            both = {"exploits": stored}, {"exploits": derived}
            differences.append(Difference(decision.index, decision.trial, *both))
        on_progress(count + 1)
    note = None if decisions else "its members were not compared yet"
    return Replayed(name, len(decisions), tuple(differences[:MOST]), len(differences) > MOST, note)


def _specs(study: Study, versions: Sequence[Version]) -> list[tuple[int, StudySpec]]:
    """Each spec that the study went by, with the first decision that follows from it."""
    held = [(one.from_decision, replace(study, spec=one.spec)) for one in versions if one.from_decision is not None]
    return [(first, app.spec_of(one)) for first, one in held or [(0, study)]]


def _why_none(spec: StudySpec) -> str:
    if spec.pauses or (spec.search.method == "auto" and not spec.more_objectives):
        return "none was taken yet"
    return (
        f"search method {spec.search.method} with pruning {spec.pruning.method} keeps none; what it proposes follows "
        "from the study's seed and the trials before"
    )


class _Again:
    """The search of a study, made anew and fed with what is stored."""

    def __init__(self, source: Source, name: str, spec: StudySpec, presets: Sequence[Decision]) -> None:
        from goodfit.service.sampler.auto import AutoAllocator

        own = [dict(one.why["given"]) for one in presets if one.why["source"] == "start_from"]
        defaults: Mapping[str, Any] = next((one.why["given"] for one in presets if one.why["source"] == "defaults"), {})
        search = spec.search.model_copy(update={"start_from": own})
        self._source, self._name = source, name
        found = sampler_for(spec.model_copy(update={"search": search}), name, defaults)
        self._allocator = found if isinstance(found, AutoAllocator) else None
        self._trials = {trial.number: trial for trial in _trials(source, name)}
        self._numbers = sorted(self._trials)
        self._places = {number: place for place, number in enumerate(self._numbers)}
        self._metric = spec.objective.metric
        self._curves = _Curves(source, name, (self._metric, *spec.goal.wanted))

    def difference(self, decision: Decision) -> Difference | None:
        """How a decision differs when it is derived again; from here on the search stands as if it had not."""
        if self._allocator is None:
            raise InputError(f"decision {decision.index} is of another search method: the stored study was changed")
        placed = self._seen(self._allocator, decision)
        found = self._allocator.derive(placed, self._trials[decision.trial].params)
        stored = _stored(decision, self._trials[decision.trial])
        derived = None if found is None else self._derived(found)
        if json.dumps(stored, sort_keys=True) == json.dumps(derived, sort_keys=True):
            return None
        return Difference(decision.index, decision.trial, stored, derived)

    def catch_up(self, first: int) -> None:
        """Stand where the study stood before its decision `first`, when it was edited."""
        if self._allocator is None:
            return
        before = [decision for decision in _decisions(self._source, self._name) if decision.index < first]
        self._allocator.start_over(had_pauses=any(one.until is not None for one in before))
        for decision in before:
            placed = self._seen(self._allocator, decision)
            self._allocator.follow(placed, self._trials[decision.trial].params)
        self._allocator.unpause()

    def _seen(self, allocator: AutoAllocator, decision: Decision) -> Decision:
        """Report what a decision had seen; the decision by the places of its trials in the search."""
        unknown = {decision.trial, *(seen.trial for seen in decision.seen)} - self._trials.keys()
        if unknown:
            what = f"names trial {min(unknown)}, which is not there"
            raise InputError(f"decision {decision.index} {what}: the stored study was changed")
        placed = renumbered(decision, self._places)
        for seen, there in zip(decision.seen, placed.seen, strict=True):
            for epoch, metrics in self._curves.up_to(seen.trial, seen.epoch):
                allocator.report(there.trial, epoch, metrics[self._metric], metrics)
            allocator.see(there, self._trials[seen.trial])
        return placed

    def note(self) -> str | None:
        """Why decisions may differ though nobody changed what is stored."""
        anew = [number for number, trial in self._trials.items() if trial.began > 1]
        if not anew:
            return None
        which = ", ".join(map(str, anew[:5])) + (", ..." if len(anew) > 5 else "")
        return (
            f"began anew after a failure: trial {which}; the first curve is not kept, so decisions that had seen it "
            "may come out otherwise"
        )

    def _derived(self, found: Proposal) -> dict[str, Any]:
        trial = self._numbers[found.trial] if found.trial < len(self._numbers) else found.trial
        return _shown(trial, found.until, found.params, ends=found.prune)


def _stored(decision: Decision, trial: Trial) -> dict[str, Any]:
    ends = bool(decision.why.get("ends"))
    return _shown(decision.trial, decision.until, trial.params if decision.new else None, ends=ends)


def _shown(trial: int, until: int | None, params: Mapping[str, Any] | None, *, ends: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"trial": trial, "until": until}
    if params is not None:
        found["params"] = dict(params)
    return {**found, "ends": True} if ends else found


class _Curves:
    """What a study is judged by at each epoch of the trials that go on; of those that were read to their end nothing.

    Args:
        source: where the study is.
        name: of the study.
        metrics: the objective, and what else it is judged by.
    """

    def __init__(self, source: Source, name: str, metrics: Sequence[str]) -> None:
        self._source, self._name, self._metrics = source, name, metrics
        self._read: set[int] = set()  # pages
        self._left: dict[int, list[tuple[int, Mapping[str, float]]]] = {}  # trial -> epochs that were not yet given out

    def up_to(self, number: int, epoch: int) -> list[tuple[int, Mapping[str, float]]]:
        """The next epochs of a trial, up to this one."""
        page = number // CURVES
        if page not in self._read:
            self._read.add(page)
            for report in self._source.reports(self._name, after=page * CURVES - 1, trials=CURVES):
                if self._metrics[0] in report.metrics:
                    kept = {name: report.metrics[name] for name in self._metrics if name in report.metrics}
                    self._left.setdefault(report.trial, []).append((report.epoch, kept))
        left = self._left.pop(number, [])
        later = [one for one in left if one[0] > epoch]
        if later:
            self._left[number] = later
        return [one for one in left if one[0] <= epoch]


def _decisions(source: Source, name: str) -> Iterator[Decision]:
    after = -1
    while page := source.decisions(name, after=after, limit=PAGE):
        yield from page
        after = page[-1].index


def _trials(source: Source, name: str) -> Iterator[Trial]:
    after = -1
    while page := source.trials(name, after=after, limit=PAGE, parts=()):
        yield from page
        after = page[-1].number
