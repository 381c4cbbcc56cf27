"""A trained model that takes raw rows, and its folder on disk."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import datasets

from goodfit.testing.attempts import attempt
from goodfit.trainers.data import load, load_test
from goodfit.trainers.errors import BadTrainer, DataProblem
from goodfit.trainers.messages import DataSpec
from goodfit.trainers.prediction.model_folder import _load_pyfunc, facts_if_any, load_model, read_facts, save_model
from goodfit.trainers.prediction.predictor import Predictor
from goodfit.trainers.training.loop import Tensors, evaluate
from tests.training import DIABETES, DIGITS

CANCER = DataSpec("breast_cancer")


def trained(folder: Path, spec: DataSpec, trainer: str = "mlp", params: dict[str, Any] | None = None) -> Path:
    """The model folder of a trial of a few epochs."""
    params = params or {"width": 16, "depth": 1}
    line = attempt(
        folder / "trial", data=spec, trainer=trainer, params=params, epochs=5, metric="val/loss", direction="minimize"
    )
    assert line.ended.message is None
    save_model(folder / "model", trainer, params, read_facts(folder / "trial"), folder / "trial" / "best.pt")
    return folder / "model"


@pytest.fixture(scope="module")
def cancer(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return load_model(trained(tmp_path_factory.mktemp("cancer"), CANCER))


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    table: pd.DataFrame = datasets.load_breast_cancer(as_frame=True).data
    return table


def test_it_predicts_class_labels_from_raw_rows(cancer: Predictor, frame: pd.DataFrame) -> None:
    truth = datasets.load_breast_cancer()
    labels = cancer.predict(frame)
    assert set(labels) == {"malignant", "benign"}
    assert (labels == truth.target_names[truth.target]).mean() > 0.9


def test_a_row_of_a_table_is_predicted_alike_whichever_stand_beside_it(cancer: Predictor, frame: pd.DataFrame) -> None:
    together = cancer.predict_proba(frame)
    alone = np.concatenate([cancer.predict_proba(frame.iloc[[row]]) for row in range(20)])
    assert np.abs(together[:20] - alone).max() < 1e-14
    assert next(cancer.module.parameters()).dtype == torch.float32


def test_a_module_of_single_precision_alone_predicts_in_it(cancer: Predictor, frame: pd.DataFrame) -> None:
    class Single(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.float() @ torch.ones(30, 2)

    class Uncopied(Single):
        def __deepcopy__(self, memo: object) -> None:
            raise TypeError("cannot be copied")

    for module in (Single(), Uncopied()):
        found = Predictor(module, cancer.facts, "own", {}).predict_proba(frame)
        assert np.allclose(found, 0.5)


def test_arrays_and_frames_in_any_order_with_more_columns_are_predicted_alike(
    cancer: Predictor, frame: pd.DataFrame
) -> None:
    chances = cancer.predict_proba(frame.to_numpy())
    assert np.array_equal(cancer.predict_proba(frame[frame.columns[::-1]].assign(extra="text")), chances)
    assert chances.shape == (569, 2)
    assert chances.sum(axis=1) == pytest.approx(np.ones(569))
    assert (np.array(cancer.facts.classes)[chances.argmax(axis=1)] == cancer.predict(frame)).all()


def test_it_predicts_as_the_trial_did(tmp_path: Path) -> None:
    predictor = load_model(trained(tmp_path, replace(DIABETES, scale="minmax")))
    data = load(replace(DIABETES, scale="minmax"))
    reported = json.loads((tmp_path / "trial" / "facts.json").read_text())
    assert predictor.facts.to_dict()["rows"] == reported["rows"]
    raw = load(replace(DIABETES, scale="none")).validation.x
    told = predictor.predict(raw)
    best = evaluate(predictor.module, Tensors.of(data.validation, torch.device("cpu")), data.facts)
    error = told - data.preparation.original(data.validation.y)
    assert float(np.sqrt((error**2).mean())) == pytest.approx(best["rmse"], rel=1e-4)
    assert told.mean() == pytest.approx(152, abs=40)


def test_images_are_predicted_as_integers_in_any_of_their_shapes(tmp_path: Path) -> None:
    predictor = load_model(trained(tmp_path, DIGITS, "cnn", {"width": 8, "depth": 2, "learning_rate": 0.01}))
    digits = datasets.load_digits()
    labels = predictor.predict(digits.images)
    assert labels.dtype == np.int64
    assert (labels == digits.target).mean() > 0.8
    for shaped in (digits.images[:, None], digits.images[..., None]):
        assert np.array_equal(predictor.predict(shaped), labels)
    with pytest.raises(DataProblem, match=r"the images to predict are \(rows, 1, 8, 8\), not \(2, 9, 9\)"):
        predictor.predict(np.zeros((2, 9, 9)))


def test_boolean_classes_are_predicted_as_booleans(tmp_path: Path) -> None:
    pd.DataFrame({"a": np.arange(40.0), "y": np.arange(40) > 19}).to_csv(tmp_path / "flags.csv", index=False)
    predictor = load_model(trained(tmp_path, DataSpec(str(tmp_path / "flags.csv"), "y")))
    assert predictor.predict(np.array([[0.0], [39.0]])).dtype == bool


def test_missing_values_are_filled_as_in_training(tmp_path: Path) -> None:
    pd.DataFrame({"a": [None, *range(1, 40)], "y": np.arange(40.0)}).to_csv(tmp_path / "gaps.csv", index=False)
    spec = DataSpec(str(tmp_path / "gaps.csv"), "y", missing="median")
    predictor = load_model(trained(tmp_path, spec))
    (fill,) = predictor.facts.preparation.fill or ()
    assert predictor.predict(np.array([[np.nan]])) == pytest.approx(predictor.predict(np.array([[fill]])))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame.drop(columns="mean area"), "lack the columns mean area"),
        (lambda frame: frame.to_numpy()[:, :3], r"are \(rows, 30\), not \(569, 3\)"),
        (lambda frame: frame.to_numpy()[0], r"are \(rows, 30\), not \(30,\)"),
        (lambda frame: frame.assign(**{"mean area": np.nan}), "column mean area: 569 values missing"),
        (lambda frame: frame.assign(**{"mean area": np.inf}), "column mean area: 569 values infinite"),
        (lambda frame: frame.assign(**{"mean area": "large"}), "not numbers: mean area"),
    ],
)
def test_rows_that_do_not_fit_are_refused(cancer: Predictor, frame: pd.DataFrame, change: Any, said: str) -> None:
    with pytest.raises(DataProblem, match=said):
        cancer.predict(change(frame))


def test_a_regression_has_no_probabilities(tmp_path: Path) -> None:
    predictor = load_model(trained(tmp_path, DIABETES))
    with pytest.raises(DataProblem, match="have no class probabilities"):
        predictor.predict_proba(predictor.example())


@pytest.mark.parametrize(("spec", "trainer"), [(CANCER, "mlp"), (DIGITS, "cnn")])
def test_the_example_is_a_row_that_can_be_predicted(tmp_path: Path, spec: DataSpec, trainer: str) -> None:
    predictor = load_model(trained(tmp_path, spec, trainer))
    assert predictor.predict(predictor.example()).shape == (1,)


def test_the_weights_are_those_of_the_best_epoch(tmp_path: Path) -> None:
    model = load_model(trained(tmp_path, CANCER)).module.state_dict()
    best = torch.load(tmp_path / "trial" / "best.pt", weights_only=True)["model"]
    assert all(torch.equal(model[name], best[name]) for name in best)


def test_mlflow_loads_a_model_folder_by_its_loader(tmp_path: Path) -> None:
    folder = trained(tmp_path, DIABETES)
    model = _load_pyfunc(str(folder))
    assert not model.module.training
    assert np.array_equal(model.predict(model.example()), load_model(folder).predict(model.example()))


TRAINER = """
from torch import nn
from goodfit.trainers.training.supervised import SupervisedConfig, supervised

