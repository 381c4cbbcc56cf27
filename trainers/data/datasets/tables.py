"""The built-in data sets: scikit-learn's small real ones, as they come with it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from goodfit.trainers.data.reading.raw import Raw, as_images, nearest
from goodfit.trainers.errors import DataProblem


@dataclass(frozen=True, slots=True)
class Dataset:
    """What `goodfit datasets` tells of a data set."""

    name: str
    task: str
    kind: str
    rows: int
    features: int
    about: str


VERSION = 1  # of what the built-in data sets hold: another one where their rows or columns change

DATASETS = {
    dataset.name: dataset
    for dataset in (
        Dataset("digits", "classification", "image", 1797, 64, "handwritten digits, 8x8 pixels, 10 classes (UCI)"),
        Dataset(
            "breast_cancer",
            "classification",
            "table",
            569,
            30,
            "measures of cell nuclei, malignant or benign (Wisconsin, UCI)",
        ),
        Dataset("wine", "classification", "table", 178, 13, "chemical analysis of wines from 3 growers (UCI)"),
        Dataset("iris", "classification", "table", 150, 4, "sepals and petals of 3 species of iris (Fisher, 1936)"),
        Dataset(
            "diabetes", "regression", "table", 442, 10, "progression of diabetes after a year (Efron and others, 2004)"
        ),
        Dataset(
            "eeg",
            "forecasting",
            "series",
            800,
            4,
            "a human electroencephalogram, 4 electrodes; forecast one 8 samples ahead (matplotlib's sample data)",
        ),
        Dataset(
            "load_curve",
            "forecasting",
            "series",
            2968,
            3,
            "a town's power load every 3 hours, generated, not measured: trend, day, week, weather, noise",
        ),
        Dataset(
            "docstrings",
            "classification",
            "text",
            1886,  # of Python 3.11.7
            1,
            "docstrings of the standard library by package, 9 classes, their names struck out; varies with Python",
        ),
        Dataset(
            "stdlib_source",
            "language-modelling",
            "corpus",
            11_498,  # windows of 128 characters, of Python 3.11.7
            128,
            "sources of 6 packages of the standard library as running text, 1.5 million characters; varies with Python",
        ),
        Dataset(
            "dates",
            "translation",
            "pairs",
            8000,
            1,
            "generated dates as people write them, in 14 ways, and as ISO 8601 has them: 3rd of March 1987, 1987-03-03",
        ),
    )
}


def is_path(source: str) -> bool:
    """Whether a source names a file or folder and not a built-in data set: it has a separator or a suffix."""
    return "/" in source or "\\" in source or bool(Path(source).suffix)


def read_builtin(name: str) -> Raw:
    """A built-in data set by its name; DataProblem suggests the nearest."""
    if name not in DATASETS:
        raise DataProblem(f"no data set {name!r}; {nearest(name, DATASETS)}, or give the path of a file")
    if name == "digits":
        return _digits(name)
    from sklearn import datasets

    table = getattr(datasets, f"load_{name}")()
    features = tuple(str(feature) for feature in table.feature_names)
    classes = tuple(str(label) for label in table.get("target_names", ()))
    return Raw(name, name, "table", np.asarray(table.data, dtype=np.float64), table.target, features, classes)


def _digits(name: str) -> Raw:
    """The digits from scikit-learn's file: to import it for them takes longer than their first epoch."""
    found = find_spec("sklearn")
    if found is None or found.origin is None:
        raise DataProblem(f"the data set {name} comes with scikit-learn, which is not installed")
    rows = np.loadtxt(Path(found.origin).with_name("datasets") / "data" / "digits.csv.gz", delimiter=",")
    return Raw(name, name, "image", as_images(rows[:, :-1].reshape(-1, 8, 8), name), rows[:, -1].astype(int))
