"""The nets that translate: a transformer (Vaswani and others, 2017), and GRUs with attention. Imports torch.

Ids are (rows, positions), 0 where a row is filled up; outputs are logits of the target's ids, its end
as the last. What fills up a source reaches no output, and no output depends on later target tokens.
Each net also writes token by token, which gives the same logits: decoding.py drives it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from goodfit.trainers.data.kinds.pairs import end_of
from goodfit.trainers.data.preparing.tokens import Tokenizer
from goodfit.trainers.errors import BadTrainer, DataProblem
from goodfit.trainers.nets.attention import Block, CrossAttention, Tokens
from goodfit.trainers.nets.decoding import Rows, write

if TYPE_CHECKING:
    from goodfit.trainers.builtin.seq2seq.config import Seq2SeqConfig
    from goodfit.trainers.data import Facts

LONGEST = 2048  # positions: attention costs the square of them, 2048 x 2048 numbers a head and row


class Seq2Seq(nn.Module, ABC):
    """What both nets share: the embeddings, the head, and how a text is written.

    Args:
        config: of the trainer.
        sources: the tokenizer of the texts to translate.
        targets: that of their translations.
    """

    def __init__(self, config: Seq2SeqConfig, sources: Tokenizer, targets: Tokenizer) -> None:
        super().__init__()
        self.end, self.beam, self.longest = end_of(targets), config.beam, targets.length + 1
        self.embedding = Tokens(sources.size, config.width, 0.0)
        self.written = nn.Embedding(targets.size + 1, config.width)
        nn.init.normal_(self.written.weight, std=config.width**-0.5)  # rows of length one, as those of the sources
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.width, targets.size + 1)

    def forward(self, sources: Tensor, targets: Tensor) -> Tensor:
        """The logits (rows, positions, ids) of each target token, given those before it."""
        memory = self.remember(sources)
        before = torch.cat([torch.full_like(targets[:, :1], self.end), targets[:, :-1]], dim=1)
        return self.follow(before, memory)

    @abstractmethod
    def remember(self, sources: Tensor) -> Rows:
        """What the decoder needs of the sources."""

    @abstractmethod
    def follow(self, before: Tensor, memory: Rows) -> Tensor:
        """The logits of what follows each of these tokens, (rows, positions, ids)."""

    @abstractmethod
    def start(self, memory: Rows) -> Rows:
        """The decoder's state before the first token."""

    @abstractmethod
    def step(self, tokens: Tensor, memory: Rows, state: Rows) -> tuple[Tensor, Rows]:
        """The logits (rows, ids) of what follows the last tokens (rows,), and the state after them."""

    def translate(self, sources: Tensor) -> Tensor:
        """The ids of the translations (rows, steps), each with its end, PADDING behind it."""
        self.eval()
        return write(self, sources, self.longest, self.beam).ids


