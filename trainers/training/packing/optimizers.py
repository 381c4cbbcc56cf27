"""The optimizers of a pack: one rule for all members, whose coefficients make it SGD, Adam or AdamW of each.

    first += take * (gradient - drop * first)             SGD: take = 1, drop = 1 - momentum
    second += rest * (gradient^2 - second)                SGD: rest = 0, it does not count
    weight -= first / (root * sqrt(second) + floor)       SGD: root = 0, floor = 1 / rate

What pads `second` is 1: square roots of 0 take six times as long. The coefficients of all steps of an epoch are
computed at its start, so that no step waits for a number. A member's state is laid in then, and taken out at the end as
torch's own optimizer keeps it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from goodfit.trainers.training.packing.leaf import Leaf

if TYPE_CHECKING:
    from goodfit.trainers.training.loop import Training

STATES = {"sgd": ("momentum_buffer",), "adam": ("exp_avg", "exp_avg_sq"), "adamw": ("exp_avg", "exp_avg_sq")}  # torch's
STEP = "step"


class Run:
    """The parameters of neighbouring members as one tensor, (members, numbers), first those that decay.

    Args:
        leaves: all with the same members.
        states: makes of a leaf and a place the states that its members have.
    """

    def __init__(self, leaves: Sequence[Leaf], states: Callable[[Leaf, int], Sequence[Tensor | None]]) -> None:
        self.leaves = sorted(leaves, key=lambda leaf: not leaf.decays)
        lone = self.leaves[0].lone[0]
        self.members = slice(self.leaves[0].members.start, self.leaves[0].members.stop)
        shape = len(self.leaves[0].members), sum(leaf.size for leaf in leaves)
        self.weights, self.first, self.second = lone.new_zeros(shape), lone.new_zeros(shape), lone.new_ones(shape)
        self.gradient, self.change = lone.new_empty(shape), lone.new_empty(shape)
        self.decays = sum(leaf.size for leaf in leaves if leaf.decays)
        for leaf, numbers, *both in zip(self.leaves, *map(self.parts, self.tensors), strict=True):
            leaf.lay_out(numbers)
            for place, into in enumerate(both):
                leaf.lay(into, states(leaf, place))

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.weights, self.first, self.second

    def parts(self, numbers: Tensor) -> Sequence[Tensor]:
        """Each leaf's part of such numbers."""
        return torch.split(numbers.detach(), [leaf.size for leaf in self.leaves], 1)

    def gathered(self, gradients: Mapping[Leaf, Tensor]) -> Tensor:
        """The gradients of its leaves as one; the same numbers in memory each time."""
        return torch.cat([gradients[leaf].reshape(len(leaf.lone), -1) for leaf in self.leaves], 1, out=self.gradient)


@dataclass(frozen=True)
class Rule:
    """The coefficients of the rule for the members of a run, (members, 1) each; `at` a step."""

    take: Tensor
    drop: Tensor
    rest: Tensor
    roots: Tensor  # of each step
    floors: Tensor  # of each step
    shrinks: Tensor | None  # of each step: AdamW's decay; None where no member has it
    pulls: Tensor | None  # of the weight, into the gradient: the decay of the others

    def move(self, run: Run, gradient: Tensor, at: int) -> None:
        """Make the step; changes the gradient."""
        decaying = run.weights[:, : run.decays]
        if self.pulls is not None:
            gradient[:, : run.decays].addcmul_(decaying, self.pulls)
        if self.shrinks is not None:
            decaying.mul_(self.shrinks[at])
        run.first.addcmul_(torch.addcmul(gradient, run.first, self.drop, value=-1, out=run.change), self.take)
        run.second.lerp_(gradient.square_(), self.rest)
        root = torch.sqrt(run.second, out=run.change)
        divisor = torch.addcmul(self.floors[at], root, self.roots[at], out=run.change)
        run.weights.addcdiv_(run.first, divisor, value=-1)


