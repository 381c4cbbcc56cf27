"""The trainer `diffusion`. Its net and its training import torch, and are imported when a trial starts."""

from __future__ import annotations

from goodfit.trainers.builtin.diffusion.config import DiffusionConfig
from goodfit.trainers.builtin.generative.config import metrics
from goodfit.trainers.registry import register
from goodfit.trainers.trial import Trial


@register(
    "diffusion",
    config=DiffusionConfig,
    shapes=["width", "depth", "conditional"],
    kinds=["image"],
    metrics=metrics("loss"),
)
def diffusion(trial: Trial) -> None:
    """A diffusion model of images (DDPM): a small U-Net that takes noise out, and DDIM sampling in few steps.

    `loss` is the mean squared error of the noise that the averaged net predicts, on training and on
    validation images, at the same times and with the same noise in every epoch. `frechet` is the
    Frechet distance of generated images to training and to validation images, in what a classifier
    of the same data sees in them; it is measured every `frechet_epochs` epochs and stands until the
    next time.
    """
    from goodfit.trainers.builtin.diffusion.training import Denoiser
    from goodfit.trainers.builtin.generative.images import run

    run(trial, "diffusion", Denoiser)
