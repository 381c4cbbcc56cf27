"""Trainers on the shared base held to their contract; the others' tests are in tests/trainers."""

from __future__ import annotations

import pytest

from goodfit.testing import TrainerCase, TrainerContract
from tests.training import DIABETES, DIGITS, IRIS

BAD = ({"learning_rate": 0.0}, {"batch_size": True}, {"dropout": 1.0}, {"optimizer": "adamm"}, {"depth": -1})
DIVERGING = {"optimizer": "sgd", "learning_rate": 1e20, "schedule": "constant"}
CASES = {
    "mlp-classification": TrainerCase(
        "mlp",
        IRIS,
        {"dropout": 0.5, "schedule": "onecycle", "optimizer": "sgd", "normalization": "batch"},
        bad=(*BAD, {"batch_size": 1}),
        diverging={**DIVERGING, "normalization": "none"},
    ),
    "mlp-regression": TrainerCase(
        "mlp",
        DIABETES,
        {"dropout": 0.3, "schedule": "cosine", "l1": 1e-3, "clip_norm": 1.0},
        bad=BAD,
        diverging={**DIVERGING, "clip_norm": 0.0},
    ),
    "mlp-smoothed": TrainerCase(
        "mlp",
        IRIS,
        {"schedule": "step", "optimizer": "adam", "label_smoothing": 0.1},
        bad=BAD,
        diverging=DIVERGING,
    ),
    "cnn": TrainerCase(
        "cnn",
        DIGITS,
        {"dropout": 0.4, "width": 4, "depth": 2, "schedule": "onecycle", "batch_size": 256},
        epochs=3,
        bad=(*BAD, {"kernel_size": 4}),
        diverging={**DIVERGING, "normalization": "none"},
    ),
}


class TestTrainers(TrainerContract):
    @pytest.fixture(params=CASES.values(), ids=list(CASES))
    def case(self, request: pytest.FixtureRequest) -> TrainerCase:
        found: TrainerCase = request.param
        return found
