"""What is read of a study's spec as the store has it, without validating it.

A listing shows many studies, and a controller looks at its queue twice a second: validating a spec takes milliseconds,
after 0.2 s of imports, where this takes 0.04 ms. A study that another version wrote, or whose trainer or packages are
missing here, must be listed, stopped and removed, too. Whoever runs or judges a study reads its StudySpec.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from goodfit.service.objective import Constraint, Objective


def trainer_of(spec: Mapping[str, Any]) -> str | None:
    """The name of its trainer."""
    found = spec.get("trainer")
    return None if found is None else str(found)


def objective_of(spec: Mapping[str, Any]) -> Objective:
    """What it optimizes, and what the best must keep."""
    found = spec["objective"]
    others = (Objective(one["metric"], one["direction"]) for one in spec.get("more_objectives") or ())
    constraints = (Constraint.of(text) for text in spec.get("constraints") or ())
    return Objective(found["metric"], found["direction"], tuple(others), tuple(constraints))


def resources_of(spec: Mapping[str, Any]) -> dict[str, float]:
    """What one trial takes of one node: cpus, gpus, and the cluster's custom resources by their names."""
    return amounts_of(spec.get("resources") or {})


def amounts_of(resources: Mapping[str, Any]) -> dict[str, float]:
    """The `resources` section of a spec as amounts, without those that are zero."""
    amounts = {
        "cpus": resources.get("cpus", 1.0), "gpus": resources.get("gpus", 0.0), **(resources.get("custom") or {})
    }  # fmt: skip
    return {name: float(amount) for name, amount in amounts.items() if amount}


def search_of(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Its `search` section with the names of earlier studies alone, not what they brought; none where it has none."""
    search = dict(spec.get("search") or {})
    names = [without_password(start["study"]) for start in search.pop("warm_start", ())]
    return {**search, "warm_start": names} if names else search


def without_password(url: str) -> str:
    """An address as it is kept and shown."""
    return re.sub(r"(://[^/@:]*):[^/@]*@", r"\1@", url)


STORAGE_EXAMPLES = "write it as sqlite:///FILE.db, journal://FILE.log, or postgresql://USER@HOST/NAME"
_CONNECT_SECONDS = 10  # a server that does not answer would hold a command for minutes


def bounded(url: str) -> dict[str, Any]:
    """SQLAlchemy's options for a storage, by which it gives up on a server that does not answer."""
    drivers = ("postgresql", "mysql", "mariadb")
    return {"connect_args": {"connect_timeout": _CONNECT_SECONDS}} if url.startswith(drivers) else {}


def planned_trials(spec: Mapping[str, Any]) -> int | None:
    """How many trials a spec's search has at most: its budget, or all configurations that there are; None: any number.

    As StudySpec.planned_trials, without what it takes to validate a spec: a listing has many of them.
    """
    from goodfit.search_spaces.parse import from_list

    limits = [(spec.get("budget") or {}).get("trials")]
    search = spec.get("search") or {}
    try:
        space = from_list(spec.get("space"))
        if search.get("method") == "grid":
            limits.append(space.grid_size())
        elif search.get("population"):
            limits.append(search["population"])
        elif not search.get("repeats") and not spec.get("open_space"):
            limits.append(space.cardinality())
    except ValueError:  # another version's
        pass
    return min((limit for limit in limits if limit is not None), default=None)
