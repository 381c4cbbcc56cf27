"""The language model, and how it writes. Imports torch.

No position sees what stands behind it, so what fills up the end of a window reaches nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from goodfit.trainers.data.preparing.tokens import SPECIAL, Tokenizer
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.nets.attention import Decoder

if TYPE_CHECKING:
    from goodfit.trainers.builtin.language_model.config import LanguageModelConfig
    from goodfit.trainers.data import Facts

LONGEST = 2048  # positions: attention costs the square of them, 2048 x 2048 numbers a head and row


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
