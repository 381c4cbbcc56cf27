"""How Ray Tune and Syne Tune write the distributions of a search in Python, as parameters of a study file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from goodfit.service.exchange.foreign import number
from goodfit.service.exchange.python_file import Call, Either, Opaque, Table
from goodfit.service.exchange.ranges import Range, Say, even, normal, quantized, stepped_back

Made = Range | list[Any] | None
Maker = Callable[[Call, Say], Made]


def _ends(call: Call) -> tuple[Any, Any]:
    low, high = number(call.get(0, "lower", "low")), number(call.get(1, "upper", "high"))
    if low is None or high is None or low > high:
        raise ValueError("its range cannot be read")
    return low, high


def _step(call: Call, place: int = 2, otherwise: float | None = None) -> float:
    found = number(call.get(place, "q"))
    if found is None:
        found = otherwise
    if found is None or found <= 0:
        raise ValueError("its step cannot be read")
    return found


def _floats(call: Call, *, log: bool = False) -> Range:
    low, high = _ends(call)
    return even(float(low), float(high), log=log)


def _listed(call: Call) -> list[Any]:
    found = call.get(0, "categories", "values")
    if not isinstance(found, list) or not found or any(isinstance(one, (Opaque, Call, Table, Either)) for one in found):
        raise ValueError("its values cannot be read")
    return list(found)


def _ordered(call: Call, say: Say) -> list[Any]:
    say("the order of its values does not carry over")
    return _listed(call)


def _finite(call: Call, say: Say, *, log: bool = False) -> Made:
    low, high = _ends(call)
    size = number(call.get(2, "size"))
    if size is None or size < 1:
        raise ValueError("its size cannot be read")
    whole = call.get(3, "cast_int") is True
    if size == 1 or log:
        if log:
            say("it is a range here, not so many values")
        return even(low, high, whole=whole, log=log)
    step = (high - low) / (int(size) - 1)
    if whole and not step.is_integer():
        say("its values are not evenly spaced whole numbers: it is a range here")
        return even(low, high, whole=True)
    return even(low, high, whole=whole, step=step)


def _bell(call: Call, say: Say, *, stepped: bool = False) -> Made:
    mean, deviation = number(call.get(0, "mean")), number(call.get(1, "sd"))
    mean, deviation = (0.0 if mean is None else mean), (1.0 if deviation is None else deviation)
    if deviation <= 0:
        raise ValueError("its deviation cannot be read")
    return normal(mean, deviation, say, q=_step(call) if stepped else None)


_BOTH: dict[str, Maker] = {
    "uniform": lambda call, _say: _floats(call),
    "loguniform": lambda call, _say: _floats(call, log=True),
    "choice": lambda call, _say: _listed(call),
}
RAY: Mapping[str, Maker] = {
    **_BOTH,
    "quniform": lambda call, say: quantized(*_ends(call), _step(call), say),
    "qloguniform": lambda call, say: quantized(*_ends(call), _step(call), say, log=True),
    "randn": _bell,
    "qrandn": lambda call, say: _bell(call, say, stepped=True),
    "randint": lambda call, _say: stepped_back(*_ends(call)),
    "lograndint": lambda call, _say: stepped_back(*_ends(call), log=True),
    "qrandint": lambda call, say: quantized(*_ends(call), _step(call, otherwise=1), say),
    "qlograndint": lambda call, say: quantized(*_ends(call), _step(call, otherwise=1), say, log=True),
    "grid_search": lambda call, _say: _listed(call),
}
SYNE: Mapping[str, Maker] = {
    **_BOTH,
    "quniform": RAY["quniform"],
    "randint": lambda call, _say: even(*_ends(call), whole=True),
    "lograndint": lambda call, _say: even(*_ends(call), whole=True, log=True),
    "reverseloguniform": lambda call, say: _reversed(call, say),
    "ordinal": _ordered,
    "logordinal": _ordered,
    "finrange": _finite,
    "logfinrange": lambda call, say: _finite(call, say, log=True),
}


def _reversed(call: Call, say: Say) -> Range:
    say("a reversed logarithmic range is drawn evenly here")
    return _floats(call)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one library writes a search in Python.

    Attributes:
        label: its name.
        packages: that such a file imports.
        makers: its distributions.
        own_trainers: whether what it tunes is a trainer here as it is.
        reduction_factor: of its schedulers, where a file does not say it; None: as here.
    """

    label: str
    packages: Sequence[str]
    makers: Mapping[str, Maker]
    own_trainers: bool = False
    reduction_factor: int | None = None


DIALECTS = (
    Dialect("Syne Tune", ("syne_tune", "sagemaker_tune"), SYNE, reduction_factor=3),
    Dialect("Ray Tune", ("ray",), RAY, own_trainers=True),
)
