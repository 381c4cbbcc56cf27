"""The study file of one trial: what trains its model again from the start, with all that changed on its way."""

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
    data = None if spec.data is None else _said(spec.data, type(spec.data)(source=spec.data.source))
    found = {
        "name": f"{spec.name[:LONGEST_NAME]}-trial-{trial.number}",
        "trainer": spec.trainer,
        "data": None if spec.data is None else {"source": spec.data.source, **(data or {})},
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