@supervised("own", SupervisedConfig)
def own(config, facts):
    return nn.Linear(facts.inputs, facts.outputs)
"""


def test_a_model_of_a_users_own_file_stands_alone(tmp_path: Path) -> None:
    file = tmp_path / "own_trainer.py"
    file.write_text(TRAINER)
    folder = trained(tmp_path, CANCER, f"{file}:own", {"learning_rate": 0.01})
    expected = load_model(folder).predict_proba(load_model(folder).example())
    file.unlink()
    predictor = load_model(folder.rename(tmp_path / "elsewhere"))
    assert predictor.trainer == "trainer.py:own"
    assert predictor.params == {"learning_rate": 0.01}
    assert np.array_equal(predictor.predict_proba(predictor.example()), expected)


def test_a_trainer_that_declares_no_build_cannot_be_saved(tmp_path: Path) -> None:
    file = tmp_path / "plain.py"
    file.write_text("def train(trial): ...")
    with pytest.raises(BadTrainer, match=r"plain\.py:train declares no build=, so its model cannot be rebuilt"):
        save_model(tmp_path / "model", f"{file}:train", {}, load(CANCER).facts, tmp_path / "best.pt")
    assert not (tmp_path / "model").exists()


def test_a_folder_that_holds_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadTrainer, match=r"is no model folder: it has no model\.json"):
        load_model(tmp_path)


def test_a_model_of_a_later_format_is_refused(tmp_path: Path) -> None:
    folder = trained(tmp_path, CANCER)
    about = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**about, "format": 99}))
    with pytest.raises(BadTrainer, match="of format 99; this version reads 1"):
        load_model(folder)


def test_weights_that_do_not_fit_the_trainer_are_refused(tmp_path: Path) -> None:
    folder = trained(tmp_path, CANCER)
    about = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**about, "params": {"width": 3, "depth": 1}}))
    with pytest.raises(BadTrainer, match="do not fit what trainer mlp builds now"):
        load_model(folder)


def test_the_test_rows_are_scored_as_they_were_prepared(tmp_path: Path) -> None:
    predictor = load_model(trained(tmp_path, CANCER))
    test, raw = load_test(CANCER), load_test(replace(CANCER, scale="none"))
    metrics = evaluate(predictor.module, Tensors.of(test, torch.device("cpu")), predictor.facts)
    truth = np.array(predictor.facts.classes)[test.y]
    # Raw rows come back as float32, which can move a row that lies on the boundary.
    assert (predictor.predict(raw.x) == truth).mean() == pytest.approx(metrics["accuracy"], abs=0.02)


NET = """
import torch
from goodfit import register

