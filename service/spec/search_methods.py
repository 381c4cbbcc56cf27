"""The built-in search methods, and which spaces and objectives each fits; what they do stands in the sampler's room."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from goodfit.search_spaces.parameters import Choice
from goodfit.search_spaces.space import Space


@dataclass(frozen=True, slots=True)
class Method:
    """What a search method needs of a study.

    Attributes:
        conditions: whether parameters may exist under conditions.
        choices: whether parameters may be choices, which have no order.
        several: whether there may be several objectives.
    """

    conditions: bool = True
    choices: bool = True
    several: bool = True


SEARCH_METHODS: Mapping[str, Method] = {
    "auto": Method(),
    "grid": Method(),  # every range needs points, too: see checks.py
    "random": Method(),
    "bayesian": Method(),
    "gp": Method(conditions=False, several=False),
    "cmaes": Method(conditions=False, choices=False, several=False),
    "qmc": Method(conditions=False),
    "pbt": Method(several=False),  # what of it may change while a member trains: see population.py
    "pb2": Method(several=False),
    "nsga2": Method(),
}


def unfit(method: str, space: Space) -> Iterator[tuple[str, str]]:
    """Which parameters a search method cannot search, and what to do; nothing for one that a package adds."""
    needs = SEARCH_METHODS.get(method)
    if needs is None:
        return
    for item in space.searched:
        if not needs.choices and isinstance(item, Choice):
            yield item.name, f"is a choice, and {method} searches numbers alone: fix it, or take {_instead(space)}"
        elif not needs.conditions and item.name in space.conditional:
            when = item.describe().rpartition(", ")[2]
            ways = f"fix {' and '.join(item.when)}, or take auto, bayesian or random"
            yield item.name, f"exists only {when}, and {method} takes no conditions: {ways}"


def too_few(method: str, space: Space) -> str | None:
    """Why a method has nothing to search in a space; None where it has."""
    if SEARCH_METHODS.get(method, Method()).conditions or space.searched:
        return None
    return f"{method} has nothing to search: no parameter has more than one value; take random or grid"


def _instead(space: Space) -> str:
    """The methods that model choices."""
    return "auto or bayesian" if space.conditional else "auto, bayesian or gp"
