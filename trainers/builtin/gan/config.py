"""The hyperparameters of the generative adversarial network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from goodfit.trainers.builtin.generative.config import GenerativeConfig
from goodfit.trainers.training.config import number


@dataclass(frozen=True)
class GANConfig(GenerativeConfig):
    """The hyperparameters of `gan`."""

    learning_rate: float = number(1e-3, above=0)  # the generator's
    discriminator_ratio: float = number(1.0, above=0)  # the discriminator's rate, in generator's rates
    discriminator_steps: int = number(1, least=1)  # for each step of the generator
    objective: Literal["standard", "hinge", "wasserstein"] = "hinge"
    gradient_penalty: float = number(10.0, least=0)  # wasserstein alone; 10 as in Gulrajani and others, 2017
    normalization: Literal["none", "batch", "group", "layer"] = "batch"  # the generator's
    dropout: float = number(0.0, least=0, below=1)  # the discriminator's: against learning images by heart
    latent: int = number(64, least=1)  # numbers of noise that an image is made from