def build(config, facts):
    assert facts is None
    return torch.nn.Linear(2, 3)

@register("bare", build=build)
def train(trial):
    model = build(trial.config, None)
    trial.restore(model)
    for epoch in trial.epochs():
        trial.report(val={"loss": 1 / epoch})
"""


def test_a_model_of_a_study_without_data_is_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goodfit.trainers.registry._registered", {})
    (tmp_path / "net.py").write_text(NET)
    reference = f"{tmp_path}/net.py:train"
    attempt(tmp_path / "trial", trainer=reference, metric="val/loss", direction="minimize")
    assert facts_if_any(tmp_path / "trial") is None
    save_model(tmp_path / "model", reference, {}, None, tmp_path / "trial" / "best.pt")
    predictor = load_model(tmp_path / "model")
    rows = torch.ones(4, 2)
    with torch.no_grad():
        assert np.array_equal(predictor.predict(rows), predictor.module(rows).numpy())
    with pytest.raises(DataProblem, match="call its module yourself"):
        predictor.predict(torch.ones(4, 5))
    with pytest.raises(DataProblem, match="names no data"):
        predictor.predict_proba(rows)
    with pytest.raises(DataProblem, match="names no data"):
        predictor.example()
    with pytest.raises(AttributeError, match="has no 'facts': its study names no data"):
        _ = predictor.facts
    assert repr(predictor) == f"<Linear by {predictor.trainer}>"


def test_a_model_finds_what_its_trainer_imported_from_beside_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr("goodfit.trainers.registry._registered", {})
    monkeypatch.setattr("goodfit.trainers.importing._folders", [])
    (tmp_path / "study" / "code").mkdir(parents=True)
    file = tmp_path / "study" / "code" / "größe 1.py"
    file.write_text(NET.replace("import torch", "import beside_the_study, torch", 1))
    (tmp_path / "study" / "beside_the_study.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path / "study"))
    checkpoint = tmp_path / "best.pt"
    torch.save({"epoch": 1, "model": torch.nn.Linear(2, 3).state_dict()}, checkpoint)
    save_model(tmp_path / "model", f"{file}:train", {}, None, checkpoint, [str(tmp_path / "study")])
    shutil.rmtree(tmp_path / "study")
    del sys.modules["beside_the_study"]
    assert load_model(tmp_path / "model").trainer == "code/code/größe 1.py:train"


def test_a_build_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goodfit.trainers.registry._registered", {})
    (tmp_path / "net.py").write_text(NET.replace("assert facts is None", "facts.inputs"))
    checkpoint = tmp_path / "best.pt"
    torch.save({"epoch": 1, "model": {}}, checkpoint)
    save_model(tmp_path / "model", f"{tmp_path}/net.py:train", {}, None, checkpoint)
    with pytest.raises(BadTrainer, match=r"build of trainer trainer\.py:train raises AttributeError: 'NoneType'"):
        load_model(tmp_path / "model")