class TransformerSeq2Seq(Seq2Seq):
    """An encoder of blocks, and a decoder of blocks that attend to what is written and to the sources.

    Its memory is the sources' mask, and for each block their keys and values; its state for each block
    the keys and values of what is written.
    """

    def __init__(self, config: Seq2SeqConfig, sources: Tokenizer, targets: Tokenizer) -> None:
        super().__init__(config, sources, targets)
        self.place = nn.Parameter(torch.randn(sources.length, config.width) * config.width**-0.5)
        self.written_place = nn.Parameter(torch.randn(self.longest, config.width) * config.width**-0.5)
        self.encoder = nn.ModuleList(Block(config, None) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        self.decoder = nn.ModuleList(DecoderBlock(config) for _ in range(config.depth))
        self.last_norm = nn.LayerNorm(config.width)

    def remember(self, sources: Tensor) -> Rows:
        x, mask = self.embedding(sources)
        x = self.dropout(x + self.place[: x.shape[1]])
        for block in self.encoder:
            x = block(x, mask)
        x = self.norm(x)
        parts: list[Tensor] = []
        for block in self._blocks:
            parts += block.cross.keys_and_values(x)
        return mask, *parts

    def follow(self, before: Tensor, memory: Rows) -> Tensor:
        mask, *parts = memory
        x = self.dropout(self.written(before) + self.written_place[: before.shape[1]])
        for number, block in enumerate(self._blocks):
            keys, values = parts[2 * number : 2 * number + 2]
            x = block.follow(x, keys, values, mask)
        out: Tensor = self.head(self.last_norm(x))
        return out

    def start(self, memory: Rows) -> Rows:
        return tuple(part[:, :, :0] for part in memory[1:])  # keys and values of no position yet

    def step(self, tokens: Tensor, memory: Rows, state: Rows) -> tuple[Tensor, Rows]:
        mask, parts = memory[0], memory[1:]
        x = (self.written(tokens) + self.written_place[state[0].shape[2]])[:, None]
        after: list[Tensor] = []
        for number, block in enumerate(self._blocks):
            mine = slice(2 * number, 2 * number + 2)
            x, kept = block.step(x, state[mine], parts[mine], mask)
            after += kept
        return self.head(self.last_norm(x))[:, 0], tuple(after)

    @property
    def _blocks(self) -> list[DecoderBlock]:
        return [block for block in self.decoder if isinstance(block, DecoderBlock)]


class DecoderBlock(Block):
    """A causal block that attends to the sources between its own attention and its feed-forward net."""

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__(config, None, causal=True)
        self.cross_norm, self.cross = nn.LayerNorm(config.width), CrossAttention(config.width, config.heads)

    def follow(self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """All positions at once; keys, values and mask are the sources'."""
        x = x + self.dropout(self.attention(self.norm(x), None))
        return self._rest(x, keys, values, mask)

    def step(self, x: Tensor, past: Rows, sources: Rows, mask: Tensor) -> tuple[Tensor, Rows]:
        """One position, (rows, 1, width), after those whose keys and values are given; returns these and its own."""
        keys, values = sources
        attended, *kept = self.attention.after(self.norm(x), *past)
        return self._rest(x + attended, keys, values, mask), tuple(kept)

    def _rest(self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        x = x + self.dropout(self.cross(self.cross_norm(x), keys, values, mask))
        out: Tensor = x + self.feed(x)
        return out


class RecurrentSeq2Seq(Seq2Seq):
    """A bidirectional GRU that reads, and a GRU that writes, with attention to what was read.

    The attention is Luong and others' (2015): the decoder's state, multiplied with the encoder's
    states, weighs them, and their mean joins it in front of the head. Bahdanau and others' (2014) feeds
    that mean to the decoder instead, so that no two positions can be trained at once.

    Its memory is the sources' mask, their keys and states, and the decoder's first state; its state
    that of the decoder, (rows, depth, width).
    """

    def __init__(self, config: Seq2SeqConfig, sources: Tokenizer, targets: Tokenizer) -> None:
        super().__init__(config, sources, targets)
        width, depth = config.width, config.depth
        between = config.dropout if depth > 1 else 0.0  # layers; torch warns where there is no between
        self.teacher_forcing = config.teacher_forcing
        self.reader = nn.GRU(width, width, depth, batch_first=True, dropout=between, bidirectional=True)
        self.writer = nn.GRU(width, width, depth, batch_first=True, dropout=between)
        self.first = nn.Linear(2 * width, width)
        self.key = nn.Linear(2 * width, width, bias=False)
        self.join = nn.Linear(3 * width, width)

    def remember(self, sources: Tensor) -> Rows:
        x, mask = self.embedding(sources)
        lengths = mask.sum(dim=1).cpu()
        packed = pack_padded_sequence(self.dropout(x), lengths, batch_first=True, enforce_sorted=False)
        states, last = self.reader(packed)
        states, _ = pad_packed_sequence(states, batch_first=True)
        both = last.view(self.reader.num_layers, 2, len(x), -1).permute(2, 0, 1, 3).flatten(2)
        return mask, self.key(states), states, torch.tanh(self.first(both))

    def follow(self, before: Tensor, memory: Rows) -> Tensor:
        if self.training and self.teacher_forcing < 1:
            return self._follow_itself(before, memory)
        return self._run(before, memory, self.start(memory)[0])[0]

    def start(self, memory: Rows) -> Rows:
        return memory[3:]

    def step(self, tokens: Tensor, memory: Rows, state: Rows) -> tuple[Tensor, Rows]:
        logits, last = self._run(tokens[:, None], memory, state[0])
        return logits[:, 0], (last,)

    def _follow_itself(self, before: Tensor, memory: Rows) -> Tensor:
        """As `follow`, but some tokens are what the net itself finds likeliest (Bengio and others, 2015)."""
        state, tokens, found = self.start(memory), before[:, 0], []
        for place in range(before.shape[1]):
            logits, state = self.step(tokens, memory, state)
            found.append(logits)
            if place + 1 < before.shape[1]:
                shown = torch.rand(len(before), device=before.device) < self.teacher_forcing
                tokens = torch.where(shown, before[:, place + 1], logits.detach().argmax(dim=1))
        return torch.stack(found, dim=1)

    def _run(self, tokens: Tensor, memory: Rows, state: Tensor) -> tuple[Tensor, Tensor]:
        """The logits of what follows each token, and the state after the last."""
        mask, keys, values, _ = memory
        states, last = self.writer(self.dropout(self.written(tokens)), state.transpose(0, 1).contiguous())
        scores = (states @ keys.transpose(1, 2)) * keys.shape[2] ** -0.5
        weights = scores.masked_fill(~mask[:, None], -torch.inf).softmax(dim=2)
        joined = torch.tanh(self.join(torch.cat([weights @ values, states], dim=2)))
        return self.head(self.dropout(joined)), last.transpose(0, 1)


def build(config: Seq2SeqConfig, facts: Facts) -> Seq2Seq:
    """The untrained net for such data."""
    sources, targets = facts.preparation.tokens, facts.preparation.target_tokens
    if sources is None or targets is None:
        raise BadTrainer(f"{facts.name} was prepared without a tokenizer for each side; load it again")
    if sources.length > LONGEST:
        raise DataProblem(
            f"{facts.name}: rows of {sources.length} exceed seq2seq's {LONGEST} positions; set data.tokens.length to "
            f"{LONGEST} or less"
        )
    net = TransformerSeq2Seq if config.core == "transformer" else RecurrentSeq2Seq
    return net(config, sources, targets)
