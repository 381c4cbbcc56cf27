"""The optimizers of a pack: on a CPU torch's own kernels, a call for each member, elsewhere one rule for all.

The rule's coefficients make it SGD, Adam or AdamW of each member:

    first += take * (gradient - drop * first)             SGD: take = 1, drop = 1 - momentum
    second += rest * (gradient^2 - second)                SGD: rest = 0, it does not count
    weight -= first / (root * sqrt(second) + floor)       SGD: root = 0, floor = 1 / rate

On a CPU each of its operations is a pass through the memory, which takes two to three times as long as the calls; a GPU
would begin each call by itself. What pads `second` is 1: square roots of 0 take six times as long. What is the same in
all steps of an epoch is computed at its start, so that no step waits for a number; what changes from step to step is
read at a counter in the device's memory, so that a step which was captured is the next one when it is replayed. A
member's state is laid in at the start, and taken out at the end as torch's own optimizer keeps it.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from goodfit.trainers.training.packing.leaf import Leaf

if TYPE_CHECKING:
    from goodfit.trainers.training.loop import Training

STATES = {"sgd": ("momentum_buffer",), "adam": ("exp_avg", "exp_avg_sq"), "adamw": ("exp_avg", "exp_avg_sq")}  # torch's
STEP = "step"
CALLED = ("cpu",)  # devices on which a call for each member is faster than operations on all of them


class Run:
    """The parameters of neighbouring members as one tensor, (members, numbers), first those that decay.

    Args:
        leaves: all with the same members.
        states: makes of a leaf and a place the states that its members have.

    Attributes:
        gradient: of the step that is being made; the same numbers in memory each time.
        decaying: the weights that decay.
        pulled: their gradient.
    """

    def __init__(self, leaves: Sequence[Leaf], states: Callable[[Leaf, int], Sequence[Tensor | None]]) -> None:
        self.leaves = sorted(leaves, key=lambda leaf: not leaf.decays)
        lone = self.leaves[0].lone[0]
        self.members = slice(self.leaves[0].members.start, self.leaves[0].members.stop)
        shape = len(self.leaves[0].members), sum(leaf.size for leaf in leaves)
        self.weights, self.first, self.second = lone.new_zeros(shape), lone.new_zeros(shape), lone.new_ones(shape)
        self.gradient, self.change = lone.new_empty(shape), lone.new_empty(shape)
        decays = sum(leaf.size for leaf in leaves if leaf.decays)
        self.decaying, self.pulled = self.weights[:, :decays], self.gradient[:, :decays]
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

    def gather(self) -> None:
        """Put the gradients of its leaves side by side."""
        torch.cat([leaf.gradient.reshape(len(leaf.lone), -1) for leaf in self.leaves], 1, out=self.gradient)


class Moves(Protocol):
    """Makes the steps of the members of a run."""

    def move(self, run: Run) -> None:
        """Make the next step of the epoch; changes the gradient."""
        ...


class Kernels:
    """torch's own, as its fused optimizers call them.

    Args:
        run: whose numbers they change.
        members: of the run, in its order.
        done: steps that each has made, with the one that is being made: (members,).
        rates: of each step, of each member.
    """

    def __init__(self, run: Run, members: Sequence[Member], done: Tensor, rates: Sequence[Sequence[float]]) -> None:
        self._rates = iter(rates)
        numbers = zip(run.weights, run.gradient, run.first, run.second, done, strict=True)
        self._calls = [member.kernel(*own) for member, own in zip(members, numbers, strict=True)]

    def move(self, _run: Run) -> None:
        for call, rate in zip(self._calls, next(self._rates), strict=True):
            call(lr=rate)


class Now:
    """Coefficients that change from step to step, where each step finds its own: in the same memory.

    Args:
        of_steps: (steps, kinds, members).

    Attributes:
        at: the step that begins next, in the device's memory.
        value: of the step that is being made, (1, kinds, members).
    """

    def __init__(self, of_steps: Tensor) -> None:
        self._of_steps = of_steps
        self.at = torch.zeros(1, dtype=torch.int64, device=of_steps.device)
        self.value = torch.empty_like(of_steps[:1])

    def of(self, run: Run) -> Sequence[Tensor]:
        """Where the members of a run find theirs, (members, 1) each."""
        return self.value[0, :, run.members].unsqueeze(-1).unbind()

    def advance(self) -> None:
        """Go on to the next step."""
        torch.index_select(self._of_steps, 0, self.at, out=self.value)
        self.at += 1


@dataclass(frozen=True)
class Rule:
    """The coefficients of the rule for the members of a run, (members, 1) each."""

    take: Tensor
    drop: Tensor
    rest: Tensor
    roots: Tensor  # of the step that is being made
    floors: Tensor  # likewise

    def move(self, run: Run) -> None:
        run.first.addcmul_(torch.addcmul(run.gradient, run.first, self.drop, value=-1, out=run.change), self.take)
        run.second.lerp_(run.gradient.square_(), self.rest)
        root = torch.sqrt(run.second, out=run.change)
        divisor = torch.addcmul(self.floors, root, self.roots, out=run.change)
        run.weights.addcdiv_(run.first, divisor, value=-1)


@dataclass(frozen=True)
class Decay:
    """The decay of the members of a run, (members, 1) each.

    Attributes:
        shrinks: step after step, AdamW's factor; None where no member has it.
        pulls: how much of a weight the others add to its gradient; None likewise.
    """

    shrinks: Iterator[Tensor] | None
    pulls: Tensor | None

    def act(self, run: Run) -> None:
        """Before the next step of the epoch; changes the gradient."""
        if self.pulls is not None:
            run.pulled.addcmul_(run.decaying, self.pulls)
        if self.shrinks is not None:
            run.decaying.mul_(next(self.shrinks))


class Optimizers:
    """Of all members of a pack.

    Args:
        trainings: of the members, in their order.
        leaves: their parameters; get their values here.
    """

    def __init__(self, trainings: Sequence[Training], leaves: Sequence[Leaf]) -> None:
        self._members = [Member(training) for training in trainings]
        self._steps = 0  # of the epoch
        alike: dict[range, list[Leaf]] = defaultdict(list)
        for leaf in leaves:
            alike[leaf.members].append(leaf)
        self._runs = [Run(group, self._own) for group in alike.values()]
        self._decays: list[Decay] = []
        self._moves: Sequence[Moves] = []
        self._now: Now | None = None  # None: the calls, on a CPU, are told by Python which step it is
        self._done = torch.empty(0)  # steps of each member, with the one that is being made
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
        self._steps = len(rates)
        clips, l1 = ([float(getattr(one.config, name)) for one in trainings] for name in ("clip_norm", "l1"))
        self._clips = torch.tensor(clips, dtype=torch.float64, device=rates.device) if any(clips) else None
        self._l1 = torch.tensor(l1, device=rates.device).unsqueeze(1) if any(l1) else None
        self._done = torch.tensor([float(member.done) for member in self._members], device=rates.device)
        decay, coupled = self._columns(rates, "decay", "coupled")
        shrinks, pulls = 1 - rates * decay * (1 - coupled), decay * coupled
        if rates.device.type in CALLED:
            self._now, self._moves = None, self._kernels(rates.tolist())
            shrinking = [iter(_of(run, shrinks).unbind()) for run in self._runs]
        else:
            roots, floors = self._divisors(rates)
            of_steps = torch.stack([shrinks, roots, floors], 1).to(self._runs[0].weights.dtype)
            self._now = now = Now(of_steps)
            self._moves = self._rules(rates, now)
            shrinking = [itertools.repeat(now.of(run)[0]) for run in self._runs]
        self._decays = self._made_decays(shrinks, shrinking, pulls)

    @property
    def state(self) -> list[Tensor]:
        """What a step changes, and the next one goes on from; of members, or of one number."""
        counter = [] if self._now is None else [self._now.at]
        return [*(tensor for run in self._runs for tensor in run.tensors), *counter]

    def step(self) -> None:
        """One step of each member, down the gradients of the leaves; where autograd is off."""
        for run in self._runs:
            run.gather()
            if self._l1 is not None:
                run.pulled.addcmul_(run.decaying.sign(), self._l1[run.members])
        if self._clips is not None:
            self._clip(self._clips)
        if self._now is None:
            self._done += 1
        else:
            self._now.advance()
        for run, decay, moves in zip(self._runs, self._decays, self._moves, strict=True):
            decay.act(run)
            moves.move(run)

    def take_out(self) -> None:
        """Give each member's own model and optimizer what they have come to."""
        if not self._own_tensors:
            self._pair_up()
            self._counts = [count for member in self._members for count in member.counts]
        for member in self._members:
            member.done += self._steps
        with torch.no_grad():
            torch._foreach_copy_(self._own_tensors, self._stacked)
            if self._counts:
                torch._foreach_add_(self._counts, float(self._steps))

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

    def _kernels(self, rates: Sequence[Sequence[float]]) -> list[Kernels]:
        return [
            Kernels(run, self._members[run.members], self._done[run.members], [each[run.members] for each in rates])
            for run in self._runs
        ]

    def _rules(self, rates: Tensor, now: Now) -> list[Rule]:
        """Of each run."""
        sgd, beta, beta2 = self._columns(rates, "sgd", "beta", "beta2")
        take, drop = torch.where(sgd > 0, 1.0, 1 - beta), torch.where(sgd > 0, 1 - beta, 1.0)
        return [
            Rule(*(_of(run, numbers) for numbers in (take, drop, 1 - beta2)), *now.of(run)[1:]) for run in self._runs
        ]

    def _divisors(self, rates: Tensor) -> tuple[Tensor, Tensor]:
        """The roots and floors of each step, (steps, members); computed in float64, as torch computes them."""
        sgd, beta, beta2, eps = self._columns(rates, "sgd", "beta", "beta2", "eps")
        before = self._done.double()
        done = before + torch.arange(1, len(rates) + 1, device=rates.device).unsqueeze(1)  # (steps, members)
        sizes = rates / torch.where(sgd > 0, 1.0, 1 - beta**done)
        roots = torch.where(sgd > 0, 0.0, 1 / (1 - beta2**done).sqrt()) / sizes
        floors = torch.where(sgd > 0, 1.0, eps) / sizes
        return roots, floors

    def _made_decays(self, shrinks: Tensor, shrinking: Sequence[Iterator[Tensor]], pulls: Tensor) -> list[Decay]:
        """Of each run, given what each step takes of `shrinks`."""
        return [
            Decay(
                shrinks=steps if bool((shrinks[:, run.members] != 1).any()) else None,
                pulls=_of(run, pulls) if bool(pulls[run.members].any()) else None,
            )
            for run, steps in zip(self._runs, shrinking, strict=True)
        ]

    def _columns(self, rates: Tensor, *names: str) -> list[Tensor]:
        """Hyperparameters of all members, (members,), by their names in Member."""
        return [
            torch.tensor(
                [float(getattr(member, name)) for member in self._members], dtype=rates.dtype, device=rates.device
            )
            for name in names
        ]

    def _own(self, leaf: Leaf, place: int) -> list[Tensor | None]:
        """The state of each member for one of its parameters; None where it has none."""
        return [self._members[number].state(lone, place) for number, lone in zip(leaf.members, leaf.lone, strict=True)]

    def _clip(self, clips: Tensor) -> None:
        """As torch's clip_grad_norm_, each member by its own norm: in float64, as padding moves the rounding errors."""
        squares = torch.zeros_like(clips)
        for run in self._runs:
            squares[run.members] += run.gradient.double().square_().sum(1)
        shares = torch.where(clips > 0, (clips / (squares.sqrt() + 1e-6)).clamp(max=1.0), 1.0).float().unsqueeze(1)
        for run in self._runs:
            run.gradient.mul_(shares[run.members])


