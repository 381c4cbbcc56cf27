"""What a search optimizes, and which of two values is better."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from goodfit.service.errors import InputError, did_you_mean

MINIMIZE, MAXIMIZE = "minimize", "maximize"
_SIGNS = {MINIMIZE: 1.0, MAXIMIZE: -1.0}


def sign_of(direction: str) -> float:
    """+1 when less is better, -1 when more is; InputError for what is no direction."""
    if direction not in _SIGNS:
        raise InputError(f"no direction {direction!r}: {did_you_mean(str(direction), _SIGNS)}")
    return _SIGNS[direction]


class Named(Protocol):
    """What has a metric and a direction, such as the `objective:` of a study file."""

    @property
    def metric(self) -> str: ...
    @property
    def direction(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Objective:
    """A metric, "val/accuracy", and whether to minimize or maximize it."""

    metric: str
    direction: str

    @classmethod
    def of(cls, named: Named) -> Objective:
        """The objective of a study file."""
        return cls(named.metric, named.direction)

    @property
    def sign(self) -> float:
        """What its values are multiplied by, so that less is better: 1, or -1 where it is maximized."""
        return sign_of(self.direction)

    def better(self, value: float, other: float) -> bool:
        """Whether a value beats another; a NaN beats nothing and is beaten by any number."""
        if value != value or other != other:
            return value == value
        return self.sign * value < self.sign * other

    def best(self, values: Iterable[float]) -> float:
        """The best value; NaN where none is a number."""
        found = math.nan
        for value in values:
            if self.better(value, found):
                found = value
        return found
