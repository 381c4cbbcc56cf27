"""What a language model is trained and measured by: the loss of its tokens, and bits for each character.

Imports torch, so it is imported when a trial starts and not before. A token's loss depends on how
texts are cut up: byte pairs are fewer and each is harder. Bits a character do not, so models of
different tokenizers, and counts of characters, compare by them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from goodfit.trainers.data import Facts
from goodfit.trainers.data.kinds.corpus import windows
from goodfit.trainers.data.preparing.tokens import PADDING, Tokenizer
from goodfit.trainers.errors import BadTrainer, DataProblem

TOKENS_AT_ONCE = 8192  # when measuring; bounds the memory, changes no result


@dataclass(frozen=True)
class TokenScores:
    """What a model made of some tokens, in sums."""

    nats: float
    right: int  # tokens that it held the most likely
    tokens: int
    characters: int  # that the tokens stand for

    @property
    def bits_per_character(self) -> float:
        return self.nats / math.log(2) / self.characters

    @property
    def metrics(self) -> dict[str, float]:
        """Loss (nats a token), bits a character, perplexity and accuracy."""
        loss = self.nats / self.tokens
        return {
            "loss": loss,
            "bits_per_character": self.bits_per_character,
            "perplexity": float(np.exp(np.float64(min(loss, 700.0)))),  # above, a float holds it no more
            "accuracy": self.right / self.tokens,
        }


def tokenizer_of(facts: Facts) -> Tokenizer:
    """The tokenizer of running text; BadTrainer where the data were prepared without."""
    if facts.preparation.tokens is None:
        raise BadTrainer(f"{facts.name} was prepared without a tokenizer; load it again")
    return facts.preparation.tokens


def token_loss(outputs: Tensor, y: Tensor, smoothing: float) -> Tensor:
    """The mean cross-entropy of the tokens, in nats; what fills up a window does not count."""
    return functional.cross_entropy(outputs.flatten(0, 1), y.flatten(), ignore_index=PADDING, label_smoothing=smoothing)


def language_metrics(model: nn.Module, x: Tensor, y: Tensor, facts: Facts) -> dict[str, float]:
    """Its metrics on windows, in eval mode and float32."""
    return token_scores(model, x, y, tokenizer_of(facts)).metrics


def token_scores(model: nn.Module, x: Tensor, y: Tensor, tokens: Tokenizer) -> TokenScores:
    """What a model makes of windows, (rows, length) ids and the ids one token on."""
    model.eval()
    rows = max(1, TOKENS_AT_ONCE // x.shape[1])
    parts = zip(torch.split(x, rows), torch.split(y, rows), strict=True)
    with torch.inference_mode():
        (scores,) = scores_of(((model(inputs).float()[None], targets) for inputs, targets in parts), y, tokens)
    return scores


def scores_of(parts: Iterable[tuple[Tensor, Tensor]], y: Tensor, tokens: Tokenizer) -> list[TokenScores]:
    """What each of several models makes of the same windows.

    Args:
        parts: their logits, (models, rows, length, ids), and the targets (rows, length), a few rows at a time.
        y: the targets of all.
        tokens: what the ids stand for.
    """
    nats: Tensor | int = 0
    right: Tensor | int = 0
    for logits, targets in parts:
        flat, told = logits.flatten(1, 2), targets.flatten().expand(len(logits), -1)
        losses = functional.cross_entropy(flat.flatten(0, 1), told.flatten(), ignore_index=PADDING, reduction="none")
        nats = nats + losses.view(told.shape).double().sum(1)
        right = right + ((flat.argmax(dim=2) == told) & (told != PADDING)).sum(1)
    lengths = torch.from_numpy(tokens.characters()).to(y.device)
    count, characters = int((y != PADDING).sum()), int(lengths[y].sum())
    each = zip(torch.as_tensor(nats).tolist(), torch.as_tensor(right).tolist(), strict=True)
    return [TokenScores(own, hits, count, characters) for own, hits in each]


def bits_of_texts(model: nn.Module, texts: Sequence[str], facts: Facts) -> np.ndarray:
    """Bits a character of each text, but for its first token, which nothing comes before; float64 (texts,)."""
    tokens = tokenizer_of(facts)
    found = []
    for row, text in enumerate(texts, start=1):
        ids = tokens.ids(text)
        if len(ids) < 2:
            raise DataProblem(f"the texts to predict: row {row} has one token, and nothing to tell it from; give more")
        cut = windows(ids, tokens.length)
        found.append(token_scores(model, torch.from_numpy(cut.x), torch.from_numpy(cut.y), tokens).bits_per_character)
    return np.array(found)
