"""A number that changes when a value does, in place or not: of arrays, containers, generators and objects of users.

Objects of libraries are looked into where trainers keep state in them (LOOKED_INTO, iterators, partial functions).
What cannot be looked into (an open file, an object of another library) counts by which object it is.
"""

from __future__ import annotations

import functools
import itertools
import marshal
import random
import sys
import types
import warnings
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Owns = Callable[[type], bool]
LOOKED_INTO = frozenset({"argparse", "sklearn", "torch", "types"})  # packages of namespaces, estimators, optimizers
_MARSHALLED = 2  # marshal's last version whose bytes depend on the values alone


def fingerprint(value: Any, owns: Owns = lambda _: True) -> int:
    """The fingerprint of a value.

    Args:
        value: anything.
        owns: whether objects of a class are looked into; modules of torch, arrays and containers always are.
    """
    return _Walk(owns).add(value, 0)


_ITERATED: tuple[Any, ...] = ([], (), {}, {}.values(), {}.items(), set(), "", b"", range(1))
_ITERATORS = tuple(type(iter(values)) for values in _ITERATED)


class _Walk:
    """One fingerprint under way; an object that is met again counts once."""

    def __init__(self, owns: Owns) -> None:
        self._owns = owns
        self._met: dict[int, Any] = {}  # kept, so that no other object gets the same id meanwhile

    def add(self, value: Any, crc: int) -> int:
        if value is None or isinstance(value, (bool, int, float, complex, str)):
            return zlib.crc32(repr(value).encode("utf-8", "backslashreplace"), crc)
        if isinstance(value, (bytes, bytearray)):
            return zlib.crc32(value, crc)
        if id(value) in self._met:
            return zlib.crc32(b"again", crc)
        self._met[id(value)] = value
        if isinstance(value, (list, tuple, dict, set, frozenset, deque)):
            crc = self._container(value, crc)
            return self._attributes(value, crc) if hasattr(value, "__dict__") else crc
        parts = _parts(value)
        if parts is not None:
            return self.add(parts, crc)
        if isinstance(value, (type, types.FunctionType)) or self._looks_into(value):
            return self._object(value, crc)
        return zlib.crc32(str(id(value)).encode(), crc)

    def _container(self, value: Any, crc: int) -> int:
        try:
            return zlib.crc32(marshal.dumps(value, _MARSHALLED), crc)
        except ValueError:  # not plain values alone
            pass
        if isinstance(value, Mapping):
            value = itertools.chain.from_iterable(value.items())
        for item in sorted(value, key=id) if isinstance(value, (set, frozenset)) else value:
            crc = self.add(item, crc)
        return zlib.crc32(b".", crc)

    def _looks_into(self, value: Any) -> bool:
        if self._owns(type(value)):
            return True
        is_object = not isinstance(value, (type, types.ModuleType, types.BuiltinFunctionType))
        return is_object and any(kind.__module__.partition(".")[0] in LOOKED_INTO for kind in type(value).__mro__)

    def _object(self, value: Any, crc: int) -> int:
        """A user's object, class or function: which one it is, and what it has."""
        crc = zlib.crc32(str(id(value)).encode(), crc)
        if isinstance(value, types.FunctionType):
            cells = [cell.cell_contents for cell in value.__closure__ or () if cell != types.CellType()]
            crc = self.add((id(value.__code__), value.__defaults__, value.__kwdefaults__, cells), crc)
        if isinstance(value, type) and not self._owns(value):
            return crc
        return self._attributes(value, crc)

    def _attributes(self, value: Any, crc: int) -> int:
        for slot in _slots(type(value)):
            crc = self.add(getattr(value, slot, None), crc)
        for name, item in sorted(getattr(value, "__dict__", {}).items(), key=str):
            if not (str(name).startswith("__") and str(name).endswith("__")):
                crc = self.add(item, self.add(name, crc))
        return crc


def _slots(kind: type) -> Iterator[str]:
    for base in kind.__mro__:
        slots = vars(base).get("__slots__", ())
        yield from (slots,) if isinstance(slots, str) else slots


def _parts(value: Any) -> Any:
    """What an array, a table or a generator of numbers consists of; None for anything else."""
    if isinstance(value, random.Random):
        return value.getstate()
    if isinstance(value, itertools.count):
        return repr(value)
    if isinstance(value, types.GeneratorType):
        frame = value.gi_frame
        return None if frame is None else [frame.f_lasti, list(frame.f_locals.values())]
    if isinstance(value, (itertools.cycle, *_ITERATORS)):
        return _where(value)
    if isinstance(value, functools.partial):
        return [value.func, value.args, value.keywords]
    if isinstance(value, types.MethodType):
        return [value.__func__, value.__self__]
    for name, parts in (("numpy", _numpy), ("torch", _torch), ("pandas", _pandas)):
        if (library := sys.modules.get(name)) is not None and (found := parts(library, value)) is not None:
            return found
    return None


def _where(iterator: Any) -> Any:
    """What an iterator goes over, and how far it is; None where this Python does not tell."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of itertools alone, which Python 3.14 lacks
        try:
            return list(iterator.__reduce__()[1:])
        except TypeError:
            return None


def _numpy(numpy: Any, value: Any) -> Any:
    if isinstance(value, numpy.ndarray):
        if value.dtype.hasobject:
            return [value.shape, value.tolist()]
        return [str(value.dtype), value.shape, zlib.crc32(numpy.ascontiguousarray(value).view(numpy.uint8).data)]
    if isinstance(value, numpy.random.Generator):
        return repr(value.bit_generator.state)
    if isinstance(value, numpy.random.RandomState):
        return list(value.get_state())
    return None


def _torch(torch: Any, value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        plain = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        return [str(value.dtype), tuple(value.shape), value.requires_grad, zlib.crc32(plain.numpy().data)]
    return value.get_state() if isinstance(value, torch.Generator) else None


def _pandas(pandas: Any, value: Any) -> Any:
    if isinstance(value, pandas.DataFrame):
        return [list(value.columns), value.index.to_numpy(), *(value[name].to_numpy() for name in value.columns)]
    return [value.name, value.index.to_numpy(), value.to_numpy()] if isinstance(value, pandas.Series) else None
