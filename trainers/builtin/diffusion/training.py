"""How a diffusion model is trained and sampled from: DDPM (Ho and others, 2020), DDIM (Song and others, 2021).

The net is in unet.py, what all generators share in generation.py. Imports torch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from goodfit.trainers.builtin.diffusion.config import DiffusionConfig
from goodfit.trainers.builtin.generative.images import (
    MEASURED,
    Average,
    Images,
    Metrics,
    Setting,
    adamw,
    autocast,
    normal,
    seeded,
    set_rate,
)
from goodfit.trainers.nets.unet import UNet
from goodfit.trainers.training.loop import batches_of, epoch_order, rate_factor, with_l1
from goodfit.trainers.trial import Stateful, Trial

ROWS_AT_ONCE = 1024  # when measuring; bounds the memory, changes no result
LEAST_SIGNAL = 1e-4  # share of the variance that is still image at the last step: division needs some


class Denoiser:
    """The U-Net in training, and its average, which is what is measured and sampled from."""

    def __init__(self, trial: Trial, setting: Setting) -> None:
        config: DiffusionConfig = trial.config
        self._config, self._train = config, setting.train
        self._seed, self._epochs = trial.seed, trial.epochs_total
        self._shape = setting.facts.input_shape
        classes = len(setting.facts.classes) if config.conditional else 0
        self._net = UNet(self._shape, config.width, config.depth, config.dropout, classes).to(setting.device)
        self._average = Average(self._net, config.ema_decay)
        self._optimizer = adamw(self._net, config.learning_rate, config.weight_decay)
        self._signal = signal_shares(config.noise_schedule, config.noise_steps).to(setting.device)
        self._measured = (setting.train.some(MEASURED), setting.validation.some(MEASURED))

    @property
    def stateful(self) -> list[Stateful]:
        return [self._average.model, self._net, self._optimizer]

    def epoch(self, epoch: int) -> None:
        """One pass over the training images, each at a time and with a noise of its own."""
        config, train = self._config, self._train
        batches = batches_of(epoch_order(self._seed, epoch, len(train)).to(train.y.device), config.batch_size)
        self._net.train()
        for index, rows in enumerate(batches):
            step = (epoch - 1) * len(batches) + index
            share = step / (self._epochs * len(batches))
            set_rate(self._optimizer, config.learning_rate * rate_factor(config.schedule, share))
            self._step(train.x[rows], train.y[rows])
            self._average.update(step)

    def _step(self, x: Tensor, labels: Tensor) -> None:
        times = torch.randint(self._config.noise_steps, (len(x),)).to(x.device)
        noise = torch.randn(x.shape).to(x.device)
        with autocast(x.device):
            found = self._noise_in(self._net, self._noisy(x, times, noise), times, labels)
        self._optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(with_l1(functional.mse_loss(found.float(), noise), self._net, self._config.l1))
        if self._config.clip_norm:
            nn.utils.clip_grad_norm_(self._net.parameters(), self._config.clip_norm)
        self._optimizer.step()

    def measure(self) -> tuple[Metrics, Metrics]:
        """The denoising loss on each split, at the same times and with the same noise in every epoch."""
        train, validation = self._measured
        return {"loss": self._loss(train)}, {"loss": self._loss(validation)}

    @torch.inference_mode()
    def _loss(self, images: Images) -> float:
        fixed, squares = seeded(0), 0.0
        # Evenly spread, every time has its share in both splits however few images they have.
        spread = torch.linspace(0, self._config.noise_steps - 1, len(images)).round().long()
        spread = spread[torch.randperm(len(images), generator=fixed)].to(images.x.device)
        for x, labels, times in zip(
            *(torch.split(part, ROWS_AT_ONCE) for part in (images.x, images.y, spread)), strict=True
        ):
            noise = normal(tuple(x.shape), fixed, x.device)
            found = self._noise_in(self._average.model, self._noisy(x, times, noise), times, labels)
            squares += float((found - noise).double().square().sum())
        return squares / images.x.numel()

    def sample(self, labels: Tensor, noise: torch.Generator) -> Tensor:
        """From noise to images by DDIM without noise of its own: few steps, evenly spread over all times."""
        x = normal((len(labels), *self._shape), noise, labels.device)
        steps = torch.linspace(self._config.noise_steps - 1, 0, self._config.sampling_steps).round().long().tolist()
        for step, following in zip(steps, [*steps[1:], None], strict=True):
            times = torch.full((len(labels),), step, device=labels.device)
            signal = self._signal[step]
            found = self._noise_in(self._average.model, x, times, labels)
            image = ((x - (1 - signal).sqrt() * found) / signal.sqrt()).clamp(-1, 1)
            if following is None:
                return image
            noise_left = (x - signal.sqrt() * image) / (1 - signal).sqrt()
            x = self._signal[following].sqrt() * image + (1 - self._signal[following]).sqrt() * noise_left
        return x

    def _noise_in(self, net: nn.Module, x: Tensor, times: Tensor, labels: Tensor) -> Tensor:
        found: Tensor = net(x, times / self._config.noise_steps, labels)
        return found

    def _noisy(self, x: Tensor, times: Tensor, noise: Tensor) -> Tensor:
        signal = self._signal[times][:, None, None, None]
        return signal.sqrt() * x + (1 - signal).sqrt() * noise


def signal_shares(schedule: str, steps: int) -> Tensor:
    """How much of the variance is still image after each step: falling, from nearly 1 to nearly 0.

    cosine: Nichol and Dhariwal, 2021; it leaves more of a small image than linear, which is Ho and
    others' (2020) from 1e-4 to 0.02 in 1,000 steps, stretched so that fewer steps end at the same noise.
    """
    if schedule == "cosine":
        ends = torch.arange(1, steps + 1, dtype=torch.float64) / steps
        angle = (ends + 0.008) / 1.008 * math.pi / 2
        shares = angle.cos().square() / math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    else:
        rates = torch.linspace(1e-4, 0.02, steps, dtype=torch.float64) * (1000 / steps)
        shares = (1 - rates.clamp(max=0.999)).cumprod(dim=0)
    return shares.clamp(LEAST_SIGNAL, 1 - 1e-6).float()
