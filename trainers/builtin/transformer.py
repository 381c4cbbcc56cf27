"""The transformer encoder: for texts; series and images are read as sequences too.

What lives here: its hyperparameters and its declaration. Its layers are in attention.py, which
imports torch; this module does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from goodfit.trainers.errors import BadTrainer, DataProblem
from goodfit.trainers.training.config import number
from goodfit.trainers.training.supervised import SupervisedConfig, supervised

if TYPE_CHECKING:
    from torch import nn

    from goodfit.trainers.data import Facts

LONGEST = 2048  # positions: attention costs the square of them, 2048 x 2048 numbers a head and row


@dataclass(frozen=True)
class TransformerConfig(SupervisedConfig):
    """The hyperparameters of `transformer`."""

    # Chosen on validation rows of docstrings, 20 epochs (benchmarks/texts.py has the test figures): one block does
    # as well as two, 3e-3 4 points better than 1e-3, and small batches with smoothing 1 point better than without.
    learning_rate: float = number(3e-3, above=0)
    batch_size: int = number(16, least=1)
    label_smoothing: float = number(0.1, least=0, below=1)
    dropout: float = number(0.3, least=0, below=1)  # of embeddings and both outputs of a block
    token_dropout: float = number(0.3, least=0, below=1)  # tokens read as the unknown one in training; texts alone
    depth: int = number(1, least=1)  # blocks of attention and feed-forward net
    width: int = number(64, least=1)  # numbers a position; the feed-forward nets are four times as wide
    heads: int = number(4, least=1)
    positions: Literal["learned", "rotary"] = "learned"
    pooling: Literal["mean", "first"] = "mean"
    activation: Literal["relu", "gelu", "tanh", "silu"] = "gelu"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.heads:
            raise BadTrainer(f"width: {self.width} is no multiple of heads: {self.heads}; every head takes its share")
        if self.positions == "rotary" and self.width // self.heads % 2:
            raise BadTrainer(
                f"heads: {self.heads} of width {self.width} take {self.width // self.heads} numbers each, "
                "and positions: rotary turns them in pairs; give an even number a head"
            )


@supervised(
    "transformer",
    TransformerConfig,
    shapes=["depth", "width", "heads", "positions", "pooling", "activation"],
    kinds=["text", "series", "image"],
    packs=["series", "image"],
)
def transformer(config: TransformerConfig, facts: Facts) -> nn.Module:
    """A transformer encoder for texts, and for series and images as sequences.

    A block is attention and a feed-forward net, each behind a layer norm and around which its input
    is led. The last block's positions are averaged, or the first, a learned vector before the
    sequence, stands for all of it; a linear layer follows. What fills up a row behind its text is
    never attended to. A series is a sequence of its points in time, an image of its rows of pixels.
    """
    from goodfit.trainers.nets.attention import Encoder, ImageRows, Numbers, Tokens

    embedding: Tokens | Numbers | ImageRows
    if facts.kind == "text":
        tokens = facts.preparation.tokens
        if tokens is None:
            raise BadTrainer(f"{facts.name} was prepared without a tokenizer; load it again")
        embedding, length = Tokens(tokens.size, config.width, config.token_dropout), tokens.length
    elif facts.kind == "series":
        length, channels = facts.input_shape
        embedding = Numbers(channels, config.width)
    else:
        channels, length, pixels = facts.input_shape
        embedding = ImageRows(channels * pixels, config.width)
    if length > LONGEST:
        what = "set data.tokens.length to" if facts.kind == "text" else "cut them to"
        raise DataProblem(
            f"{facts.name}: rows of {length} exceed the transformer's {LONGEST} positions; {what} {LONGEST} or less"
        )
    return Encoder(config, embedding, length, facts.outputs)
