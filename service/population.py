"""PopulationAllocator: members of a population train to the same epoch; then the worst take over models of the best.

What is Ray Tune's, by its own schedulers (`PopulationBasedTraining` with `synch=True`, and `PB2`): who is among the
worst and who among the best, whose model a member takes over, and with which parameters it goes on. What is Goodfit's:
the first configurations, when members wait, the ranges that a changed parameter stays in, and what is done about it.

Ray's scheduler is made anew for each decision and fed with the comparisons so far, so that a decision depends on the
study's seed and on what was reported alone. A study that is resumed takes the decisions that are stored as they are.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import random
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from goodfit.search_spaces.parameters import Choice, Float, Int, Parameter
from goodfit.search_spaces.space import Space
from goodfit.service.objective import MAXIMIZE, Objective
from goodfit.service.ports import NO_METRICS, Exploit, Proposal, Sampler
from goodfit.service.records import FINISHED, Decision, Params, Report, Trial

FEW_VALUES = 32  # of a parameter that moves to the next value; a finer one is multiplied
PB2 = "pb2"
TIME, PAUSED = "training_iteration", "PAUSED"  # of Ray Tune


@dataclass(frozen=True, slots=True)
class Compared:
    """A member at the epoch at which the population is compared."""

    trial: int
    value: float
    params: Params


@dataclass(frozen=True, slots=True)
class Comparison:
    """The members that waited at an epoch, and what was decided of them."""

    epoch: int
    members: tuple[Compared, ...]
    exploits: tuple[Exploit, ...] = ()


@dataclass(slots=True)
class _Member:
    """What is known of a member.

    Attributes:
        epoch: the last that was reported.
        value: the last of the objective.
        waits: at its epoch, for the next decision.
        over: it has ended.
    """

    params: Params
    epoch: int = 0
    value: float = math.nan
    waits: bool = False
    over: bool = False


class Rules:
    """How members change: Ray Tune's scheduler of a method, over the parameters that may change.

    Args:
        space: what is searched.
        objective: of the study.
        changing: the names of the parameters that may change.
        method: pbt or pb2.
        interval: epochs between two comparisons.
        seed: of the study.
    """

    def __init__(
        self, space: Space, objective: Objective, changing: Sequence[str], method: str, interval: int, seed: int
    ) -> None:
        self._changing = {item.name: item for item in space.free if item.name in changing}
        self._logarithmic = {
            name for name, item in self._changing.items() if method == PB2 and getattr(item, "log", False)
        }
        self._metric, self._mode = objective.metric, "max" if objective.direction == MAXIMIZE else "min"
        self._method, self._interval, self._seed = method, interval, seed

    def exploits(self, before: Sequence[Comparison], now: Comparison) -> tuple[Exploit, ...]:
        """What becomes of the members that wait at an epoch.

        Args:
            before: the comparisons so far, with what was decided: PB2 learns from them.
            now: the present one, without.
        """
        if len(now.members) < 2:
            return ()
        found: list[Exploit] = []
        with _drawing(self._seed, now.epoch) as draw:
            scheduler = self._scheduler(draw, found)
            tune = _Tune(scheduler, self._metric)
            for comparison in (*(before if self._method == PB2 else ()), now):
                found.clear()
                tune.compare(comparison, self._given)
        return tuple(found)

    def _scheduler(self, draw: random.Random, found: list[Exploit]) -> Any:
        """Ray Tune's scheduler; its exploits are noted here and not performed."""
        shared: dict[str, Any] = {"time_attr": TIME, "metric": self._metric, "mode": self._mode, "synch": True}
        shared |= {"perturbation_interval": self._interval, "log_config": False}
        made: Any
        if self._method == PB2:
            from ray.tune.schedulers import pb2

            made = pb2.PB2(
                hyperparam_bounds={name: self._ends(item) for name, item in self._changing.items()}, **shared
            )
        else:
            from ray.tune.schedulers import PopulationBasedTraining

            mutations = {name: _mutation(item, draw) for name, item in self._changing.items()}
            made = PopulationBasedTraining(hyperparam_mutations=mutations, **shared)

        def note(_tune: object, member: _TuneTrial, donor: _TuneTrial) -> None:
            config, _ = made._get_new_config(member, donor)  # noqa: SLF001 - as its own `_exploit` calls it
            params = {name: config[name] for name in donor.params}
            found.append(Exploit(member.number, donor.number, self._taken(params)))

        made._exploit = note  # noqa: SLF001 - its own gives trials of Ray Tune's other checkpoints
        return made

    def _given(self, params: Params) -> dict[str, Any]:
        """A configuration as Ray Tune gets it: PB2 knows no logarithmic ranges."""
        return {name: math.log(value) if name in self._logarithmic else value for name, value in params.items()}

    def _taken(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """What came of it, in the space: Ray Tune multiplies numbers without bounds."""
        params = {name: math.exp(value) if name in self._logarithmic else value for name, value in config.items()}
        return {
            name: _nearest(self._changing[name], value) if name in self._changing else value
            for name, value in params.items()
        }

    def _ends(self, item: Parameter) -> list[float]:
        given = self._given({item.name: getattr(item, "low", 0)}), self._given({item.name: getattr(item, "high", 0)})
        return [one[item.name] for one in given]


class _TuneTrial:
    """A member as Ray Tune's schedulers see a trial: paused, with a checkpoint."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.params: Params = {}
        self.config: dict[str, Any] = {}
        self.finished = False
        self.status, self.experiment_tag, self.evaluated_params = PAUSED, str(self), dict[str, Any]()
        self.checkpoint, self.temporary_state = object(), SimpleNamespace(saving_to=None)
        kept = SimpleNamespace(checkpoint_config=SimpleNamespace(num_to_keep=None))
        self.run_metadata = SimpleNamespace(checkpoint_manager=kept)

    def is_finished(self) -> bool:
        return self.finished

    def __str__(self) -> str:
        return f"member {self.number}"


class _Tune:
    """As much of Ray Tune's controller as its schedulers ask for, and the trials that they know."""

    search_alg = None

    def __init__(self, scheduler: Any, metric: str) -> None:
        self._scheduler, self._metric = scheduler, metric
        self._trials: dict[int, _TuneTrial] = {}

    def get_trials(self) -> list[_TuneTrial]:
        return [trial for trial in self._trials.values() if not trial.finished]

    get_live_trials = get_trials

    def compare(self, comparison: Comparison, given: Callable[[Params], dict[str, Any]]) -> None:
        """Report to the scheduler what came of all members; with the last one it decides."""
        there = {one.trial for one in comparison.members}
        for trial in self._trials.values():
            trial.finished = trial.number not in there
        for one in comparison.members:
            new = one.trial not in self._trials
            trial = self._trials.setdefault(one.trial, _TuneTrial(one.trial))
            trial.params, trial.config = one.params, given(one.params)
            if new:
                self._scheduler.on_trial_add(self, trial)
        for one in comparison.members:
            result = {TIME: comparison.epoch, self._metric: one.value}
            self._scheduler.on_trial_result(self, self._trials[one.trial], result)


@contextlib.contextmanager
def _drawing(seed: int, epoch: int) -> Iterator[random.Random]:
    """Have Ray Tune draw from generators of this decision, and of nobody else's; the process's own stay as they are."""
    import numpy as np
    from ray.tune.schedulers import pbt

    digest = hashlib.blake2b(f"{seed}:{epoch}".encode(), digest_size=4, person=b"population").digest()
    number = int.from_bytes(digest, "big")
    draw, theirs, state = random.Random(number), vars(pbt)["random"], np.random.get_state()  # noqa: S311
    vars(pbt)["random"] = draw
    np.random.seed(number)  # PB2 draws from it
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the fit of PB2's model
            yield draw
    finally:
        vars(pbt)["random"] = theirs
        np.random.set_state(state)


def _mutation(item: Parameter, draw: random.Random) -> Any:
    """A parameter as Ray Tune mutates it: a list, whose next value is taken, or draws from a range."""
    if isinstance(item, Choice):
        return list(item.choices)
    if isinstance(item, (Float, Int)):
        if (count := item.cardinality) is not None and count <= FEW_VALUES:
            whole = replace(item, points=None)
            return [
                whole.low + index * whole.step if isinstance(whole, Int) else whole.grid_value(index)
                for index in range(count)
            ]
        return lambda: _at(item, draw.random())
    raise ValueError(f"{item.name} is fixed")


def _at(item: Float | Int, share: float) -> float:
    """The value at this share of a range."""
    if item.log:
        value = math.exp(math.log(item.low) + share * (math.log(item.high) - math.log(item.low)))
    else:
        value = item.low + share * (item.high - item.low)
    return float(_nearest(item, value)) if isinstance(item, Float) else int(_nearest(item, value))


def _nearest(item: Parameter, value: Any) -> Any:
    """The value of a parameter that comes nearest."""
    if not isinstance(item, (Float, Int)):
        return value
    held = min(max(value, item.low), item.high)
    if item.step is None:
        return float(held)
    steps = min(round((held - item.low) / item.step), (item.cardinality or 1) - 1)
    return item.low + steps * item.step if isinstance(item, Int) else replace(item, points=None).grid_value(steps)


class PopulationAllocator:
    """Decides which member trains on, and has them compared when all have come to the same epoch.

    Args:
        sampler: draws the first configuration of each member.
        rules: how members change.
        epochs: of a full run.
        population: how many members there are.
        interval: epochs between two comparisons.
    """

    def __init__(self, sampler: Sampler, rules: Rules, *, epochs: int, population: int, interval: int) -> None:
        self._sampler, self._rules = sampler, rules
        self._epochs, self._population, self._interval = epochs, population, interval
        self._reset()

    def _reset(self) -> None:
        self._members: dict[int, _Member] = {}
        self._compared: list[Comparison] = []
        self._decided = 0  # the last epoch at which it was decided who goes on
        self._index = 0  # of the next decision

    def next(
        self,
        number: int,
        workers: int,
        *,
        new: bool = True,
        after: int | None = None,
        **_: Any,  # no member stays, as a worker refuses a trainer that cannot resume; nor is one short of epochs
    ) -> Proposal | None:
        found = self._ready(after, ())
        if found is not None:
            return self._go_on(found)
        if new and len(self._members) < self._population:
            params = self._sampler.ask(number)
            if params is not None:
                self._members[number] = _Member(params)
                return Proposal(number, params, self._until(0))
        if not self._all_wait():
            return None
        return self._compare(workers, after)

    def _ready(self, after: int | None, exploits: Sequence[Exploit]) -> int | None:
        """A member that may go on, best the one that holds its worker still; not one whose model has just changed."""
        waiting = [
            (member.epoch, trial != after, trial)
            for trial, member in self._members.items()
            if member.waits and member.epoch <= self._decided
        ]
        changed = {one.trial for one in exploits}
        return min((one for one in waiting if not (one[2] == after and after in changed)), default=(0, 0, None))[2]

    def _go_on(self, number: int) -> Proposal:
        member = self._members[number]
        member.waits = False
        return Proposal(number, until=self._until(member.epoch))

    def _until(self, epoch: int) -> int | None:
        """The epoch of the next comparison; None: it trains to its end."""
        due = (epoch // self._interval + 1) * self._interval
        return due if due < self._epochs else None

    def _all_wait(self) -> bool:
        live = [member for member in self._members.values() if not member.over]
        return bool(live) and all(member.waits for member in live)

    def _compare(self, workers: int, after: int | None) -> Proposal | None:
        """Decide of all that wait, and let the first of them go on."""
        live = {trial: member for trial, member in sorted(self._members.items()) if not member.over}
        epoch = min(member.epoch for member in live.values())
        members = tuple(Compared(trial, one.value, one.params) for trial, one in live.items() if one.epoch == epoch)
        now = Comparison(epoch, members)
        now = replace(now, exploits=self._rules.exploits(self._compared, now))
        why = self._why(now)
        self._take(now)
        found = self._ready(after, now.exploits)
        if found is None:  # cannot be: whoever gave its model waits, too
            return None
        proposal = self._go_on(found)
        decision = Decision(self._index, found, False, proposal.until, workers, why=why)
        self._index += 1
        return replace(proposal, decision=decision, exploits=now.exploits)

    def _why(self, now: Comparison) -> dict[str, Any]:
        """A comparison as its decision keeps it."""
        return {
            "epoch": now.epoch,
            "members": [[one.trial, one.value] for one in now.members],
            "exploits": [
                {
                    "trial": one.trial,
                    "donor": one.donor,
                    "params": one.params,
                    "before": self._members[one.trial].params,
                }
                for one in now.exploits
            ],
        }

    def _take(self, now: Comparison) -> None:
        self._compared.append(now)
        self._decided = max(self._decided, now.epoch)
        for one in now.exploits:
            member, donor = self._members[one.trial], self._members[one.donor]
            member.params, member.value = one.params, donor.value

    def ended(self) -> str | None:
        return None

    def report(self, number: int, epoch: int, value: float, metrics: Mapping[str, float] = NO_METRICS) -> None:  # noqa: ARG002
        member = self._members[number]
        member.epoch, member.value = epoch, value

    def should_prune(self, number: int) -> bool:  # noqa: ARG002
        return False

    def judged_after(self, number: int, epoch: int) -> int | None:  # noqa: ARG002
        return None

    def reached(self, number: int, epoch: int, seconds: float) -> None:  # noqa: ARG002
        member = self._members[number]
        member.epoch, member.waits = epoch, True

    def tell(self, trial: Trial) -> None:
        self._sampler.tell(trial)
        self._members[trial.number].over = True

    def rebuild(self, trials: Sequence[Trial], reports: Sequence[Report], decisions: Sequence[Decision]) -> None:
        self._reset()
        self._sampler.rebuild(trials, reports)
        self._compared = comparisons(trials, decisions)
        self._index = len(decisions)
        self._decided = max((one.epoch for one in self._compared), default=0)
        for trial in trials:
            over = trial.state in FINISHED
            value = math.nan if trial.last_value is None else trial.last_value
            self._members[trial.number] = _Member(trial.params, trial.epochs, value, trial.at_target and not over, over)


def comparisons(trials: Sequence[Trial], decisions: Sequence[Decision]) -> list[Comparison]:
    """The comparisons that a study's decisions tell of, in order, with the configurations that members had then."""
    params = {trial.number: trial.params for trial in trials}
    found = []
    for decision in reversed(decisions):  # backwards: a trial's record has its last configuration
        why = decision.why
        exploits = tuple(Exploit(one["trial"], one["donor"], one["params"]) for one in why["exploits"])
        params |= {one["trial"]: one["before"] for one in why["exploits"]}
        values = {trial: math.nan if value is None else value for trial, value in why["members"]}  # null: sent so
        members = tuple(Compared(trial, value, params[trial]) for trial, value in values.items())
        found.append(Comparison(why["epoch"], members, exploits))
    return found[::-1]
