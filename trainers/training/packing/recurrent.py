"""Recurrent nets of several trials of unequal widths: one product a step for all of them.

What pads a state stays zero: its gates have no bias and no weights there, so its candidate is tanh(0).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from goodfit.trainers.nets.dropout import Dropout
from goodfit.trainers.nets.recurrent import CELLS, Forecaster, ImageRows, Recurrent
from goodfit.trainers.training.packing.layout import fitted
from goodfit.trainers.training.packing.leaf import Leaf
from goodfit.trainers.training.packing.stack import Forward, Stack

GATES = {"rnn": 1, "lstm": 4, "gru": 3}


@dataclass(frozen=True)
class _Weights:
    """Of one layer in one direction: each gate's numbers are padded for themselves."""

    inward: Leaf  # (members, gates, width, inputs)
    across: Leaf  # (members, gates, width, width)
    biases: tuple[Leaf, Leaf]  # (members, gates, width)

    def run(self, x: Tensor, cell: str) -> Tensor:
        """The states of all steps, (members, rows, steps, width), of inputs (members, rows, steps, inputs)."""
        members, gates, width = self.biases[0].value.shape
        rows, steps = x.shape[1:3]
        inward, across = (leaf.value.flatten(1, 2).transpose(1, 2) for leaf in (self.inward, self.across))
        before, beside = (leaf.value.flatten(1).unsqueeze(1) for leaf in self.biases)
        if cell != "gru":
            before = before + beside
        flat = x.transpose(1, 2).reshape(members, steps * rows, -1)
        given = torch.baddbmm(before, flat, inward).view(members, steps, rows, gates * width).unbind(1)
        return STEPS[cell](given, across, beside)

    @classmethod
    def of(cls, layers: Sequence[nn.RNNBase], name: str, gates: int, stack: Stack, first: int) -> _Weights:
        def leaf(kind: str) -> Leaf:
            return stack.leaf(first, [layer.get_parameter(f"{kind}_{name}") for layer in layers], unit=1, parts=gates)

        return cls(leaf("weight_ih"), leaf("weight_hh"), (leaf("bias_ih"), leaf("bias_hh")))


def _gru(given: Sequence[Tensor], across: Tensor, beside: Tensor) -> Tensor:
    width = across.shape[1]
    state, states = given[0].new_zeros(*given[0].shape[:2], width), []
    for step in given:
        own = torch.baddbmm(beside, state, across)
        reset, update = torch.sigmoid(step[..., : 2 * width] + own[..., : 2 * width]).chunk(2, 2)
        candidate = torch.tanh(torch.addcmul(step[..., 2 * width :], reset, own[..., 2 * width :]))
        state = torch.lerp(candidate, state, update)
        states.append(state)
    return torch.stack(states, 2)


def _lstm(given: Sequence[Tensor], across: Tensor, _beside: Tensor) -> Tensor:
    state = cell = given[0].new_zeros(*given[0].shape[:2], across.shape[1])
    states = []
    for step in given:
        enter, keep, candidate, leave = torch.baddbmm(step, state, across).chunk(4, 2)
        cell = torch.addcmul(torch.sigmoid(keep) * cell, torch.sigmoid(enter), torch.tanh(candidate))
        state = torch.sigmoid(leave) * torch.tanh(cell)
        states.append(state)
    return torch.stack(states, 2)


def _plain(given: Sequence[Tensor], across: Tensor, _beside: Tensor) -> Tensor:
    state, states = given[0].new_zeros(*given[0].shape[:2], across.shape[1]), []
    for step in given:
        state = torch.tanh(torch.baddbmm(step, state, across))
        states.append(state)
    return torch.stack(states, 2)


STEPS: dict[str, Callable[[Sequence[Tensor], Tensor, Tensor], Tensor]] = {"gru": _gru, "lstm": _lstm, "rnn": _plain}


def kind(layer: Recurrent) -> tuple[object, ...]:
    """Nets of one kind are one function in a pack; of those of two directions the widths are equal."""
    rnn = layer.stack
    width = rnn.hidden_size if rnn.bidirectional else None
    return Recurrent, type(rnn), rnn.num_layers, rnn.bidirectional, width, layer.pooling


