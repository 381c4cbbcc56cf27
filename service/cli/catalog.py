"""What can be named in a study file: trainers, search spaces, data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.cli.tables import show, table
from service.errors import InputError, TrainerError, did_you_mean


def trainer_rows() -> list[dict[str, Any]]:
    """The registered trainers as `goodfit trainers --json` gives them."""
    from trainers.registry import names

    return [trainer_facts(name) for name in names()]


def trainer_facts(name: str) -> dict[str, Any]:
    """One trainer, with its hyperparameters and their defaults."""
    import search_spaces
    from trainers.errors import TrainersError
    from trainers.registry import resolve

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


def print_trainers(rows: Sequence[Mapping[str, Any]]) -> None:
    """The table of `goodfit trainers`."""
    out = table("trainer", "data", "tasks", "default space", "about")
    for row in rows:
        out.add_row(
            row["trainer"],
            ", ".join(row["data"]) or "any",
            ", ".join(row["metrics"]) or "-",
            row["space"] or "-",
            row["about"],
        )
    show(out)


def print_trainer(facts: Mapping[str, Any]) -> None:
    """The page of `goodfit trainers NAME`."""
    print(f"{facts['trainer']}: {facts['about']}")
    print(f"data: {', '.join(facts['data']) or 'any'}")
    for task, metrics in facts["metrics"].items():
        print(f"{task}: reports {', '.join(f'train/{name}, val/{name}' for name in metrics)}")
    out = table("hyperparameter", "default")
    for name, default in facts["defaults"].items():
        out.add_row(name, str(default))
    show(out)
    if facts["space"]:
        print(f"default space: `space: {facts['space']}`, see `goodfit spaces {facts['space']}`")


def space_rows() -> list[dict[str, Any]]:
    """The library of search spaces as `goodfit spaces --json` gives it."""
    import search_spaces

    return [space_facts(name) for name in search_spaces.library()]


def space_facts(name: str) -> dict[str, Any]:
    """One space of the library with its parameters."""
    import search_spaces

    if name not in search_spaces.library():
        raise InputError(f"no search space {name!r}; {did_you_mean(name, search_spaces.library())}")
    space = search_spaces.load(name)
    parameters = [
        {"name": parameter.name, "range": parameter.describe(), "about": parameter.doc}
        for parameter in space.parameters
    ]
    return {"space": name, "parameters": parameters}


def print_spaces(rows: Sequence[Mapping[str, Any]]) -> None:
    """The table of `goodfit spaces`."""
    out = table("space", "parameters")
    for row in rows:
        out.add_row(row["space"], ", ".join(parameter["name"] for parameter in row["parameters"]))
    show(out)


def print_space(facts: Mapping[str, Any]) -> None:
    """The page of `goodfit spaces NAME`."""
    out = table("parameter", "about")
    for parameter in facts["parameters"]:
        out.add_row(parameter["range"], parameter["about"])
    show(out)


def dataset_rows(name: str | None = None) -> list[dict[str, Any]]:
    """The built-in data sets, or the one of that name."""
    from trainers.data import DATASETS

    if name is not None and name not in DATASETS:
        raise InputError(f"no built-in data set {name!r}; {did_you_mean(name, DATASETS)}")
    chosen = [DATASETS[name]] if name is not None else list(DATASETS.values())
    return [
        {
            "dataset": one.name,
            "task": one.task,
            "kind": one.kind,
            "rows": one.rows,
            "features": one.features,
            "about": one.about,
        }
        for one in chosen
    ]


def print_datasets(rows: Sequence[Mapping[str, Any]]) -> None:
    """The table of `goodfit datasets`."""
    out = table("data set", "task", "kind", "rows", "features", "about")
    for row in rows:
        out.add_row(*(str(cell) for cell in row.values()))
    show(out)
