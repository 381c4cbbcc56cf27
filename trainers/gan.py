"""The generative adversarial network: its hyperparameters and metrics. Its nets and its training are elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainers.config import number
from trainers.generative import GenerativeConfig, metrics
from trainers.registry import register
from trainers.trial import Trial


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


@register(
    "gan",
    config=GANConfig,
    shapes=["width", "latent", "normalization", "objective", "conditional"],
    kinds=["image"],
    metrics=metrics("discriminator_loss", "discriminator_accuracy"),
)
def gan(trial: Trial) -> None:
    """A generator of images against a discriminator: standard, hinge, or Wasserstein with gradient penalty.

    `frechet` is the Frechet distance of generated images to training and to validation images, in
    what a classifier of the same data sees in them; it is measured every `frechet_epochs` epochs
    and stands until the next time. `discriminator_loss` and `discriminator_accuracy` are measured
    on real images of each split against the same generated ones. The accuracy is how often a real
    image scores above a generated one: 0.5 if the discriminator cannot tell them apart. Validation
    images have never been shown to it, so the gap of the two is what it knows by heart.
    """
    from trainers.gan_training import AdversarialNets
    from trainers.generation import run

    run(trial, "gan", AdversarialNets)
