"""The user's own modules in a worker: whether a trial has changed them, and how they are imported anew.

They are those that lie in no folder of installed packages, of Python or of Goodfit; and the trainer's own package,
wherever that lies.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

from goodfit.trainers import importing, registry
from goodfit.trainers.code import OURS
from goodfit.trainers.errors import TrainersError
from goodfit.trainers.worker.isolation.fingerprint import fingerprint

_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_HERE = str(Path(__file__).parents[3]) + os.sep


class UsersModules:
    """The user's modules that the worker has imported, and their fingerprints as they were then.

    Args:
        own_process: whether all that is imported from now on is; in another, the files that studies name alone are.
    """

    def __init__(self, *, own_process: bool) -> None:
        self._before = frozenset(sys.modules)
        self._own_process = own_process
        self._known: set[str] = set()  # modules of all kinds that were looked at
        self._count = 0
        self._prints: dict[str, int] = {}
        self.renewals = 0  # how often modules were imported anew
        self._trainers: dict[str, str] = {}  # trainer, as studies name it -> the package that it lies in

    def note_new(self, trainer: str) -> None:
        """Take the fingerprints of modules that have been imported since the last call; no trial has used them.

        Args:
            trainer: as the study names it; its package is the user's own, installed or not.
        """
        if trainer not in self._trainers:
            with contextlib.suppress(TrainersError):  # its trial says so
                self._trainers[trainer] = registry.resolve(trainer).home.partition(".")[0]
                self._known.clear()
                self._count = 0
        self._note_new()

    def _note_new(self) -> None:
        for name in self._new():
            self._prints[name] = self._print(sys.modules[name])

    def _new(self) -> list[str]:
        """The user's modules that have come since the last call."""
        if len(sys.modules) == self._count:  # the usual case, and a look at each name costs more than all the rest
            return []
        self._count = len(sys.modules)
        names = sys.modules.keys() - self._known
        self._known |= names
        users = [name for name in names if name not in self._prints and self._is_users(sys.modules.get(name))]
        return [
            name for name in users if importing.is_of_file(name) or (self._own_process and name not in self._before)
        ]

    def renew(self, trainer: str) -> str | None:
        """After a trial: import the modules anew, where it has changed any of them.

        A module that the trial itself has imported may be changed, too: nobody saw it as it was.

        Args:
            trainer: as the study names it; imported again at once.

        Returns:
            What cannot be imported a second time, and why; None where all is as it was.
        """
        late = self._new()
        changed = [name for name, was in self._prints.items() if self._print(sys.modules.get(name)) != was]
        if not late and not changed:
            return None
        self.renewals += 1
        forgotten = [*self._prints, *late] if changed else late
        by_name = [name for name in forgotten if not importing.is_of_file(name)]
        for name in forgotten:
            self._forget(name)
        name = trainer
        try:
            registry.resolve(trainer)
            for name in by_name:
                importlib.import_module(name)
        except BaseException as error:  # noqa: BLE001 - whatever a user's module does when it is imported
            return f"{type(error).__name__} when the trainer's modules were imported a second time ({Path(name).name})"
        self._note_new()
        return None

    def _print(self, module: ModuleType | None) -> int:
        """Of a module's globals; its functions, its classes and their objects are looked into."""
        if module is None:
            return -1
        inside = {name: value for name, value in list(vars(module).items()) if not _is_dunder(name)}
        return fingerprint(inside, lambda kind: self._is_users(sys.modules.get(kind.__module__)))

    def _is_users(self, module: Any) -> bool:
        if is_users(module):
            return True
        package = getattr(module, "__name__", "").partition(".")[0]
        return isinstance(module, ModuleType) and package != OURS and package in self._trainers.values()

    def _forget(self, name: str) -> None:
        self._count = 0
        self._known.discard(name)
        self._prints.pop(name, None)
        registry.forget(name)


def is_users(module: Any) -> bool:
    """Whether a module is the user's own."""
    file = getattr(module, "__file__", None)
    if not isinstance(module, ModuleType) or not file or module.__name__ == "__main__":
        return False
    package = module.__name__.partition(".")[0]
    if package == OURS:
        return False
    # What an installed package makes at run time is its own, wherever it says that it lies: torch.ops in "_ops.py".
    return all(is_users_file(one) for one in (file, getattr(sys.modules.get(package), "__file__", None)) if one)


def is_users_file(file: str) -> bool:
    """Whether a file of code is the user's own."""
    return not file.startswith((*_INSTALLED, _HERE, "<"))


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