def _of(run: Run, numbers: Tensor) -> Tensor:
    """Of its members, (..., 1)."""
    return numbers[..., run.members].to(run.weights.dtype).unsqueeze(-1)


class Member:
    """The optimizer of one member, as it was alone. Its groups are those of `make_optimizer`: first what decays.

    Attributes:
        sgd: whether it is SGD.
        beta: Adam's first, or SGD's momentum.
        decay: of its weights.
        coupled: whether that goes through the gradient.
        counts: of the steps, as the optimizer keeps them, for each parameter.
        done: steps that it has made.
    """

    def __init__(self, training: Training) -> None:
        kind, self._optimizer = training.config.optimizer, training.optimizer
        group: dict[str, Any] = self._optimizer.param_groups[0]
        self.sgd, self.coupled = kind == "sgd", kind != "adamw"
        betas: tuple[float, float] = (group["momentum"], 1.0) if self.sgd else group["betas"]
        self.beta, self.beta2 = betas
        self.eps, self.decay = group.get("eps", 0.0), group["weight_decay"]
        self._names = () if self.sgd and not self.beta else STATES[kind]
        self.counts: list[Tensor] = []
        self.done = max((int(state.get(STEP, 0)) for state in self._optimizer.state.values()), default=0)

    def kernel(self, weight: Tensor, gradient: Tensor, first: Tensor, second: Tensor, done: Tensor) -> partial[None]:
        """What makes a step of its numbers at `lr`, without decay, as torch's own fused optimizers do."""
        alike: dict[str, Any] = {"weight_decay": 0.0, "maximize": False}
        if self.sgd:
            alike |= {"momentum": self.beta, "dampening": 0.0, "nesterov": False, "is_first_step": False}
            return partial(torch._fused_sgd_, [weight], [gradient], [first] if self.beta else [], **alike)
        alike |= {"beta1": self.beta, "beta2": self.beta2, "eps": self.eps, "amsgrad": False}
        return partial(torch._fused_adam_, [weight], [gradient], [first], [second], [], [done], **alike)

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
        if not self.sgd:
            kept[STEP] = torch.tensor(float(self.done), device=lone.device)
            self.counts.append(kept[STEP])
        for name in self._names:
            if kept.get(name) is None:
                kept[name] = torch.zeros_like(lone)
