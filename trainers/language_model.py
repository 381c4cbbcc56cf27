"""The language model: its hyperparameters and its declaration.

Its layers are in decoder.py and its training in language_training.py, which import torch; this
module does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from trainers.config import number
from trainers.errors import BadTrainer, DataProblem
from trainers.registry import register
from trainers.supervised import SupervisedConfig
from trainers.trial import Trial

if TYPE_CHECKING:
    from torch import nn

    from trainers.data import Facts

LONGEST = 2048  # positions: attention costs the square of them, 2048 x 2048 numbers a head and row


@dataclass(frozen=True)
class LanguageModelConfig(SupervisedConfig):
    """The hyperparameters of `language-model`."""

    # Chosen on validation text of stdlib_source, 2 minutes a trial (benchmarks/language.py has the test figures).
    learning_rate: float = number(4e-3, above=0)
    batch_size: int = number(16, least=1)
    schedule: Literal["constant", "cosine", "step", "onecycle"] = "onecycle"
    clip_norm: float = number(1.0, least=0)
    depth: int = number(3, least=1)  # blocks of attention and feed-forward net
    width: int = number(128, least=1)  # numbers a position; the feed-forward nets are four times as wide
    heads: int = number(4, least=1)
    positions: Literal["learned", "rotary"] = "rotary"
    activation: Literal["relu", "gelu", "tanh", "silu"] = "gelu"
    tied: bool = True  # one table reads the tokens and tells the next ones (Press and Wolf, 2017)
    epoch_windows: int = number(1000, least=1)  # windows in an epoch at most: a corpus can be too long to read whole
    samples: int = number(3, least=0)  # texts written at the best epoch, into samples.txt
    temperature: float = number(0.8, above=0)  # of the samples: below 1 the likely tokens come more often than they do
    top_k: int = number(0, least=0)  # of the samples: as many of the most likely tokens can come; 0: all

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.heads:
            raise BadTrainer(f"width: {self.width} is no multiple of heads: {self.heads}; every head takes its share")
        if self.positions == "rotary" and self.width // self.heads % 2:
            raise BadTrainer(
                f"heads: {self.heads} of width {self.width} take {self.width // self.heads} numbers each, "
                "and positions: rotary turns them in pairs; give an even number a head"
            )


def build(config: LanguageModelConfig, facts: Facts) -> nn.Module:
    """The untrained model: token ids (rows, length) -> logits of the next tokens (rows, length, vocabulary)."""
    from trainers.decoder import Decoder

    (length,) = facts.input_shape
    if length > LONGEST:
        raise DataProblem(
            f"{facts.name}: windows of {length} tokens exceed the language model's {LONGEST} positions; "
            f"set data.tokens.length to {LONGEST} or less"
        )
    return Decoder(config, facts.outputs, length)


@register(
    "language-model",
    config=LanguageModelConfig,
    shapes=["depth", "width", "heads", "positions", "activation", "tied"],
    kinds=["corpus"],
    metrics={"language-modelling": ("loss", "bits_per_character", "perplexity", "accuracy")},
    build=build,
)
def language_model(trial: Trial) -> None:
    """A transformer decoder that learns to tell the next token of running text, and writes text of its own.

    A block is attention to what came before and a feed-forward net, each behind a layer norm and
    around which its input is led. An epoch reads the training text in windows that meet end to end,
    from a start drawn anew each time, or `epoch_windows` of them drawn at random where there are more.

    `loss` is in nats a token; `bits_per_character` compares across tokenizers. Both splits are measured
    in the same way, on windows spread evenly over their text, about 65,000 tokens at most. Where the
    validation loss is the best so far, `samples.txt` in the trial's artifacts has what the model makes
    of the beginnings of some validation windows.
    """
    from trainers.language_training import fit

    fit(trial)
