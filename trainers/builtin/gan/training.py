"""How a generator and a discriminator are trained against each other. Imports torch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from goodfit.trainers.builtin.gan.config import GANConfig
from goodfit.trainers.builtin.gan.nets import Discriminator, Generator
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
from goodfit.trainers.training.loop import batches_of, epoch_order, rate_factor, with_l1
from goodfit.trainers.trial import Stateful, Trial

BETAS = (0.0, 0.99)  # no momentum: it carries on against an opponent who has moved (Gidel and others, 2019)


@dataclass(frozen=True)
class Objective:
    """What the two want, by name."""

    name: str

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """The loss of the discriminator, from its scores of real and of generated images."""
        if self.name == "hinge":
            return functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()
        if self.name == "wasserstein":
            return fake.mean() - real.mean()
        return functional.softplus(-real).mean() + functional.softplus(fake).mean()

    def generator(self, fake: Tensor) -> Tensor:
        """The loss of the generator; of the standard game the form that does not saturate."""
        return functional.softplus(-fake).mean() if self.name == "standard" else -fake.mean()


class AdversarialNets:
    """The two nets in training, and the generator's average, which is what samples come from."""

    def __init__(self, trial: Trial, setting: Setting) -> None:
        config: GANConfig = trial.config
        self._config, self._setting = config, setting
        self._seed, self._epochs = trial.seed, trial.epochs_total
        shape, device = setting.facts.input_shape, setting.device
        classes = len(setting.facts.classes) if config.conditional else 0
        self._generator = Generator(shape, config.latent, config.width, config.normalization, classes).to(device)
        bounded = config.objective != "wasserstein"  # whose gradient penalty bounds the discriminator already
        opponent = Discriminator(shape, config.width, config.dropout, spectral=bounded, classes=classes)
        self._discriminator = opponent.to(device)
        self._average = Average(self._generator, config.ema_decay)
        self._objective = Objective(config.objective)
        rate, decay = config.learning_rate, config.weight_decay
        self._generator_optimizer = adamw(self._generator, rate, decay, BETAS)
        self._discriminator_optimizer = adamw(self._discriminator, rate * config.discriminator_ratio, decay, BETAS)
        self._measured = (setting.train.some(MEASURED), setting.validation.some(MEASURED))
        self._asked = setting.train.some(len(self._measured[1])).y  # the classes of generated images to measure with

    @property
    def stateful(self) -> list[Stateful]:
        return [
            self._average.model,
            self._generator,
            self._discriminator,
            self._generator_optimizer,
            self._discriminator_optimizer,
        ]

    def epoch(self, epoch: int) -> None:
        """One pass over the training images; the generator moves after every `discriminator_steps` batches."""
        config, train = self._config, self._setting.train
        batches = batches_of(epoch_order(self._seed, epoch, len(train)).to(train.y.device), config.batch_size)
        self._generator.train()
        self._discriminator.train()
        for index, rows in enumerate(batches):
            step = (epoch - 1) * len(batches) + index
            rate = config.learning_rate * rate_factor(config.schedule, step / (self._epochs * len(batches)))
            set_rate(self._discriminator_optimizer, rate * config.discriminator_ratio)
            self._discriminator_step(train.x[rows], train.y[rows])
            if (step + 1) % config.discriminator_steps == 0:
                set_rate(self._generator_optimizer, rate)
                self._generator_step(train.y[rows])
                self._average.update(step // config.discriminator_steps)

    def measure(self) -> tuple[Metrics, Metrics]:
        """The discriminator's loss and accuracy on real images of each split against the same generated ones."""
        self._discriminator.eval()
        with torch.inference_mode():
            fake = self._discriminator(self.sample(self._asked, seeded(0)), self._asked)
            train, validation = (self._discriminator_metrics(images, fake) for images in self._measured)
        return train, validation

    def _discriminator_metrics(self, images: Images, fake: Tensor) -> Metrics:
        real = self._discriminator(images.x, images.y)
        above = torch.searchsorted(fake.sort().values, real).double().mean() / len(fake)
        loss = self._objective.discriminator(real, fake)
        return {"discriminator_loss": float(loss), "discriminator_accuracy": float(above)}

    def sample(self, labels: Tensor, noise: torch.Generator) -> Tensor:
        latent = normal((len(labels), self._config.latent), noise, labels.device)
        images: Tensor = self._average.model(latent, labels)
        return images

    def _fake(self, labels: Tensor) -> Tensor:
        """Generated images to train with, from the numbers that the epoch was seeded with."""
        latent = torch.randn(len(labels), self._config.latent).to(labels.device)
        images: Tensor = self._generator(latent, labels)
        return images

    def _discriminator_step(self, real: Tensor, labels: Tensor) -> None:
        with autocast(real.device), torch.no_grad():
            fake = self._fake(labels).to(real.dtype)
        with autocast(real.device):
            scores = self._discriminator(torch.cat([real, fake]), torch.cat([labels, labels])).float()
        loss = self._objective.discriminator(*scores.chunk(2))
        if self._config.objective == "wasserstein" and self._config.gradient_penalty:
            loss = loss + self._config.gradient_penalty * self._penalty(real, fake, labels)
        _step(self._discriminator_optimizer, with_l1(loss, self._discriminator, self._config.l1))

    def _generator_step(self, labels: Tensor) -> None:
        self._discriminator.requires_grad_(False)
        with autocast(labels.device):
            scores = self._discriminator(self._fake(labels), labels)
        loss = with_l1(self._objective.generator(scores.float()), self._generator, self._config.l1)
        _step(self._generator_optimizer, loss)
        self._discriminator.requires_grad_(True)

    def _penalty(self, real: Tensor, fake: Tensor, labels: Tensor) -> Tensor:
        """How far the discriminator's slope is from 1 between real and generated images; in float32."""
        share = torch.rand(len(real), 1, 1, 1).to(real.device)
        between = torch.lerp(real, fake, share).requires_grad_(True)
        scores = self._discriminator(between, labels)
        (slope,) = torch.autograd.grad(scores.sum(), between, create_graph=True)
        penalty: Tensor = (slope.flatten(1).norm(dim=1) - 1).square().mean()
        return penalty


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    optimizer.step()
