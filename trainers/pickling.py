"""How functions and models of users are pickled: as cloudpickle does, and with modules of a class of their own.

torch has such modules: `torch.backends`, `torch.backends.cudnn`, `torch.classes`, `torch.ops`. cloudpickle sends along
the submodules whose names a function has in it, and fails on these: on any function that sets
`torch.backends.cudnn.deterministic`, or that uses torch and an attribute that is called `classes`.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any

import cloudpickle


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles a module of a class of its own by its name."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, types.ModuleType) and type(obj) is not types.ModuleType:
            name = next((name for name, module in sys.modules.items() if module is obj), None)
            if name is not None:
                return importlib.import_module, (name,)
        return super().reducer_override(obj)
