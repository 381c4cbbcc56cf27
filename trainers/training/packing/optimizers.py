"""The optimizers of a pack: one rule for all members, whose coefficients make it SGD, Adam or AdamW of each.

    first += take * (gradient - drop * first)             SGD: take = 1, drop = 1 - momentum
    second = keep * second + (1 - keep) * gradient^2      SGD: does not count
    weight -= first / (root * sqrt(second) + floor)       SGD: root = 0, floor = 1 / rate

The coefficients of all steps of an epoch are computed at its start, so that no step waits for a number. A member's
state is laid in then, and taken out at the end as torch's own optimizer keeps it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from goodfit.trainers.training.packing.leaf import Leaf

if TYPE_CHECKING:
    from goodfit.trainers.training.loop import Training

STATES = {"sgd": ("momentum_buffer",), "adam": ("exp_avg", "exp_avg_sq"), "adamw": ("exp_avg", "exp_avg_sq")}  # torch's
STEP = "step"


@dataclass(frozen=True)
class Rule:
    """The coefficients of the rule for one parameter, shaped so that they multiply its stack; `at` a step."""

    take: Tensor
    drop: Tensor
    keep: Tensor
    rest: Tensor  # 1 - keep
    roots: Tensor  # of each step
    floors: Tensor  # of each step
    shrinks: Tensor | None  # of each step: AdamW's decay; None where no member has it
    pulls: Tensor | None  # of the weight, into the gradient: the decay of the others

    def move(self, weight: Tensor, gradient: Tensor, first: Tensor, second: Tensor, at: int) -> None:
        if self.pulls is not None:
            gradient.addcmul_(weight, self.pulls)
        if self.shrinks is not None:
            weight.mul_(self.shrinks[at])
        first.addcmul_(torch.addcmul(gradient, first, self.drop, value=-1), self.take)
        second.mul_(self.keep).addcmul_(gradient.square_(), self.rest)
        weight.addcdiv_(first, second.sqrt().mul_(self.roots[at]).add_(self.floors[at]), value=-1)


class Optimizers:
    """Of all members of a pack.

    Args:
        trainings: of the members, in their order.
        leaves: their parameters.
        rates: the learning rates, (steps, members), float64.
    """

    def __init__(self, trainings: Sequence[Training], leaves: Sequence[Leaf], rates: Tensor) -> None:
        self._members = [Member(training) for training in trainings]
        self._leaves, self._steps, self._at = leaves, len(rates), 0
        self._states = [(leaf.empty(), leaf.empty()) for leaf in leaves]
        for leaf, states in zip(leaves, self._states, strict=True):
            for place, stack in enumerate(states):
                leaf.lay(stack, self._own(leaf, place))
        clips, l1 = ([float(getattr(one.config, name)) for one in trainings] for name in ("clip_norm", "l1"))
        self._clips = _of(clips, rates.device) if any(clips) else None
        self._l1 = _of(l1, rates.device) if any(l1) else None
        self._rules = self._made_rules(rates)

    def step(self, gradients: Sequence[Tensor]) -> None:
        """One step of each member; changes the gradients."""
        with torch.no_grad():
            if self._l1 is not None:
                self._add_l1(gradients, self._l1)
            if self._clips is not None:
                self._clip(gradients, self._clips)
            for leaf, gradient, states, rule in zip(self._leaves, gradients, self._states, self._rules, strict=True):
                rule.move(leaf.value, gradient, *states, self._at)
        self._at += 1

    def take_out(self) -> None:
        """Give each member's own optimizer the state that it has now."""
        for member in self._members:
            member.done += self._at
        for leaf, states in zip(self._leaves, self._states, strict=True):
            for number, lone in zip(leaf.members, leaf.lone, strict=True):
                self._members[number].ready(lone)
            for place, stack in enumerate(states):
                leaf.take(stack, self._own(leaf, place))

    def _made_rules(self, rates: Tensor) -> list[Rule]:
        """Of each parameter; computed in float64, as torch computes them."""
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
        return [
            Rule(
                take=leaf.by_member(take),
                drop=leaf.by_member(drop),
                keep=leaf.by_member(beta2),
                rest=leaf.by_member(1 - beta2),
                roots=leaf.by_member(roots),
                floors=leaf.by_member(floors),
                shrinks=leaf.by_member(shrinks) if leaf.decays and bool((shrinks != 1).any()) else None,
                pulls=leaf.by_member(pulls) if leaf.decays and bool(pulls.any()) else None,
            )
            for leaf in self._leaves
        ]

    def _own(self, leaf: Leaf, place: int) -> list[Tensor | None]:
        """The state of each member for one of its parameters; None where it has none."""
        return [self._members[number].state(lone, place) for number, lone in zip(leaf.members, leaf.lone, strict=True)]

    def _add_l1(self, gradients: Sequence[Tensor], l1: Tensor) -> None:
        for leaf, gradient in zip(self._leaves, gradients, strict=True):
            if leaf.decays:
                gradient.addcmul_(leaf.value.sign(), leaf.by_member(l1))

    def _clip(self, gradients: Sequence[Tensor], clips: Tensor) -> None:
        """As torch's clip_grad_norm_, each member by its own norm."""
        squares = torch.zeros_like(clips)
        for leaf, gradient in zip(self._leaves, gradients, strict=True):
            squares[leaf.members.start : leaf.members.stop] += gradient.flatten(1).square().sum(1)
        shares = torch.where(clips > 0, (clips / (squares.sqrt() + 1e-6)).clamp(max=1.0), 1.0)
        for leaf, gradient in zip(self._leaves, gradients, strict=True):
            gradient.mul_(leaf.by_member(shares))


class Member:
    """The optimizer of one member, as it was alone. Its groups are those of `make_optimizer`: first what decays."""

    def __init__(self, training: Training) -> None:
        self._kind = training.config.optimizer
        self._optimizer = training.optimizer
        self._names = (
            STATES[self._kind] if self._kind != "sgd" or training.optimizer.param_groups[0]["momentum"] else ()
        )
        self.done = max((int(state.get(STEP, 0)) for state in self._optimizer.state.values()), default=0)  # steps

    def hyperparameters(self) -> tuple[float, ...]:
        """Whether it is SGD, its betas, epsilon and decay, whether that goes through the gradient, and its steps."""
        group = self._optimizer.param_groups[0]
        beta, beta2 = (group["momentum"], 0.0) if self._kind == "sgd" else group["betas"]
        coupled = self._kind != "adamw"
        return self._kind == "sgd", beta, beta2, group.get("eps", 0.0), group["weight_decay"], coupled, self.done

    def state(self, lone: Tensor, place: int) -> Tensor | None:
        """The first or second state of one of its parameters; None where its optimizer keeps none, or none yet."""
        if place >= len(self._names):
            return None
        found: Tensor | None = self._optimizer.state.get(lone, {}).get(self._names[place])
        return found

    def ready(self, lone: Tensor) -> None:
        """Have its own optimizer keep the states of a parameter, at the steps that have been made."""
        if not self._names:
            return
        kept = self._optimizer.state[lone]
        if self._kind != "sgd":
            kept[STEP] = torch.tensor(float(self.done), device=lone.device)
        for name in self._names:
            if kept.get(name) is None:
                kept[name] = torch.zeros_like(lone)


def _of(numbers: Sequence[float], device: torch.device) -> Tensor:
    """Of each member."""
    return torch.tensor(numbers, device=device)
