"""An epoch of several trials as one batched model, whose every part is what the trial would have alone."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from goodfit.trainers.nets.layers import Layers
from goodfit.trainers.training.language_metrics import scores_of, tokenizer_of
from goodfit.trainers.training.packing.graph import Captures, Replays, captures_on
from goodfit.trainers.training.packing.layers import place_of, stacked
from goodfit.trainers.training.packing.layout import channels_last
from goodfit.trainers.training.packing.losses import Losses
from goodfit.trainers.training.packing.metrics import metrics_of
from goodfit.trainers.training.packing.optimizers import STATES, Optimizers
from goodfit.trainers.training.packing.stack import Forward, Stack
from goodfit.trainers.training.packing.work import EpochResult, EpochWork

if TYPE_CHECKING:
    from goodfit.trainers.data import Facts
    from goodfit.trainers.training.loop import Tensors, Training

NUMBERS_AT_ONCE, ON_GPU = {"cpu": 2**18}, 2**22  # of the rows of several steps: so they stay in a processor's cache
KEPT = 4  # batched models that are kept for their members' next epoch
ROWS_AT_ONCE = 64  # of all members when measuring, so that they stay in cache; of few members MOST_AT_ONCE in all
MOST_AT_ONCE = 512
TOKENS_AT_ONCE = 2048  # of each member when measuring language models

_kept: list[BatchedModel] = []  # the last that was used is the last


def train_batched(works: Sequence[EpochWork]) -> list[EpochResult]:
    """Train an epoch of each as one model; in their order."""
    trainings = [work.training for work in works]
    model = next((one for one in _kept if one.serves(trainings)), None)
    if model is None:
        model = BatchedModel(trainings, captures_on(works[0].train.y.device))
    else:
        model.forget()  # an epoch that fails leaves it unfit
    results = model.train(works)
    _kept[:] = [*_kept[1 - KEPT :], model]
    return results


class BatchedModel:
    """Several trials' models as one, from epoch to epoch.

    What is trained are copies, laid into stacks and taken out again at the end of each epoch: until then the trials'
    own models and optimizers are as they were before. It serves the next epoch where nothing else has written to those.

    Args:
        trainings: of the members, which it does not keep alive.
        captures: what captures a step as a graph; None: each step is made by itself.
    """

    def __init__(self, trainings: Sequence[Training], captures: Captures | None = None) -> None:
        trainings = sorted(trainings, key=lambda training: place_of(training.model))
        self._members = [weakref.ref(training, self.forget) for training in trainings]
        facts = trainings[0].facts
        self._stack = Stack([facts.input_shape[0] if facts.kind == "image" else facts.inputs] * len(trainings))
        nets = [training.model for training in trainings]
        self._flattens = all(type(net) is Layers and isinstance(net[0], nn.Flatten) for net in nets)
        self._forward = stacked(nets, self._stack)
        self._optimizers = Optimizers(trainings, self._stack.leaves)
        self._replays = Replays(captures, self._stack, f"{len(nets)} trials of {type(nets[0]).__name__}")
        self._left: list[tuple[Tensor, int, bool]] = []

    def forget(self, _: object = None) -> None:
        """Keep it no longer."""
        with contextlib.suppress(ValueError):
            _kept.remove(self)

    def serves(self, trainings: Sequence[Training]) -> bool:
        """Whether these are its members, in any order, and are as it left them."""
        members = [member() for member in self._members]
        there = [member for member in members if member is not None]
        if {*map(id, there)} != {*map(id, trainings)}:
            return False
        now, left = self._seen(there), self._left
        return len(now) == len(left) and all(
            one is before and how == how_before for (one, *how), (before, *how_before) in zip(now, left, strict=True)
        )

    def _seen(self, trainings: Sequence[Training]) -> list[tuple[Tensor, int, bool]]:
        """The tensors of the members' models and optimizers, how often each was written to, and if it is trained."""
        leaves = [tensor for leaf in (*self._stack.leaves, *self._stack.buffers) for tensor in leaf.lone]
        states = [
            state[name]
            for training in trainings
            for state in training.optimizer.state.values()
            for name in STATES[training.config.optimizer]
            if state.get(name) is not None
        ]
        return [
            (tensor, tensor._version, tensor.requires_grad)  # noqa: SLF001 - torch has no public name for it
            for tensor in (*leaves, *states)
        ]

    def train(self, works: Sequence[EpochWork]) -> list[EpochResult]:
        """Train an epoch of each of its members, and measure the models after it."""
        places = {id(work.training): place for place, work in enumerate(works)}
        order = [places[id(member())] for member in self._members]
        first, epochs = works[0], [works[place].epoch for place in order]
        trainings = [works[place].training for place in order]
        train, validation = self._train_epoch(trainings, epochs, first.train, [first.measured, first.validation])
        found = dict(zip(order, map(EpochResult, train, validation), strict=True))
        return [found[place] for place in range(len(works))]

    def _train_epoch(
        self, trainings: Sequence[Training], epochs: Sequence[int], data: Tensors, measured: Sequence[Tensors]
    ) -> list[list[dict[str, float]]]:
        """Of each of the splits that are measured, the metrics of each member; members and epochs in its own order."""
        inputs = [split.x for split in measured if isinstance(split.x, Tensor)]
        if not isinstance(data.x, Tensor) or len(inputs) < len(measured):
            raise TypeError("rows that are still in their files are not packed")
        facts, stack, forward = trainings[0].facts, self._stack, self._forward
        taken = self._taken(data.x)
        orders = [training.batches(epoch, data.y) for training, epoch in zip(trainings, epochs, strict=True)]
        rates = [one.rates(epoch, len(orders[0])) for one, epoch in zip(trainings, epochs, strict=True)]
        self._optimizers.begin(trainings, torch.tensor(rates, dtype=torch.float64, device=data.y.device).t())
        losses, answers = Losses(trainings, data.y), facts.outputs
        half = trainings[0].half
        own = forward.known and half is None
        step = partial(self._step, losses) if own else partial(self._step_by_autograd, losses, half)
        state = [*self._optimizers.state, *(buffer.value for buffer in stack.buffers)]
        stack.training = True
        with contextlib.ExitStack() as masks, torch.inference_mode() if own else torch.no_grad():
            for training, epoch, batches in zip(trainings, epochs, orders, strict=True):
                masks.enter_context(training.masks(epoch, batches))
            self._replays.run(step, _batches(taken, data.y, orders), [len(rows) for rows in orders[0]], state)
        stack.training = False
        with torch.inference_mode():
            found = [
                metrics_of(_outputs(forward, self._taken(x), len(trainings))[..., :answers], x, split.y, facts)
                if facts.task != "language-modelling"
                else _language_metrics(forward, x, split.y, len(trainings), facts)
                for x, split in zip(inputs, measured, strict=True)
            ]
        for buffer in stack.buffers:
            buffer.take(buffer.value, buffer.lone)
        self._optimizers.take_out()
        for training, steps in zip(trainings, rates, strict=True):
            for group in training.optimizer.param_groups:
                group["lr"] = steps[-1]
        self._left = self._seen(trainings)
        return found

    def _step(self, losses: Losses, x: Tensor, y: Tensor, rows: Tensor) -> None:
        """Down gradients that all layers know."""
        outputs, back = self._forward.trace(x)
        back(losses.gradient(outputs, y, rows))
        self._optimizers.step()

    def _step_by_autograd(self, losses: Losses, half: torch.dtype | None, x: Tensor, y: Tensor, rows: Tensor) -> None:
        outputs = self._by_autograd(x, half)
        self._keep_gradients(outputs, losses.gradient(outputs, y, rows))
        self._optimizers.step()

    def _by_autograd(self, x: Tensor, half: torch.dtype | None) -> Tensor:
        """The outputs."""
        with torch.enable_grad():
            if half is None:
                return self._forward(x)
            with torch.autocast(x.device.type, dtype=half):
                return self._forward(x).float()

    def _keep_gradients(self, outputs: Tensor, gradient: Tensor) -> None:
        """Have the leaves keep theirs, given that of the outputs."""
        leaves = self._stack.leaves
        found = torch.autograd.grad(outputs, [leaf.value for leaf in leaves], gradient)
        for leaf, own in zip(leaves, found, strict=True):
            leaf.gradient = own

    def _taken(self, x: Tensor) -> Tensor:
        """Rows as the layers take them: flat, where that is the first thing that they do."""
        return x.flatten(1) if self._flattens else x


