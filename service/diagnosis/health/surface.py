"""How parameters go with the score: a response surface, fitted by least squares.

The score (normal scores of its rank) is fitted by a sum of one term a parameter: a parabola of a
number's place in its range, a level for each choice; a conditional parameter counts where it is active. The
F test of leaving a term out says whether the parameter has an effect beside all others, and how large
an effect the data still allow. Box and Wilson (1951), "On the Experimental Attainment of Optimum Conditions".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from goodfit.service.diagnosis.curve import Floats
from goodfit.service.diagnosis.health.table import Column, Flags

SPARE = 10  # degrees of freedom that a fit must leave, or its tests say nothing
RANK = 1e-6  # of the largest singular value: below, a direction is there already


@dataclass(frozen=True, slots=True)
class Effect:
    """What a term adds to a fit.

    Attributes:
        share: of the variation that the rest leaves unexplained, the part that the term explains.
        p: chance of as much from no effect.
        most: the largest share that the data do not speak against, at 95%.
    """

    share: float
    p: float
    most: float


class Surface:
    """The additive fit of some trials' scores.

    Args:
        columns: the parameters.
        chosen: which of the trials.
        scores: of the chosen trials.
        extra: further columns to adjust for, as the order of the trials.
    """

    def __init__(self, columns: Sequence[Column], chosen: Flags, scores: Floats, extra: Floats | None = None) -> None:
        self.scores = scores - np.mean(scores)
        count = len(scores)
        self._terms = {column.name: _centred(_term(column, chosen)) for column in columns}
        active = [_centred(column.active[chosen].astype(float)[:, None]) for column in columns]
        rest = [] if extra is None else [_centred(extra.reshape(count, -1))]
        self._rest = np.hstack([np.empty((count, 0)), *active, *rest])
        self._base = _orthonormal(np.hstack([self._rest, *self._terms.values()]))
        self._left = self.scores - self._base @ (self._base.T @ self.scores)

    @property
    def spare(self) -> int:
        """Degrees of freedom left."""
        return len(self.scores) - 1 - int(self._base.shape[1])

    @property
    def usable(self) -> bool:
        return self.spare >= SPARE and float(self.scores @ self.scores) > 0

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._terms)

    def without(self, name: str) -> Floats:
        """What all but one parameter leave of the scores."""
        base = _orthonormal(np.hstack([self._rest, *(term for key, term in self._terms.items() if key != name)]))
        left: Floats = self.scores - base @ (base.T @ self.scores)
        return left

    def main(self, name: str) -> Effect | None:
        """The effect of one parameter beside all others; None where it cannot be separated from theirs."""
        kept = np.hstack([self._rest, *(term for key, term in self._terms.items() if key != name)])
        base = _orthonormal(kept)
        rank = int(self._base.shape[1] - base.shape[1])
        left = self.scores - base @ (base.T @ self.scores)
        return _effect(float(left @ left), float(self._left @ self._left), rank, self.spare)

    def together(self, one: str, other: str) -> Effect | None:
        """The interaction of two parameters: what products of their terms add to the sum; None: not separable."""
        first, second = self._terms[one], self._terms[other]
        products = _centred((first[:, :, None] * second[:, None, :]).reshape(len(first), -1))
        added = _orthonormal(products - self._base @ (self._base.T @ products), _size(products))
        rank = int(added.shape[1])
        if rank == 0 or self.spare - rank < SPARE:
            return None
        explained = added.T @ self._left
        before = float(self._left @ self._left)
        return _effect(before, before - float(explained @ explained), rank, self.spare - rank)


def _term(column: Column, chosen: Flags) -> Floats:
    """A parameter's columns in the fit; zero where it is not active."""
    unit = column.unit[chosen]
    there = ~np.isnan(unit)
    levels = np.unique(unit[there])
    if column.is_choice:
        dummies: Floats = (unit[:, None] == levels[None, 1:]).astype(float)
        return dummies
    place = np.where(there, unit - 0.5, 0.0)
    if len(levels) < 3:
        return place[:, None]
    return np.column_stack([place, np.where(there, place**2 - 1 / 12, 0.0)])  # 1/12: the mean over the range


def _centred(columns: Floats) -> Floats:
    centred: Floats = columns - columns.mean(axis=0) if len(columns) else columns
    return centred


def _size(columns: Floats) -> float:
    """The largest singular value."""
    return math.sqrt(max(0.0, float(np.linalg.eigvalsh(columns.T @ columns)[-1]))) if columns.size else 0.0


def _orthonormal(columns: Floats, size: float | None = None) -> Floats:
    """A basis of what the columns span; `size` is what a direction must not vanish beside."""
    if not columns.size:
        return np.empty((len(columns), 0))
    basis, values = _rotated(columns)
    kept = values > RANK * max(size if size is not None else float(values.max()), 1e-300)
    exact, lengths = _rotated(
        basis[:, kept] / values[kept]
    )  # once more: nearly parallel columns lose digits in a product
    return exact / lengths


def _rotated(columns: Floats) -> tuple[Floats, Floats]:
    """The columns turned at right angles to each other, and their lengths, which are the singular values.

    By the eigenvectors of the columns' products: of 10,000 rows that takes a tenth of the time of a decomposition.
    """
    squares, turn = np.linalg.eigh(columns.T @ columns)
    return columns @ turn, np.sqrt(np.maximum(squares, 0.0))


def _effect(without: float, left: float, rank: int, spare: int) -> Effect | None:
    if rank < 1 or spare < SPARE or without <= 0:
        return None
    ratio = max(0.0, without - left) / rank / (left / spare) if left > 0 else math.inf
    if not math.isfinite(ratio):
        return Effect(1.0, 0.0, 1.0)
    beyond = float(special.ncfdtrinc(rank, spare, 0.05, ratio)) if special.fdtrc(rank, spare, ratio) < 0.95 else 0.0
    if not math.isfinite(beyond):
        beyond = rank * ratio * 4
    count = rank + spare + 1
    share = 1 - left / without
    return Effect(share, float(special.fdtrc(rank, spare, ratio)), max(share, beyond / (beyond + count)))
