"""Study files as values: of a study as it is kept, and of one trial, which trains its model again from the start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

    from goodfit.service.records import Trial
    from goodfit.service.spec import StudySpec

LONGEST_NAME = 80  # of a study, with room for the trial's number


def study_of_trial(spec: StudySpec, trial: Trial) -> dict[str, Any]:
    """A study file that trains one trial again, with its seed, and so to the same curve.

    Args:
        spec: of the trial's study.
        trial: the record.
    """
    from goodfit.service.spec import Resources, Training

    first = trial.stretches[0].params
    found = {
        "name": f"{spec.name[:LONGEST_NAME]}-trial-{trial.number}",
        "trainer": spec.trainer,
        "data": None if spec.data is None else {"source": spec.data.source, **_data(spec)},
        "fairness": _fairness(spec),
        "space": {name: {"type": "fixed", "value": value} for name, value in first.items()},
        "schedule": trial.changes or list(spec.schedule),
        "objective": spec.objective.model_dump(mode="json"),
        "search": {"method": "random", "try_defaults": False},
        "pruning": {"method": "none"},
        "training": {**_said(spec.training, Training(epochs=1)), "epochs": spec.training.epochs, "seed": trial.seed},
        "budget": {"trials": 1},
        "resources": _said(spec.resources, Resources()),
        "requirements": list(spec.requirements),
    }
    return {key: value for key, value in found.items() if value}


def study_file_of(spec: StudySpec) -> dict[str, Any]:
    """The study file of a study: what it says otherwise than one that says nothing, and paths whole."""
    from goodfit.search_spaces.parse import to_list
    from goodfit.service.spec import Budget, Resources, Search, Training

    every = (spec.objective, *spec.more_objectives)
    objectives = [{key: value for key, value in one.model_dump(mode="json").items() if value} for one in every]
    found = {
        "name": spec.name,
        "trainer": spec.trainer,
        "data": None if spec.data is None else {"source": spec.data.source, **_data(spec)},
        "fairness": _fairness(spec),
        "space": {} if spec.open_space else {item.pop("name"): item for item in to_list(spec.space)},
        "objective": objectives if len(objectives) > 1 else objectives[0],
        "constraints": [str(one) for one in spec.constraints],
        "search": _search(spec, Search()),
        "pruning": spec.pruning.model_dump(mode="json"),
        "training": {"epochs": spec.training.epochs, **_said(spec.training, Training(epochs=1))},
        "budget": _said(spec.budget, Budget()),
        "resources": _said(spec.resources, Resources()),
        "confirm": None if spec.confirm is None else spec.confirm.model_dump(mode="json"),
        "control": spec.control,
        "schedule": list(spec.schedule),
        "requirements": list(spec.requirements),
    }
    return {key: value for key, value in found.items() if value}


def _data(spec: StudySpec) -> dict[str, Any]:
    return {} if spec.data is None else _said(spec.data, type(spec.data)(source=spec.data.source))


def _fairness(spec: StudySpec) -> dict[str, Any]:
    if spec.fairness is None:
        return {}
    return {"by": list(spec.fairness.by), **_said(spec.fairness, type(spec.fairness)(by=spec.fairness.by))}


def _search(spec: StudySpec, plain: BaseModel) -> dict[str, Any]:
    """Of earlier studies their names; what they brought is looked up anew."""
    found = _said(spec.search, plain)
    if spec.search.warm_start:
        found["warm_start"] = [one.study for one in spec.search.warm_start]
    if spec.search.method == "grid":
        found.pop("try_defaults", None)
    return found


def _said(section: BaseModel, plain: BaseModel) -> dict[str, Any]:
    """What a section says otherwise than one that says nothing."""
    return _others(section.model_dump(mode="json"), plain.model_dump(mode="json"))


def _others(values: Mapping[str, Any], plain: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for key, value in values.items():
        same = plain.get(key)
        if value == same:
            continue
        found[key] = _others(value, same) if isinstance(value, Mapping) and isinstance(same, Mapping) else value
    return found
