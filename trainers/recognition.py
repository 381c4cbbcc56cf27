"""For whose trial a function or a class was written: Goodfit's, Ray Tune's or Optuna's.

It is told by the code itself, without running it: what a function does with its argument, and which names it and the
functions of its own module that it calls use. Neither Ray nor Optuna is imported here.
"""

from __future__ import annotations

import dis
import functools
import inspect
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

_OWN = frozenset({"epochs", "restore", "config", "data", "epochs_total", "best_epoch", "artifacts"})  # of our Trial
_TUNE = ("ray.tune", "ray.train", "ray.air")
_DEEPEST = 8  # calls of functions within functions that are followed


class Api(StrEnum):
    """Whose trial a trainer takes."""

    GOODFIT = "goodfit"
    RAY_FUNCTION = "Ray Tune function"
    RAY_CLASS = "Ray Tune Trainable"
    OPTUNA = "Optuna objective"

    @property
    def of_ray(self) -> bool:
        """Whether it is written for Ray Tune."""
        return self in (Api.RAY_FUNCTION, Api.RAY_CLASS)


def api_of(found: object, module: ModuleType) -> Api:
    """For whose trial a callable was written.

    Args:
        found: what a study's `trainer:` names.
        module: where it is named, whose imports tell of a function that uses none of them by itself.
    """
    if isinstance(found, type) and any(_is(kind, "ray.tune.trainable", "Trainable") for kind in found.__mro__):
        return Api.RAY_CLASS
    function = _function(found)
    if function is None:
        return Api.GOODFIT
    if _of_tune(function.__module__):  # the wrapper of tune.with_parameters, or of an example of Ray's own
        return Api.RAY_FUNCTION
    of_argument = set(_of_argument(function))
    if of_argument & _OWN:
        return Api.GOODFIT
    names, modules = _reached(function)
    if any(name.startswith("suggest_") for name in names):
        return Api.OPTUNA
    own = "report" in of_argument or "epochs" in names  # perhaps in a function that it calls with its trial
    if any(map(_of_tune, modules)) or (not own and _imports_tune(module)):
        return Api.RAY_FUNCTION
    return Api.GOODFIT


def _imports_tune(module: ModuleType) -> bool:
    """Whether a module has Ray Tune among its imports, also by `import ray.tune`, which gives it the name ray alone."""
    homes = {name for value in vars(module).values() if (name := _home(value)) is not None}
    if "ray" in homes:
        file = Path(str(getattr(module, "__file__", None) or ""))
        return file.is_file() and "ray.tune" in file.read_text(encoding="utf-8", errors="replace")
    return any(map(_of_tune, homes))


def _function(found: Any) -> FunctionType | None:
    """The Python function that is run when this is called."""
    for _ in range(_DEEPEST):
        if isinstance(found, functools.partial):
            found = found.func
        elif isinstance(found, FunctionType):
            unwrapped = inspect.unwrap(found)
            return unwrapped if isinstance(unwrapped, FunctionType) else None
        elif inspect.ismethod(found):
            found = found.__func__
        else:
            kind = found if isinstance(found, type) else type(found)
            found = getattr(kind, "__call__", None)  # noqa: B004 - its code is read
    return None


def _of_argument(function: FunctionType) -> Iterator[str]:
    """The attributes that a function reads of its first argument, `self` aside."""
    code = function.__code__
    taken = code.co_varnames[: code.co_argcount]
    taken = taken[1:] if taken[:1] == ("self",) else taken
    if not taken:
        return
    for part in _codes(code):
        before: Any = None
        for step in dis.get_instructions(part):
            of = before.argval if before is not None else None
            if step.opname in ("LOAD_ATTR", "LOAD_METHOD") and taken[0] in (of if isinstance(of, tuple) else (of,)):
                yield str(step.argval)
            before = step


def _reached(function: FunctionType) -> tuple[set[str], set[str]]:
    """The names that a function and those of its own module that it uses have in their code, and modules they use."""
    names: set[str] = set()
    modules: set[str] = set()
    seen: set[int] = set()
    todo: list[tuple[FunctionType, int]] = [(function, 0)]
    while todo:
        one, depth = todo.pop()
        if id(one) in seen or depth > _DEEPEST:
            continue
        seen.add(id(one))
        used = {name for part in _codes(one.__code__) for name in part.co_names}
        names |= used
        modules |= {name for name in used if _of_tune(name)}  # imported within the function
        if "ray" in used:  # `from ray import tune` within it, or `ray.tune` by its attribute
            modules |= {name for name in _TUNE if name.partition(".")[2] in used}
        values = [one.__globals__[name] for name in used if name in one.__globals__]
        values += [cell.cell_contents for cell in one.__closure__ or () if _is_filled(cell)]
        for value in values:
            if (home := _home(value)) is not None:
                modules.add(home)
            if home == one.__module__:
                todo += [(inner, depth + 1) for inner in _functions(value)]
    return names, modules


def _functions(value: Any) -> list[FunctionType]:
    """The functions of a function or a class of the user's."""
    if isinstance(value, type):
        return [item for item in vars(value).values() if isinstance(item, FunctionType)]
    found = _function(value)
    return [found] if found is not None else []


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _home(value: Any) -> str | None:
    """The module that a value is, or comes from."""
    if isinstance(value, ModuleType):
        return value.__name__
    found = getattr(value, "__module__", None)
    return found if isinstance(found, str) and (callable(value) or isinstance(value, type)) else None


def _of_tune(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in _TUNE)


def _is(kind: type, package: str, name: str) -> bool:
    return kind.__name__ == name and kind.__module__.startswith(package)


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - an empty cell raises
    except ValueError:
        return False
    return True


class Foreign:
    """A function or a class written for another library, called with a trial of ours.

    Attributes:
        found: what the study names.
    """

    _ADAPTERS = {
        Api.RAY_FUNCTION: "goodfit.trainers.integrations.ray_tune:train_function",
        Api.RAY_CLASS: "goodfit.trainers.integrations.ray_tune:train_class",
        Api.OPTUNA: "goodfit.trainers.integrations.optuna:run_objective",
    }

    def __init__(self, found: Callable[..., Any], api: Api) -> None:
        functools.update_wrapper(self, found, updated=())
        self.found, self._adapter = found, self._ADAPTERS[api]

    def __call__(self, trial: Any) -> None:
        """Train as the library would have it; the library is imported now."""
        import importlib

        module, _, name = self._adapter.partition(":")
        getattr(importlib.import_module(module), name)(self.found, trial)
