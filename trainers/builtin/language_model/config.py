"""The hyperparameters of the trainer `language-model`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.training.config import number
from goodfit.trainers.training.supervised import SupervisedConfig


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
