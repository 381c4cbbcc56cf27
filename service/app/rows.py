"""The rows of a study's splits, as its trials see them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from goodfit.service import errors
from goodfit.service.app.best import best_of
from goodfit.service.app.homes import spec_here

if TYPE_CHECKING:
    import pandas as pd

    from goodfit.service.ports import Store
    from goodfit.service.records import Study, Trial
    from goodfit.service.settings import Settings
    from goodfit.service.spec import StudySpec
    from goodfit.trainers.messages import DataSpec

PARTS = ("train", "validation", "test")


def rows_of(
    settings: Settings, store: Store, study: Study, part: str, trial: Trial | None, fold: int | None
) -> pd.DataFrame:
    """The rows of a split, indexed by their numbers in the source, the first of which is 0.

    Args:
        settings: the home.
        store: where the study is.
        study: whose data they are.
        part: train, validation or test.
        trial: whose rows; None: of the best, where trials differ in theirs.
        fold: of a cross-validation, from 1.

    Raises:
        InputError: there is no such split, fold or data; DataError: the data cannot be read, or have changed.
    """
    from goodfit.trainers.data.row_numbers import split_frame
    from goodfit.trainers.errors import DataProblem

    if part not in PARTS:
        raise errors.InputError(f"split {part!r}: {errors.did_you_mean(part, PARTS)}")
    spec = spec_here(store, study)
    if trial is None:
        best = best_of(settings, store, study, 1)
        trial = store.trial(study.id, best[0].trial) if best else None
    data = _data_of(spec, study, trial, fold, part)
    _require_unchanged(study, data, trial)
    try:
        return split_frame(data, part)
    except DataProblem as error:
        raise errors.DataError(f"study {study.name}: {error}") from error


def trial_data(store: Store, study: Study, trial: Trial, fold: int | None) -> DataSpec:
    """The data that a trial was trained on; InputError where it names none, DataError where they have changed."""
    data = _data_of(spec_here(store, study), study, trial, fold, "validation")
    _require_unchanged(study, data, trial)
    return data


def _data_of(spec: StudySpec, study: Study, trial: Trial | None, fold: int | None, part: str) -> DataSpec:
    data = spec.data_spec(None if trial is None else trial.params)
    if data is None:
        raise errors.InputError(f"study {study.name} has no data: its trainer brings its own, and knows their rows")
    if part == "test" and not data.test:
        raise errors.InputError(f"study {study.name} has no test split: data.split.test is 0")
    if data.folds is None and fold is not None:
        raise errors.InputError(f"study {study.name} has no folds; leave fold out")
    if data.folds is not None and part != "test" and (fold is None or not 1 <= fold <= data.folds):
        raise errors.InputError(f"study {study.name} has {data.folds} folds: name one, fold=1 to fold={data.folds}")
    if data.folds is not None and fold is not None:
        data = replace(data, fold=fold - 1)
    return replace(data, validation_seed=trial.seed) if data.reshuffle and trial is not None else data


def _require_unchanged(study: Study, data: DataSpec, trial: Trial | None) -> None:
    """DataError where the data are not those of the trial, or of the study: the numbers would be of other rows."""
    from goodfit.trainers.data.fingerprint import fingerprint

    kept = ((study.inputs or {}).get("data") or {}).get("digest") if trial is None else trial.data
    found = fingerprint(data)
    if kept is not None and found is None:
        raise errors.DataError(f"the data of study {study.name} are not here any more: {data.source}; put them back")
    if kept is not None and found is not None and kept != found.digest:
        raise errors.DataError(
            f"the data of study {study.name} have changed since its trials were trained: which rows were in which "
            "split is not known any more; put the data back as they were"
        )
