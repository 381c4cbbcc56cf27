"""The recurrent net: its shapes, how well it does, its forecasts' metrics, and predicting with it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from goodfit.testing.attempts import Line, attempt
from goodfit.trainers.builtin.rnn import RNNConfig
from goodfit.trainers.data import Facts, load, load_test
from goodfit.trainers.errors import BadTrainer, DataProblem
from goodfit.trainers.messages import DataSpec, Outcome
from goodfit.trainers.nets.dropout import Dropout, dropouts
from goodfit.trainers.nets.forecasting import forecast_metrics, naive, past, seasonal_naive
from goodfit.trainers.prediction.model_folder import load_model, read_facts, save_model
from goodfit.trainers.prediction.predictor import Predictor
from goodfit.trainers.registry import resolve
from goodfit.trainers.training.loop import Tensors, evaluate
from goodfit.trainers.training.supervised import METRICS
from tests.training import DIGITS

EEG = DataSpec("eeg")
SMALL = {"width": 8}
FORECAST: dict[str, Any] = {"trainer": "rnn", "metric": "val/naive_ratio", "direction": "minimize"}


def rnn(facts: Facts, **params: Any) -> nn.Module:
    model: nn.Module = resolve("rnn").build(RNNConfig(**params), facts)  # type: ignore[misc]
    return model


def waves(folder: Path, steps: int = 400) -> DataSpec:
    """A rising series with a season of 8 and some noise: a user's own file."""
    rows, noise = np.arange(steps), np.random.default_rng(0).normal(0, 0.3, steps)
    load_ = 50 + 0.05 * rows + 4 * np.sin(2 * np.pi * rows / 8) + noise
    path = folder / "waves.csv"
    path.write_text("load,row\n" + "\n".join(f"{value:.3f},{row}" for value, row in zip(load_, rows, strict=True)))
    return DataSpec(str(path), "load", kind="series", time="row", window=16, horizon=4, period=8)


def predictor(folder: Path, trained: Path, **params: Any) -> Predictor:
    save_model(folder, "rnn", params, read_facts(trained), trained / "best.pt")
    return load_model(folder)


def on_test_rows(folder: Path, spec: DataSpec, **params: Any) -> dict[str, float]:
    facts = read_facts(folder)
    model = rnn(facts, **params)
    model.load_state_dict(torch.load(folder / "best.pt", weights_only=True)["model"])
    return evaluate(model, Tensors.of(load_test(spec), torch.device("cpu")), facts)


@pytest.mark.parametrize(
    ("spec", "outputs"), [(DIGITS, 10), (EEG, 8), (DataSpec("load_curve", window=20, horizon=3, period=5), 3)]
)
@pytest.mark.parametrize(
    ("cell", "bidirectional", "pooling", "depth"),
    [
        (cell, bidirectional, pooling, 1 + bidirectional)
        for cell, bidirectional, pooling in itertools.product(
            ["rnn", "lstm", "gru"], [False, True], ["last", "mean", "attention"]
        )
    ],
)
def test_every_combination_takes_images_and_series(
    spec: DataSpec, outputs: int, cell: Any, bidirectional: bool, pooling: Any, depth: int
) -> None:
    data = load(spec)
    model = rnn(data.facts, cell=cell, bidirectional=bidirectional, pooling=pooling, depth=depth, width=4)
    assert model(torch.from_numpy(data.train.x[:3])).shape == (3, outputs)


