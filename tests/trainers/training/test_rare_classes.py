"""Imbalanced classes: the weights, the balanced draws, the metrics, and tables with text trained on end to end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import metrics

from goodfit.testing.attempts import Line, assign, attempt, clock, handle
from goodfit.trainers.data import load
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec, Outcome, Pack
from goodfit.trainers.prediction.model_folder import load_model, read_facts, save_model
from goodfit.trainers.prediction.predictor import Predictor
from goodfit.trainers.training.rare_classes import balanced_order, class_metrics, weighted_cross_entropy
from goodfit.trainers.training.supervised import SupervisedConfig, supervised
from goodfit.trainers.worker.worker import Worker
from tests.trainers.tables import customers, spec_of

RARE = torch.tensor([0] * 90 + [1] * 8 + [2] * 2)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_the_metrics_are_those_of_scikit_learn(classes: int) -> None:
    random = np.random.default_rng(classes)
    y, told = random.integers(0, classes - 1, 50), random.integers(0, classes, 50)
    got = class_metrics(torch.from_numpy(told), torch.from_numpy(y), classes)
    recalls = [(told[y == label] == label).mean() for label in np.unique(y)]
    assert got == {
        "accuracy": pytest.approx(metrics.accuracy_score(y, told)),
        "balanced_accuracy": pytest.approx(np.mean(recalls)),
        "f1": pytest.approx(metrics.f1_score(y, told, average="macro")),
    }


def test_an_epoch_of_balanced_draws_has_each_class_alike_and_each_rare_row_alike() -> None:
    order = balanced_order(3, 1, RARE, 3)
    assert len(order) == 100
    assert torch.bincount(RARE[order]).tolist() == [34, 33, 33]
    assert set(torch.bincount(order, minlength=100)[90:98].tolist()) == {4, 5}
    assert torch.bincount(order, minlength=100)[:90].max() == 1


def test_balanced_draws_depend_on_the_seed_and_the_epoch_alone() -> None:
    torch.manual_seed(0)
    first = balanced_order(3, 1, RARE, 3)
    torch.rand(100)
    assert torch.equal(first, balanced_order(3, 1, RARE, 3))
    assert not torch.equal(first, balanced_order(3, 2, RARE, 3))
    assert not torch.equal(first, balanced_order(4, 1, RARE, 3))


def test_weights_give_each_class_the_same_say() -> None:
    outputs = torch.zeros(100, 3)
    outputs[:, 0] = 4.0
    loss = weighted_cross_entropy(RARE, 3)(outputs, RARE, 0.0)
    each = torch.nn.functional.cross_entropy(outputs, RARE, reduction="none")
    assert loss == pytest.approx(
        float(torch.stack([each[label == RARE].mean() for label in range(3)]).mean()), rel=1e-5
    )


def recall_of_the_rare(folder: Path, balance: str) -> float:
    random = np.random.default_rng(0)
    y = random.random(1500) < 0.06
    frame = pd.DataFrame({"a": random.normal(0, 1, 1500) + 1.2 * y, "b": random.normal(0, 1, 1500) + 1.2 * y})
    frame["left"] = np.where(y, "yes", "no")
    folder.mkdir()
    spec = spec_of(folder, frame, balance=balance)
    line = attempt(folder / "trial", data=spec, epochs=8, metric="val/balanced_accuracy")
    assert line.ended.outcome is Outcome.COMPLETE
    return line.reports[-1].metrics["val/balanced_accuracy"]


def test_balancing_finds_the_rare_class(tmp_path: Path) -> None:
    plain = recall_of_the_rare(tmp_path / "none", "none")
    assert recall_of_the_rare(tmp_path / "weights", "weights") > plain + 0.1
    assert recall_of_the_rare(tmp_path / "sampling", "sampling") > plain + 0.1


@pytest.mark.parametrize("balance", ["weights", "sampling"])
@pytest.mark.parametrize("encode", ["onehot", "embedding"])
def test_a_resumed_trial_gives_the_same_curve(tmp_path: Path, balance: str, encode: str) -> None:
    spec = spec_of(tmp_path, customers(), balance=balance, encode=encode)
    whole = attempt(tmp_path / "whole", data=spec).curve
    first = attempt(tmp_path / "cut", data=spec, stop_after=1, checkpoint_epochs=1)
    assert len(first.curve) < len(whole)
    again = Line()
    Worker(again, clock(), capture=False).run(
        Pack((assign(tmp_path / "cut", data=spec, attempt=2, reported=len(first.curve)),))
    )
    assert first.curve + again.curve == whole


def trained(folder: Path, spec: DataSpec) -> Predictor:
    line = attempt(folder / "trial", data=spec, epochs=15, metric="val/balanced_accuracy")
    assert line.ended.outcome is Outcome.COMPLETE, line.ended.message
    save_model(folder / "model", "mlp", {}, read_facts(folder / "trial"), folder / "trial" / "best.pt")
    return load_model(folder / "model")


@pytest.mark.parametrize("encode", ["onehot", "embedding"])
def test_a_model_of_a_table_with_text_takes_raw_rows(tmp_path: Path, encode: str) -> None:
    frame = customers(600)
    predictor = trained(tmp_path, spec_of(tmp_path, frame, encode=encode, balance="weights", indicator=True))
    told = predictor.predict(frame.drop(columns="left"))
    assert metrics.balanced_accuracy_score(frame["left"], told) > 0.85, "it learns from the text"
    rows = frame.loc[:3, ["age", "city", "plan", "spend"]]
    assert (predictor.predict(rows.to_numpy(dtype=object)) == told[:4]).all()
    assert predictor.predict(predictor.example())[0] in ("no", "yes")
    new = rows.assign(city=["Quito", None, "Rome", "Rome"])
    assert len(predictor.predict_proba(new)) == 4, "a category that it has never seen is no error"


def test_a_trainer_without_embeddings_refuses_codes(tmp_path: Path) -> None:
    plain = supervised("plain", SupervisedConfig)(lambda config, facts: torch.nn.Linear(facts.inputs, facts.outputs))
    data = load(spec_of(tmp_path, customers(), encode="embedding"))
    with pytest.raises(DataProblem, match="trainer plain learns no embeddings of text columns"):
        plain.train(handle(tmp_path, Line(), data))


def test_weights_are_refused_where_the_trainer_has_a_loss_of_its_own(tmp_path: Path) -> None:
    def loss(outputs: Any, y: Any, smoothing: float) -> Any:
        return torch.nn.functional.cross_entropy(outputs, y)

    build = supervised("own-loss", SupervisedConfig, loss=loss)
    trainer = build(lambda config, facts: torch.nn.Linear(facts.inputs, facts.outputs))
    trial = handle(tmp_path, Line(), load(replace(DataSpec("iris"), balance="weights")))
    trial.config = SupervisedConfig()
    with pytest.raises(DataProblem, match=r"has a loss of its own; give `prepare: \{balance: sampling\}`"):
        trainer.train(trial)
