"""What a model that looks at no input scores: the majority class, the class shares, the mean.

A verdict is held against it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from goodfit.trainers.registry import BUILT_IN, Trainer

if TYPE_CHECKING:
    from goodfit.trainers.data import Data


def trivial_scores(trainer: Trainer, data: Data | None) -> dict[str, float]:
    """The validation metrics of a trivial model, by name; empty where none is defined.

    It is fitted on the training targets alone. Its loss is given for the built-in trainers only, whose
    losses are known: cross-entropy, and the squared error of the standardised target.
    """
    if data is None or not len(data.validation):
        return {}
    train, held = np.asarray(data.train.y), np.asarray(data.validation.y)
    if data.task == "classification":
        scores = _of_classes(train, held, len(data.classes))
    elif data.task == "regression":
        scores = _of_numbers(train, held, data.facts.preparation.target_std)
    elif data.task == "forecasting":
        scores = {"naive_ratio": 1.0}
    else:
        return {}
    if trainer.name not in BUILT_IN:
        scores.pop("loss", None)
    return {f"val/{name}": value for name, value in scores.items()}


def _of_classes(train: np.ndarray, held: np.ndarray, classes: int) -> dict[str, float]:
    counts = np.bincount(train, minlength=classes)
    share = counts / counts.sum()
    right = float(np.mean(held == np.argmax(counts)))
    there = len(np.unique(held))
    return {
        "loss": float(-np.mean(np.log(share[held]))),
        "accuracy": right,
        "balanced_accuracy": 1 / there,
        "f1": 2 * right / (1 + right) / there,
    }


def _of_numbers(train: np.ndarray, held: np.ndarray, unit: float) -> dict[str, float]:
    error = held - train.mean()
    spread = float(np.sum((held - held.mean()) ** 2))
    return {
        "loss": float(np.mean(error**2)),
        "rmse": float(np.sqrt(np.mean(error**2))) * unit,
        "mae": float(np.mean(np.abs(error))) * unit,
        "r2": 1 - float(np.sum(error**2)) / spread if spread else 0.0,
    }