def _batches(x: Tensor, y: Tensor, orders: Sequence[Sequence[Tensor]]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """What the layers of each step take, its targets, and which of the training rows these are.

    Those of several steps are read at once. The inputs are (members, rows, ...), or (rows, members, ...) of images, the
    others (members, rows, ...).
    """
    sizes = [len(batch) for batch in orders[0]]
    rows = torch.stack([torch.cat(list(batches)) for batches in orders])
    axis = 1 - _members_axis(x)
    numbers = len(orders) * max(sizes) * x[0].numel()
    at_once = max(1, NUMBERS_AT_ONCE.get(x.device.type, ON_GPU) // numbers)
    start = 0
    for first in range(0, len(sizes), at_once):
        steps = sizes[first : first + at_once]
        these = rows[:, start : start + sum(steps)]
        start += sum(steps)
        inputs, targets = _read(x, these) if axis else channels_last(_read(x, these.t())), _read(y, these)
        yield from zip(
            *(one.split_with_sizes(steps, dim) for one, dim in ((inputs, axis), (targets, 1), (these, 1))), strict=True
        )


def _read(tensor: Tensor, rows: Tensor) -> Tensor:
    """These rows; by `tensor[rows]` they take nine times as long."""
    return tensor.index_select(0, rows.flatten()).view(*rows.shape, *tensor.shape[1:])


def _measured_at_once(x: Tensor, members: int) -> list[Tensor]:
    """The rows in parts of whole ROWS_AT_ONCE, and what is left: a product of one to three rows rounds otherwise.

    So what is left is the same for any number of members.
    """
    at_once = ROWS_AT_ONCE * max(1, MOST_AT_ONCE // ROWS_AT_ONCE // members)
    whole = len(x) - len(x) % ROWS_AT_ONCE
    parts = [*torch.split(x[:whole], at_once), x[whole:]]
    return [part for part in parts if len(part)]


def _members_axis(x: Tensor) -> int:
    """Where the members come in what the layers take of such data."""
    return 1 if x.ndim == 4 else 0


def _outputs(forward: Forward, x: Tensor, members: int) -> Tensor:
    """Of all members on the same rows: (members, rows, outputs)."""
    axis = _members_axis(x)
    parts = [
        forward(part.unsqueeze(axis).expand(*part.shape[:axis], members, *part.shape[axis:]))
        for part in _measured_at_once(x, members)
    ]
    return torch.cat(parts, 1)


def _language_metrics(forward: Forward, x: Tensor, y: Tensor, members: int, facts: Facts) -> list[dict[str, float]]:
    """Of all members on the same windows; the logits of all would fill the memory."""
    rows, shape = max(1, TOKENS_AT_ONCE // x.shape[1]), (members, -1, x.shape[1], facts.outputs)
    parts = (
        (forward(part.expand(members, *part.shape))[..., : facts.outputs].reshape(shape), targets)
        for part, targets in zip(torch.split(x, rows), torch.split(y, rows), strict=True)
    )
    return [scores.metrics for scores in scores_of(parts, y, tokenizer_of(facts))]