class Optimizers:
    """Of all members of a pack.

    Args:
        trainings: of the members, in their order.
        leaves: their parameters; get their values here.
    """

    def __init__(self, trainings: Sequence[Training], leaves: Sequence[Leaf]) -> None:
        self._members = [Member(training) for training in trainings]
        self._leaves, self._at = leaves, 0
        alike: dict[range, list[Leaf]] = defaultdict(list)
        for leaf in leaves:
            alike[leaf.members].append(leaf)
        self._runs = [Run(group, self._own) for group in alike.values()]
        self._rules: list[Rule] = []
        self._own_tensors: list[Tensor] = []  # of the members, from the end of the first epoch on
        self._stacked: list[Tensor] = []  # what each is copied from
        self._counts: list[Tensor] = []  # of the steps that the members' own optimizers have made
        self._clips: Tensor | None = None
        self._l1: Tensor | None = None

    def begin(self, trainings: Sequence[Training], rates: Tensor) -> None:
        """Make ready for an epoch.

        Args:
            trainings: of the members.
            rates: the learning rates, (steps, members), float64.
        """
        self._at = 0
        clips, l1 = ([float(getattr(one.config, name)) for one in trainings] for name in ("clip_norm", "l1"))
        self._clips = torch.tensor(clips, dtype=torch.float64, device=rates.device) if any(clips) else None
        self._l1 = torch.tensor(l1, device=rates.device).unsqueeze(1) if any(l1) else None
        self._rules = self._made_rules(rates)

    def step(self, gradients: Sequence[Tensor]) -> None:
        """One step of each member, down the gradients of the leaves."""
        by_leaf = dict(zip(self._leaves, gradients, strict=True))
        with torch.no_grad():
            gathered = [run.gathered(by_leaf) for run in self._runs]
            if self._l1 is not None:
                for run, gradient in zip(self._runs, gathered, strict=True):
                    signs = run.weights[:, : run.decays].sign()
                    gradient[:, : run.decays].addcmul_(signs, self._l1[run.members])
            if self._clips is not None:
                self._clip(gathered, self._clips)
            for run, gradient, rule in zip(self._runs, gathered, self._rules, strict=True):
                rule.move(run, gradient, self._at)
        self._at += 1

    def take_out(self) -> None:
        """Give each member's own model and optimizer what they have come to."""
        if not self._own_tensors:
            self._pair_up()
            self._counts = [count for member in self._members for count in member.counts]
        for member in self._members:
            member.done += self._at
        with torch.no_grad():
            torch._foreach_copy_(self._own_tensors, self._stacked)
            if self._counts:
                torch._foreach_add_(self._counts, float(self._at))

    def _pair_up(self) -> None:
        """Find each tensor of a member's own, and the part of a stack that it is copied from."""
        for run in self._runs:
            for leaf, weights, *states in zip(run.leaves, *map(run.parts, run.tensors), strict=True):
                for number, lone in zip(leaf.members, leaf.lone, strict=True):
                    self._members[number].ready(lone)
                pairs = [(weights, leaf.lone), *((part, self._own(leaf, place)) for place, part in enumerate(states))]
                for numbers, own in pairs:
                    for tensor, view in leaf.pairs(numbers, own):
                        self._own_tensors.append(tensor)
                        self._stacked.append(view)

    def _made_rules(self, rates: Tensor) -> list[Rule]:
        """Of each run; computed in float64, as torch computes them."""
        sgd, beta, beta2, eps, decay, coupled, before = (
            torch.tensor(column, dtype=torch.float64, device=rates.device)
            for column in zip(*(member.hyperparameters() for member in self._members), strict=True)
        )
        done = before + torch.arange(1, len(rates) + 1, device=rates.device).unsqueeze(1)  # (steps, members)
        sizes = rates / torch.where(sgd > 0, 1.0, 1 - beta**done)
        roots = torch.where(sgd > 0, 0.0, 1 / (1 - beta2**done).sqrt()) / sizes
        floors = torch.where(sgd > 0, 1.0, eps) / sizes
        take, drop = torch.where(sgd > 0, 1.0, 1 - beta), torch.where(sgd > 0, 1 - beta, 1.0)
        shrinks, pulls = 1 - rates * decay * (1 - coupled), decay * coupled

        def of(run: Run, numbers: Tensor) -> Tensor:
            return numbers[..., run.members].to(run.weights.dtype).unsqueeze(-1)

        return [
            Rule(
                take=of(run, take),
                drop=of(run, drop),
                rest=of(run, 1 - beta2),
                roots=of(run, roots),
                floors=of(run, floors),
                shrinks=of(run, shrinks) if bool((shrinks[:, run.members] != 1).any()) else None,
                pulls=of(run, pulls) if bool(pulls[run.members].any()) else None,
            )
            for run in self._runs
        ]

    def _own(self, leaf: Leaf, place: int) -> list[Tensor | None]:
        """The state of each member for one of its parameters; None where it has none."""
        return [self._members[number].state(lone, place) for number, lone in zip(leaf.members, leaf.lone, strict=True)]

    def _clip(self, gathered: Sequence[Tensor], clips: Tensor) -> None:
        """As torch's clip_grad_norm_, each member by its own norm: in float64, as padding moves the rounding errors."""
        squares = torch.zeros_like(clips)
        for run, gradient in zip(self._runs, gathered, strict=True):
            squares[run.members] += gradient.double().square_().sum(1)
        shares = torch.where(clips > 0, (clips / (squares.sqrt() + 1e-6)).clamp(max=1.0), 1.0).float().unsqueeze(1)
        for run, gradient in zip(self._runs, gathered, strict=True):
            gradient.mul_(shares[run.members])


class Member:
    """The optimizer of one member, as it was alone. Its groups are those of `make_optimizer`: first what decays."""

    def __init__(self, training: Training) -> None:
        self._kind = training.config.optimizer
        self._optimizer = training.optimizer
        self._names = (
            STATES[self._kind] if self._kind != "sgd" or training.optimizer.param_groups[0]["momentum"] else ()
        )
        self.counts: list[Tensor] = []  # of the steps, as the optimizer keeps them, for each parameter
        self.done = max((int(state.get(STEP, 0)) for state in self._optimizer.state.values()), default=0)  # steps

    def hyperparameters(self) -> tuple[float, ...]:
        """Whether it is SGD, its betas, epsilon and decay, whether that goes through the gradient, and its steps."""
        group = self._optimizer.param_groups[0]
        beta, beta2 = (group["momentum"], 1.0) if self._kind == "sgd" else group["betas"]
        coupled = self._kind != "adamw"
        return self._kind == "sgd", beta, beta2, group.get("eps", 0.0), group["weight_decay"], coupled, self.done

    def state(self, lone: Tensor, place: int) -> Tensor | None:
        """The first or second state of one of its parameters; None where its optimizer keeps none."""
        if place >= len(self._names):
            return None
        found: Tensor | None = self._optimizer.state.get(lone, {}).get(self._names[place])
        return torch.zeros_like(lone) if found is None else found

    def ready(self, lone: Tensor) -> None:
        """Have its own optimizer keep the states of a parameter."""
        if not self._names:
            return
        kept = self._optimizer.state[lone]
        if self._kind != "sgd":
            kept[STEP] = torch.tensor(float(self.done), device=lone.device)
            self.counts.append(kept[STEP])
        for name in self._names:
            if kept.get(name) is None:
                kept[name] = torch.zeros_like(lone)
