"""The hyperparameters of the diffusion model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from goodfit.trainers.builtin.generative.config import GenerativeConfig
from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.training.config import number


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
