"""A study's pruning as an Optuna pruner, and what pruners remember of a curve.

Optuna's `step` is Goodfit's epoch, which counts from 1. Who is asked when is in search.py.
"""

from __future__ import annotations

import contextlib
import inspect
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import optuna
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    PatientPruner,
    SuccessiveHalvingPruner,
    ThresholdPruner,
)
from optuna.trial import TrialState, create_trial

from goodfit.service.errors import InputError, did_you_mean
from goodfit.service.sampler.sorted_pruners import (
    Brackets,
    Complete,
    FromComplete,
    Halving,
    Median,
    Percentile,
    rung_key,
)

_PRUNERS: Mapping[str, Callable[..., BasePruner]] = {
    "median": Median,
    "percentile": Percentile,
    "asha": Halving,
    "hyperband": Brackets,
    "threshold": ThresholdPruner,
    "patient": PatientPruner,
}
PRUNING_METHODS = ("none", *_PRUNERS)

# Not asha and hyperband: they would meet their rungs late, and which ones cannot be told from a curve.
_PATIENT_WRAPS = ("none", "median", "percentile", "threshold")


class Pruning(Protocol):
    """A study file's `pruning`: the method, and its options by Optuna's own names."""

    @property
    def method(self) -> str: ...
    @property
    def options(self) -> Mapping[str, Any]: ...


def make_pruner(method: str, options: Mapping[str, Any], epochs: int) -> BasePruner | None:
    """Optuna's pruner for a study whose full trials train `epochs`; None for method none.

    "auto" is settled here. Optuna would wait for a first complete trial, and decide by which one that is.

    Raises:
        InputError: an unknown method or option, one that is missing, or one out of its range.
    """
    if method == "none":
        return None
    if method not in _PRUNERS:
        raise InputError(f"pruning: no method {method!r}; {did_you_mean(method, PRUNING_METHODS)}")
    given = {name: value for name, value in options.items() if value != "auto"}
    if method == "asha":
        given = {"min_resource": max(epochs // 100, 1), **given}  # Optuna's own rule
    elif method == "hyperband":
        given = {"max_resource": epochs, **given}
    elif method == "patient":
        given = _patient_options(given, epochs)
    return _build(method, given)


def _patient_options(given: Mapping[str, Any], epochs: int) -> dict[str, Any]:
    """The options of PatientPruner; those that it does not know go to the pruner that it wraps."""
    own = {name: given[name] for name in ("patience", "min_delta") if name in given}
    others = {name: value for name, value in given.items() if name not in {*own, "wrapped_pruner"}}
    wrapped = given.get("wrapped_pruner", "median")
    if wrapped not in _PATIENT_WRAPS:
        raise InputError(f"pruning: patient cannot wrap {wrapped!r}; {did_you_mean(str(wrapped), _PATIENT_WRAPS)}")
    if wrapped == "none" and others:
        raise InputError(f"pruning: patient has no option {next(iter(others))!r} without a wrapped_pruner")
    return {**own, "wrapped_pruner": make_pruner(wrapped, others, epochs)}


def _build(method: str, given: Mapping[str, Any]) -> BasePruner:
    known = inspect.signature(_PRUNERS[method]).parameters
    for name in given:
        if name not in known:
            raise InputError(f"pruning: {method} has no option {name!r}; {did_you_mean(name, known)}")
    for name, parameter in known.items():
        if parameter.default is inspect.Parameter.empty and name not in given:
            raise InputError(f"pruning: {method} needs {name}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # PatientPruner, since 2.8
            return _PRUNERS[method](**given)
    except (TypeError, ValueError) as error:
        raise InputError(f"pruning: {method}: {error}") from error


def remember_complete(pruner: BasePruner | None) -> Complete | None:
    """What a pruner compares trials with, still empty, to be told of each complete one; None where it needs none."""
    if isinstance(pruner, PatientPruner):
        pruner = pruner._wrapped_pruner  # noqa: SLF001
    if not isinstance(pruner, FromComplete):
        return None
    pruner.complete = Complete()
    return pruner.complete


def settle(pruner: BasePruner, study: optuna.Study) -> None:
    """Let hyperband make its brackets now; it would do so at the first judgement of each process."""
    pruner.prune(study, create_trial(state=TrialState.RUNNING))


def next_rung(pruner: BasePruner | None, study: optuna.Study, number: int, epoch: int) -> int | None:
    """The first epoch after this one at which asha or hyperband decides on a trial; None of other pruners."""
    halving = _halving(pruner, study, number)
    if halving is None:
        return None
    rung: int = halving._min_resource * halving._reduction_factor**halving._min_early_stopping_rate  # noqa: SLF001
    while rung <= epoch:
        rung *= halving._reduction_factor  # noqa: SLF001
    return rung


def rungs(pruner: BasePruner | None, study: optuna.Study, number: int, curve: Mapping[int, float]) -> dict[str, float]:
    """What asha and hyperband note on a trial as its curve is judged epoch by epoch: its value at each rung.

    The curve has its epochs in ascending order.
    """
    halving = _halving(pruner, study, number)
    if halving is None:
        return {}
    first, factor = halving._min_early_stopping_rate, halving._reduction_factor  # noqa: SLF001
    noted: dict[str, float] = {}
    for epoch, value in curve.items():
        while epoch >= halving._min_resource * factor ** (first + len(noted)) and not math.isnan(value):  # noqa: SLF001
            noted[rung_key(len(noted))] = value
    return noted


def _halving(pruner: BasePruner | None, study: optuna.Study, number: int) -> Any:
    """The asha that judges a trial; None where none does."""
    halving = _bracket(pruner, study, number) if isinstance(pruner, HyperbandPruner) else pruner
    return halving if isinstance(halving, SuccessiveHalvingPruner) and halving._min_resource else None  # noqa: SLF001


def _bracket(pruner: HyperbandPruner, study: optuna.Study, number: int) -> BasePruner | None:
    """The pruner that hyperband has for a trial; Optuna has no public way to it."""
    probe = create_trial(state=TrialState.RUNNING)
    probe.number = number
    brackets = pruner._pruners  # noqa: SLF001
    return brackets[pruner._get_bracket_id(study, probe)] if brackets else None  # noqa: SLF001


@contextlib.contextmanager
def nan_tolerated() -> Iterator[None]:
    """NumPy warns of values that are all NaN; Optuna's pruners ask it about them, and know the answer."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)
        yield
