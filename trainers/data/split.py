"""Which row goes to which split: by shares and a seed, by groups, by time, or as the data say.

The test split depends on the data and `split.seed` alone; with `reshuffle` each trial draws its
validation rows anew from the others, by a seed of its own. With `folds` the others are cut into
that many parts, and one of them validates; by time, a fold trains on all that came before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from goodfit.trainers.data.reading.split_columns import split_key
from goodfit.trainers.data_specs import RowSpec
from goodfit.trainers.errors import DataProblem


class Rows(NamedTuple):
    """The row numbers of each split, ascending."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split_rows(
    y: np.ndarray, classes: Sequence[str], spec: RowSpec, source: str, split_by: np.ndarray | None = None
) -> Rows:
    """Split rows as the spec says.

    By shares, every class is split for itself (unless `stratified` is off), with at least one row of
    it in each split; a regression has at least two rows in each split: R2 of one row is not defined.
    By a column, rows go where the column, their group or their time puts them, and every class must
    be in training. A fold may validate no row of a class that has fewer rows than there are folds.

    Args:
        y: class indices, or numbers.
        classes: their names; empty for a regression.
        spec: the shares, the seeds, and what the split goes by.
        source: how messages name the data.
        split_by: what `split_values` made of the column that the split goes by.
    """
    _check_shares(spec)
    key, column = split_key(spec)
    if column is None or split_by is None:
        rows = _by_shares(y, classes, spec, source)
    elif key == "split.column":
        rows = Rows(*(np.flatnonzero(split_by == part) for part in range(3)))
    elif key == "split.group":
        rows = _by_group(y if classes else np.zeros(len(y), dtype=np.int64), split_by, spec)
    else:
        rows = _by_time(split_by, spec)
    _check_parts(rows, y, classes, spec, source, _by(spec))
    return rows


def numbered(rows: Rows, whole: np.ndarray | None) -> Rows:
    """The rows of what is left of a source, `whole`, by their numbers in the source; None: all is left."""
    return rows if whole is None else Rows(*(whole[part] for part in rows))


def split_given(y: np.ndarray, classes: Sequence[str], given: np.ndarray, spec: RowSpec, source: str) -> Rows:
    """Rows whose split the data say; where none is given to validate, those are drawn from training by their share.

    Args:
        y: class indices.
        classes: their names.
        given: the number of each row's split: 0 trains, 1 validates, 2 tests.
        spec: the share and the seed of what is drawn; with a share of 0 for testing nothing is.
        source: how messages name the data.
    """
    train, validation, test = (np.flatnonzero(given == part) for part in range(3))
    if not spec.test:
        test = test[:0]
    if not len(validation):
        drawn = split_rows(y[train], classes, replace(spec, test=0.0), source)
        return Rows(train[drawn.train], train[drawn.validation], test)
    rows = Rows(train, validation, test)
    _check_parts(rows, y, classes, replace(spec, test=0.0), source, "the given split")
    return rows


def _by_shares(y: np.ndarray, classes: Sequence[str], spec: RowSpec, source: str) -> Rows:
    random, anew = np.random.default_rng(spec.seed), _anew(spec)
    if not classes or not spec.stratified:
        least = 1 if classes else 2
        _check_count(len(y), least, spec, f"{source}: the data have {len(y)} rows")
        return Rows(*(np.sort(part) for part in _cut(random.permutation(len(y)), spec, least, anew)))
    parts = []
    ordered = np.split(np.argsort(y, kind="stable"), np.cumsum(np.bincount(y, minlength=len(classes)))[:-1])
    for index, (name, members) in enumerate(zip(classes, ordered, strict=True)):
        _check_count(len(members), 1, spec, f"{source}: class {name} has {_rows(len(members))}")
        parts.append(_cut(random.permutation(members), spec, 1, anew, index))
    return Rows(*(np.sort(np.concatenate(part)) for part in zip(*parts, strict=True)))


def _anew(spec: RowSpec) -> np.random.Generator | None:
    """Draws a trial's own validation split; None where all trials have the same."""
    return None if spec.validation_seed is None else np.random.default_rng([spec.seed, spec.validation_seed])


def _cut(rows: np.ndarray, spec: RowSpec, least: int, anew: np.random.Generator | None, turn: int = 0) -> Rows:
    """Shuffled rows by the shares, rounded; validation and test get at least `least`, and leave as many.

    `turn` moves the folds on by so many: rows that do not go up in them make the first ones longer,
    and each class has another first one, so that all folds are of one size.
    """
    test = max(least, round(len(rows) * spec.test)) if spec.test else 0
    test = min(test, len(rows) - 2 * least)
    rest = rows[test:] if anew is None else anew.permutation(rows[test:])
    if spec.folds is not None:
        fold = ((spec.fold or 0) + turn) % spec.folds
        parts = np.array_split(rest, spec.folds)
        return Rows(
            np.concatenate([part for place, part in enumerate(parts) if place != fold]), parts[fold], rows[:test]
        )
    validation = max(least, round(len(rows) * spec.validation))
    validation = min(validation, len(rows) - test - least)
    return Rows(rest[validation:], rest[:validation], rows[:test])


