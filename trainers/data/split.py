"""Which row goes to which split: by shares and a seed, by groups, by time, or as the data say.

The test split depends on the data and `split.seed` alone; with `reshuffle` each trial draws its
validation rows anew from the others, by a seed of its own.
"""

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


def split_rows(
    y: np.ndarray, classes: Sequence[str], spec: DataSpec, source: str, divider: np.ndarray | None = None
) -> Rows:
    """Split rows as the spec says.

    By shares, every class is split for itself, with at least one row of it in each split; a
    regression has at least two rows in each split: R2 of one row is not defined. By a column, rows
    go where the column, their group or their time puts them, and every class must be in training.

    Args:
        y: class indices, or numbers.
        classes: their names; empty for a regression.
        spec: the shares, the seeds, and what the split goes by.
        source: how messages name the data.
        divider: what `divider_values` made of the column that the split goes by.
    """
    if spec.split_column is not None and divider is not None:
        rows = Rows(*(np.flatnonzero(divider == part) for part in range(3)))
    elif spec.split_group is not None and divider is not None:
        _check_shares(spec)
        rows = _by_group(y if classes else np.zeros(len(y), dtype=np.int64), divider, spec)
    elif spec.split_time is not None and divider is not None:
        _check_shares(spec)
        rows = _by_time(divider, spec)
    else:
        return _by_shares(y, classes, spec, source)
    _check_parts(rows, y, classes, spec, source)
    return rows


def _by_shares(y: np.ndarray, classes: Sequence[str], spec: DataSpec, source: str) -> Rows:
    _check_shares(spec)
    random, anew = np.random.default_rng(spec.seed), _anew(spec)
    if not classes:
        _check_count(len(y), 2, spec, f"{source}: the data have {len(y)} rows")
        return Rows(*(np.sort(part) for part in _cut(random.permutation(len(y)), spec, 2, anew)))
    parts = []
    for index, name in enumerate(classes):
        members = np.flatnonzero(y == index)
        _check_count(len(members), 1, spec, f"{source}: class {name} has {_rows(len(members))}")
        parts.append(_cut(random.permutation(members), spec, 1, anew))
    return Rows(*(np.sort(np.concatenate(part)) for part in zip(*parts, strict=True)))


def _anew(spec: DataSpec) -> np.random.Generator | None:
    """Draws a trial's own validation split; None where all trials have the same."""
    return None if spec.validation_seed is None else np.random.default_rng([spec.seed, spec.validation_seed])


def _cut(rows: np.ndarray, spec: DataSpec, least: int, anew: np.random.Generator | None) -> Rows:
    """Shuffled rows by the shares, rounded; validation and test get at least `least`, and leave as many."""
    test = max(least, round(len(rows) * spec.test)) if spec.test else 0
    test = min(test, len(rows) - 2 * least)
    validation = max(least, round(len(rows) * spec.validation))
    validation = min(validation, len(rows) - test - least)
    rest = rows[test:] if anew is None else anew.permutation(rows[test:])
    return Rows(rest[validation:], rest[:validation], rows[:test])


def _by_group(y: np.ndarray, groups: np.ndarray, spec: DataSpec) -> Rows:
    """Whole groups, in a random order, each to the split that its classes are the most wanted in."""
    counts = np.zeros((int(groups.max()) + 1, int(y.max()) + 1))
    np.add.at(counts, (groups, y), 1)
    random = np.random.default_rng(spec.seed)
    everyone = random.permutation(len(counts))
    tested = _chosen(counts, everyone, spec.test)
    rest = everyone[~tested[everyone]]
    rest = (_anew(spec) or random).permutation(rest)
    held = _chosen(counts, rest, spec.validation / (1 - spec.test))
    part = np.where(tested, 2, np.where(held, 1, 0))[groups]
    return Rows(*(np.flatnonzero(part == number) for number in range(3)))


def _chosen(counts: np.ndarray, order: np.ndarray, share: float) -> np.ndarray:
    """Groups that together have about this share of each class: each is taken if that brings the shares nearer.

    Args:
        counts: (groups, classes) rows.
        order: the groups that can be taken.
        share: of the rows of these groups.
    """
    total = counts[order].sum(axis=0)
    wanted, have = total * share, np.zeros(counts.shape[1])
    weight = 1 / np.maximum(total, 1)  # a rare class counts as much as a common one
    taken = np.zeros(len(counts), dtype=bool)
    if not share:
        return taken
    for group in order:
        more = have + counts[group]
        if (weight * (more - wanted) ** 2).sum() < (weight * (have - wanted) ** 2).sum():
            have, taken[group] = more, True
    return taken


def _by_time(times: np.ndarray, spec: DataSpec) -> Rows:
    """The last rows test, those before them validate. Rows of one time stay together, on the later side."""
    order = np.argsort(times, kind="stable")
    ordered = times[order]
    rows = len(order)

    def start(share: float) -> int:
        first = rows - round(rows * share)
        return int(np.searchsorted(ordered, ordered[first], side="left")) if first < rows else rows

    test = start(spec.test)
    validation = min(start(spec.test + spec.validation), test)
    return Rows(*(np.sort(part) for part in (order[:validation], order[validation:test], order[test:])))


def _check_parts(rows: Rows, y: np.ndarray, classes: Sequence[str], spec: DataSpec, source: str) -> None:
    """DataProblem if a split has no rows, or training has none of a class."""
    by = f"split.column {spec.split_column}" if spec.split_column else f"split.group {spec.split_group}"
    by = f"split.time {spec.split_time}" if spec.split_time else by
    least = 1 if classes else 2
    tested = bool(spec.test) and spec.split_column is None
    for name, part, needed in (
        ("train", rows.train, True),
        ("validation", rows.validation, True),
        ("test", rows.test, tested),
    ):
        if needed and len(part) < least:
            raise DataProblem(
                f"{source}: {by} leaves {_rows(len(part))} for {name}, which needs {least}; give more rows, more "
                "distinct values, or other shares"
            )
    if classes:
        absent = np.setdiff1d(np.arange(len(classes)), y[rows.train])
        if len(absent):
            raise DataProblem(
                f"{source}: {by} leaves no row of class {classes[absent[0]]} to train on; take the class out, or split "
                "otherwise"
            )


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
