"""A `param_space` of Ray Tune as parameters of ours.

The domains are known by their class names, so that Ray need not be imported here. A mapping within the mapping gives
names with dots: {"optimizer": {"lr": tune.loguniform(...)}} has the parameter optimizer.lr.
What has no counterpart (tune.sample_from, tune.randn) is named, with what to write instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from goodfit.search_spaces.parameters import repeats
from goodfit.search_spaces.ranges import exact
from goodfit.search_spaces.scalars import Value, shown
from goodfit.search_spaces.values import BadValue, any_value

_DOMAINS = "ray.tune.search.sample"
_GRID = "grid_search"
_MOST_CHOICES = 64  # that a logarithmic range with a step becomes


@dataclass
class Converted:
    """What became of a `param_space`.

    Attributes:
        space: the parameters, as the `space:` of a study file has them; single values as they are.
        notes: (name, what is otherwise than in Ray Tune) for what carries over in another form.
        left_out: (name, why, and what to do) for what does not carry over; it is not in `space`.
    """

    space: dict[str, Any] = field(default_factory=dict)
    notes: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)


class _NoCounterpart(Exception):
    """Why a domain does not carry over, and what to do."""


def is_domain(value: object) -> bool:
    """Whether a value is one of Ray Tune's domains, or a grid_search."""
    if isinstance(value, Mapping):
        return set(value) == {_GRID}
    return any(kind.__module__ == _DOMAINS and kind.__name__ == "Domain" for kind in type(value).__mro__)


def is_param_space(value: object) -> bool:
    """Whether a value is a mapping with a domain of Ray Tune somewhere in it."""
    return isinstance(value, Mapping) and any(is_domain(item) or is_param_space(item) for item in value.values())


def converted(param_space: Mapping[str, Any]) -> Converted:
    """The parameters of a `param_space`, and what of it does not carry over."""
    found = Converted()
    for path, value in _leaves(param_space, ()):
        name = ".".join(path)
        if any("." in part or not part for part in path):
            found.left_out.append((name, "its name has a dot in it, which stands for a mapping here; rename it"))
            continue
        try:
            found.space[name] = _parameter(name, value, found.notes)
        except _NoCounterpart as error:
            found.left_out.append((name, str(error)))
    return found


def _leaves(values: Mapping[str, Any], path: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        here = (*path, str(key))
        if isinstance(value, Mapping) and value and not is_domain(value):
            yield from _leaves(value, here)
        else:
            yield here, value


def _parameter(name: str, value: Any, notes: list[tuple[str, str]]) -> Any:
    if not is_domain(value):
        return _single(value)
    if isinstance(value, Mapping):
        choices = value[_GRID]
        notes.append((name, "grid_search: one of its values is chosen; `search: {method: grid}` tries each"))
        return _choice(choices if isinstance(choices, (list, tuple)) else [choices])
    match type(value).__name__:
        case "Categorical":
            return _choice(value.categories)
        case "Float":
            return _float(name, value, notes)
        case "Integer":
            return _int(name, value, notes)
        case "Function":
            raise _NoCounterpart(
                "sample_from: a function does not carry over; write its range, and `when:` it depends on a choice"
            )
    raise _NoCounterpart(f"{type(value).__name__} has no counterpart; write its range as a parameter in `space:`")


def _single(value: Any) -> Value:
    try:
        return any_value(value)
    except BadValue as error:
        raise _NoCounterpart(
            f"{error}; make it in the function, or leave it out of what is given to each trial"
        ) from error


def _choice(values: Sequence[Any]) -> dict[str, Any]:
    choices = [_single(one) for one in values]
    again = set(repeats(choices))
    kept = [one for index, one in enumerate(choices) if index not in again]
    if not kept:
        raise _NoCounterpart("it has no values to choose from")
    return {"type": "choice", "choices": kept}


def _float(name: str, domain: Any, notes: list[tuple[str, str]]) -> dict[str, Any]:
    sampler, step = _sampler(domain)
    if _is(sampler, "Normal"):
        raise _NoCounterpart(
            f"a normal distribution (mean {shown(sampler.mean)}, sd {shown(sampler.sd)}) has no ends; "
            "write low and high of a float"
        )
    log = _is(sampler, "LogUniform")
    low, high = float(domain.lower), float(domain.upper)
    if step is not None and not log:
        low, high = _multiples(low, high, step)
        return {"type": "float", "low": low, "high": high, "step": float(step)}
    if step is not None:
        notes.append((name, f"values of a logarithmic range are not rounded to multiples of {shown(step)}"))
    return {"type": "float", "low": low, "high": high, **({"log": True} if log else {})}


def _int(name: str, domain: Any, notes: list[tuple[str, str]]) -> dict[str, Any]:
    sampler, step = _sampler(domain)
    log = {"log": True} if _is(sampler, "LogUniform") else {}
    if step is None or step == 1:  # the upper end is not among the values
        return {"type": "int", "low": int(domain.lower), "high": int(domain.upper) - 1, **log}
    low, high = (int(end) for end in _multiples(domain.lower, domain.upper, step))
    if log and (high - low) // step >= _MOST_CHOICES:
        notes.append((name, f"values of a logarithmic range are not rounded to multiples of {shown(step)}"))
        return {"type": "int", "low": low, "high": high, **log}
    if log:
        return _choice(list(range(low, high + 1, int(step))))
    return {"type": "int", "low": low, "high": high, "step": int(step)}


def _sampler(domain: Any) -> tuple[Any, float | None]:
    """How a domain is sampled, and to multiples of what its values are rounded."""
    sampler = domain.get_sampler()
    return (sampler.sampler, sampler.q) if _is(sampler, "Quantized") else (sampler, None)


def _is(sampler: object, name: str) -> bool:
    return any(kind.__module__ == _DOMAINS and kind.__name__ == name for kind in type(sampler).__mro__)


def _multiples(low: float, high: float, step: float) -> tuple[float, float]:
    """The first and the last multiple of a step within a range, as the decimals that the user wrote."""
    unit = exact(step)
    first, last = exact(low) / unit, exact(high) / unit
    if (places := (math.ceil(first), math.floor(last)))[0] > places[1]:
        raise _NoCounterpart(f"no multiple of {shown(step)} lies between {shown(low)} and {shown(high)}")
    return float(places[0] * unit), float(places[1] * unit)
