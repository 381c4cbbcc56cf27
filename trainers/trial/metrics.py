"""What a trainer reports of an epoch, as numbers under their full names."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from typing import Any

from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.readable import readable


def named_numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Metrics as a checkpoint has them, in plain types."""
    return {str(name): float(number) for name, number in metrics.items()}


def named(split: str, metrics: Mapping[str, Any]) -> dict[str, float]:
    """The metrics of a split under their full names, without those that are None: not measured."""
    return named_alone({f"{split}/{name}": value for name, value in metrics.items()})


def named_alone(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Metrics under the names that they have, likewise."""
    full = {readable(name): value for name, value in metrics.items()}
    return {name: _number(name, value) for name, value in full.items() if value is not None}


def _number(name: str, value: Any) -> float:
    """A metric as a number: also of an array, a tensor or a list that holds one."""
    if isinstance(value, (list, tuple)) and len(value) == 1:
        return _number(name, value[0])
    shape = getattr(value, "shape", None)
    count = math.prod(shape) if isinstance(shape, tuple) else len(value) if isinstance(value, (list, tuple)) else 1
    if count != 1:
        kind = f"{type(value).__name__}, shape {tuple(shape)}" if shape is not None else type(value).__name__
        raise BadTrainer(
            f"metric {name} is not one number but {count} ({kind}); report its mean, "
            f"or each of them under a name of its own: {name}_0, {name}_1, ..."
        )
    try:
        return float(value.item() if shape is not None and hasattr(value, "item") else value)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadTrainer(f"metric {name} is {reprlib.repr(value)}, not a number") from error


def must_be_finite(name: str, objective: str, number: float) -> bool:
    """Whether this metric, being NaN or infinite, ends the trial: the objective and the losses do."""
    return not math.isfinite(number) and (name == objective or name.endswith("/loss"))