@pytest.mark.parametrize("pooling", ["last", "mean", "attention"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_every_step_counts_whatever_the_pooling(pooling: Any, bidirectional: bool) -> None:
    data = load(DIGITS)
    torch.manual_seed(0)
    model = rnn(data.facts, pooling=pooling, bidirectional=bidirectional, width=8).eval()
    x = torch.from_numpy(data.train.x[:1]).clone().requires_grad_()
    model(x)[0, 3].backward()
    assert x.grad is not None
    assert (x.grad.abs().sum(dim=(0, 1, 3)) > 0).all()


def test_dropout_is_between_layers_and_before_the_head() -> None:
    facts = load(DIGITS).facts
    assert [layer.p for layer in dropouts(rnn(facts, depth=2, dropout=0.25))] == [0.25, 0.25]
    assert [layer.p for layer in dropouts(rnn(facts, dropout=0.25))] == [0.0, 0.25]


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_layers_that_drop_between_them_compute_the_same(
    cell: str, bidirectional: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Dropout, "drawn_by_torch", lambda _, x: x)
    data = load(DIGITS)
    model = rnn(data.facts, cell=cell, depth=3, dropout=0.25, width=5, bidirectional=bidirectional)
    rows = torch.from_numpy(data.train.x[:6])
    training = model.train()(rows)
    torch.testing.assert_close(training, model.eval()(rows))


def test_the_defaults_read_digits_row_by_row(tmp_path: Path) -> None:
    line = attempt(tmp_path, trainer="rnn", data=DIGITS, epochs=30)
    assert line.ended.outcome is Outcome.COMPLETE
    assert on_test_rows(tmp_path, DIGITS)["accuracy"] >= 0.95


def test_the_defaults_forecast_a_users_series_better_than_both_naive_forecasts(tmp_path: Path) -> None:
    spec = waves(tmp_path)
    attempt(tmp_path / "trial", data=spec, epochs=30, **FORECAST)
    assert on_test_rows(tmp_path / "trial", spec)["naive_ratio"] < 0.9


def test_a_real_series_is_forecast_better_than_naively(tmp_path: Path) -> None:
    params = {"base": "none", "width": 32, "dropout": 0.3}
    attempt(tmp_path, data=EEG, epochs=8, params=params, **FORECAST)
    assert on_test_rows(tmp_path, EEG, **params)["naive_ratio"] < 0.9


def test_naive_forecasts_repeat_the_last_value_and_the_last_season() -> None:
    seen = torch.arange(12.0).reshape(2, 6)
    assert naive(seen, 3).tolist() == [[5, 5, 5], [11, 11, 11]]
    assert seasonal_naive(seen, 5, 3).tolist() == [[3, 4, 5, 3, 4], [9, 10, 11, 9, 10]]
    assert seasonal_naive(seen, 2, 4).tolist() == [[2, 3], [8, 9]]


@pytest.mark.parametrize("scale", ["standard", "minmax", "none"])
def test_the_past_is_in_the_units_of_the_targets_however_inputs_are_scaled(scale: str) -> None:
    data = load(DataSpec("eeg", scale=scale))
    seen = past(torch.from_numpy(data.train.x), data.facts)
    assert seen[8:, -8:].numpy() == pytest.approx(data.train.y[:-8], abs=1e-5)


def test_forecast_metrics_are_in_the_datas_units_and_against_the_better_naive_forecast(tmp_path: Path) -> None:
    spec = waves(tmp_path)
    data = load(spec)
    x, y = torch.from_numpy(data.validation.x), torch.from_numpy(data.validation.y).double()
    metrics = forecast_metrics(torch.zeros_like(y), x, y, data.facts)
    true = data.preparation.original(data.validation.y)
    error = np.abs(true - data.preparation.target_mean)
    load_ = np.loadtxt(spec.source, delimiter=",", skiprows=1)[:, 0]
    origins = range(240, 320 - 4 + 1)  # the fifth of the rows that validates
    season = np.mean([np.abs(load_[row - 8 : row - 4] - load_[row : row + 4]).mean() for row in origins])
    assert metrics["mae"] == pytest.approx(error.mean(), rel=1e-5)
    assert metrics["rmse"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-5)
    assert metrics["mae"] / metrics["naive_ratio"] == pytest.approx(season, rel=1e-4)
    last = past(x, data.facts).double()
    assert forecast_metrics(seasonal_naive(last, 4, 8), x, y, data.facts)["naive_ratio"] == pytest.approx(1, rel=1e-6)
    assert forecast_metrics(naive(last, 4), x, y, data.facts)["naive_ratio"] > 1.5


@pytest.mark.parametrize("base", ["last", "season"])
def test_a_forecast_on_a_base_moves_with_the_level_of_the_series(tmp_path: Path, base: Any) -> None:
    data = load(waves(tmp_path))
    model = rnn(data.facts, base=base, width=4).eval()
    x = torch.from_numpy(data.train.x[:5]).double()
    assert torch.allclose(model.double()(x + 3), model(x) + 3)


def test_the_declared_metrics_are_those_that_are_reported(tmp_path: Path) -> None:
    line = attempt(tmp_path, data=EEG, params=SMALL, epochs=1, **FORECAST)
    assert set(line.reports[0].metrics) == {
        f"{split}/{name}" for split in ("train", "val") for name in METRICS["forecasting"]
    }
    trainer = resolve("rnn")
    assert trainer.metrics is not None
    assert set(trainer.metrics) == {"classification", "regression", "forecasting"}
    assert "forecasting" not in (resolve("mlp").metrics or {})


@pytest.mark.parametrize("data", [EEG, DIGITS])
def test_a_resumed_trial_gives_exactly_the_curve_of_an_uninterrupted_one(tmp_path: Path, data: DataSpec) -> None:
    params = {**SMALL, "depth": 2, "dropout": 0.3, "cell": "lstm", "pooling": "attention"}
    settings: dict[str, Any] = {"params": params, "data": data, "epochs": 4, "checkpoint_epochs": 1}
    settings |= {**FORECAST, "metric": "val/loss"}
    whole = attempt(tmp_path / "whole", **settings)
    paused = attempt(tmp_path / "parts", pauses=True, pause_at=1, **settings)
    first = attempt(tmp_path / "parts", stop_after=2, reported=1, **settings)
    second = attempt(tmp_path / "parts", attempt=2, reported=2, **settings)
    assert len(whole.curve) == 4
    assert paused.curve + first.curve + second.curve == whole.curve
    other: Line = attempt(tmp_path / "other", **{**settings, "seed": 12})
    assert other.curve != whole.curve


def test_a_forecaster_predicts_what_follows_a_series_in_its_own_units(tmp_path: Path) -> None:
    import pandas as pd

    spec = waves(tmp_path)
    attempt(tmp_path / "trial", data=spec, epochs=8, **FORECAST)
    model = predictor(tmp_path / "model", tmp_path / "trial")
    frame = pd.read_csv(spec.source)
    told = model.predict(frame.iloc[:-4])
    assert told.shape == (1, 4)
    assert np.abs(told[0] - frame["load"].to_numpy()[-4:]).mean() < 2.0  # the season alone swings by 8
    assert model.predict(frame[["load"]].to_numpy()[:-4]) == pytest.approx(told)
    windows = np.lib.stride_tricks.sliding_window_view(frame["load"].to_numpy(), 16)[:, :, None]
    assert model.predict(windows).shape == (385, 4)
    assert model.predict(windows)[-5] == pytest.approx(told[0], rel=1e-5)
    assert model.predict(model.example()).shape == (1, 4)


def test_what_a_forecaster_cannot_predict_from_is_refused(tmp_path: Path) -> None:
    import pandas as pd

    spec = waves(tmp_path)
    attempt(tmp_path / "trial", data=spec, epochs=1, params=SMALL, **FORECAST)
    model = predictor(tmp_path / "model", tmp_path / "trial", **SMALL)
    frame = pd.read_csv(spec.source)
    gap = frame.astype(float)
    gap.loc[399, "load"] = np.nan
    for rows, said in (
        (frame[:10], "has 10 rows, fewer than the window of 16"),
        (frame[["row"]], "lacks the columns load"),
        (gap, "column load: 1 value missing"),
        (np.zeros((3, 7, 1)), "is (steps, 1) or (rows, 16, 1), not (3, 7, 1)"),
    ):
        with pytest.raises(DataProblem) as caught:
            model.predict(rows)
        assert said in str(caught.value)
    with pytest.raises(DataProblem, match="no class probabilities"):
        model.predict_proba(frame)


def test_sequences_are_classified_and_their_labels_predicted(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    y = np.array(["rising", "falling"] * 60)
    slope = np.where(y == "rising", 1.0, -1.0)[:, None] * np.linspace(-1, 1, 10)
    x = slope + random.normal(0, 0.3, (120, 10))
    np.savez(tmp_path / "slopes.npz", x=x, y=y)
    spec = DataSpec(str(tmp_path / "slopes.npz"), kind="series")
    attempt(tmp_path / "trial", trainer="rnn", data=spec, epochs=6)
    model = predictor(tmp_path / "model", tmp_path / "trial")
    assert (model.predict(x[:, :, None]) == y).mean() > 0.95
    assert model.predict_proba(x[:2, :, None]).shape == (2, 2)


def test_a_season_as_base_needs_its_length() -> None:
    with pytest.raises(BadTrainer, match="base: season needs the season's length"):
        rnn(load(EEG).facts, base="season")


def test_other_trainers_do_not_take_series(tmp_path: Path) -> None:
    ended = attempt(tmp_path, trainer="mlp", data=EEG, metric="val/loss", direction="minimize").ended
    assert ended.outcome is Outcome.UNUSABLE
    assert "and eeg is of kind series" in str(ended.message)