def _by_group(y: np.ndarray, groups: np.ndarray, spec: RowSpec) -> Rows:
    """Whole groups, in a random order, each to the split that its classes are the most wanted in."""
    counts = np.zeros((int(groups.max()) + 1, int(y.max()) + 1))
    np.add.at(counts, (groups, y), 1)
    random = np.random.default_rng(spec.seed)
    everyone = random.permutation(len(counts))
    tested = _chosen(counts, everyone, spec.test)
    rest = everyone[~tested[everyone]]
    rest = (_anew(spec) or random).permutation(rest)
    if spec.folds is None:
        held = _chosen(counts, rest, spec.validation / (1 - spec.test))
    else:
        held = _chosen_fold(counts, rest, spec.folds, spec.fold or 0)
    part = np.where(tested, 2, np.where(held, 1, 0))[groups]
    return Rows(*(np.flatnonzero(part == number) for number in range(3)))


def _chosen_fold(counts: np.ndarray, order: np.ndarray, folds: int, fold: int) -> np.ndarray:
    """The groups of one fold: each fold in its turn takes its share of those that are left."""
    taken = np.zeros(len(counts), dtype=bool)
    for place in range(fold + 1):
        left = order[~taken[order]]
        mine = _chosen(counts, left, 1 / (folds - place))
        taken |= mine
    return mine


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


def _by_time(times: np.ndarray, spec: RowSpec) -> Rows:
    """The last rows test, those before them validate. Rows of one time stay together, on the later side."""
    order = np.argsort(times, kind="stable")
    ordered = times[order]
    rows = len(order)

    def start(share: float) -> int:
        first = rows - round(rows * share)
        return int(np.searchsorted(ordered, ordered[first], side="left")) if first < rows else rows

    test = end = start(spec.test)
    validation = min(start(spec.test + spec.validation), test)
    if spec.folds is not None:
        validation, end = (
            int(np.searchsorted(ordered, ordered[edge], side="left")) if edge < test else test
            for edge in forward_fold(test, spec.folds, spec.fold or 0)
        )
    return Rows(*(np.sort(part) for part in (order[:validation], order[validation:end], order[test:])))


def forward_fold(rows: int, folds: int, fold: int) -> tuple[int, int]:
    """Where the validation rows of a fold by time begin and end: block fold + 1 of folds + 1 equal ones.

    The fold trains on all blocks before, and on none after (rolling origin; Tashman, 2000).
    """
    edges = [round(rows * block / (folds + 1)) for block in range(folds + 2)]
    return edges[fold + 1], edges[fold + 2]


def _by(spec: RowSpec) -> str:
    """What the split goes by, as messages name it."""
    key, column = split_key(spec)
    by = f"{key} {column}" if column else "split"
    return by if spec.folds is None else f"{by} with folds: {spec.folds}"


def _check_parts(rows: Rows, y: np.ndarray, classes: Sequence[str], spec: RowSpec, source: str, by: str) -> None:
    """DataProblem if a split has no rows, or training has none of a class."""
    least = 1 if classes else 2
    tested = bool(spec.test) and split_key(spec)[0] != "split.column"
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


def _check_shares(spec: RowSpec) -> None:
    if spec.folds is not None:
        if spec.folds < 2 or not 0 <= spec.test < 1 or not 0 <= (spec.fold or 0) < spec.folds:
            raise DataProblem(
                f"split: folds {spec.folds} and test {spec.test:g}; give for example {{folds: 5, test: 0.2}}"
            )
        return
    if not (0 < spec.validation < 1 and 0 <= spec.test < 1 and spec.validation + spec.test < 1):
        raise DataProblem(
            f"split: validation {spec.validation:g} and test {spec.test:g} are no shares that leave rows to train on; "
            "give for example {validation: 0.2, test: 0.2}"
        )


def _check_count(count: int, least: int, spec: RowSpec, what: str) -> None:
    splits = "training, validation and test" if spec.test else "training and validation"
    needed = least * (3 if spec.test else 2)
    or_drop = ", or take the class out" if least == 1 else ""
    if count < needed:
        raise DataProblem(f"{what}, too few for {splits}, which need {needed}; add rows{or_drop}")


def _rows(count: int) -> str:
    return f"{count} row{'s' if count != 1 else ''}"
