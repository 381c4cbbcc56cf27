"""A study's note, tags and further files on its runs in MLflow, written at once: its mirror may have ended.

And what MLflow keeps of its audit log, which is read back.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from goodfit.service.errors import TrackingError
from goodfit.service.records import Study
from goodfit.service.tracker.content import AUDIT, annotation, safe_name
from goodfit.service.tracker.database import sqlite_file
from goodfit.service.tracker.experiment import Connect, client_of, connect, refusals_told


def keep_note(tracking_uri: str, study: Study, removed: Collection[str], connect: Connect = connect) -> None:
    """Write them; a tag that was removed from the study goes.

    Raises:
        TrackingError: MLflow is away or refused.
    """
    if study.mlflow_run_id is None:
        return
    with refusals_told(tracking_uri):
        client = connect(tracking_uri)
        there = client.get_run(study.mlflow_run_id).data.tags
        for key, value in annotation(study).items():
            if there.get(key, "") != value:
                client.set_tag(study.mlflow_run_id, key, value)
        for key in {safe_name(key) for key in removed} & there.keys():
            client.delete_tag(study.mlflow_run_id, key)


def keep_files(tracking_uri: str, run: str, files: Path, under: str | None, connect: Connect = connect) -> None:
    """Keep a file, or the files of a folder, as artifacts of a run; those of the same name are replaced.

    Raises:
        TrackingError: MLflow is away or refused.
    """
    with refusals_told(tracking_uri):
        client = connect(tracking_uri)
        if files.is_dir():
            client.log_artifacts(run, str(files), under)
        else:
            client.log_artifact(run, str(files), under)


def audit_head(tracking_uri: str, run: str, connect: Connect = client_of) -> str | None:
    """The last hash of a study's audit log that its run has; None where it has none yet.

    Raises:
        TrackingError: MLflow is away, or does not have the run.
    """
    file = sqlite_file(tracking_uri)
    if file is not None and not file.exists():  # MLflow would make it
        raise TrackingError(f"MLflow's database {file} is not there")
    with refusals_told(tracking_uri):
        return connect(tracking_uri).get_run(run).data.tags.get(AUDIT) or None
