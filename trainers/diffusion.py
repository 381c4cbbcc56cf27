"""The diffusion model: its hyperparameters and metrics. Its net and its training are elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainers.config import number
from trainers.errors import BadTrainer
from trainers.generative import GenerativeConfig, metrics
from trainers.registry import register
from trainers.trial import Trial


@dataclass(frozen=True)
class DiffusionConfig(GenerativeConfig):
    """The hyperparameters of `diffusion`."""

    learning_rate: float = number(2e-3, above=0)
    depth: int = number(2, least=1)  # levels of the U-Net; each halves the image
    dropout: float = number(0.1, least=0, below=1)
    clip_norm: float = number(1.0, least=0)  # the largest norm of a step's gradient; 0: as it comes
    noise_schedule: Literal["cosine", "linear"] = "cosine"
    noise_steps: int = number(400, least=2)  # from image to noise
    sampling_steps: int = number(20, least=1)  # from noise to image, by DDIM

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sampling_steps > self.noise_steps:
            raise BadTrainer(
                f"sampling_steps: {self.sampling_steps} is more than the {self.noise_steps} noise_steps; give fewer"
            )


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
    from trainers.diffusion_training import Denoiser
    from trainers.generation import run

    run(trial, "diffusion", Denoiser)
