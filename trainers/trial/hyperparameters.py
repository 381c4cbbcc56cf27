"""What a restored optimizer or learning-rate schedule keeps of a checkpoint, where its hyperparameters have changed.

`load_state_dict` of torch's optimizers and schedules takes the hyperparameters from the checkpoint, too. A checkpoint
of another configuration (of another member of a population, or of an earlier part of a schedule) must not do that: the
training goes on with the learning rate, momentum and weight decay that its own configuration gives. A checkpoint
therefore says with which hyperparameters each object was built. What is built otherwise now is taken from now; where
the training had changed it since, as a schedule lowers a learning rate, the share of what it was built with stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

GROUPS = "param_groups"  # of an optimizer's state
_OF_GROUP = ("params", "param_names")  # which weights, and no hyperparameters


def built_with(item: Any) -> Any:
    """The hyperparameters of a torch optimizer or schedule, as plain values; None of any other object."""
    if (groups := getattr(item, GROUPS, None)) is not None and isinstance(groups, list):
        return [_plain(group) for group in groups]
    if hasattr(item, "last_epoch") and hasattr(item, "optimizer"):
        return _plain(item.state_dict())
    return None


def with_own(state: Any, before: Any, now: Any) -> Any:
    """A saved state with the hyperparameters that changed since.

    Args:
        state: of an optimizer or a schedule, as it was saved; of any other object it stays as it is.
        before: `built_with` of the object that saved it; None where that is not known.
        now: `built_with` of the object that is to load it.
    """
    if before is None or now is None or before == now or not isinstance(state, Mapping):
        return state
    if GROUPS not in state:
        return carried(state, before, now)
    return {**state, GROUPS: carried(state[GROUPS], before, now)}


def carried(value: Any, before: Any, now: Any) -> Any:
    """What becomes of a value that training may have changed, where it began as `before` and would begin as `now`."""
    if before == now:
        return value
    if isinstance(value, Mapping) and isinstance(before, Mapping) and isinstance(now, Mapping):
        both = before.keys() & now.keys()
        return {key: carried(item, before[key], now[key]) if key in both else item for key, item in value.items()}
    if isinstance(value, (list, tuple)) and _same_length(value, before, now):
        return type(value)(carried(*three) for three in zip(value, before, now, strict=True))
    if value == before or not all(map(_is_number, (value, before, now))) or before == 0:
        return now
    return value * now / before


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in _OF_GROUP and _is_plain(value)}


def _same_length(*several: Any) -> bool:
    return all(isinstance(one, (list, tuple)) for one in several) and len({len(one) for one in several}) == 1


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_plain(value: object) -> bool:
    """Whether a checkpoint can hold it and it can be compared: no tensors, no functions."""
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    if isinstance(value, Mapping):
        return all(map(_is_plain, value.values()))
    return value is None or isinstance(value, (bool, int, float, str))
