"""Random generators, seeded anew for each epoch of each trial: python, numpy and torch, imported or not yet.

A library that a trainer imports later than its seed was set would start from a seed of its own
(torch takes a random one at import), so it is seeded in the moment of its import.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.abc
import importlib.util
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def _seed_torch(torch: Any, seed: int) -> None:
    """As torch.manual_seed does it, but for kinds of devices that this machine does not have.

    For each of those it keeps the seed with the stack of its caller, as text: up to 1 ms an epoch (torch 2.13).
    """
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
        torch.default_generator.manual_seed(seed)
    elif torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


_SEEDERS: Mapping[str, Callable[[Any, int], object]] = {
    "numpy": lambda numpy, seed: numpy.random.seed(seed),
    "torch": _seed_torch,
}


def mixed_seed(seed: int, epoch: int) -> int:
    """The seed of one epoch of one trial: 32 bits that share nothing with its neighbours'."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{epoch}".encode(), digest_size=4).digest(), "big")


def layer_seed(seed: int, epoch: int, layer: int) -> int:
    """The seed of what one layer of a net draws in one epoch of one trial: 32 bits likewise."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{epoch}:{layer}".encode(), digest_size=4).digest(), "big")


def variation_seed(seed: int, epoch: int) -> int:
    """The seed of what varies the training rows in one epoch: not that of their order or of the dropout."""
    return mixed_seed(-1 - seed, epoch)  # trials' seeds are not negative, so this is no other trial's


def seed_generators(seed: int, epoch: int) -> None:
    """Seed python, numpy and torch for one epoch of one trial; epoch 0 is what comes before the first."""
    mixed = mixed_seed(seed, epoch)
    random.seed(mixed)
    for name, seeder in _SEEDERS.items():
        if name in sys.modules:
            seeder(sys.modules[name], mixed)
    _latecomers.seed = mixed
    hear_imports()


def hear_imports() -> None:
    """Have all that is to follow an import follow it from now on; trials do so by being seeded."""
    if _latecomers not in sys.meta_path:
        sys.meta_path.insert(0, _latecomers)


@contextlib.contextmanager
def when_imported(listener: Callable[[], None], modules: Iterable[str] = ()) -> Iterator[None]:
    """Call it when one of the libraries above, or of these modules, has been imported, before anybody can use it."""
    before = _latecomers.heard
    _latecomers.heard = before.union(modules)
    _latecomers.listeners.append(listener)
    try:
        yield
    finally:
        _latecomers.listeners.remove(listener)
        _latecomers.heard = before


def after_import(module: str, act: Callable[[ModuleType], object]) -> None:
    """Call it with a module when that has been imported, before anybody can use it; at once where it is."""
    _latecomers.acts[module] = act
    if module in sys.modules:
        act(sys.modules[module])


def is_loading(module: str) -> bool:
    """Whether a module that is listened for is only half imported: what it imports itself has been loaded before it."""
    return module in _latecomers.loading


class _Latecomers(importlib.abc.MetaPathFinder):
    """Finds the libraries above as Python would, and seeds them when they have loaded."""

    def __init__(self) -> None:
        self.seed = 0
        self.listeners: list[Callable[[], None]] = []
        self.acts: dict[str, Callable[[ModuleType], object]] = {}
        self.heard = frozenset(_SEEDERS)  # of whose import the listeners hear
        self.loading: set[str] = set()
        self._asking = False

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the protocol's
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        if (fullname not in self.heard and fullname not in self.acts) or self._asking:
            return None
        self._asking = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._asking = False
        if spec is not None and spec.loader is not None:
            self._act_after(spec.loader, fullname)
        return spec

    def _act_after(self, loader: Any, name: str) -> None:
        load = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            self.loading.add(name)
            try:
                load(module)
            finally:
                self.loading.discard(name)
            if name in self.acts:
                self.acts[name](module)
            if name in _SEEDERS:
                _SEEDERS[name](module, self.seed)
            if name in self.heard:
                for listener in self.listeners:
                    listener()

        loader.exec_module = exec_module


_latecomers = _Latecomers()
