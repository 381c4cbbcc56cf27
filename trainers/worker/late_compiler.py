"""Torch's compiler is imported where something is compiled, and not as soon as a trainer makes an optimizer.

Some methods of torch's optimizers are not to be compiled, and import the compiler to tell it so when they are first
called: 1.4 s of CPU time in every worker (torch 2.13). Until it is there, nothing can compile them.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

from goodfit.trainers.seeding import after_import

MODULE = "torch.optim.optimizer"
COMPILER = "torch._dynamo"
KEPT = "__dynamo_disable"  # where torch._compile keeps what it has the compiler make of such a method


def put_off() -> None:
    """Have the compiler imported when it is needed."""
    after_import(MODULE, _put_off)


def _put_off(module: ModuleType) -> None:
    for method in vars(module.Optimizer).values():
        plain = getattr(method, "__wrapped__", None)
        if isinstance(method, FunctionType) and method.__globals__.get("__name__") == "torch._compile" and plain:
            vars(plain).setdefault(KEPT, _not_compiled(plain))


def _not_compiled(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, kept from the compiler where that has been imported."""

    @functools.wraps(method)
    def run(*args: Any, **kwargs: Any) -> Any:
        compiler = sys.modules.get(COMPILER)
        act = method if compiler is None else compiler.disable(method, True, wrapping=False)
        return act(*args, **kwargs)

    return run
