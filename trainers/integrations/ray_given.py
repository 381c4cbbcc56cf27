"""What scripts give their trainables by `tune.with_parameters`, before Ray sends it."""

from __future__ import annotations

import io
import weakref
from typing import Any

import ray
from ray import cloudpickle
from ray.tune.registry import _ParameterRegistry

from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.readable import one_line

_checked: weakref.WeakSet[Any] = weakref.WeakSet()


class _Nowhere(io.RawIOBase):
    """A file that keeps nothing: data may be large."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return len(data)


def check_given(reference: str) -> None:
    """Refuse what cannot be pickled; Ray forgets it then, and starts for others.

    Args:
        reference: the trainer whose script has just been imported.

    Raises:
        BadTrainer: it names the argument.
    """
    hooks = ray._private.worker._post_init_hooks  # noqa: SLF001 - Ray has no public way to what it is about to send
    wrong: dict[str, str] = {}
    for hook in list(hooks):
        registry = getattr(hook, "__self__", None)
        if not isinstance(registry, _ParameterRegistry) or registry in _checked:
            continue
        _checked.add(registry)
        found = {key: why for key, value in registry.to_flush.items() if (why := _why_not(value)) is not None}
        if found:
            hooks.remove(hook)
            wrong |= {key.rpartition(">_")[2]: why for key, why in found.items()}
    if wrong:
        given = "; ".join(f"{name}: {why}" for name, why in wrong.items())
        raise BadTrainer(
            f"{reference}: its script gives tune.with_parameters what cannot be sent to Ray's workers ({given}); make "
            "it within the function, or give what it is made of"
        )


def _why_not(value: Any) -> str | None:
    if isinstance(value, ray.ObjectRef):
        return None
    try:
        # Large arrays are not copied: their buffers stay where they are.
        pickler: Any = cloudpickle.CloudPickler
        pickler(_Nowhere(), protocol=5, buffer_callback=lambda _: None).dump(value)
    except Exception as error:  # noqa: BLE001 - whatever a user's own __reduce__ raises
        return one_line(f"{type(error).__name__}: {error}".splitlines()[0])
    return None
