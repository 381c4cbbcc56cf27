"""What proposes configurations and judges running trials."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from goodfit.service.records import Decision, Params, Report, Trial

if TYPE_CHECKING:
    from goodfit.search_spaces.space import Space

NO_METRICS: Mapping[str, float] = {}


class Sampler(Protocol):
    """Proposes configurations and judges running trials; told everything, it asks for nothing.

    Proposals depend only on the study's seed, the trial's number and what had been told.
    """

    def ask(self, number: int) -> dict[str, Any] | None:
        """The parameters of trial `number`; None when the space is exhausted."""
        ...

    def report(self, number: int, epoch: int, value: float, metrics: Mapping[str, float] = NO_METRICS) -> None:
        """An epoch of a trial: the objective, and all metrics, of which further objectives and constraints are read."""
        ...

    def should_prune(self, number: int) -> bool:
        """Whether the trial should end, on all reports so far."""
        ...

    def judged_after(self, number: int, epoch: int) -> int | None:
        """The first epoch after this one by which the trial may be pruned; None where any may be it, or none is."""
        ...

    def tell(self, trial: Trial) -> None:
        """The trial is in a finished state."""
        ...

    def rebuild(self, trials: Sequence[Trial], reports: Sequence[Report]) -> None:
        """Stand as if all this had been asked, reported and told, in the order of the numbers."""
        ...


@runtime_checkable
class Learning(Protocol):
    """What learns its space from the trials: their trainers ask for parameters as they run."""

    def suggested(self, number: int, space: Space, name: str, value: Any) -> None:
        """Trial `number` has asked for a parameter of the space, which may have grown by it, and has got this value."""
        ...


@dataclass(frozen=True, slots=True)
class Tried:
    """A configuration that has been proposed, as a search method sees it.

    Attributes:
        number: the trial's.
        params: its configuration.
        value: the objective of a trial that was trained to its end; None of any other.
        state: running, complete, pruned or fail.
    """

    number: int
    params: Mapping[str, Any]
    value: float | None
    state: str


class Search(Protocol):
    """A search method that an installed package adds (docs/extending.md); pruning stays Goodfit's."""

    def propose(self, number: int, tried: Sequence[Tried]) -> Mapping[str, Any] | None:
        """The configuration of trial `number`, or a part of it; None ends the search.

        What it leaves open is drawn at random. It may depend on the arguments and on what the method was made with,
        and on nothing else: a study that was interrupted goes on with a new object.
        """
        ...


@dataclass(frozen=True, slots=True)
class Exploit:
    """A trial takes over the model of another: both have come to the same epoch, and wait there.

    Attributes:
        trial: the one that goes on with another's model.
        donor: the one whose model it is.
        params: that it goes on with.
    """

    trial: int
    donor: int
    params: Params


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a free worker does.

    Attributes:
        trial: the number of a new trial, or of a paused one that goes on.
        params: of a new trial.
        until: the epoch after which it waits for the next decision; None: it trains to its end.
        decision: as it is kept; None where nothing but the study's seed decided.
        prune: the trial, which has come to its target and cannot be paused, ends there.
        exploits: what becomes of trials that wait; it holds before the worker begins.
    """

    trial: int
    params: Params | None = None
    until: int | None = None
    decision: Decision | None = None
    prune: bool = False
    exploits: tuple[Exploit, ...] = ()


@runtime_checkable
class Allocator(Protocol):
    """Decides what is trained next; told everything, it asks for nothing.

    A decision depends only on the study's seed, the decisions before it and what had been told by then.
    """

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
        """What a free worker does; None: nothing, until more is told.

        Args:
            number: of the next new trial.
            workers: how many trials may run at once.
            new: whether a new trial may start.
            after: the trial that has just come to its target, and holds the worker still.
            stays: whether that one cannot be paused: the answer is that it goes on, or is pruned.
            left: how many epochs the budget still has, as far as is known; those of trials that run are given away.
        """
        ...

    def ended(self) -> str | None:
        """Why it begins no more trials although it might, in one line; None where it does."""
        ...

    def report(self, number: int, epoch: int, value: float, metrics: Mapping[str, float] = NO_METRICS) -> None:
        """An epoch of a trial: the objective, and all metrics, of which further objectives and constraints are read."""
        ...

    def should_prune(self, number: int) -> bool:
        """Whether the trial should end, on all reports so far."""
        ...

    def judged_after(self, number: int, epoch: int) -> int | None:
        """The first epoch after this one by which the trial may be pruned; None where any may be it, or none is."""
        ...

    def reached(self, number: int, epoch: int, seconds: float) -> None:
        """The trial has come to its target; `seconds` of an epoch, NaN where that is not known."""
        ...

    def tell(self, trial: Trial) -> None:
        """The trial is in a finished state."""
        ...

    def rebuild(self, trials: Sequence[Trial], reports: Sequence[Report], decisions: Sequence[Decision]) -> None:
        """Stand as if all this had been decided, reported and told."""
        ...