def recurrent(members: Sequence[Recurrent], stack: Stack, first: int) -> Forward:
    """A stack of recurrent layers, and what it makes of the states of all steps."""
    alike, rnns = members[0], [member.stack for member in members]
    cell = next(name for name, made in CELLS.items() if type(alike.stack) is made)
    gates, ways = GATES[cell], ("", "_reverse") if alike.stack.bidirectional else ("",)
    layers = [
        [_Weights.of(rnns, f"l{layer}{way}", gates, stack, first) for way in ways]
        for layer in range(alike.stack.num_layers)
    ]
    drops, widths = [member.between for member in members], [member.size for member in members]
    between = [sequence_dropout(drops, widths, stack) for _ in layers[1:]]
    score = _score(members, stack, first) if alike.pooling == "attention" else None
    stack.widen(first, widths)

    def forward(x: Tensor) -> Tensor:
        for number, ways in enumerate(layers):
            x = between[number - 1](x) if number else x
            there = ways[0].run(x, cell)
            x = there if len(ways) == 1 else torch.cat([there, ways[1].run(x.flip(2), cell).flip(2)], 3)
        if alike.pooling == "mean":
            return x.mean(2)
        if score is not None:
            return (score(x).softmax(2) * x).sum(2)
        if not alike.stack.bidirectional:
            return x[:, :, -1]
        there, back = x.chunk(2, 3)
        return torch.cat([there[:, :, -1], back[:, :, 0]], 2)

    return forward


def _score(members: Sequence[Recurrent], stack: Stack, first: int) -> Forward:
    """How much each step counts, (members, rows, steps, 1): a linear layer, tanh and a linear layer to one number."""
    inner, outer = ([member.score[place] for member in members] for place in (0, 2))
    weight, bias = (stack.leaf(first, [layer.get_parameter(name) for layer in inner]) for name in ("weight", "bias"))
    last = stack.leaf(first, [layer.get_parameter("weight") for layer in outer])

    def forward(x: Tensor) -> Tensor:
        flat = fitted(x.flatten(1, 2), weight.value.shape[2])
        hidden = torch.tanh(torch.baddbmm(bias.value.unsqueeze(1), flat, weight.value.transpose(1, 2)))
        scores = torch.bmm(hidden, last.value[:, :1].transpose(1, 2))
        return scores.view(*x.shape[:3], 1)

    return forward


def sequence_dropout(members: Sequence[Dropout], widths: Sequence[int], stack: Stack) -> Forward:
    """The same dropout of sequences, (members, rows, steps, width), of each member; for one place of the net."""
    if not any(member.p for member in members):
        return lambda x: x
    feed = stack.feed()

    def drawn(shape: torch.Size, dtype: torch.dtype, device: torch.device) -> Tensor:
        masks = torch.ones(shape, dtype=dtype, device=device)
        for member, width, mask in zip(members, widths, masks, strict=True):
            if member.p and member.masks is not None:
                mask[..., :width] = member.masks.next(shape[1], (shape[2], width), dtype)
        return masks

    def forward(x: Tensor) -> Tensor:
        return x * feed.take(partial(drawn, x.shape, x.dtype, x.device)) if stack.training else x

    return forward


def image_rows(_members: Sequence[ImageRows], _stack: Stack, _first: int) -> Forward:
    """Images, (rows, members, channels, height, width), as sequences of their rows: (members, rows, height, ...)."""
    return lambda x: x.permute(1, 0, 3, 2, 4).flatten(3)


def forecaster(stacked: Callable[[Sequence[nn.Module], Stack, int], Forward]) -> Callable[..., Forward]:
    """A net that corrects a base forecast, given what stacks the net."""

    def make(members: Sequence[Forecaster], stack: Stack, first: int) -> Forward:
        net, alike = stacked([member.net for member in members], stack, first), members[0]

        def forward(x: Tensor) -> Tensor:
            base, relative = alike.parts(x.flatten(0, 1))
            out = net(relative.view(*x.shape[:2], *relative.shape[1:]))
            return base.reshape(*x.shape[:2], -1) + out[..., : base.shape[1]]

        return forward

    return make
