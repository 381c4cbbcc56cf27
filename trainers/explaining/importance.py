"""What holds for a table's columns over many rows: permutation importance, and partial dependence.

Permutation importance: Breiman, 2001; Fisher, Rudin and Dominici, 2019. Its interval is that of the mean over rows,
each row's loss averaged over the shuffles. Partial dependence: Friedman, 2001.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from goodfit.trainers.data import Facts
from goodfit.trainers.explaining.explanation import Dependence, Importance
from goodfit.trainers.explaining.games import Outputs
from goodfit.trainers.explaining.samples import Sample

if TYPE_CHECKING:
    import pandas as pd

SHUFFLES = 10
NORMAL = 1.96  # standard errors to either side hold 95%
POINTS = 20  # of a curve
INNER = (0.1, 0.9)  # the quantiles of the rows that a curve's band reaches to
SMALLEST = 1e-12  # a probability's logarithm stays finite


def measure_of(facts: Facts) -> str:
    """What permutation importance is measured by."""
    return "accuracy" if facts.task == "classification" else "mean absolute error"


def losses(outputs: np.ndarray, y: np.ndarray, facts: Facts) -> np.ndarray:
    """Of each row: whether it is classified wrongly, or its absolute error in the unit of the data."""
    if facts.task == "classification":
        return np.asarray(outputs.argmax(axis=1) != y, dtype=np.float64)
    return np.asarray(np.abs(outputs[:, 0] - facts.preparation.original(y)))


def permutation_importance(
    outputs: Outputs, sample: Sample, players: np.ndarray, count: int, facts: Facts, seed: int
) -> list[Importance]:
    """By how much the loss rises when a column is shuffled; 0 for a column that never changes.

    Args:
        outputs: of the model.
        sample: rows with their targets.
        players: of each number of a row, which column it comes from.
        count: of the columns.
        facts: of the data.
        seed: of the shuffles.
    """
    y = sample.y if sample.y is not None else np.empty(0)
    before = losses(outputs(sample.x), y, facts)
    shuffles = SHUFFLES if count <= 100 else SHUFFLES // 2
    found = []
    for column in range(count):
        mine = players == column
        if len(sample) < 2 or (sample.x[:, mine] == sample.x[:1, mine]).all():
            found.append(Importance(0.0, 0.0, 0.0))
            continue
        random = np.random.default_rng([seed, column])
        rises = np.zeros(len(sample))
        for _ in range(shuffles):
            rows = sample.x.copy()
            rows[:, mine] = sample.x[random.permutation(len(sample))][:, mine]
            rises += losses(outputs(rows), y, facts) - before
        rises /= shuffles
        mean, error = float(rises.mean()), float(rises.std(ddof=1)) / math.sqrt(len(rises))
        found.append(Importance(mean, mean - NORMAL * error, mean + NORMAL * error))
    return found


def partial_dependence(
    outputs: Outputs, background: Sample, players: np.ndarray, column: int, name: str, output: int, called: str
) -> Dependence | None:
    """One output, `called` so, over a column's values in the background rows; None where it has one value alone.

    A value is put in as it was prepared in the row that has it, so that text, dates and gaps are what they are. The
    band is that of the rows' own curves, each moved to the common mean (Goldstein and others, 2015).
    """
    mine = players == column
    values = shown_column(background, column, name)
    places = _grid(values)
    if len(places) < 2:
        return None
    rows = np.repeat(background.x[None], len(places), axis=0)
    rows[:, :, mine] = background.x[places][:, None, mine]
    found = outputs(rows.reshape(-1, background.x.shape[1]))[:, output].reshape(len(places), -1)
    means = found.mean(axis=1)
    low, high = means.mean() + np.quantile(found - found.mean(axis=0), INNER, axis=1)
    return Dependence(
        name,
        called,
        tuple(values[place] for place in places),
        tuple(means.tolist()),
        tuple(low.tolist()),
        tuple(high.tolist()),
    )


def shown_column(sample: Sample, column: int, name: str) -> list[str | float]:
    """A column's values as people read them: numbers where all are, else text."""
    if sample.raw is None or name not in sample.raw.columns:
        return [float(value) for value in sample.x[:, column]] if sample.x.ndim == 2 else []
    return _readable(sample.raw[name])


def _readable(column: pd.Series) -> list[str | float]:
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return [float("nan") if pd.isna(value) else float(value) for value in column]
    return ["missing" if pd.isna(value) else str(value) for value in column]


def _grid(values: list[str | float]) -> np.ndarray:
    """The places of rows with values from the lowest to the highest, each once; numbers at even quantiles."""
    first: dict[str | float, int] = {}
    for place, value in enumerate(values):
        if value == value:  # gaps have no place on an axis of numbers
            first.setdefault(value, place)
    ordered = sorted(first, key=lambda value: (isinstance(value, str), value))
    if not ordered:
        return np.empty(0, dtype=int)
    chosen = np.unique(np.linspace(0, len(ordered) - 1, min(POINTS, len(ordered))).round().astype(int))
    return np.array([first[ordered[place]] for place in chosen], dtype=int)
