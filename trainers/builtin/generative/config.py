"""What every trainer that generates images has in common: its hyperparameters and its metrics.

How such a trainer runs is in generation.py, which imports torch; this module does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from goodfit.trainers.training.config import Checked, number


@dataclass(frozen=True)
class GenerativeConfig(Checked):
    """The hyperparameters of every trainer that generates images; its own config inherits them."""

    learning_rate: float = number(1e-3, above=0)  # the schedule's highest
    batch_size: int = number(64, least=2)  # batch normalization cannot train on one row
    schedule: Literal["constant", "cosine", "step", "onecycle"] = "cosine"
    weight_decay: float = number(0.0, least=0)  # decoupled (AdamW), on weights alone
    l1: float = number(0.0, least=0)  # times the sum of the weights' sizes, added to each net's loss
    dropout: float = number(0.0, least=0, below=1)
    width: int = number(32, least=1)  # channels at full size; they double with each halving of the image
    conditional: bool = False  # told the class of each image; samples can then be asked for by class
    ema_decay: float = number(0.99, least=0, below=1)  # of the averaged weights, a step; 0: no averaging
    frechet_epochs: int = number(10, least=1)  # between two measurements of the Frechet distance


def metrics(*names: str) -> dict[str, tuple[str, ...]]:
    """What a generative trainer reports, by task: the same for both, since it predicts no target."""
    reported = (*names, "frechet")
    return {"classification": reported, "regression": reported}
