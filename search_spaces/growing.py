"""A space that its trainer says as it runs: parameters are added as they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from goodfit.search_spaces.parameters import Fixed, Parameter
from goodfit.search_spaces.parse import from_list
from goodfit.search_spaces.space import Space


class OtherRange(ValueError):
    """A parameter is asked for with another range than before."""


def grown(space: Space, found: Mapping[str, Any]) -> Space:
    """The space with a parameter in it, as to_list writes it; the same object where it is there already.

    Raises:
        OtherRange: it is there with another type or range; says which.
    """
    (parameter,) = from_list([dict(found)])
    if parameter.name not in space:
        return Space((*space, parameter))
    known = space[parameter.name]
    if known == parameter or isinstance(known, Fixed):
        return space
    raise OtherRange(
        f"{parameter.name} is asked for as {_described(parameter)}, and was {_described(known)} in a trial before: "
        "values of two ranges cannot be compared; give the second one another name"
    )


def _described(parameter: Parameter) -> str:
    return f"{type(parameter).__name__.lower()} {parameter}"
