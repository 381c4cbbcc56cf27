"""Torch's compiler is not imported as soon as a trainer makes an optimizer.

Some methods of torch's optimizers are not to be compiled, and import the compiler to tell it so when they are first
called: 1.4 s of CPU time in every worker (torch 2.13). Until it is there, nothing can compile them; from then on all is
as torch has it. An optimizer's own step imports it too; trials that can train together make none of those.
"""

from __future__ import annotations

from types import FunctionType, ModuleType

from goodfit.trainers.seeding import after_import

MODULE = "torch.optim.optimizer"
COMPILER = "torch._dynamo"
KEPT = "__dynamo_disable"  # where torch._compile keeps what it has the compiler make of such a method


def put_off() -> None:
    """Have the compiler imported when it is needed."""
    after_import(MODULE, _put_off)


def _put_off(module: ModuleType) -> None:
    methods = [method.__wrapped__ for method in vars(module.Optimizer).values() if _is_told(method)]
    for method in methods:
        vars(method).setdefault(KEPT, method)
    after_import(COMPILER, lambda _: [vars(method).pop(KEPT) for method in methods if vars(method)[KEPT] is method])


def _is_told(method: object) -> bool:
    """Whether the compiler is told not to compile it, when it is first called."""
    if not isinstance(method, FunctionType) or not hasattr(method, "__wrapped__"):
        return False
    return method.__globals__.get("__name__") == "torch._compile"
