"""The best model in MLflow's registry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from goodfit.service.errors import TrackingError
from goodfit.service.records import StudyState, Trial
from goodfit.service.tracker import Mirror, ModelExport
from goodfit.service.tracker.experiment import connect
from tests.tracking import Lab, export_doubler, mirror_of, new_mlflow


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return new_mlflow(tmp_path / "mlflow")


@pytest.fixture
def lab(tmp_path: Path) -> Any:
    lab = Lab(tmp_path)
    lab.finish(0)
    lab.finish(1)
    lab.finish(2, value=0.1)
    yield lab
    lab.store.close()


def _closed(lab: Lab, uri: str, folder: Path, **options: Any) -> Mirror:
    mirror = mirror_of(lab, uri, folder / "artifacts", **options)
    assert mirror.sync() == 0
    mirror.close_study()
    return mirror


@pytest.fixture
def global_uri(uri: str) -> Any:
    """Loading goes by MLflow's own, global tracking URI."""
    import mlflow

    mlflow.set_tracking_uri(uri)
    yield uri
    mlflow.set_tracking_uri(None)


@pytest.mark.filterwarnings("ignore::UserWarning")  # MLflow's, at import
def test_the_best_model_is_registered_and_predicts(lab: Lab, global_uri: str, tmp_path: Path) -> None:
    from mlflow import pyfunc

    lab.end()
    _closed(lab, global_uri, tmp_path)
    assert (lab.study.model_uri, lab.study.champion) == ("models:/digits/1", 1)
    for uri in ("models:/digits/1", "models:/digits@champion"):
        model = pyfunc.load_model(uri)
        batch = np.full((1, 3), 4.0, dtype=np.float32)
        assert model.predict(batch).tolist() == [[4.0, 4.0, 4.0]]
        assert model.metadata.signature.inputs.inputs[0].shape == (-1, 3)
    with pytest.raises(Exception, match="shape"):
        model.predict(np.zeros((1, 4), dtype=np.float32))
    requirements = pyfunc.get_model_dependencies("models:/digits/1", format="pip")
    assert "numpy" in Path(requirements).read_text()


@pytest.mark.filterwarnings("ignore::UserWarning")  # MLflow's, at import
def test_the_registered_model_takes_columns_of_any_type(lab: Lab, global_uri: str, tmp_path: Path) -> None:
    """A user's table has whole numbers and booleans where the example has floats, and gaps where it has none."""
    import pandas as pd
    from mlflow import pyfunc

    def export(trial: Trial, folder: Path) -> ModelExport:
        example = pd.DataFrame({"age": [41.5], "active": [0.5], "postcode": ["1010"]})
        return replace(export_doubler(trial, folder), inputs=example, outputs=np.zeros(1))

    lab.end()
    _closed(lab, global_uri, tmp_path, export_model=export)
    model = pyfunc.load_model("models:/digits@champion")
    rows = pd.DataFrame({"postcode": [7, 8], "age": [3, 4], "active": [True, False], "other": [1, 2]})
    assert model.predict(rows).to_dict("list") == {"age": [3, 4], "active": [1, 0], "postcode": [7, 8]}
    assert np.isnan(model.predict(rows.assign(age=[np.nan, 1.5]))["age"][0])
    with pytest.raises(Exception, match="age"):
        model.predict(rows.drop(columns="age"))


def test_closing_again_registers_nothing_more(lab: Lab, uri: str, tmp_path: Path) -> None:
    lab.end()
    _closed(lab, uri, tmp_path).close_study()
    _closed(lab, uri, tmp_path)
    assert [item.version for item in connect(uri).search_model_versions("name = 'digits'")] == [1]


def test_a_study_that_may_go_on_has_no_champion_yet(lab: Lab, uri: str, tmp_path: Path) -> None:
    lab.end(StudyState.INTERRUPTED)
    _closed(lab, uri, tmp_path)
    assert lab.study.champion is None
    assert connect(uri).search_registered_models() == []


def test_a_new_best_gets_a_version_and_the_alias(lab: Lab, uri: str, tmp_path: Path) -> None:
    lab.end()
    _closed(lab, uri, tmp_path)
    lab.change(replace(lab.study, state=StudyState.RUNNING))
    lab.finish(3)
    lab.end()
    _closed(lab, uri, tmp_path)
    assert (lab.study.model_uri, lab.study.champion) == ("models:/digits/2", 3)
    assert connect(uri).get_model_version_by_alias("digits", "champion").tags["goodfit.trial"] == "3"


def test_a_model_that_cannot_be_rebuilt_leaves_its_checkpoint_with_the_study(
    lab: Lab, uri: str, tmp_path: Path
) -> None:
    def checkpoint(trial: Trial, folder: Path) -> Path:
        (folder / "best.pt").write_text("weights")
        return folder / "best.pt"

    lab.end()
    _closed(lab, uri, tmp_path, export_model=checkpoint)
    client = connect(uri)
    assert [item.path for item in client.list_artifacts(lab.study.mlflow_run_id or "", "checkpoint")] == [
        "checkpoint/best.pt"
    ]
    assert client.search_registered_models() == []
    assert (lab.study.model_uri, lab.study.champion) == (None, 1)


def test_without_any_model_the_champion_is_still_named(lab: Lab, uri: str, tmp_path: Path) -> None:
    lab.end()
    _closed(lab, uri, tmp_path, export_model=lambda trial, folder: None)
    assert (lab.study.model_uri, lab.study.champion) == (None, 1)


def test_a_study_without_a_complete_trial_has_no_champion(uri: str, tmp_path: Path) -> None:
    lab = Lab(tmp_path / "failed")
    lab.end(StudyState.FAILED)
    _closed(lab, uri, tmp_path)
    assert lab.study.champion is None
    lab.store.close()


def test_a_registered_model_of_somebody_else_is_left_alone(lab: Lab, uri: str, tmp_path: Path) -> None:
    connect(uri).create_registered_model("digits")
    lab.end()
    _closed(lab, uri, tmp_path)
    assert lab.study.model_uri == "models:/digits-2/1"
    assert connect(uri).search_model_versions("name = 'digits'") == []


def test_a_model_that_fails_to_export_is_told_and_tried_again(lab: Lab, uri: str, tmp_path: Path) -> None:
    attempts = []

    def export(trial: Trial, folder: Path) -> ModelExport:
        attempts.append(trial.number)
        if len(attempts) == 1:
            raise FileNotFoundError("no best.pt")
        return export_doubler(trial, folder)

    lab.end()
    mirror = mirror_of(lab, uri, tmp_path, export_model=export)
    mirror.sync()
    with pytest.raises(TrackingError, match=r"the model of trial 1 cannot be exported: no best\.pt"):
        mirror.close_study()
    mirror.close_study()
    assert attempts == [1, 1]
    assert lab.study.model_uri == "models:/digits/1"
