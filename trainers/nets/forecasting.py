"""What a forecast is measured against: the naive forecasts, and the metrics that compare with them.

Imports torch, so it is imported when a trial starts and not before. Everything is in units of the
standardised target, until it is told to users.
"""

from __future__ import annotations

from torch import Tensor

from goodfit.trainers.data import Facts

SMALLEST_ERROR = 1e-9  # keeps the ratio finite on a series that the naive forecast meets exactly


def past(x: Tensor, facts: Facts) -> Tensor:
    """The target's own values in each window, (rows, window), in the units that forecasts have.

    The target is the first input (see data/series.py).
    """
    fitted = facts.preparation
    scale, shift = fitted.divide[0] / fitted.target_std, (fitted.shift[0] - fitted.target_mean) / fitted.target_std
    return x[:, :, 0] * scale + shift


def naive(seen: Tensor, horizon: int) -> Tensor:
    """The last value, again and again."""
    return seen[:, -1:].expand(-1, horizon)


def seasonal_naive(seen: Tensor, horizon: int, period: int) -> Tensor:
    """The last season, again and again."""
    season = seen[:, -period:]
    return season.repeat(1, -(-horizon // period))[:, :horizon]


def forecast_metrics(outputs: Tensor, x: Tensor, y: Tensor, facts: Facts) -> dict[str, float]:
    """The mae and rmse over all steps of the horizon in the data's units, and the ratio to the naive error.

    `naive_ratio` is the mean absolute error divided by that of the naive or the seasonal-naive
    forecast of the same windows, whichever is better on them: below 1 the model earns its keep.
    """
    error = outputs - y
    seen = past(x.double(), facts)
    baselines = [naive(seen, facts.horizon)]
    if facts.period is not None:
        baselines.append(seasonal_naive(seen, facts.horizon, facts.period))
    to_beat = min(float((baseline - y).abs().mean()) for baseline in baselines)
    unit, mae = facts.preparation.target_std, float(error.abs().mean())
    return {
        "mae": mae * unit,
        "rmse": float(error.square().mean().sqrt()) * unit,
        "naive_ratio": mae / max(to_beat, SMALLEST_ERROR),
    }
