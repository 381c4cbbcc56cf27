"""Whether the rows of the splits are alike, and which training rows are far from all others: on inputs as prepared."""

from __future__ import annotations

from typing import Any

import numpy as np

from goodfit.trainers.data.facts import Data, Split
from goodfit.trainers.data.quality.drift import Drift, drift_between
from goodfit.trainers.data.quality.outliers import outlier_scores
from goodfit.trainers.data.reading.images import Images

KINDS = ("table", "image")  # windows of a series differ by their times, and tokens are no numbers
MOST_IMAGES = 500  # of each split that are decoded for it
MOST_NUMBERS = 2**24  # of a split's inputs that are looked at
MOST_NAMED = 3
SHARE = 0.01  # of the rows; where more are far from the others that is how the data are


def with_comparison(report: dict[str, Any], data: Data, test: Split) -> dict[str, Any]:
    """The report with `drift`, `outliers` and what to say of them."""
    if data.kind not in KINDS or report.get("problem"):
        return report
    train = _some(data.train)
    drifts = {
        name: found
        for name, split in (("validation", data.validation), ("test", test))
        if len(split) and (found := drift_between(train, _some(split), seed=0)) is not None
    }
    far, _ = outlier_scores(train, seed=0)
    notes = [_drift_note(name, found, data) for name, found in drifts.items() if found.differs]
    if 0 < far.sum() <= max(1, SHARE * len(far)):
        notes.append(
            f"{_rows(int(far.sum()))} far from all others in training: look whether what is far belongs to the data"
        )
    return {
        **report,
        "drift": {
            name: {"auc": found.auc, "p": found.p, "columns": _names(found, data)} for name, found in drifts.items()
        },
        "outliers": int(far.sum()),
        "notes": [*report["notes"], *notes],
    }


def _some(split: Split) -> np.ndarray:
    """Inputs as (rows, numbers), evenly chosen rows where there are very many."""
    each = max(1, int(np.prod(split.x.shape[1:])))
    most = MOST_IMAGES if isinstance(split.x, Images) else max(100, MOST_NUMBERS // each)
    rows = np.unique(np.linspace(0, len(split) - 1, min(most, len(split))).astype(np.int64))
    return np.asarray(split.x[rows]).reshape(len(rows), -1)


def _names(found: Drift, data: Data) -> list[str]:
    columns = data.facts.columns
    return [columns[place] for place in found.columns] if columns else []


def _drift_note(name: str, found: Drift, data: Data) -> str:
    columns = _names(found, data)[:MOST_NAMED]
    where = f", most by {', '.join(columns)}" if columns else ""
    return (
        f"the {name} rows are not like the training rows: a classifier tells them apart (area under the curve "
        f"{found.auc:.2f}){where}; unless that is meant, as by time, scores on them say little of other rows"
    )


def _rows(count: int) -> str:
    return "1 row is" if count == 1 else f"{count} rows are"
