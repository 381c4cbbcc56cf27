"""Search spaces: parameter types, their YAML, and a library of documented spaces.

    from goodfit import search_spaces

    space = search_spaces.load("cnn")
    space.names, space.cardinality()

A YAML file put beside this one is in the library under its name. Each name is imported when it is asked for: what only
writes values for people needs no YAML.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from goodfit.search_spaces.files import SpaceFileError, library, load
    from goodfit.search_spaces.space import Choice, Fixed, Float, Int, Parameter, Space

_PLACES = {
    "files": ["SpaceFileError", "library", "load"],
    "space": ["Choice", "Fixed", "Float", "Int", "Parameter", "Space"],
}
_MODULES = {name: module for module, names in _PLACES.items() for name in names}

__all__ = ["Choice", "Fixed", "Float", "Int", "Parameter", "Space", "SpaceFileError", "library", "load"]


def __getattr__(name: str) -> Any:
    """The name from its module."""
    if name in _PLACES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
