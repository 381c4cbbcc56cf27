"""Annotators: how far they agree, and what they say together."""

from __future__ import annotations

import math

import numpy as np
import pytest

from goodfit.trainers.data.quality.annotators import dawid_skene, krippendorff_alpha

# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", section C: 4 observers, 12 units, alpha 0.743
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
    [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
]


def test_alpha_is_that_of_the_paper() -> None:
    given = np.array(OBSERVERS).T - 1
    assert krippendorff_alpha(given, 5) == pytest.approx(0.743, abs=5e-4)


def test_alpha_of_agreement_of_one_class_and_of_nothing_to_compare() -> None:
    assert krippendorff_alpha(np.array([[0, 0], [1, 1]]), 2) == 1.0
    assert krippendorff_alpha(np.array([[0, 0], [0, 0]]), 2) == 1.0
    assert math.isnan(krippendorff_alpha(np.array([[0, -1], [-1, 1]]), 2))


def test_a_consensus_trusts_the_reliable() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 400)
    accuracies = [0.95, 0.9, 0.4, 0.4, 0.4]
    given = np.stack(
        [np.where(random.random(400) < right, truth, random.integers(0, 3, 400)) for right in accuracies], axis=1
    )
    given[random.random(given.shape) < 0.1] = -1
    given[:, 0] = np.where((given < 0).all(axis=1), truth, given[:, 0])
    found = dawid_skene(given, 3)
    majority = np.array([np.bincount(row[row >= 0], minlength=3).argmax() for row in given])
    assert (found.labels == truth).mean() > max(0.9, (majority == truth).mean())
    assert found.accuracy[0] > 0.9 > 0.75 > found.accuracy[4]
    with pytest.raises(ValueError, match="no label"):
        dawid_skene(np.array([[-1, -1]]), 2)
