"""The data of a study: read, split, prepared; the test split apart from the others.

    load(spec)       -> Data: training and validation splits, and the facts about them
    load_test(spec)  -> Split: the test rows, for the confirmation of a winner alone
    load_sealed(spec) -> Data: likewise, with the test rows in the place of the validation rows
    data_report(spec) -> what can be told of the data before anything is trained

The same spec gives the same splits. Each kind of data is a module in kinds/, and kinds/registry.py has the table of
them. No torch here; pandas and scikit-learn are imported when a source needs them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from goodfit.trainers.data.augmenting.variations import check_fit, check_kind, given_keys
from goodfit.trainers.data.datasets.tables import DATASETS, Dataset, is_path
from goodfit.trainers.data.facts import Data, Facts, Split, test_rows
from goodfit.trainers.data.kinds.arrays import ArrayKind
from goodfit.trainers.data.kinds.kind import Kind, Loaded
from goodfit.trainers.data.kinds.registry import faults_as_problems, kind_of, load_kind
from goodfit.trainers.data.preparing.preparation import Preparation
from goodfit.trainers.data.reading.cache import forget
from goodfit.trainers.data.reporting.comparison import with_comparison
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec

__all__ = [
    "DATASETS",
    "ArrayKind",
    "Data",
    "Dataset",
    "Facts",
    "Kind",
    "Preparation",
    "Split",
    "data_report",
    "is_path",
    "load",
    "load_sealed",
    "load_test",
    "look",
    "look_closely",
]


def load(spec: DataSpec) -> Data:
    """The training and validation splits.

    Raises:
        DataProblem: the data are missing, broken, or cannot be split, prepared or varied as asked.
    """
    return _loaded(spec)[0]


def look(spec: DataSpec) -> Data:
    """As load, but fits no scale where that would decode every image of a folder: for what is known without it."""
    return _loaded(_unscaled(spec))[0]


def look_closely(spec: DataSpec) -> tuple[Data, list[str]]:
    """As look, with notes on what reading the data alters, or what may be meant otherwise."""
    kept = replace(spec, keep=True)
    try:
        data, kind = look(kept), kind_of(kept)
        with faults_as_problems(kind, f"{spec.source}: the notes of kind {kind.name} cannot be made"):
            return data, kind.notes(kind.spec_type.of(kept), data)
    finally:
        forget()


def load_test(spec: DataSpec) -> Split:
    """The test split, prepared as fitted on the training split; DataProblem where there is none."""
    return test_rows(spec.source, None if spec.test == 0 else load_kind(spec)[1])


def load_sealed(spec: DataSpec) -> Data:
    """The test rows in the place of the validation rows: for the confirmation of a winner alone."""
    return replace(load(spec), validation=load_test(spec))


def data_report(spec: DataSpec) -> dict[str, Any]:
    """The report on a study's data, of data that cannot be trained on yet as well.

    The test rows are counted and compared with the others; no model sees them.

    Returns:
        source, kind, task, reason (why it is this task), rows; columns (name, type, missing, distinct,
        and min, mean, max or the most frequent values; of texts the same of their characters); splits
        (rows by split; of a series windows); target (name, and classes by split, or min, mean, max);
        duplicates (rows of validation or test that training has as well); conflicts (how many rows
        share their inputs with a row of another class); giveaways (columns that alone give the target
        away); problem: what keeps the data from being trained on, or None; notes: what to look at, in
        sentences. Of a folder of images also images: how many have which size and mode, which are
        broken, and what is left out. Of data that can be trained on also drift (how far validation and
        test rows can be told from training rows) and outliers (of the training rows). Plain JSON values.

    Raises:
        DataProblem: the data cannot be read at all.
    """
    spec = replace(spec, validation_seed=None, keep=True)  # it is read once, for its splits and for its report
    try:
        kind = kind_of(spec)
        loaded = _loaded_or_problem(_unscaled(spec))
        with faults_as_problems(kind, f"{spec.source}: the report of kind {kind.name} cannot be made"):
            report = kind.report(kind.spec_type.of(spec), loaded)
        return report if isinstance(loaded, DataProblem) else with_comparison(report, *loaded)
    finally:
        forget()


def _loaded_or_problem(spec: DataSpec) -> Loaded | DataProblem:
    try:
        return _loaded(spec)
    except DataProblem as error:
        return error


def _loaded(spec: DataSpec) -> Loaded:
    data, test = load_kind(spec)
    if not given_keys(spec.augment):
        return data, test
    check_kind(spec.augment, data.kind, data.task, data.name)
    check_fit(spec.augment, data.kind, data.facts.input_shape, data.name)
    return replace(data, augment=spec.augment), test


def _unscaled(spec: DataSpec) -> DataSpec:
    return replace(spec, scale="none") if kind_of(spec).scale_reads_all else spec
