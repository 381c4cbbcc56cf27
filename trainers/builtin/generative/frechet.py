"""How far generated images are from real ones: the Frechet distance between two Gaussians.

The Gaussians are fitted to what a small classifier of the same data sees in the images (Heusel and
others, 2017, with a net of our own in place of Inception, which knows nothing of small images). The
classifier is trained once, on the training split alone and always from the same seed, and is kept
for as long as the worker keeps the data; on regression data it learns to predict the target.

The distance shrinks as more images are compared, so compare distances of equal counts only.
Imports torch.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from goodfit.trainers.builtin.cnn import CNNConfig, cnn
from goodfit.trainers.data import Data
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.training.loop import batches_of, default_loss, epoch_order, make_optimizer, rate_factor

SEED = 0
STEPS = 300  # of the classifier's training
CLASSIFIER = CNNConfig(width=16, depth=3, batch_size=64, learning_rate=3e-3, dropout=0.2)  # 64 features
MOST_IMAGES = 2048  # of each side of a comparison: bounds the time of a measurement
ROWS_AT_ONCE = 1024


class Features(nn.Module):
    """The classifier without its last layer: images (rows, channels, height, width) -> (rows, features)."""

    def __init__(self, classifier: nn.Sequential) -> None:
        super().__init__()
        self.layers = classifier[:-1]

    @torch.inference_mode()
    def forward(self, images: Tensor) -> np.ndarray:
        parts = [self.layers(rows) for rows in torch.split(images, ROWS_AT_ONCE)]
        found: np.ndarray = torch.cat(parts).double().cpu().numpy()
        return found


class Judge:
    """Measures generated images against the training and the validation images.

    Both are compared in the same number, so that the two distances can be compared: what is nearer
    to the training images than to the validation images was learned by heart.

    Args:
        data: whose labels the classifier learns.
        train, validation: the images, in the units that generated images will have.
    """

    def __init__(self, data: Data, train: Tensor, validation: Tensor) -> None:
        self.count = min(len(train), len(validation), MOST_IMAGES)
        if self.count < 2:
            raise DataProblem(f"{data.name}: the Frechet distance needs 2 validation images or more; keep more of them")
        self.features = learn_features(data, train)
        sides = {"train": (train, data.train.y), "val": (validation, data.validation.y)}
        self._real = {
            split: self.features(images[spread_rows(torch.from_numpy(targets), self.count).to(images.device)])
            for split, (images, targets) in sides.items()
        }

    def distances(self, images: Tensor) -> dict[str, float]:
        """The distance of generated images to the training ("train") and the validation images ("val")."""
        found = self.features(images)
        return {split: frechet_distance(found, real) for split, real in self._real.items()}


_kept: tuple[Data, Judge] | None = None  # of one data set, as the worker keeps one


def judge_of(data: Data, train: Tensor, validation: Tensor) -> Judge:
    """The judge of these data: made at the first call, and the same until other data come."""
    global _kept
    if _kept is None or _kept[0] is not data:
        _kept = (data, Judge(data, train, validation))
    return _kept[1]


def learn_features(data: Data, images: Tensor) -> Features:
    """Train the classifier on the training images; draws nothing from the trial's own random numbers."""
    facts, config = data.facts, CLASSIFIER
    targets = torch.from_numpy(data.train.y).to(images.device)
    devices = [images.device] if images.device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.enable_grad():
        torch.manual_seed(SEED)
        model = cnn.build(config, facts).to(images.device).train()  # type: ignore[misc]  # a cnn can be built
        optimizer, loss = make_optimizer(model, config), default_loss(facts.task)
        step = epoch = 0
        while step < STEPS:
            for rows in batches_of(epoch_order(SEED, epoch, len(images)), config.batch_size):
                for group in optimizer.param_groups:
                    group["lr"] = config.learning_rate * rate_factor(config.schedule, step / STEPS)
                outputs = model(images[rows.to(images.device)])
                outputs = outputs if facts.task == "classification" else outputs.squeeze(1)
                optimizer.zero_grad(set_to_none=True)
                torch.autograd.backward(loss(outputs, targets[rows.to(images.device)], 0.0))
                optimizer.step()
                step += 1
                if step == STEPS:
                    break
            epoch += 1
    return Features(model).eval().requires_grad_(False)


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """|mean a - mean b|^2 + trace(A + B - 2 (A B)^(1/2)), with A and B the covariances of the rows.

    Not a number where a row is not finite.
    """
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("nan")
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    cov_a, cov_b = np.atleast_2d(cov_a), np.atleast_2d(cov_b)
    root = _root(cov_a)
    # The eigenvalues of A B are those of the symmetric A^(1/2) B A^(1/2), which rounding cannot make complex.
    shared = np.sqrt(np.clip(np.linalg.eigvalsh(root @ cov_b @ root), 0, None)).sum()
    apart = np.square(a.mean(axis=0) - b.mean(axis=0)).sum()
    return max(0.0, float(apart + np.trace(cov_a) + np.trace(cov_b) - 2 * shared))


def _root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    found: np.ndarray = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    return found


def spread_rows(targets: Tensor, count: int) -> Tensor:
    """At most `count` rows, the same ones each time, with every class (or range of targets) by its share.

    Shares left to chance would add to every distance: 360 of 1,078 digits are 0.74 from 360 others of them.
    """
    mixed = torch.randperm(len(targets), generator=torch.Generator().manual_seed(SEED))
    ordered = mixed[targets.cpu()[mixed].argsort(stable=True)]
    return ordered[torch.linspace(0, len(targets) - 1, min(count, len(targets))).round().long()]
