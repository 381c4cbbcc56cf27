"""Where a study comes from and what it was trained on, as MLflow has it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from goodfit.service.records import Batch, Study, StudyRun, Trial
from goodfit.service.tracker.datasets import datasets_of
from goodfit.service.tracker.experiment import connect
from goodfit.service.tracker.origin import origin_files, study_origin, trial_origin
from goodfit.testing.lab import START, Lab
from tests.tracking import mirror_of, new_mlflow

MACHINE = {"host": "here", "platform": "Linux", "processor": "Xeon", "cpus": 4, "memory_mib": 100, "gpus": []}
GIT = {"commit": "ab" * 20, "branch": "main", "dirty": True, "diff": "-a\n+b\n", "problem": None}
FACTS: dict[str, Any] = {
    "source": "tune.py:train",
    "git": GIT,
    "code": {"root": "/x", "files": {"tune.py": "d1", "nets/a.py": "d2"}},
    "packages": {"numpy": "2.1", "torch": "2.13.0"},
    "python": "3.12.1 (CPython)",
    "machine": MACHINE,
    "seeds": {"search": 3, "training": None},
}
RUN = StudyRun(1, START, FACTS)
STUDY = Study("s", {"trainer": "mlp"}, "f", 1.0)
REPORT: dict[str, Any] = {
    "source": "/d/rows.csv",
    "kind": "table",
    "task": "regression",
    "rows": 100,
    "bytes": 4096,
    "columns": [{"name": "a", "type": "number"}, {"name": "b", "type": "category"}],
    "splits": {"train": 60, "validation": 20, "test": 20},
    "target": {"name": "y"},
    "problem": None,
}
ON_FILE = replace(STUDY, spec={"data": {"source": "/d/rows.csv"}}, inputs={"data": {"digest": "d1"}})


def test_a_trial_says_its_source_its_machine_and_its_seed() -> None:
    assert trial_origin(STUDY, Trial(0, {}, 7, started=START), [RUN]) == {
        "mlflow.source.name": "tune.py:train",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": "ab" * 20,
        "mlflow.source.git.branch": "main",
        "goodfit.git.dirty": "true",
        "goodfit.machine": "here: 4 x Xeon, no GPU",
        "goodfit.python": "3.12.1 (CPython)",
        "goodfit.seed": "7",
    }


def test_a_study_from_before_names_its_trainer() -> None:
    assert study_origin(STUDY, []) == {"mlflow.source.name": "mlp", "mlflow.source.type": "LOCAL"}


def test_each_run_leaves_its_packages_its_changes_and_its_code_as_files() -> None:
    second = StudyRun(2, START + 9, {**FACTS, "git": None, "code": None})
    files = origin_files([RUN, second], {"d1": "x = 1\n"})
    assert set(files) == {
        "provenance/run-1/facts.json",
        "provenance/run-1/requirements.txt",
        "provenance/run-1/uncommitted.diff",
        "provenance/run-1/code/tune.py",
        "provenance/run-2/facts.json",
        "provenance/run-2/requirements.txt",
    }
    assert files["provenance/run-1/requirements.txt"] == "numpy==2.1\ntorch==2.13.0\n"
    assert json.loads(files["provenance/run-1/facts.json"])["git"]["commit"] == "ab" * 20


def test_data_are_shown_by_name_digest_schema_and_size() -> None:
    training, validation = datasets_of(ON_FILE, Trial(0, {}, 1, data="d1"), REPORT)
    assert (training.name, training.digest, training.context) == ("rows.csv", "d1", "training")
    assert (validation.name, validation.context) == ("rows.csv (validation)", "validation")
    assert (training.source_type, json.loads(training.source)) == ("local", {"uri": "/d/rows.csv"})
    columns = json.loads(training.schema or "")["mlflow_colspec"]
    assert [(one["name"], one["type"]) for one in columns] == [("a", "double"), ("b", "string"), ("y", "double")]
    assert json.loads(training.profile or "")["num_rows"] == 60
    assert json.loads(validation.profile or "") == {
        "num_rows": 20,
        "num_columns": 2,
        "size_bytes": 4096,
        "rows_of_all_splits": 100,
        "kind": "table",
        "task": "regression",
    }


@pytest.mark.parametrize(
    ("data", "report", "digest"),
    [("d1", None, "d1"), ("d1", {**REPORT, "problem": "gone"}, "d1"), ("d1+d2", REPORT, "d2")],
)
def test_of_data_that_are_gone_or_others_by_now_the_digest_alone_is_said(data: str, report: Any, digest: str) -> None:
    training, _ = datasets_of(ON_FILE, Trial(0, {}, 1, data=data), report)
    assert (training.digest, training.schema, training.profile) == (digest, None, None)


def test_a_study_without_data_has_no_dataset() -> None:
    assert datasets_of(STUDY, Trial(0, {}, 1), None) == []


def test_mlflow_has_source_and_data_of_every_run_once_whatever_failed(tmp_path: Path) -> None:
    lab, uri = Lab(tmp_path), new_mlflow(tmp_path / "mlflow")
    lab.store.apply(lab.lease, Batch(runs=[RUN], sources={"d1": "x = 1\n"}))
    lab.change(replace(lab.study, inputs={"data": {"digest": "d1"}}))
    report = {**REPORT, "source": "digits", "kind": "image", "columns": []}
    mirror = mirror_of(lab, uri, tmp_path / "art", describe=lambda: report)
    lab.run(1, epochs=1)
    lab.finish(0)
    mirror.sync()
    mirror.forget()  # as after a failed call
    lab.finish(1)
    mirror_of(lab, uri, tmp_path / "art", describe=lambda: report).sync()
    client = connect(uri)
    runs = client.search_runs(["1"])
    assert len(runs) == 3
    for run in runs:
        assert run.data.tags["mlflow.source.name"] == "tune.py:train"
        assert run.data.tags["mlflow.source.git.commit"] == "ab" * 20
        inputs = run.inputs.dataset_inputs if run.inputs else []
        assert Counter((one.dataset.name, one.tags[0].value) for one in inputs) == {
            ("digits", "training"): 1,
            ("digits (validation)", "validation"): 1,
        }
        assert {one.dataset.digest for one in inputs} == {"d1"}
        assert all(json.loads(one.dataset.profile or "{}")["num_rows"] for one in inputs)
    parent = str(lab.study.mlflow_run_id)
    files = [item.path for item in client.list_artifacts(parent, "provenance/run-1")]
    assert "provenance/run-1/uncommitted.diff" in files
    lab.store.close()
