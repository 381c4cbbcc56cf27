"""A CUDA graph on a CPU: each operation as torch dispatches it, done again in the same memory.

As on a GPU a capture does nothing: what was in memory before is there after it, and what it made holds no numbers yet.
Python is not asked again: a number of Python's stays what it was.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

WAITING = {  # operations for which the device is waited for: they end a capture
    "_local_scalar_dense", "item", "is_nonzero", "equal", "nonzero", "masked_select", "unique", "_unique2",
    "lift_fresh",  # of a tensor of Python's numbers, which are copied
}  # fmt: skip


class Refused(RuntimeError):
    """What CUDA says of an operation that cannot be captured."""


class _Refusing(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        by_mask = name == "index" and any(one is not None and one.dtype is torch.bool for one in args[1])
        if name in WAITING or by_mask:
            raise Refused(f"operation not permitted when stream is capturing: {name}")
        if torch.Tag.nondeterministic_seeded in func.tags:
            raise Refused(f"a generator that is not registered with the graph: {name}")
        return func(*args, **(kwargs or {}))


class _Recording(_Refusing):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, list[Tensor]]] = []
        self.given: dict[int, tuple[Tensor, Tensor]] = {}  # memory that was there before, and what was in it
        self.made: dict[int, Tensor] = {}  # memory of the graph

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        args, kwargs = tree_map_only(Tensor, _alias, (args, kwargs or {}))
        for one in _tensors((args, kwargs)):
            if _place(one) not in self.made and _place(one) not in self.given:
                whole = _bytes(one)
                self.given[_place(one)] = whole, whole.clone()
        found = super().__torch_dispatch__(func, types, args, kwargs)
        results = [_alias(one) for one in _tensors(found)]
        for one in results:
            if _place(one) not in self.given:
                self.made.setdefault(_place(one), _bytes(one))
        self.calls.append((func, args, kwargs, results))
        return found

    def raise_where_memory_is_gone(self) -> None:
        """A graph keeps nothing alive but its own memory: what it reads beside that has to be there still."""
        held = Counter(_place(one) for call in self.calls for one in _tensors(call[1:]))
        for place, (memory, _) in self.given.items():
            owners = torch._C._storage_Use_Count(memory.untyped_storage()._cdata)
            if place and owners <= held[place] + 2:  # the graph's own, `memory`, and the storage that is asked
                raise AssertionError(f"{memory.numel()} bytes that the graph reads are nobody's any more")

    def undo(self) -> None:
        for memory, before in self.given.values():
            memory.copy_(before)
        for memory in self.made.values():
            memory.fill_(255)  # NaN, or -1


class EmulatedGraphs:
    """What captures work on a CPU.

    Attributes:
        captured: how many graphs.
        replayed: how often one was replayed.
        wrong: what a replay multiplies the numbers with that it makes in its own memory.
        fails: what the end of a capture raises; None: nothing.
    """

    def __init__(self) -> None:
        self.captured = self.replayed = 0
        self.wrong = 1.0
        self.fails: Exception | None = None

    @contextlib.contextmanager
    def beside(self) -> Iterator[None]:
        yield

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        with _Refusing():
            yield

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        recording = _Recording()
        try:
            with recording:
                work()
        finally:
            recording.undo()
        if self.fails is not None:
            raise self.fails
        self.captured += 1

        def replay() -> None:
            self.replayed += 1
            recording.raise_where_memory_is_gone()
            for func, args, kwargs, results in recording.calls:
                found = func(*args, **kwargs)
                for one, again in zip(results, _tensors(found), strict=True):
                    if one.data_ptr() != again.data_ptr():
                        one.copy_(again)
                    if self.wrong != 1 and one.is_floating_point() and _place(one) in recording.made:
                        one.mul_(self.wrong)

        return replay


def _tensors(tree: Any) -> list[Tensor]:
    return [one for one in tree_leaves(tree) if isinstance(one, Tensor)]


def _alias(one: Tensor) -> Tensor:
    return one.detach()


def _place(one: Tensor) -> int:
    return one.untyped_storage().data_ptr()


def _bytes(one: Tensor) -> Tensor:
    return torch.empty(0, dtype=torch.uint8).set_(one.untyped_storage())
