"""The data of a study: read, split, prepared; the test split apart from the others.

    load(spec)       -> Data: training and validation splits, and the facts about them
    load_test(spec)  -> Split: the test rows, for the confirmation of a winner alone

The same spec gives the same splits. Reading is in files.py and builtin.py, the checks and the kind
of target in raw.py, who goes where in split.py, scaling and filling in preparation.py. No torch
here; pandas and scikit-learn are imported when a source needs them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainers.data.builtin import DATASETS, Dataset, read_builtin
from trainers.data.facts import Data, Facts, Split
from trainers.data.files import read_file
from trainers.data.preparation import Preparation
from trainers.data.raw import Raw, check_values, encode_target
from trainers.data.split import Rows, split_rows
from trainers.errors import DataProblem
from trainers.messages import DataSpec

__all__ = ["DATASETS", "Data", "Dataset", "Facts", "Preparation", "Split", "is_path", "load", "load_test"]


def is_path(source: str) -> bool:
    """Whether a source names a file or folder and not a built-in data set: it has a separator or a suffix."""
    return "/" in source or "\\" in source or bool(Path(source).suffix)


def load(spec: DataSpec) -> Data:
    """The training and validation splits.

    Raises:
        DataProblem: the data are missing, broken, or cannot be split or prepared as asked.
    """
    return _prepared(spec)[0]


def load_test(spec: DataSpec) -> Split:
    """The test split, prepared as fitted on the training split; DataProblem where there is none."""
    if spec.test == 0:
        raise DataProblem(f"{spec.source}: no rows were kept for testing; give `split: {{test: 0.2}}`")
    return _prepared(spec)[1]


def _prepared(spec: DataSpec) -> tuple[Data, Split]:
    raw = read_file(Path(spec.source), spec.target) if is_path(spec.source) else read_builtin(spec.source)
    check_values(raw.x, raw.features, spec.missing, raw.source)
    target, values = encode_target(raw)
    rows = split_rows(values, target.classes, spec, raw.source)
    preparation = Preparation.fit(raw.x[rows.train], values[rows.train], target, spec, raw)
    train, validation, test = (_part(raw, values, index, preparation) for index in rows)
    facts = Facts(
        name=raw.name,
        task=target.task,
        kind=raw.kind,
        input_shape=raw.x.shape[1:],
        classes=target.classes,
        features=raw.features,
        rows=_counts(rows),
        preparation=preparation,
    )
    return Data(train, validation, facts), test


def _part(raw: Raw, values: np.ndarray, index: np.ndarray, preparation: Preparation) -> Split:
    return Split(preparation.inputs(raw.x[index]), preparation.targets(values[index]))


def _counts(rows: Rows) -> dict[str, int]:
    return {"train": len(rows.train), "validation": len(rows.validation), "test": len(rows.test)}
