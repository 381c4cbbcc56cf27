"""Allocators over others: of a sampler, whose trials each train to their end; of one that counts the search alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from goodfit.search_spaces.space import Space
from goodfit.service.ports import NO_METRICS, Allocator, Learning, Proposal, Sampler
from goodfit.service.records import Decision, Report, Trial


class OneByOne:
    """Each proposal of a sampler is trained to its end."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def next(self, number: int, workers: int, *, new: bool = True, **_: Any) -> Proposal | None:  # noqa: ARG002
        params = self._sampler.ask(number) if new else None
        return None if params is None else Proposal(number, params)

    def ended(self) -> str | None:
        return None

    def report(self, number: int, epoch: int, value: float, metrics: Mapping[str, float] = NO_METRICS) -> None:
        self._sampler.report(number, epoch, value, metrics)

    def should_prune(self, number: int) -> bool:
        return self._sampler.should_prune(number)

    def judged_after(self, number: int, epoch: int) -> int | None:
        return self._sampler.judged_after(number, epoch)

    def reached(self, number: int, epoch: int, seconds: float) -> None:
        """No trial has a target."""

    def suggested(self, number: int, space: Space, name: str, value: Any) -> None:
        if isinstance(self._sampler, Learning):
            self._sampler.suggested(number, space, name, value)

    def tell(self, trial: Trial) -> None:
        self._sampler.tell(trial)

    def rebuild(self, trials: Sequence[Trial], reports: Sequence[Report], decisions: Sequence[Decision]) -> None:  # noqa: ARG002
        self._sampler.rebuild(trials, reports)


class Numbered:
    """An allocator by trials' numbers, over one by their places in the search.

    A study may go on with its search after its best were confirmed: then its trials are 0 to 7, say, confirmations
    are 8 to 13, and the search goes on with 14. The allocator counts on from 8, so it decides what it would have
    decided had the search never paused. Decisions are kept with the trials' numbers.

    Args:
        allocator: counts the trials of the search alone.
    """

    def __init__(self, allocator: Allocator) -> None:
        self._allocator = allocator
        self._places: dict[int, int] = {}  # trial -> how many trials of the search came before it
        self._numbers: list[int] = []  # by place

    def next(
        self,
        number: int,
        workers: int,
        *,
        new: bool = True,
        after: int | None = None,
        stays: bool = False,
        left: float = math.inf,
    ) -> Proposal | None:
        place = len(self._numbers)
        held = None if after is None else self._places[after]
        found = self._allocator.next(place, workers, new=new, after=held, stays=stays, left=left)
        if found is None:
            return None
        if found.params is not None:
            self._places[number] = place
            self._numbers.append(number)
        decision = None if found.decision is None else renumbered(found.decision, self._numbers)
        exploits = tuple(
            replace(one, trial=self._numbers[one.trial], donor=self._numbers[one.donor]) for one in found.exploits
        )
        return replace(found, trial=self._numbers[found.trial], decision=decision, exploits=exploits)

    def ended(self) -> str | None:
        return self._allocator.ended()

    def report(self, number: int, epoch: int, value: float, metrics: Mapping[str, float] = NO_METRICS) -> None:
        self._allocator.report(self._places[number], epoch, value, metrics)

    def should_prune(self, number: int) -> bool:
        return self._allocator.should_prune(self._places[number])

    def judged_after(self, number: int, epoch: int) -> int | None:
        return self._allocator.judged_after(self._places[number], epoch)

    def reached(self, number: int, epoch: int, seconds: float) -> None:
        self._allocator.reached(self._places[number], epoch, seconds)

    def suggested(self, number: int, space: Space, name: str, value: Any) -> None:
        """A trial's trainer has asked for a parameter of this space, and has got this value."""
        if isinstance(self._allocator, Learning):
            self._allocator.suggested(self._places[number], space, name, value)

    def tell(self, trial: Trial) -> None:
        place = self._places[trial.number]
        self._allocator.tell(trial if place == trial.number else replace(trial, number=place))

    def rebuild(self, trials: Sequence[Trial], reports: Sequence[Report], decisions: Sequence[Decision]) -> None:
        """As the port; trials that confirm others, and their reports, are left out."""
        searched = sorted((trial for trial in trials if trial.confirms is None), key=lambda trial: trial.number)
        self._numbers = [trial.number for trial in searched]
        self._places = {number: place for place, number in enumerate(self._numbers)}
        self._allocator.rebuild(
            [replace(trial, number=place) for place, trial in enumerate(searched)],
            [replace(one, trial=self._places[one.trial]) for one in reports if one.trial in self._places],
            [renumbered(one, self._places) for one in decisions],
        )


def renumbered(decision: Decision, names: Sequence[int] | Mapping[int, int]) -> Decision:
    """A decision with other numbers for its trials: by place, or by number."""
    seen = tuple(replace(one, trial=names[one.trial]) for one in decision.seen)
    after = decision.why.get("after")
    why = decision.why if after is None else {**decision.why, "after": names[after]}
    return replace(decision, trial=names[decision.trial], seen=seen, why=why)
