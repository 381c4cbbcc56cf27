"""Parameters of a search space in Python, as the values that a study file would hold.

space={"lr": goodfit.float(1e-4, 1e-1, log=True), "depth": goodfit.int(1, 4), "act": ["relu", "gelu"]}
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from typing import Any

Declared = dict[str, Any]


def float(  # noqa: A001 - users write goodfit.float
    low: builtins.float,
    high: builtins.float,
    *,
    log: bool = False,
    step: builtins.float | None = None,
    prior: builtins.float | None = None,
    when: Mapping[str, Any] | None = None,
) -> Declared:
    """A number from `low` to `high`, both included.

    Args:
        low: the smallest value.
        high: the largest.
        log: whether orders of magnitude count alike.
        step: values are `low` plus a multiple of this one.
        prior: about where good values are expected.
        when: the values of other parameters with which it is searched at all: {"optimizer": "sgd"}.
    """
    return _declared("float", low=low, high=high, log=log or None, step=step, prior=prior, when=when)


def int(  # noqa: A001
    low: builtins.int,
    high: builtins.int,
    *,
    log: bool = False,
    step: builtins.int | None = None,
    prior: builtins.int | None = None,
    when: Mapping[str, Any] | None = None,
) -> Declared:
    """A whole number from `low` to `high`, both included; see `float` for the arguments."""
    return _declared("int", low=low, high=high, log=log or None, step=step, prior=prior, when=when)


def choice(choices: Sequence[Any], *, prior: Any = None, when: Mapping[str, Any] | None = None) -> Declared:
    """One of these values; without `prior` and `when` a list says the same."""
    return _declared("choice", choices=list(choices), prior=prior, when=when)


def _declared(kind: str, **given: Any) -> Declared:
    return {"type": kind, **{name: value for name, value in given.items() if value is not None}}
