"""The trainer `gan`. Its nets and its training import torch, and are imported when a trial starts."""

from __future__ import annotations

from goodfit.trainers.builtin.gan.config import GANConfig
from goodfit.trainers.builtin.generative.config import metrics
from goodfit.trainers.registry import register
from goodfit.trainers.trial import Trial


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
    from goodfit.trainers.builtin.gan.training import AdversarialNets
    from goodfit.trainers.builtin.generative.images import run

    run(trial, "gan", AdversarialNets)
