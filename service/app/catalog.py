"""What can be named in a study file: trainers, search spaces, data sets."""

from __future__ import annotations

from typing import Any

from goodfit.service.errors import InputError, TrainerError, did_you_mean


def trainer_rows() -> list[dict[str, Any]]:
    """The registered trainers as `goodfit trainers --json` gives them."""
    from goodfit.trainers.registry import names

    return [trainer_facts(name) for name in names()]


def trainer_facts(name: str) -> dict[str, Any]:
    """One trainer, with its hyperparameters and their defaults."""
    from goodfit import search_spaces
    from goodfit.trainers.errors import TrainersError
    from goodfit.trainers.registry import resolve

    try:
        trainer = resolve(name)
    except TrainersError as error:
        raise TrainerError(str(error)) from error
    return {
        "trainer": trainer.name,
        "about": trainer.doc,
        "data": sorted(trainer.kinds),
        "metrics": {task: list(metrics) for task, metrics in (trainer.metrics or {}).items()},
        "defaults": trainer.defaults(),
        "space": trainer.name if trainer.name in search_spaces.library() else None,
    }


def installed_trainer(name: str) -> dict[str, Any]:
    """As trainer_facts, of an installed trainer alone: no other module is imported, whatever the name says."""
    from goodfit.trainers.registry import names

    if name not in names():
        raise TrainerError(f"no installed trainer {name!r}; {did_you_mean(name, names())}")
    return trainer_facts(name)


def space_rows() -> list[dict[str, Any]]:
    """The library of search spaces as `goodfit spaces --json` gives it."""
    from goodfit import search_spaces

    return [space_facts(name) for name in search_spaces.library()]


def space_facts(name: str) -> dict[str, Any]:
    """One space of the library with its parameters."""
    from goodfit import search_spaces

    if name not in search_spaces.library():
        raise InputError(f"no search space {name!r}; {did_you_mean(name, search_spaces.library())}")
    space = search_spaces.load(name)
    parameters = [
        {"name": parameter.name, "range": parameter.describe(), "about": parameter.doc}
        for parameter in space.parameters
    ]
    return {"space": name, "parameters": parameters}


def dataset_rows() -> list[dict[str, Any]]:
    """The built-in data sets as `goodfit datasets --json` gives them."""
    from goodfit.trainers.data import DATASETS

    return [dataset_facts(name) for name in DATASETS]


def dataset_facts(name: str) -> dict[str, Any]:
    """One built-in data set."""
    from goodfit.trainers.data import DATASETS

    if name not in DATASETS:
        raise InputError(f"no built-in data set {name!r}; {did_you_mean(name, DATASETS)}")
    one = DATASETS[name]
    return {
        "dataset": one.name,
        "task": one.task,
        "kind": one.kind,
        "rows": one.rows,
        "features": one.features,
        "about": one.about,
    }
