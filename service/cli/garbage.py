"""`goodfit gc`: what a home keeps, and what of it goes."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from goodfit.service import app
from goodfit.service.errors import HomeError, InputError, StudyHeld, TrackingError, UnknownStudy
from goodfit.service.screen.words import size

if TYPE_CHECKING:
    from collections.abc import Callable

    from goodfit.service.settings import Settings


def collected(
    settings: Settings, names: Sequence[str], keep: int | None, *, dry_run: bool, sure: Callable[[str], bool]
) -> dict[str, Any]:
    """Look at what studies keep, ask, and remove what can go.

    Args:
        settings: the home.
        names: of the studies; none: all.
        keep: how many models of each stay; None: as many as the study says.
        dry_run: nothing is removed, and nobody is asked.
        sure: asks whether to go on.

    Raises:
        InputError: a study that was named is not there, or runs.
        GoodfitError: a file cannot be removed.
    """
    store = app.open_home(settings)
    uses = app.uses_of(settings, store, list(dict.fromkeys(names)), keep, time.time())
    if names and (held := [f"{use.study}: {use.why_not}" for use in uses if use.why_not]):
        raise InputError(f"nothing of these studies can go now: {'; '.join(held)}; stop a study that runs first")
    deleted, notes = _of_mlflow(settings, dry_run=True) if not names else ({"runs": 0, "bytes": 0}, [])
    cache = _of_cache(settings)
    removable = sum(use.removable for use in uses) + deleted["bytes"] + (0 if names else cache["removable"])
    found: dict[str, Any] = {
        "home": str(settings.home),
        "studies": [use.to_dict() for use in uses],
        "mlflow_deleted": deleted,
        "cache": cache,
        "total": sum(use.total for use in uses),
        "in_the_home": app.home_size(settings),
        "removable": removable,
        "removed": 0,
        "notes": notes,
    }
    if dry_run or not (removable or deleted["runs"]):
        return found
    if not sure(f"Remove {size(removable)} of checkpoints, models, deleted MLflow runs and cached data?"):
        return {**found, "notes": [*notes, "nothing was removed"]}
    for use in uses:
        if use.goes:
            try:
                found["removed"] += app.collect(settings, store, use.study, keep, time.time())
            except (StudyHeld, UnknownStudy) as error:  # started, removed or collected by another gc meanwhile
                notes.append(f"nothing of {use.study} was removed: {error}")
    if not names:
        gone, more = _of_mlflow(settings, dry_run=False)
        found["removed"] += gone["bytes"]
        notes += more
        try:
            found["removed"] += app.cache_of(settings).clear()
        except OSError as error:
            notes.append(f"the cache cannot be removed: {error}; it may belong to another user")
    return found


def _of_cache(settings: Settings) -> dict[str, Any]:
    """What is kept of decoded and prepared data; all that no worker uses can go, and is made again when needed."""
    try:
        use = app.cache_of(settings).use()
    except OSError as error:
        raise HomeError(f"cannot look at the cache: {error}; it may belong to another user") from error
    return {"folder": str(use.folder), "entries": use.entries, "bytes": use.size, "removable": use.unused}


def _of_mlflow(settings: Settings, *, dry_run: bool) -> tuple[dict[str, int], list[str]]:
    """MLflow's deleted runs, of a home's own MLflow; and why they cannot go."""
    from goodfit.service.tracker import remove_deleted

    root = settings.mlflow_artifacts
    if root is None:
        return {"runs": 0, "bytes": 0}, ["deleted runs are the MLflow server's own: `mlflow gc` there removes them"]
    try:
        runs, freed = remove_deleted(settings.tracking_uri, root, dry_run=dry_run)
    except TrackingError as error:
        return {"runs": 0, "bytes": 0}, [str(error)]
    return {"runs": runs, "bytes": freed}, []


def ask(question: str) -> bool:
    """Ask at the terminal; InputError where there is none."""
    import typer

    if not sys.stdin.isatty():
        raise InputError("what gc removes cannot be brought back: give --yes to confirm, or --dry-run to look")
    return typer.confirm(question)


def print_collected(found: dict[str, Any]) -> None:
    """The table of `goodfit gc`."""
    from goodfit.service.cli.tables import show, table

    if not found["studies"]:
        print(f"no studies in {found['home']}")
    else:
        kinds = ("checkpoints", "models", "logs", "given", "mlflow", "total")
        out = table("study", "state", *kinds, "can go")
        for row in found["studies"]:
            can_go = row["why_not"] or size(row["removable"])
            out.add_row(row["study"], row["state"], *(size(row[kind]) for kind in kinds), can_go)
        show(out)
    deleted = found["mlflow_deleted"]
    if deleted["runs"]:
        print(f"deleted runs in MLflow: {deleted['runs']}, {size(deleted['bytes'])}")
    if (cache := found["cache"])["bytes"]:
        print(f"decoded and prepared data in {cache['folder']}: {size(cache['bytes'])}")
    print(f"kept: {size(found['total'])}; can go: {size(found['removable'])}; removed: {size(found['removed'])}")
    print(f"in the whole home, with its databases: {size(found['in_the_home'])}")
    print(*found["notes"], sep="\n", end="\n" if found["notes"] else "")
