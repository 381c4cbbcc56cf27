"""How a net writes a text token by token: greedily, or by beam search. Imports torch.

A beam of one is greedy: the likeliest token at each step. A wider beam follows that many texts at
once and keeps those of the highest mean log probability a token, their end among them: the sum
alone would favour short texts (Wu and others, 2016). A text that has ended keeps its place while
none overtakes it.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from goodfit.trainers.data.preparing.tokens import PADDING, UNKNOWN

Rows = tuple[Tensor, ...]  # each with the rows first
TEXTS_AT_ONCE = 512  # that are followed; bounds the memory, changes no result


class Writer(Protocol):
    """What writes a text: it reads a source once, and then takes a token at a time."""

    end: int  # the id that stands before a text and at its end

    def remember(self, sources: Tensor) -> Rows: ...
    def start(self, memory: Rows) -> Rows: ...
    def step(self, tokens: Tensor, memory: Rows, state: Rows) -> tuple[Tensor, Rows]:
        """The logits (rows, ids) of what follows the last tokens (rows,), and the state after them."""
        ...


class Written(NamedTuple):
    """Texts as ids (rows, steps), each up to and with its end, PADDING behind it; scores (rows,), see above."""

    ids: Tensor
    scores: Tensor


@torch.inference_mode()
def write(writer: Writer, sources: Tensor, steps: int, beam: int = 1) -> Written:
    """The texts that follow from these sources, of `steps` tokens at most, their end among them."""
    parts = [_write(writer, part, steps, beam) for part in torch.split(sources, max(1, TEXTS_AT_ONCE // beam))]
    longest = max(part.ids.shape[1] for part in parts)
    ids = [torch.nn.functional.pad(part.ids, (0, longest - part.ids.shape[1]), value=PADDING) for part in parts]
    return Written(torch.cat(ids), torch.cat([part.scores for part in parts]))


def _write(writer: Writer, sources: Tensor, steps: int, beam: int) -> Written:
    rows, device = len(sources), sources.device
    memory = writer.remember(sources)
    state = writer.start(memory)
    if beam > 1:
        memory, state = (tuple(part.repeat_interleave(beam, dim=0) for part in parts) for parts in (memory, state))
    ids = torch.empty((rows, beam, 0), dtype=torch.int64, device=device)
    tokens = torch.full((rows * beam,), writer.end, device=device)
    totals = torch.full((rows, beam), -torch.inf, device=device)
    totals[:, 0] = 0.0  # all texts of a beam begin alike: the first alone is followed
    lengths, ended = torch.zeros_like(totals), torch.zeros_like(totals, dtype=torch.bool)
    for _ in range(steps):
        logits, state = writer.step(tokens, memory, state)
        following = _log_probabilities(logits, ended)
        lengths = lengths + ~ended
        sums = totals[:, :, None] + following
        best = (sums / lengths[:, :, None]).flatten(1).topk(beam, dim=1).indices
        origin, chosen = best // sums.shape[2], best % sums.shape[2]
        totals = sums.flatten(1).gather(1, best)
        lengths, ended = lengths.gather(1, origin), ended.gather(1, origin) | (chosen == writer.end)
        ids = torch.cat([ids.gather(1, origin[:, :, None].expand_as(ids)), chosen[:, :, None]], dim=2)
        if bool(ended.all()):
            break
        tokens = chosen.flatten()
        if beam > 1:
            places = (origin + beam * torch.arange(rows, device=device)[:, None]).flatten()
            state = tuple(part[places] for part in state)
    return _best(ids, totals / lengths, ended)


def _log_probabilities(logits: Tensor, ended: Tensor) -> Tensor:
    """Of each id, (rows, beam, ids); a text that has ended goes on with PADDING alone, at no cost."""
    following = logits.float().log_softmax(dim=1).view(*ended.shape, -1)
    following[:, :, [PADDING, UNKNOWN]] = -torch.inf  # neither can be written out
    only = torch.full((following.shape[2],), -torch.inf, device=following.device)
    only[PADDING] = 0.0
    return torch.where(ended[:, :, None], only, following)


def _best(ids: Tensor, scores: Tensor, ended: Tensor) -> Written:
    """The best text of each beam; of those that have ended, where one has."""
    cut_off = ~ended & ended.any(dim=1, keepdim=True)
    place = scores.masked_fill(cut_off, -torch.inf).argmax(dim=1, keepdim=True)
    return Written(ids.gather(1, place[:, :, None].expand(-1, 1, ids.shape[2]))[:, 0], scores.gather(1, place)[:, 0])
