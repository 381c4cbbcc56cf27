"""A Keras model as a trainer: it learns, stops, resumes to the same curve; what cannot work is refused."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from goodfit.testing.attempts import Line, attempt, handle
from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.files import read_checkpoint
from goodfit.trainers.messages import Outcome
from goodfit.trainers.prediction.own_model import own_model
from goodfit.trainers.registry import resolve

pytestmark = [
    pytest.mark.skipif(find_spec("keras") is None, reason="keras is not installed: pip install 'goodfit[keras]'"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras 3.15's own, on NumPy 2
]

SCRIPT = """
import goodfit.keras
import keras
import numpy as np

x = np.random.default_rng(0).normal(size=(96, 4)).astype("float32")
y = x.sum(1)

def make(rate):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.2),
                              keras.layers.BatchNormalization(), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(rate), "mse", metrics=["mae"])
    return model

def train(trial):
    halved = keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=0, min_delta=10.0)
    goodfit.keras.fit(trial, make(trial.config.rate), x[:64], y[:64], validation_data=(x[64:], y[64:]), batch_size=16,
                      callbacks=[halved])
"""
SETTINGS: dict[str, Any] = {"epochs": 5, "metric": "val/loss", "direction": "minimize", "params": {"rate": 0.05}}


@pytest.fixture
def script(tmp_path: Path) -> Path:
    file = tmp_path / "theirs.py"
    file.write_text(SCRIPT)
    return file


def test_it_learns_and_a_resumed_trial_gives_the_same_curve(script: Path, tmp_path: Path) -> None:
    settings = {**SETTINGS, "trainer": f"{script}:train"}
    whole = attempt(tmp_path / "whole", **settings)
    assert (whole.ended.outcome, whole.ended.message) == (Outcome.COMPLETE, None)
    assert set(whole.reports[0].metrics) >= {"train/loss", "train/mae", "val/loss", "val/mae", "train/learning_rate"}
    assert whole.reports[-1].metrics["train/loss"] < 0.8 * whole.reports[0].metrics["train/loss"]
    rates = [report.metrics["train/learning_rate"] for report in whole.reports]
    assert rates[-1] < rates[0], "the callback lowers it"
    first = attempt(tmp_path / "parts", stop_after=3, **settings)
    second = attempt(tmp_path / "parts", attempt=2, reported=3, **settings)
    assert first.curve + second.curve == whole.curve


def test_the_best_weights_go_into_a_model_of_ones_own(script: Path, tmp_path: Path) -> None:
    from goodfit.trainers.importing import import_file

    line = attempt(tmp_path / "t", trainer=f"{script}:train", **SETTINGS)
    theirs: Any = import_file(script)
    best = read_checkpoint(tmp_path / "t" / "best.pt")
    model = theirs.goodfit.keras.load(theirs.make(0.1), best["model"])
    own = own_model(best, resolve(f"{script}:train"), "theirs.py:train", {}, None)
    assert type(own) is type(model)
    assert (own.predict(theirs.x, verbose=0) == model.predict(theirs.x, verbose=0)).all()
    loss = model.evaluate(theirs.x[64:], theirs.y[64:], verbose=0)[0]
    assert loss == pytest.approx(min(report.metrics["val/loss"] for report in line.reports), rel=1e-5)


@pytest.mark.parametrize(
    ("text", "settings", "says"),
    [
        ("make(0.1)", {"epochs": 3}, "epochs is not for the trainer to set"),
        ("keras.Sequential([keras.layers.Dense(1)])", {}, "is not built: begin it with keras.Input"),
        ("keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])", {}, "is not compiled"),
        ("keras.layers.Dense(1)", {}, "is no model of the package keras"),
    ],
)
def test_what_cannot_work_is_refused(
    script: Path, tmp_path: Path, text: str, settings: dict[str, Any], says: str
) -> None:
    from goodfit.trainers.importing import import_file

    theirs: Any = import_file(script)
    model = eval(text, vars(theirs))
    with pytest.raises(BadTrainer, match=says):
        theirs.goodfit.keras.fit(handle(tmp_path, Line()), model, theirs.x, theirs.y, **settings)
