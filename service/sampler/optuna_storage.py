"""The trials of an Optuna storage, as an earlier study; nothing is written to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from goodfit.service.errors import InputError, did_you_mean
from goodfit.service.sampler.history import quiet
from goodfit.service.sampler.methods import experimental
from goodfit.service.sampler.observed import order_of
from goodfit.service.spec.warm_start import Source
from goodfit.service.stored_spec import STORAGE_EXAMPLES, bounded, without_password

SQLITE, JOURNAL = FILES = ("sqlite:///", "journal://")  # a path follows


def optuna_source(url: str) -> Source:
    """The trials of a study in an Optuna storage.

    Args:
        url: of the storage, as SQLAlchemy writes it; with several studies in it, `#` and the name of one after it.

    Raises:
        InputError: there is no such storage or study, or its trials have no one order.
    """
    place, _, name = url.partition("#")
    shown = without_password(place)
    for scheme in FILES:
        if place.startswith(scheme):
            _check_file(scheme, place.removeprefix(scheme))
    try:
        with quiet():
            study = _study(_opened(place), shown, name)
    except InputError:
        raise
    except Exception as error:  # of SQLAlchemy, its drivers and Optuna
        first: BaseException = error
        while first.__cause__ is not None:
            first = first.__cause__
        line = (str(first).strip().splitlines() or [type(first).__name__])[0]
        raise InputError(f"{shown} cannot be read as an Optuna storage: {line}; {STORAGE_EXAMPLES}") from error
    if len(study.directions) > 1:
        raise InputError(f"study {study.study_name} of {shown} has several objectives: its trials have no one order")
    sign = 1.0 if study.direction == optuna.study.StudyDirection.MINIMIZE else -1.0
    trials = study.get_trials(deepcopy=False)
    found = [(order, trial) for trial in trials if (order := order_of(trial, sign)) is not None]
    found.sort(key=lambda one: (one[0], one[1].number))
    names = frozenset(
        name for _, trial in found for name, distribution in trial.distributions.items() if not distribution.single()
    )
    return Source.ranked([trial.params for _, trial in found], names)


def _opened(place: str) -> BaseStorage:
    if not place.startswith(JOURNAL):
        return RDBStorage(place, engine_kwargs=bounded(place), skip_table_creation=True)
    with experimental():
        return JournalStorage(JournalFileBackend(place.removeprefix(JOURNAL)))


def _study(storage: BaseStorage, place: str, name: str) -> optuna.Study:
    names = [study.study_name for study in storage.get_all_studies()]
    if name and name not in names:
        raise InputError(f"{place} has no study {name}; {did_you_mean(name, names)}")
    if not names:
        raise InputError(f"{place} has no study")
    if not name and len(names) > 1:
        raise InputError(f"{place} has {len(names)} studies; name one of them after a #: {_listed(names)}")
    return optuna.load_study(study_name=name or names[0], storage=storage)


def _listed(names: Sequence[Any]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _check_file(scheme: str, path: str) -> None:
    """Refuse what is no database of Optuna's before anything opens it for writing."""
    if not Path(path).is_file():
        raise InputError(f"there is no file {path}")
    if scheme == JOURNAL:
        return  # nothing is made of what cannot be read
    try:
        with closing(sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True, timeout=10.0)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error as error:
        raise InputError(f"{path} is not an Optuna storage: {error}") from error
    if not {"studies", "trials", "trial_params"} <= tables or "version_info" not in tables:
        raise InputError(f"{path} is a database, and not one of Optuna's; name another file")
