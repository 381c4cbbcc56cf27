"""What can be named in a study file: trainers, search spaces, data sets; here or on a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from goodfit.service.cli.tables import show, table

if TYPE_CHECKING:
    from goodfit.service.queries.source import Kind, Source


def listed(kind: Kind, server: str | None) -> list[dict[str, Any]]:
    """All of a kind; without a server those installed here, for which no home is needed."""
    from goodfit.service.queries.local import ALL

    return ALL[kind]() if server is None else _source().catalog(kind)


def described(kind: Kind, name: str, server: str | None) -> dict[str, Any]:
    """One of a kind; InputError for a name that is none."""
    from goodfit.service.queries.local import ONE

    return ONE[kind](name) if server is None else _source().described(kind, name)


def _source() -> Source:
    from goodfit.service.cli.base import studies

    return studies().source


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


def print_datasets(rows: Sequence[Mapping[str, Any]]) -> None:
    """The table of `goodfit datasets`."""
    out = table("data set", "task", "kind", "rows", "features", "about")
    for row in rows:
        out.add_row(*(str(cell) for cell in row.values()))
    show(out)
