"""MLflow's deleted runs, which it keeps until somebody collects them: of a home's own database alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

from goodfit.service.tracker.database import is_unmade, sqlite_file
from goodfit.service.tracker.experiment import connect, refusals_told

MOST_VERSIONS = 10_000  # of registered models; MLflow gives no more at once


def remove_deleted(tracking_uri: str, artifact_root: Path, *, dry_run: bool) -> tuple[int, int]:
    """Take deleted runs out for good, with their artifacts below a folder; how many, and how many bytes of files.

    Raises:
        TrackingError: MLflow refuses.
    """
    file = sqlite_file(tracking_uri)
    if file is None or is_unmade(file):
        return 0, 0
    with refusals_told(tracking_uri):
        client = connect(tracking_uri)
        registered = {version.run_id for version in client.search_model_versions(max_results=MOST_VERSIONS)}
        return _removed(tracking_uri, artifact_root, registered, dry_run=dry_run)


def _removed(
    tracking_uri: str, artifact_root: Path, registered: Collection[str | None], *, dry_run: bool
) -> tuple[int, int]:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store: Any = SqlAlchemyStore(tracking_uri, artifact_root.as_uri())  # type: ignore[no-untyped-call]
    freed = 0
    deleted = store._get_deleted_runs()  # noqa: SLF001 - as `mlflow gc` does
    runs = [run for run in deleted if run not in registered]  # registered models may be in use
    for run in runs:
        folder = _folder(store, run, artifact_root)
        freed += sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) if folder else 0
        if dry_run:
            continue
        if folder:
            shutil.rmtree(folder)
        store._hard_delete_run(run)  # noqa: SLF001
    return len(runs), freed


def _folder(store: Any, run: str, artifact_root: Path) -> Path | None:
    """The folder of a run's artifacts, where it is below the home's."""
    uri = str(store.get_run(run).info.artifact_uri)
    path = Path(os.path.realpath(uri.removeprefix("file://")))
    below = path.is_relative_to(Path(os.path.realpath(artifact_root))) and path.is_dir()
    return path if below else None
