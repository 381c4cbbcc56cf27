"""A study's data as MLflow shows them: the inputs of its Dataset column. Pure; no MLflow here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goodfit.service.records import Study, Trial
from goodfit.trainers.readable import readable

COLUMNS = 500  # in a schema; MLflow refuses one of more than 1 MB
NAME_LENGTH = 200  # MLflow takes 500 characters
_TYPES = {"number": "double", "category": "string", "text": "string", "boolean": "boolean", "date": "datetime"}
_WHOLE = {"image": ("image", "binary"), "corpus": ("text", "string")}  # kinds without columns


@dataclass(frozen=True, slots=True)
class Dataset:
    """One dataset input of a run. A run has each (name, digest) once."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None
    profile: str | None
    context: str

    @property
    def place(self) -> tuple[str, str]:
        return self.name, self.digest


def datasets_of(study: Study, trial: Trial | None, report: Mapping[str, Any] | None) -> list[Dataset]:
    """What a run was trained on and validated on; none of a study without data.

    Args:
        study: the record.
        trial: whose run it is; None: the study's own.
        report: on the study's data as they are; it says nothing of a trial that was trained on others.
    """
    data: Mapping[str, Any] = study.spec.get("data") or {}
    source = data.get("source")
    present = ((study.inputs or {}).get("data") or {}).get("digest")
    digest = (trial.data or "").rpartition("+")[2] if trial is not None else ""
    digest = digest or present or ""
    if not source or not digest:
        return []
    known = report if report is not None and digest == present and not report.get("problem") else None
    found = []
    for split, context in (("train", "training"), ("validation", "validation")):
        name = _name(source) if split == "train" else f"{_name(source)} ({context})"
        source_type, place = _source(source)
        schema, profile = (None, None) if known is None else (_schema(known), _profile(known, split))
        found.append(Dataset(name, digest[:36], source_type, place, schema, profile, context))
    return found


def _name(source: str) -> str:
    """A file by its name, a function by its file's and its own, built-in data by theirs."""
    return readable(Path(source).name)[:NAME_LENGTH]


def _source(source: str) -> tuple[str, str]:
    """MLflow's type of a source, and what that type has in JSON."""
    if Path(source).is_absolute() and ".py:" not in source:
        return "local", json.dumps({"uri": source})
    return "code", json.dumps({"tags": {"mlflow.source.name": source, "mlflow.source.type": "LOCAL"}})


def _schema(report: Mapping[str, Any]) -> str:
    columns = [
        {"name": str(column["name"]), "type": _TYPES.get(column.get("type", ""), "string"), "required": True}
        for column in report.get("columns", [])[:COLUMNS]
    ]
    if not columns:
        name, kind = _WHOLE.get(report.get("kind", ""), ("row", "string"))
        columns = [{"name": name, "type": kind, "required": True}]
    target = (report.get("target") or {}).get("name")
    if target and all(column["name"] != target for column in columns):
        kind = "string" if report.get("task") == "classification" else "double"
        columns.append({"name": str(target), "type": kind, "required": True})
    return json.dumps({"mlflow_colspec": columns})


def _profile(report: Mapping[str, Any], split: str) -> str:
    rows = (report.get("splits") or {}).get(split)
    found = {"num_rows": rows, "num_columns": len(report.get("columns", [])) or None, "size_bytes": report.get("bytes")}
    whole = {"rows_of_all_splits": report.get("rows"), "kind": report.get("kind"), "task": report.get("task")}
    return json.dumps({key: value for key, value in {**found, **whole}.items() if value is not None})
