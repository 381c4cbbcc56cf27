"""The language model's layers, and how it writes. Imports torch.

Shapes are (rows, positions, width). No position sees what stands behind it, so what fills up the
end of a window reaches nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from goodfit.trainers.data.preparing.tokens import SPECIAL, Tokenizer
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.nets.attention import Block, Rotary
from goodfit.trainers.nets.dropout import Dropout

if TYPE_CHECKING:
    from goodfit.trainers.builtin.language_model.config import LanguageModelConfig
    from goodfit.trainers.data import Facts

LONGEST = 2048  # positions: attention costs the square of them, 2048 x 2048 numbers a head and row


class Decoder(nn.Module):
    """Embedding, positions, blocks of causal attention, and a linear layer for the next token's logits.

    Args:
        config: a LanguageModelConfig.
        size: how many token ids there are.
        length: positions at most.
    """

    def __init__(self, config: Any, size: int, length: int) -> None:
        super().__init__()
        self.length = length
        self.table = nn.Embedding(size, config.width)
        nn.init.normal_(self.table.weight, std=config.width**-0.5)  # rows of length one: logits of size one when tied
        learned = config.positions == "learned"
        self.place = nn.Parameter(torch.randn(length, config.width) * 0.02) if learned else None
        rotary = None if learned else Rotary(length, config.width // config.heads)
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config, rotary, causal=True) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        self.head = None if config.tied else nn.Linear(config.width, size, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        if ids.shape[1] > self.length:
            raise DataProblem(f"the rows are {ids.shape[1]} long, and the model has {self.length} positions; cut them")
        x = self.table(ids)
        if self.place is not None:
            x = x + self.place[: x.shape[1]]
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x)
        weight = self.table.weight if self.head is None else self.head.weight
        return functional.linear(self.norm(x), weight)


def write_on(
    model: Decoder,
    tokens: Tokenizer,
    prompts: Sequence[Sequence[int]] | Tensor,
    characters: int,
    seed: int,
    temperature: float,
    top_k: int = 0,
) -> list[str]:
    """What a model writes after each of several prompts of one length, without the prompt.

    Args:
        model: in training or not; it is in eval mode afterwards.
        tokens: what its ids stand for.
        prompts: ids, (rows, at least one).
        characters: how long each text is.
        seed: of the draws; the same one gives the same texts.
        temperature: the logits are divided by it.
        top_k: as many of the most likely tokens can come; 0: all that are known.
    """
    device = model.table.weight.device
    random = torch.Generator().manual_seed(seed)
    lengths = torch.from_numpy(tokens.characters())
    ids = torch.as_tensor(prompts, dtype=torch.int64).to(device)
    start, written = ids.shape[1], torch.zeros(len(ids), dtype=torch.int64)
    model.eval()
    with torch.inference_mode():
        while int(written.min()) < characters:
            logits = model(ids[:, -model.length :])[:, -1].double().cpu() / temperature
            logits[:, :SPECIAL] = -torch.inf  # what fills up, and the unknown, are no text
            if 0 < top_k < logits.shape[1] - SPECIAL:
                logits[logits < logits.topk(top_k).values[:, -1:]] = -torch.inf
            drawn = torch.multinomial(logits.softmax(dim=1), 1, generator=random)
            written += lengths[drawn[:, 0]]
            ids = torch.cat([ids, drawn.to(device)], dim=1)
    return [tokens.decode(row)[:characters] for row in ids[:, start:].tolist()]


def build(config: LanguageModelConfig, facts: Facts) -> nn.Module:
    """The untrained model: token ids (rows, length) -> logits of the next tokens (rows, length, vocabulary)."""
    (length,) = facts.input_shape
    if length > LONGEST:
        raise DataProblem(
            f"{facts.name}: windows of {length} tokens exceed the language model's {LONGEST} positions; "
            f"set data.tokens.length to {LONGEST} or less"
        )
    return Decoder(config, facts.outputs, length)
