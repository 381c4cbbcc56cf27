"""Functions, classes and constants of libraries that a trainer has replaced ("monkey patches"): put back after a trial.

Watched are the modules that trainers use most, and the classes of torch whose methods are replaced most.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator, ValuesView
from dataclasses import dataclass
from typing import Any

MODULES = (
    "builtins", "collections", "copy", "csv", "datetime", "functools", "glob", "hashlib", "io", "itertools", "json",
    "logging", "math", "multiprocessing", "os", "os.path", "pathlib", "pickle", "random", "re", "shutil", "signal",
    "socket", "ssl", "statistics", "subprocess",
    "tempfile", "threading", "time", "warnings",
    "numpy", "numpy.linalg", "numpy.random", "pandas",
    "torch", "torch.autograd", "torch.cuda", "torch.linalg", "torch.nn", "torch.nn.functional", "torch.nn.init",
    "torch.nn.utils", "torch.optim", "torch.optim.lr_scheduler", "torch.random", "torch.utils.data",
    "sklearn.metrics", "sklearn.model_selection", "sklearn.preprocessing", "scipy.special", "scipy.stats",
)  # fmt: skip
CLASSES_OF = (
    "json",
    "random",
    "torch.nn",
    "torch.optim",
    "torch.optim.lr_scheduler",
    "torch.utils.data",
)  # their classes, too
_DESCRIPTORS = (classmethod, staticmethod, property)
_CONSTANTS = (bool, int, float, complex, str, bytes, tuple, frozenset)
Owner = Any  # a module or a class


@dataclass(slots=True)
class _Watched:
    """A module or a class.

    Attributes:
        now: its values as they are whenever this is read.
        values: all of them as they were, for a quick comparison.
        code: what is put back.
    """

    owner: Owner
    now: ValuesView[Any]
    values: list[Any]
    code: dict[str, Any]


class Originals:
    """What the watched modules and classes consist of, as it was when it was first seen."""

    def __init__(self) -> None:
        self._seen: dict[str, types.ModuleType] = {}
        self._owners: dict[int, _Watched] = {}  # by id: some classes are in several modules

    def note_new(self) -> None:
        """Note the modules that have been imported since the last call."""
        for name in MODULES:
            module = sys.modules.get(name)
            if module is not None and name not in self._seen:
                self._seen[name] = module
                for owner in _owners(name, module):
                    if id(owner) not in self._owners:
                        self._owners[id(owner)] = _Watched(owner, vars(owner).values(), *_content(owner))

    def restore(self) -> None:
        """Put back what has been replaced or deleted. What was added stays: libraries load parts of theirs late."""
        for name, module in self._seen.items():
            sys.modules[name] = module
        for watched in self._owners.values():
            if [*watched.now] == watched.values:
                continue
            for name, original in watched.code.items():
                if vars(watched.owner).get(name) is not original:
                    setattr(watched.owner, name, original)
            watched.values = [*watched.now]


def _owners(name: str, module: types.ModuleType) -> Iterator[Owner]:
    yield module
    if name in CLASSES_OF:
        yield from {value for value in vars(module).values() if isinstance(value, type)}
    if name == "torch":
        yield module.Tensor


def _content(owner: Owner) -> tuple[list[Any], dict[str, Any]]:
    """All values, and what is put back: functions, classes, and constants with public names.

    Names that begin with _ are a library's own to change.
    """
    inside = dict(vars(owner))
    return list(inside.values()), {name: value for name, value in inside.items() if _is_put_back(name, value)}


def _is_put_back(name: str, value: Any) -> bool:
    if callable(value) or isinstance(value, _DESCRIPTORS):
        return True
    return not name.startswith("_") and (
        isinstance(value, _CONSTANTS) or type(value).__module__ in ("torch", "torch._C")
    )
