"""Digits of which one label in ten is wrong: the data of noisy_labels.yaml."""

import numpy as np
from sklearn.datasets import load_digits

WRONG = 0.1


def noisy_digits() -> tuple[np.ndarray, np.ndarray]:
    """Images and labels; which labels are wrong is the same each time."""
    digits = load_digits()
    random = np.random.default_rng(0)
    labels = digits.target.copy()
    wrong = random.choice(len(labels), round(WRONG * len(labels)), replace=False)
    labels[wrong] = (labels[wrong] + random.integers(1, 10, len(wrong))) % 10
    return digits.images, labels
