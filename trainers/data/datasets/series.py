"""The built-in series: a real one, as it comes with matplotlib, and a generated one; series.py cuts them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from goodfit.trainers.errors import DataProblem

if TYPE_CHECKING:
    import pandas as pd

DAY, WEEK = 8, 56  # steps of three hours
LOAD_STEPS = 53 * WEEK  # a year and a week
EEG_SHAPE = (800, 4)  # samples, electrodes


@dataclass(frozen=True, slots=True)
class BuiltInSeries:
    """A series that needs no file, and how it is cut where the study does not say."""

    read: Callable[[], pd.DataFrame]
    target: str
    window: int
    horizon: int
    period: int | None = None
    time: str | None = None


def read_eeg() -> pd.DataFrame:
    """A human electroencephalogram: 4 electrodes, each of mean 0 and deviation 1 as its giver scaled it.

    The recording is matplotlib's sample file eeg.dat, which MLflow's need of matplotlib brings along.
    """
    import pandas as pd
    from matplotlib import cbook

    try:
        path = str(cbook.get_sample_data("eeg.dat", asfileobj=False))
        values = np.fromfile(path, dtype=np.float64)
    except FileNotFoundError as error:
        raise DataProblem(
            "eeg: matplotlib was installed without its sample data, where the recording is; "
            "install it from PyPI: pip install --force-reinstall matplotlib"
        ) from error
    if values.size != EEG_SHAPE[0] * EEG_SHAPE[1]:
        raise DataProblem(f"eeg: {path} has {values.size} values, not {EEG_SHAPE[0]} samples of {EEG_SHAPE[1]}")
    columns = [f"electrode_{number}" for number in range(1, EEG_SHAPE[1] + 1)]
    return pd.DataFrame(values.reshape(EEG_SHAPE), columns=columns)


def read_load_curve() -> pd.DataFrame:
    """A town's power load, generated: a trend, a day's and a week's rhythm, weather, and noise; always the same."""
    import pandas as pd

    random = np.random.default_rng(0)
    steps = np.arange(LOAD_STEPS)
    hour, day = steps % DAY / DAY, steps // DAY % 7
    year = steps / (365 * DAY)
    weather = _wandering(random, LOAD_STEPS, keeps=0.97)  # a spell lasts days
    temperature = 10 - 9 * np.cos(2 * np.pi * year) + 4 * np.sin(2 * np.pi * (hour - 0.4)) + 3 * weather
    working = np.where(day < 5, 1.0, np.where(day == 5, 0.82, 0.74))
    rhythm = working * (60 + 22 * np.sin(2 * np.pi * (hour - 0.3)) + 9 * np.sin(4 * np.pi * (hour - 0.2)))
    heating = 0.9 * np.maximum(0, 15 - temperature)
    disturbance = 2.0 * _wandering(random, LOAD_STEPS, keeps=0.8) + random.normal(0, 1.2, LOAD_STEPS)
    load = 20 + 12 * year + rhythm + heating + disturbance
    return pd.DataFrame(
        {
            "time": pd.date_range("2024-01-01", periods=LOAD_STEPS, freq="3h"),
            "load": load.round(2),
            "temperature": temperature.round(1),
            "day_of_week": day,
        }
    )


def _wandering(random: np.random.Generator, steps: int, keeps: float) -> np.ndarray:
    """A first-order autoregression of variance 1."""
    values = np.empty(steps)
    shocks = random.normal(0, np.sqrt(1 - keeps**2), steps)
    values[0] = random.normal()
    for step in range(1, steps):
        values[step] = keeps * values[step - 1] + shocks[step]
    return values


SERIES = {
    "eeg": BuiltInSeries(read_eeg, "electrode_4", window=32, horizon=8),
    "load_curve": BuiltInSeries(read_load_curve, "load", window=WEEK, horizon=DAY, period=WEEK, time="time"),
}
