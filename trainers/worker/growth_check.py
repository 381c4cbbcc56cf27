"""What more rows would bring, by training: one configuration on an eighth, a quarter, half and all of the rows.

With fewer rows an epoch has fewer steps, so as many more epochs are trained: the scores differ by the rows alone. The
validation rows are the same for all, each seed draws rows of its own.
"""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from typing import Any

import numpy as np

from goodfit.trainers.data import Data, load
from goodfit.trainers.data.all_rows import taken
from goodfit.trainers.data.quality.growth import Growth, growth_of
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec
from goodfit.trainers.seeding import mixed_seed
from goodfit.trainers.worker.out_of_fold import Training, best_metrics

PARTS = (8, 4, 2, 1)  # an eighth, a quarter, half and all of the rows
SEEDS = 3
LEAST_ROWS = 64  # that train: of fewer an eighth is too little to learn from
SHARES = ("accuracy", "balanced_accuracy", "f1", "r2")  # metrics of which a hundredth is a point
SMALL, MOST = 0.01, 0.03  # of the score: a gain that is small and less than that at most is as good as none
TRAININGS = len(PARTS) * SEEDS


def check_growth(training: Training, spec: DataSpec) -> dict[str, Any]:
    """Train on parts of the training rows, and say what twice as many would gain: plain JSON values.

    Returns:
        metric, direction; sizes: for each size its rows and scores; now, gain, low, high, limit, exponent of the power
        law; clear: whether the gain is told from none; enough: whether it is told that there is as good as none;
        sentence.

    Raises:
        DataProblem: the data cannot be loaded, or have too few rows.
    """
    data = load(replace(spec, fold=0 if spec.folds is not None else None, validation_seed=None, labels="keep"))
    rows = len(data.train)
    if rows < LEAST_ROWS:
        raise DataProblem(f"{spec.source}: {rows} rows train, and what more would bring is told from {LEAST_ROWS} on")
    metric, direction = training.assignment.metric, training.assignment.direction
    sizes, scores = [], []
    for part in PARTS:
        sizes.append(rows // part)
        scores.append([_score(training, data, part, seed) for seed in range(SEEDS)])
    found = growth_of(sizes, scores, larger_is_better=direction == "maximize", seed=0)
    return {
        "metric": metric,
        "direction": direction,
        "sizes": [{"rows": size, "scores": one} for size, one in zip(sizes, scores, strict=True)],
        **{name: getattr(found, name) for name in ("now", "gain", "low", "high", "limit", "exponent", "clear")},
        "enough": is_enough(found, metric),
        "sentence": sentence(found, metric),
    }


def _score(training: Training, data: Data, part: int, seed: int) -> float:
    """The objective at the best epoch, trained on a part of the rows."""
    own = training.assignment
    chosen = part_of(data, part, seed)
    longer = replace(
        own,
        seed=mixed_seed(own.seed, seed) >> 1,
        epochs=own.epochs * part,
        patience=None if own.patience is None else own.patience * part,
    )
    folder = training.folder / f"part-{part}-{seed}"
    fewer = replace(data, train=taken(data.train, chosen), texts=None)
    try:
        return best_metrics(replace(training, assignment=longer, folder=folder), fewer)[own.metric]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def part_of(data: Data, part: int, seed: int) -> np.ndarray:
    """The places of a part of the training rows, drawn by a seed; of each class its share, and one row at least."""
    y, wanted = data.train.y, len(data.train) // part
    order = np.random.default_rng(seed).permutation(len(y))
    if data.task != "classification" or part == 1:
        return np.sort(order[:wanted])
    counts = np.bincount(y, minlength=len(data.classes))
    share = np.where(counts > 0, np.maximum(1, counts * wanted // len(y)), 0)
    seen, chosen = np.zeros(len(counts), dtype=np.int64), []
    for row in order:
        if seen[y[row]] < share[y[row]]:
            seen[y[row]] += 1
            chosen.append(row)
    return np.sort(np.array(chosen))


def is_enough(found: Growth, metric: str) -> bool:
    """Whether more rows would bring as good as nothing: the gain and its interval are near 0, or the score falls."""
    if found.clear:
        return False
    scale = 1.0 if _is_share(metric) else abs(found.now)
    return found.high < 0 or (
        abs(found.gain) <= SMALL * scale and -MOST * scale <= found.low and found.high <= MOST * scale
    )


def _is_share(metric: str) -> bool:
    return metric.rpartition("/")[2] in SHARES


def sentence(found: Growth, metric: str) -> str:
    """What twice the rows would bring, with its interval of 90%; or that it cannot be told, and what would tell."""
    unit, name = (100.0, f"points of {metric}") if _is_share(metric) else (1.0, f"of {metric}")
    gain, half = found.gain * unit, (found.high - found.low) / 2 * unit
    if found.equal == found.sizes:
        by_law = f"by the power law through them twice the rows would gain {gain:.3g} {name}"
        equal = "at each size all seeds gave the same score"
        if is_enough(found, metric):
            return f"no longer the rows: {equal}, and {by_law}"
        return f"how sure it is cannot be told, because {equal}: {by_law}"
    decimals = max(0, -math.floor(math.log10(half))) if half > 0 else 3
    said = f"{gain:.{decimals}f} ± {half:.{decimals}f} {name}"
    return _answer(found, metric, said) + _equal_seeds(found)


def _answer(found: Growth, metric: str, said: str) -> str:
    if found.clear:
        return f"twice the rows would gain {said}"
    if not is_enough(found, metric):
        return (
            f"it cannot be told from these seeds and rows whether more rows would help: twice as many would gain "
            f"{said}; more rows would tell"
        )
    if found.high < 0:
        return f"no longer the rows: with twice as many the score would be worse by {said.removeprefix('-')}"
    return f"no longer the rows: twice as many would gain {said}, which may be nothing"


def _equal_seeds(found: Growth) -> str:
    """What seeds that give the same score at some of the sizes mean for the interval."""
    if not found.equal:
        return ""
    rows = " and ".join(f"{size:,}" for size in found.equal)
    meant = "which rows are drawn, not noise of training" if found.sizes[-1] in found.equal else "the other sizes alone"
    return f". With {rows} rows all seeds gave the same score, so the interval is that of {meant}"
