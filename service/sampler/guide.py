"""Proposals near what is believed to be good, and how far that has held so far.

What is believed comes from earlier studies (their best configurations) and from priors (single values). A part of a
study's trials is drawn near it; how large a part follows from how good the trials near it have turned out, compared by
rank with the others. So a wrong belief costs a few trials, and a right one is made use of from the start. All follows
from the records.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from goodfit.search_spaces.space import Space
from goodfit.service.sampler.cube import Cube, Points

MOST_CENTERS = 10  # configurations of a source around which is drawn
LIKELY = 0.4  # the chance of the best of these, and of each next one among the rest
WIDTH = 0.15  # of the ranges: how near a trial must be to say something of a belief
OTHER_CHOICE = 0.5  # of the ranges: how far another choice is away, or a parameter that does not exist there
TRUST, WORTH = 0.5, 1.0  # a belief's normal score before anything is known, and how many trials that is worth
USEFUL, STEEP = 0.25, 3.0  # the score at which a belief gets half of its share, and how much a score changes that
MOST_GUIDED = 0.5  # share of the trials
HALF_AT = 40  # trials that are known: by then beliefs have half of their share


@dataclass(frozen=True, slots=True)
class Belief:
    """Where good configurations are believed to be.

    Attributes:
        origin: warm_start or prior.
        centers: configurations, each whole or in part, the best first.
    """

    origin: str
    centers: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Scored:
    """A trial of which something is known; less is better."""

    number: int
    params: Mapping[str, Any]
    score: float


class Guide:
    """Draws for one study; values outside of its space are left out."""

    def __init__(self, space: Space, beliefs: Sequence[Belief]) -> None:
        self._space, self._cube, self._given = space, Cube(space), beliefs
        self._beliefs: list[tuple[str, Points]] = []
        for belief in beliefs:
            points = [self._cube.point(self._inside(center)) for center in belief.centers[:MOST_CENTERS]]
            if points := [point for point in points if not np.isnan(point).all()]:
                self._beliefs.append((belief.origin, np.array(points)))
        self._points: dict[int, Points] = {}  # of the study's trials, which never change

    def over(self, space: Space) -> Guide:
        """The same beliefs in a space that has grown."""
        return self if space is self._space else Guide(space, self._given)

    def _inside(self, center: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: value for name, value in center.items() if name in self._space and self._space[name].contains(value)
        }

    def draw(
        self, seed: int, seen: Callable[[], Sequence[Scored]], at_least: int = 0
    ) -> tuple[str, dict[str, Any]] | None:
        """Where a configuration comes from, and the configuration, whole or in part; None: it is not for a belief.

        Args:
            seed: of this draw.
            seen: gives the trials; what that costs grows with them, and is spared where beliefs have no chance.
            at_least: so many trials are known.
        """
        rng = np.random.default_rng(seed)
        chance = float(rng.random())
        if not self._beliefs or chance >= _most(at_least):
            return None
        for (origin, centers), share in zip(self._beliefs, self.shares(seen()), strict=True):
            if chance < share:
                return origin, self._near(rng, centers[min(int(rng.geometric(LIKELY)), len(centers)) - 1])
            chance -= share
        return None

    def shares(self, seen: Sequence[Scored]) -> list[float]:
        """Of the next trials, what each belief gets."""
        most = _most(len(seen)) / max(1, len(self._beliefs))
        points = np.array([self._point(one) for one in seen]).reshape(len(seen), len(self._cube))
        scores = np.array([one.score for one in seen])
        return [most * _chance(STEEP * (self._held(centers, points, scores) - USEFUL)) for _, centers in self._beliefs]

    def _held(self, centers: Points, points: Points, scores: Points) -> float:
        """How good trials near the centers have been: their mean score, of few drawn to what was believed."""
        if not len(points):
            return TRUST
        away = np.abs(points[:, None] - centers[None])
        other = np.array([choices > 0 for choices in self._cube.choices])
        away = np.where(other, np.where(away > 0, OTHER_CHOICE, 0.0), away)
        away = np.where(np.isnan(away), OTHER_CHOICE, away) / WIDTH
        known = ~np.isnan(centers)[None]
        near = np.exp(-0.5 * (away**2 * known).sum(-1) / known.sum(-1)).max(-1)
        return float((TRUST * WORTH - near @ scores) / (WORTH + near.sum()))

    def _near(self, rng: np.random.Generator, center: Points) -> dict[str, Any]:
        """A configuration near a center, of the parameters that this one has."""
        (point,) = self._cube.around(rng, center[None], 1)
        params = self._cube.params(point)
        return {
            item.name: params[item.name]
            for item, place in zip(self._cube.parameters, center, strict=True)
            if not np.isnan(place) and item.name in params
        }

    def _point(self, one: Scored) -> Points:
        if one.number not in self._points:
            self._points[one.number] = self._cube.point(one.params)
        return self._points[one.number]


def _most(known: int) -> float:
    """The share of all beliefs together where all of them hold, once so many trials are known."""
    return MOST_GUIDED * HALF_AT / (HALF_AT + known)


def _chance(score: float) -> float:
    """The normal distribution's share below a score."""
    return 0.5 * math.erfc(-score / math.sqrt(2))
