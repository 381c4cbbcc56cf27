"""Goodfit: hyperparameter search and experiment tracking that says whether a model fits.

    import goodfit

    study = goodfit.run(train, space={"lr": goodfit.float(1e-4, 1e-1, log=True)}, objective="val/loss", trials=40)
    goodfit.connect()["digits-cnn"].best().params

What is listed here is for users, and the modules `lightning`, `hugging_face`, `keras`, `scikit` and `testing` of
`goodfit`; the rooms (`goodfit.service`, `goodfit.trainers`, `goodfit.search_spaces`) may change with any version. A
name is imported when it is used: torch, pandas and Optuna take seconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from goodfit.search_spaces.declaring import choice as choice
    from goodfit.search_spaces.declaring import float as float  # noqa: A004 - users write goodfit.float
    from goodfit.search_spaces.declaring import int as int  # noqa: A004
    from goodfit.service.client import connect as connect
    from goodfit.service.client.run import run as run
    from goodfit.service.diagnosis import diagnose as diagnose
    from goodfit.service.errors import DataError as DataError
    from goodfit.service.errors import GoodfitError as GoodfitError
    from goodfit.service.errors import HomeError as HomeError
    from goodfit.service.errors import InputError as InputError
    from goodfit.service.errors import NameTaken as NameTaken
    from goodfit.service.errors import NotAllowed as NotAllowed
    from goodfit.service.errors import NotSignedIn as NotSignedIn
    from goodfit.service.errors import ServerError as ServerError
    from goodfit.service.errors import StudyFailed as StudyFailed
    from goodfit.service.errors import StudyFileError as StudyFileError
    from goodfit.service.errors import StudyHeld as StudyHeld
    from goodfit.service.errors import TooMany as TooMany
    from goodfit.service.errors import TrainerError as TrainerError
    from goodfit.service.errors import UnknownStudy as UnknownStudy
    from goodfit.service.errors import Unreachable as Unreachable
    from goodfit.trainers.nets.dropout import Dropout as Dropout
    from goodfit.trainers.registry import register as register
    from goodfit.trainers.training.config import number as number
    from goodfit.trainers.training.supervised import SupervisedConfig as SupervisedConfig
    from goodfit.trainers.training.supervised import supervised as supervised
    from goodfit.trainers.trial import Trial as Trial

_LISTED = {
    "search_spaces.declaring": ("choice", "float", "int"),
    "service.client": ("connect",),
    "service.client.run": ("run",),
    "service.diagnosis": ("diagnose",),
    "service.errors": (
        *("DataError", "GoodfitError", "HomeError", "InputError", "NameTaken", "NotAllowed", "NotSignedIn"),
        *("ServerError", "StudyFailed", "StudyFileError", "StudyHeld", "TooMany", "TrainerError"),
        *("UnknownStudy", "Unreachable"),
    ),
    "trainers.nets.dropout": ("Dropout",),
    "trainers.training.config": ("number",),
    "trainers.registry": ("register",),
    "trainers.training.supervised": ("SupervisedConfig", "supervised"),
    "trainers.trial": ("Trial",),
}
_MODULES = {name: module for module, names in _LISTED.items() for name in names}
__all__ = sorted(set(_MODULES) - {"float", "int"})  # `from goodfit import *` leaves Python's own alone


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'goodfit' has no attribute {name!r}")
    return getattr(importlib.import_module(f"goodfit.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
