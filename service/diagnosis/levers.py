"""The hyperparameters that advice may turn, each with the range in which turning it makes sense.

Names and kinds are those that Goodfit's trainers share, and other common names of the same things. The ranges
are common practice for nets of the sizes that are searched here; advice never points beyond them. Only what the
trial has is spoken of.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from goodfit.service.spec.hyperparameters import OTHER_NAMES

Params = Mapping[str, Any]

_UNCLEAR = {"step_size", "decay"}  # also of a schedule
_ALSO = {
    name: tuple(other for other, meant in OTHER_NAMES.items() if meant == name and other not in _UNCLEAR)
    for name in set(OTHER_NAMES.values())
}


@dataclass(frozen=True, slots=True)
class Lever:
    """A hyperparameter: below `low` it does nothing to speak of, above `high` it does harm."""

    name: str
    low: float
    high: float

    def key(self, params: Params) -> str:
        """The name that the trial has for it: its own, or another that the field uses, such as lr."""
        return next((key for key in (self.name, *_ALSO.get(self.name, ())) if key in params), self.name)

    def value(self, params: Params) -> float | None:
        """The trial's; None where it has none, or it is no number."""
        value = params.get(self.key(params))
        return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None

    def raised(self, params: Params) -> str | None:
        """The words for more of it; None where there is none to be had."""
        value = self.value(params)
        if value is None or value >= self.high:
            return None
        return f"{self.key(params)} above {shown(value)}" + ("" if value else f" ({shown(self.low)} is a usual start)")

    def lowered(self, params: Params) -> str | None:
        """The words for less of it."""
        value = self.value(params)
        return None if value is None or value <= self.low else f"{self.key(params)} below {shown(value)}"

    def excessive(self, params: Params) -> str | None:
        """The words for less of it where it is beyond its range."""
        value = self.value(params)
        if value is None or value <= self.high:
            return None
        return f"{self.key(params)} from {shown(value)} to {shown(self.high)} or less"


LABEL_SMOOTHING = Lever("label_smoothing", 0.05, 0.2)
VARIATIONS = (
    Lever("augment.rotate", 5, 30),  # degrees
    Lever("augment.crop", 1, 8),
    Lever("augment.jitter", 0.05, 0.4),
    Lever("augment.cutout", 2, 16),
    Lever("augment.mixup", 0.1, 1.0),
    Lever("augment.replace", 0.05, 0.3),
    Lever("augment.delete", 0.05, 0.3),
    Lever("augment.swap", 0.05, 0.3),
    Lever("augment.scaling", 0.05, 0.3),
    Lever("augment.warp", 0.05, 0.3),
)
CAPACITY = (Lever("width", 8, 4096), Lever("depth", 1, 32))
CLIP_NORM = Lever("clip_norm", 0.1, 10)
MOMENTUM = Lever("momentum", 0.5, 0.99)


def regularizers(params: Params) -> tuple[Lever, ...]:
    """What keeps a net from learning its training rows by heart; weight decay is L2 for all but adamw."""
    decay = Lever("weight_decay", 1e-4, 1.0 if _optimizer(params) == "adamw" else 1e-2)
    return (Lever("dropout", 0.05, 0.5), decay, Lever("l1", 1e-6, 1e-2), Lever("token_dropout", 0.05, 0.3))


def learning_rate(params: Params) -> Lever:
    """Where the trial's optimizer usually learns."""
    low, high = (1e-3, 0.5) if _optimizer(params) == "sgd" else (1e-4, 1e-2)
    return Lever("learning_rate", low, high)


def usual(params: Params) -> str:
    """That range in words."""
    lever = learning_rate(params)
    return f"{_optimizer(params)} usually learns between {shown(lever.low)} and {shown(lever.high)}"


def raised(levers: Sequence[Lever], params: Params) -> list[str]:
    """More of each that has room, in words."""
    return [text for lever in levers if (text := lever.raised(params))]


def lowered(levers: Sequence[Lever], params: Params) -> list[str]:
    """Less of each that has room, in words."""
    return [text for lever in levers if (text := lever.lowered(params))]


def excessive(levers: Sequence[Lever], params: Params) -> list[str]:
    """Less of each that is beyond its range, in words."""
    return [text for lever in levers if (text := lever.excessive(params))]


def has(levers: Sequence[Lever], params: Params) -> bool:
    """Whether the trial has any of them."""
    return any(lever.key(params) in params for lever in levers)


def either(choices: Sequence[str]) -> str:
    """Alternatives, the last after an "or"."""
    return choices[0] if len(choices) == 1 else f"{', '.join(choices[:-1])} or {choices[-1]}"


def shown(value: Any) -> str:
    """As short as it can be read; 1e-4 and not 0.0001."""
    if not isinstance(value, float) or not math.isfinite(value):  # beyond the largest float is infinity
        return str(value)
    if value and not 1e-3 <= abs(value) < 1e5:
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return f"{value:.3g}"


def _optimizer(params: Params) -> str:
    return str(params.get("optimizer", "adamw"))  # the trainers' own default
