"""Which row goes to which split: by shares and a seed, class by class where there are classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trainers.errors import DataProblem
from trainers.messages import DataSpec


class Rows(NamedTuple):
    """The row numbers of each split, ascending."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split_rows(y: np.ndarray, classes: Sequence[str], spec: DataSpec, source: str) -> Rows:
    """Split rows by the spec's shares.

    Every class is split by the shares for itself, with at least one row of it in each split.
    A regression has at least two rows in each split: R2 of one row is not defined.
    """
    _check_shares(spec)
    random = np.random.default_rng(spec.seed)
    if not classes:
        _check_count(len(y), 2, spec, f"{source}: the data have {len(y)} rows")
        return Rows(*(np.sort(part) for part in _cut(random.permutation(len(y)), spec, least=2)))
    parts = []
    for index, name in enumerate(classes):
        members = np.flatnonzero(y == index)
        _check_count(len(members), 1, spec, f"{source}: class {name} has {_rows(len(members))}")
        parts.append(_cut(random.permutation(members), spec, least=1))
    return Rows(*(np.sort(np.concatenate(part)) for part in zip(*parts, strict=True)))


def _cut(rows: np.ndarray, spec: DataSpec, least: int) -> Rows:
    """Shuffled rows by the shares, rounded; validation and test get at least `least`, and leave as many."""
    test = max(least, round(len(rows) * spec.test)) if spec.test else 0
    test = min(test, len(rows) - 2 * least)
    validation = max(least, round(len(rows) * spec.validation))
    validation = min(validation, len(rows) - test - least)
    return Rows(rows[test + validation :], rows[test : test + validation], rows[:test])


def _check_shares(spec: DataSpec) -> None:
    if not (0 < spec.validation < 1 and 0 <= spec.test < 1 and spec.validation + spec.test < 1):
        raise DataProblem(
            f"split: validation {spec.validation:g} and test {spec.test:g} are no shares that leave rows to train on; "
            "give for example {validation: 0.2, test: 0.2}"
        )


def _check_count(count: int, least: int, spec: DataSpec, what: str) -> None:
    splits = "training, validation and test" if spec.test else "training and validation"
    needed = least * (3 if spec.test else 2)
    or_drop = ", or take the class out" if least == 1 else ""
    if count < needed:
        raise DataProblem(f"{what}, too few for {splits}, which need {needed}; add rows{or_drop}")


def _rows(count: int) -> str:
    return f"{count} row{'s' if count != 1 else ''}"
