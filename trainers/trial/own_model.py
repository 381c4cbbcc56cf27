"""A model as an object of its own class, kept beside its weights: for trainers that do not say how to build it.

`kept` pickles what a trainer registered, without the tensors that its state has; `given_back` makes it again of both.
By cloudpickle, so that a class of a notebook comes with it, and in the process that defined it is that class. Like any
pickle it runs code when it is loaded: from folders that only its owner writes to.
"""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.pickling import Pickler

if TYPE_CHECKING:
    from torch import Tensor

OBJECT = "object"  # its key in best.pt, beside the state
MOST_BYTES = 64 * 2**20  # of an object without its weights
MOST_BYTES_WHOLE = 1024 * 2**20  # of one that is kept whole
_GENERATOR = "numpy's global generator"
_PROTOCOL = 5


class Whole:
    """An object without a state of its own (an estimator), as something that a checkpoint holds: as its pickle.

    It draws from numpy's global generator as before, where it did: no copy of that is kept.
    """

    def __init__(self, item: Any, module: Callable[[str], str] = lambda name: name) -> None:
        self.item, self._module = item, module

    def __reduce__(self) -> tuple[Any, ...]:
        return Whole, (None,)  # its state has the rest

    @property
    def users_model(self) -> Any:
        """What it stands for."""
        return self.item

    def state_dict(self) -> dict[str, Any]:
        stream = _Bounded(MOST_BYTES_WHOLE)
        _Pickler(stream, {}).dump(self.item)
        return {"pickle": _tensor(stream)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.item = _Unpickler(_stream(state["pickle"]), {}, self._module).load()


def kept(item: Any, state: Any) -> dict[str, Any]:
    """An object for best.pt: {"pickle": ...}, or {"why": ...} where it cannot be kept.

    Args:
        item: as the trainer registered it.
        state: its state, as best.pt has it.
    """
    stream = _Bounded(MOST_BYTES)
    try:
        _Pickler(stream, _tensors(item, state)).dump(item)
    except Exception as error:  # noqa: BLE001 - whatever the objects in it raise
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return {"why": f"the {type(item).__name__} that it gave to trial.restore cannot be pickled: {first}"}
    return {"pickle": _tensor(stream)}


def given_back(found: Mapping[str, Any], state: Any, module: Callable[[str], str] = lambda name: name) -> Any:
    """The user's model of what `kept` gave, with its weights; of torch in eval mode.

    Args:
        found: what `kept` gave.
        state: as best.pt has it.
        module: the name here of a module that the worker imported.

    Raises:
        BadTrainer: it was not kept, or cannot be loaded here; says why.
    """
    if "pickle" not in found:
        raise BadTrainer(str(found.get("why")))
    try:
        item = _Unpickler(_stream(found["pickle"]), state, module).load()
        item = Whole(None, module) if isinstance(item, Whole) else item
        item.load_state_dict(state)
        item = getattr(item, "users_model", item)
    except Exception as error:  # of a class that has changed or is not installed here, in the user's code
        raise BadTrainer(f"its model cannot be loaded here: {type(error).__name__}: {error}") from error
    torch = sys.modules.get("torch")
    return item.eval() if torch is not None and isinstance(item, torch.nn.Module) else item


def is_model(value: object) -> bool:
    """Whether what a trainer returns is a model, and not numbers or a table."""
    return not isinstance(value, type) and (callable(value) or callable(getattr(value, "predict", None)))


class _Bounded(io.BytesIO):
    """A buffer that takes so many bytes."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def write(self, content: Any, /) -> int:
        if self.tell() + memoryview(content).nbytes > self._most:
            raise OverflowError(f"it takes more than {self._most >> 20} MiB beside its weights")
        return super().write(content)


class _Pickler(Pickler):
    """Leaves out the tensors that a state has, and brings others to the CPU."""

    def __init__(self, stream: io.BytesIO, tensors: Mapping[int, Any]) -> None:
        super().__init__(stream, protocol=_PROTOCOL)
        self._tensors, self._generator = tensors, _global_generator()

    def persistent_id(self, obj: Any) -> Any:
        return _GENERATOR if obj is self._generator else self._tensors.get(id(obj))

    def reducer_override(self, obj: Any) -> Any:
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(obj, torch.Tensor) and obj.device.type != "cpu":
            return obj.detach().cpu().__reduce_ex__(_PROTOCOL)
        return super().reducer_override(obj)


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: io.BytesIO, state: Any, module: Callable[[str], str] = lambda name: name) -> None:
        super().__init__(stream)
        self._state, self._module = state, module
        self._made: dict[str, Any] = {}

    def find_class(self, module: str, name: str, /) -> Any:
        return super().find_class(self._module(module), name)

    def persistent_load(self, pid: Any) -> Any:
        import torch

        if pid == _GENERATOR:
            return _global_generator()
        name, is_parameter, needs_grad = pid
        if name not in self._made:
            tensor = self._state[name]
            self._made[name] = torch.nn.Parameter(tensor, requires_grad=needs_grad) if is_parameter else tensor
        return self._made[name]


def _tensors(item: Any, state: Any) -> dict[int, tuple[str, bool, bool]]:
    """The tensors of a torch module that its state has: by id their name, whether they are parameters, and trained."""
    import torch

    if not isinstance(item, torch.nn.Module) or not isinstance(state, Mapping):
        return {}
    named = [*item.named_parameters(remove_duplicate=False), *item.named_buffers(remove_duplicate=False)]
    found: dict[int, tuple[str, bool, bool]] = {}
    for name, tensor in named:
        if isinstance(state.get(name), torch.Tensor):
            found.setdefault(id(tensor), (name, isinstance(tensor, torch.nn.Parameter), tensor.requires_grad))
    return found


def _global_generator() -> Any:
    return np.random.rand.__self__  # type: ignore[attr-defined]  # whose method it is


def _tensor(stream: io.BytesIO) -> Tensor:
    import torch

    return torch.frombuffer(bytearray(stream.getvalue()), dtype=torch.uint8)


def _stream(pickled: Tensor) -> io.BytesIO:
    return io.BytesIO(pickled.numpy().tobytes())
