"""How a trainer that generates images runs: images in [-1, 1], averaged weights, the Frechet distance, samples.

The nets and what one epoch does to them are in gan_training.py and diffusion_training.py. Imports torch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from goodfit.trainers.builtin.generative.frechet import Judge, judge_of, spread_rows
from goodfit.trainers.builtin.generative.png import write_grid
from goodfit.trainers.data import Data, Facts
from goodfit.trainers.errors import BadTrainer, DataProblem
from goodfit.trainers.training import devices
from goodfit.trainers.trial import Stateful, Trial

SHOWN = 8  # images side by side in a grid of samples, and rows where there are no classes
ROWS_AT_ONCE = 512  # generated at once; bounds the memory
MEASURED = 10_000  # images of a split that its metrics come from at most
Metrics = dict[str, float]


@dataclass(frozen=True)
class Images:
    """One split on the device.

    Attributes:
        x: (rows, channels, height, width), float32; the training images span [-1, 1] in each channel.
        y: class indices, or the targets of a regression, which generators leave aside.
    """

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.y)

    def some(self, count: int) -> Images:
        """At most `count` of them, the same ones in every epoch and trial, the classes by their shares."""
        rows = spread_rows(self.y, count).to(self.y.device)
        return Images(self.x[rows], self.y[rows])


@dataclass(frozen=True)
class Setting:
    """What a generator is trained on and where."""

    train: Images
    validation: Images
    facts: Facts
    device: torch.device


class Generator(Protocol):
    """A generative model in training."""

    @property
    def stateful(self) -> list[Stateful]:
        """What a checkpoint must hold, the averaged model first."""

    def epoch(self, epoch: int) -> None:
        """One pass over the training images."""

    def measure(self) -> tuple[Metrics, Metrics]:
        """Its own metrics, measured in the same way on training and validation images."""

    def sample(self, labels: Tensor, noise: torch.Generator) -> Tensor:
        """An image for each label, in [-1, 1]; the labels count where the model is conditional."""


def run(trial: Trial, name: str, make: Callable[[Trial, Setting], Generator]) -> None:
    """Train one trial to its end, reporting each epoch; samples go to the trial's artifacts."""
    data = _suitable(trial, name)
    setting = _setting(data)
    generator = make(trial, setting)
    gallery = Gallery(trial, setting, judge_of(data, setting.train.x, setting.validation.x))
    trial.restore(*generator.stateful, gallery)
    for epoch in trial.epochs():
        generator.epoch(epoch)
        train_metrics, val_metrics = generator.measure()
        frechet = gallery.look(epoch, generator)
        trial.report(
            train={**train_metrics, "frechet": frechet["train"]}, val={**val_metrics, "frechet": frechet["val"]}
        )


def _suitable(trial: Trial, name: str) -> Data:
    data = trial.data
    if data is None:
        raise BadTrainer(f"trainer {name} needs data; name them in the study: `data: {{source: ...}}`")
    if data.kind != "image":
        raise DataProblem(f"trainer {name} takes data of kind image, and {data.name} is of kind {data.kind}")
    if trial.config.conditional and not data.classes:
        raise DataProblem(f"conditional: true needs classes, and {data.name} is for {data.task}; give false")
    return data


def _setting(data: Data) -> Setting:
    device = devices.choose()
    train, validation = np.asarray(data.train.x), np.asarray(data.validation.x)
    low, high = train.min(axis=(0, 2, 3), keepdims=True), train.max(axis=(0, 2, 3), keepdims=True)
    half = np.where(high > low, (high - low) / 2, 1).astype(np.float32)  # a channel that never changes stays at 0
    middle = ((high + low) / 2).astype(np.float32)

    def on_device(x: np.ndarray, y: np.ndarray) -> Images:
        return Images(torch.from_numpy((x - middle) / half).to(device), torch.from_numpy(np.asarray(y)).to(device))

    return Setting(on_device(train, data.train.y), on_device(validation, data.validation.y), data.facts, device)


class Gallery:
    """Looks at what a generator makes every few epochs: the Frechet distance, and a picture of samples.

    Every look starts from the same noise, so that looks differ by the generator alone. Between two
    looks the last distance stands.
    """

    def __init__(self, trial: Trial, setting: Setting, judge: Judge) -> None:
        self._trial = trial
        self._every, self._last = trial.config.frechet_epochs, trial.epochs_total
        self._judge = judge
        self._labels = setting.train.some(judge.count).y  # the classes as often as in training
        classes = len(setting.facts.classes) if trial.config.conditional else 0
        rows = torch.arange(min(classes, 2 * SHOWN) or SHOWN, device=setting.device)
        self._shown = rows.repeat_interleave(SHOWN)  # a row a class
        self._found: Metrics = {}

    def look(self, epoch: int, generator: Generator) -> Metrics:
        """The distances to the training ("train") and the validation images ("val")."""
        if epoch % self._every == 0 or epoch in (1, self._last):
            self._found = self._judge.distances(samples(generator, self._labels, seed=1))
            pictures = samples(generator, self._shown, seed=2).cpu().numpy()
            write_grid(self._trial.artifacts / f"samples_epoch_{epoch:04d}.png", pictures, SHOWN)
        return self._found

    def state_dict(self) -> Metrics:
        return dict(self._found)

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        self._found = dict(state)


def samples(generator: Generator, labels: Tensor, seed: int) -> Tensor:
    """An image for each label, always from the same noise."""
    noise = seeded(seed)
    with torch.inference_mode():
        return torch.cat([generator.sample(part, noise) for part in torch.split(labels, ROWS_AT_ONCE)])


class Average:
    """The running average of a model's weights (Yazici and others, 2019): it samples better than the last weights.

    The average warms up: early steps count for more than `decay` says, or it would stay near the start.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self._source, self._decay = model, decay

    @torch.no_grad()
    def update(self, step: int) -> None:
        """After optimizer step number `step`, from 0."""
        decay = min(self._decay, (1 + step) / (10 + step)) if self._decay else 0.0
        averaged, current = self.model.state_dict(), self._source.state_dict()
        for name, value in averaged.items():
            if value.is_floating_point():
                value.lerp_(current[name], 1 - decay)
            else:
                value.copy_(current[name])


def adamw(
    net: nn.Module, rate: float, weight_decay: float, betas: tuple[float, float] = (0.9, 0.999)
) -> torch.optim.AdamW:
    """The optimizer of one net; weight decay acts on weights alone, not on biases and norms."""
    weights = [weight for weight in net.parameters() if weight.ndim > 1]
    others = [weight for weight in net.parameters() if weight.ndim <= 1]
    groups = [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=betas, fused=True)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The learning rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def seeded(seed: int) -> torch.Generator:
    """Random numbers of one's own, drawn on the CPU so that every device gets the same ones."""
    return torch.Generator().manual_seed(seed)


def normal(shape: tuple[int, ...], noise: torch.Generator, device: torch.device) -> Tensor:
    """Standard normal numbers from a generator of one's own."""
    return torch.randn(shape, generator=noise).to(device)


def autocast(device: torch.device) -> Any:
    """bfloat16 where the GPU has it; float16 needs a loss scaler for each net and is not used here."""
    half = devices.half_precision(device)
    return torch.autocast(device.type, dtype=half, enabled=half is torch.bfloat16)
