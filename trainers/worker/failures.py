"""How an attempt ended that raised: its outcome, and the error in one line, as the store and its users get it."""

from __future__ import annotations

import dataclasses
import errno
import os
from pathlib import Path

from goodfit.trainers.errors import (
    DataProblem,
    MetricMissing,
    NotResumable,
    PlaceAway,
    RangeChanged,
    TrainersError,
    UnknownPlace,
    UnknownTrainer,
    is_out_of_memory,
)
from goodfit.trainers.files import FULL, os_error, probe, until_there
from goodfit.trainers.importing import not_installed, not_sent
from goodfit.trainers.lines import users_line
from goodfit.trainers.messages import Assignment, Outcome
from goodfit.trainers.readable import readable
from goodfit.trainers.trial import NotANumber

PRUNED = ("optuna.exceptions", "TrialPruned")  # by name: a worker imports Optuna where its trainer does
LONGEST_TEXT = 500  # of an error in the store and in one line; its log has all of it


def judge(error: BaseException, assignment: Assignment) -> tuple[Outcome, str]:
    """How an attempt ended that raised, and why: what the file system did is no fault of the trial's.

    A library may hide its error, or leave a file system that has just come back; so the folder itself is tried.
    """
    outcome, message, fault = outcome_of(error), describe(error), os_error(error)
    if outcome is not Outcome.ERROR and not (outcome is Outcome.UNUSABLE and fault is not None):
        return outcome, message
    tries = 0

    def attempt() -> None:
        nonlocal tries
        tries += 1
        probe(assignment.folder, assignment.root)

    try:
        until_there(attempt)
    except (PlaceAway, OSError) as worse:
        return Outcome.NO_DISK, describe(worse)
    mine = fault is not None and (fault.errno != errno.EROFS or _is_in(fault.filename, assignment.folder))
    was_away = tries > 1  # and whatever the trainer raised came of that
    return (Outcome.AWAY if mine or was_away else outcome), message


def outcome_of(error: BaseException) -> Outcome:
    """What an error means for its trial, by the error alone."""
    if isinstance(error, NotANumber):
        return Outcome.NAN
    if any((kind.__module__, kind.__name__) == PRUNED for kind in type(error).__mro__):
        return Outcome.PRUNED
    fault = os_error(error)
    if isinstance(error, PlaceAway) or (fault is not None and fault.errno in FULL):
        return Outcome.NO_DISK
    if is_out_of_memory(error):
        return Outcome.OOM
    if isinstance(error, (MetricMissing, NotResumable, RangeChanged, DataProblem, UnknownTrainer, UnknownPlace)):
        return Outcome.UNUSABLE
    return Outcome.ERROR


def _is_in(file: object, folder: Path) -> bool:
    """Whether an error is about a file in a folder; one that names no file may be."""
    return file is None or Path(os.fsdecode(str(file))).is_relative_to(folder)


def describe(error: BaseException) -> str:
    """The error in one line: its type, its first line, and where in the user's code it rose."""
    fault = os_error(error)
    if fault is not None and fault.errno in FULL:
        return f"no room is left on the disk: {_text(fault)}"
    first = (_text(error).strip().splitlines() or [""])[0]
    if isinstance(error, (TrainersError, NotANumber)):
        return first
    text = f"{type(error).__name__}: {first}" if first else type(error).__name__
    if isinstance(error, ModuleNotFoundError) and error.name:
        text = f"the trainer needs {not_installed(error)}"
    if isinstance(error, AttributeError) and dataclasses.is_dataclass(error.obj):
        text += f"; it has: {', '.join(field.name for field in dataclasses.fields(error.obj))}"
    return f"{text}{users_line(error)}{not_sent(error)}"


def _text(error: BaseException) -> str:
    """An error's own words, such as every database takes, whatever a user's class or bytes made of them."""
    try:
        text = str(error)
    except Exception as worse:  # noqa: BLE001 - the trial has failed; how it is told must not fail, too
        text = f"({type(worse).__name__} in its __str__)"
    text = text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}..."
    return readable(text)
