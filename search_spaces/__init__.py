"""Search spaces: parameter types, their YAML, and a library of documented spaces.

    from goodfit import search_spaces

    space = search_spaces.load("cnn")
    space.names, space.cardinality()

A YAML file put beside this one is in the library under its name.
"""

from goodfit.search_spaces.files import SpaceFileError, library, load
from goodfit.search_spaces.space import Choice, Fixed, Float, Int, Parameter, Space

__all__ = ["Choice", "Fixed", "Float", "Int", "Parameter", "Space", "SpaceFileError", "library", "load"]
