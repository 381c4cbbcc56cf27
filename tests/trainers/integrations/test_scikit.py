"""scikit-learn estimators as trainers, by partial_fit and by warm_start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from goodfit.testing.attempts import Line, assign, clock
from goodfit.trainers.data import load as load_data
from goodfit.trainers.errors import BadTrainer, DataProblem, NotResumable
from goodfit.trainers.integrations.scikit import fit, grow, load
from goodfit.trainers.messages import DataSpec, Outcome, Pack
from goodfit.trainers.seeding import seed_generators
from goodfit.trainers.trial import Config, Trial
from goodfit.trainers.worker.worker import Worker
from tests.training import DIABETES, DIGITS, IRIS

EXAMPLE = Path(__file__).parents[3] / "examples" / "bring_your_own" / "my_scikit.py"
CURVES: dict[str, dict[str, Any]] = {
    "linear": {"data": DIGITS, "params": {"alpha": 1e-4, "learning_rate": 0.05}},
    "boosting": {
        "data": DIABETES,
        "params": {"learning_rate": 0.1, "max_depth": 2, "subsample": 0.5},
        "metric": "val/r2",
    },
}


def trained(folder: Path, name: str, *, stop_after: int | None = None, pauses: bool = False, **changes: Any) -> Line:
    line = Line(stop_after, pauses=pauses)
    settings = {"trainer": f"{EXAMPLE}:{name}", "epochs": 5, **CURVES[name], **changes}
    Worker(line, clock(), capture=False).run(Pack((assign(folder, **settings),)))
    return line


def trial_of(folder: Path, spec: DataSpec | None, line: Line | None = None, **changes: Any) -> Trial:
    seed_generators(11, 0)
    data = load_data(spec) if spec else None
    return Trial(assign(folder, **changes), Config(), data, line or Line(), clock())


def test_partial_fit_learns_an_epoch_a_pass(tmp_path: Path) -> None:
    line = trained(tmp_path, "linear")
    assert (line.ended.outcome, line.ended.message) == (Outcome.COMPLETE, None)
    assert set(line.reports[0].metrics) == {"train/loss", "train/accuracy", "val/loss", "val/accuracy"}
    assert line.reports[-1].metrics["val/accuracy"] >= 0.9
    assert line.reports[-1].metrics["train/loss"] < 0.8 * line.reports[0].metrics["train/loss"]


def test_warm_start_grows_a_fixed_number_of_trees_an_epoch(tmp_path: Path) -> None:
    line = trained(tmp_path, "boosting")
    assert set(line.reports[0].metrics) == {
        f"{split}/{name}" for split in ("train", "val") for name in ("loss", "rmse", "mae", "r2")
    }
    assert line.reports[-1].metrics["val/r2"] >= 0.3
    assert len(load(tmp_path / "best.pt").estimators_) in {10, 20, 30, 40, 50}


@pytest.mark.parametrize("name", CURVES)
def test_pruning_stops_and_a_resumed_trial_gives_the_same_curve(tmp_path: Path, name: str) -> None:
    whole = trained(tmp_path / "whole", name)
    first = trained(tmp_path / "parts", name, stop_after=2)
    second = trained(tmp_path / "parts", name, attempt=2, reported=2)
    assert (len(first.reports), first.ended.outcome) == (2, Outcome.STOPPED)
    assert first.curve + second.curve == whole.curve


@pytest.mark.parametrize("name", CURVES)
def test_a_paused_trial_goes_on_in_another_worker_with_the_same_curve(tmp_path: Path, name: str) -> None:
    whole = trained(tmp_path / "whole", name)
    first = trained(tmp_path / "parts", name, pauses=True, pause_at=1)
    second = trained(tmp_path / "parts", name, reported=1, pause_at=2)
    assert (len(first.reports), first.ended.outcome) == (1, Outcome.STOPPED)
    assert first.reports[0].resumable
    assert first.curve + second.curve == whole.curve


def test_a_network_and_a_forest_resume_to_the_same_curve_too(tmp_path: Path) -> None:
    for name, estimator, train in [
        ("net", MLPClassifier, fit),
        ("forest", RandomForestClassifier, grow),
    ]:
        lines = [Line(), Line(stop_after=2), Line()]
        train(trial_of(tmp_path / name, IRIS, lines[0], epochs=4), estimator())
        stopped = trial_of(tmp_path / f"{name}-parts", IRIS, lines[1], epochs=4)
        train(stopped, estimator())
        stopped.save()
        train(trial_of(tmp_path / f"{name}-parts", IRIS, lines[2], epochs=4, attempt=2, reported=2), estimator())
        assert lines[1].curve + lines[2].curve == lines[0].curve


def test_regression_is_told_in_the_units_of_the_data(tmp_path: Path) -> None:
    line = Line()
    trial = trial_of(tmp_path, DIABETES, line, metric="val/loss", direction="minimize", epochs=1)
    grow(trial, GradientBoostingRegressor())
    metrics = line.reports[0].metrics
    assert trial.data is not None
    assert metrics["val/rmse"] == pytest.approx(metrics["val/loss"] ** 0.5 * trial.data.preparation.target_std)
    assert 30 < metrics["val/mae"] < 90, "the target goes from 25 to 346"


def test_an_estimator_without_probabilities_reports_accuracy_alone(tmp_path: Path) -> None:
    line = Line()
    fit(trial_of(tmp_path, IRIS, line, epochs=1), SGDClassifier(loss="hinge"))
    assert set(line.reports[0].metrics) == {"train/accuracy", "val/accuracy"}


def test_images_are_flattened(tmp_path: Path) -> None:
    trial = trial_of(tmp_path, DIGITS, epochs=1)
    fit(trial, SGDClassifier(loss="log_loss"))
    assert load(tmp_path / "best.pt").coef_.shape == (10, 64)


@pytest.mark.parametrize("epochs", [1, 3])
@pytest.mark.parametrize("estimator", [make_pipeline(StandardScaler(), SVC()), KNeighborsClassifier()])
def test_what_learns_in_one_go_has_one_epoch(tmp_path: Path, estimator: Any, epochs: int) -> None:
    line = Line()
    fit(trial_of(tmp_path, IRIS, line, epochs=epochs), clone(estimator))
    assert [report.epoch for report in line.reports] == [1]
    assert line.reports[0].metrics["val/accuracy"] >= 0.9
    assert load(tmp_path / "best.pt").predict(np.zeros((1, 4))).shape == (1,)


def test_the_best_estimator_is_loaded_again_as_it_was(tmp_path: Path) -> None:
    line = Line()
    trial = trial_of(tmp_path, IRIS, line, epochs=3)
    fit(trial, SGDClassifier(loss="log_loss"))
    assert trial.data is not None
    split = trial.data.validation
    accuracy = np.mean(load(tmp_path / "best.pt").predict(split.x) == split.y)
    assert accuracy == max(report.metrics["val/accuracy"] for report in line.reports)


@pytest.mark.parametrize(
    ("train", "estimator", "spec", "error", "told"),
    [
        (fit, 3, IRIS, BadTrainer, "int has no fit: give an estimator"),
        (grow, KMeans(), IRIS, BadTrainer, "KMeans has no warm_start"),
        (grow, SGDClassifier(), IRIS, BadTrainer, "SGDClassifier has no n_estimators, so it cannot grow"),
        (fit, SGDRegressor(), IRIS, DataProblem, "SGDRegressor is for regression, and iris is for classification"),
        (fit, SGDClassifier(), None, BadTrainer, "SGDClassifier needs data"),
    ],
)
def test_what_an_estimator_cannot_do_is_refused(
    tmp_path: Path, train: Any, estimator: Any, spec: DataSpec | None, error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        train(trial_of(tmp_path, spec), estimator)


def test_text_columns_kept_for_embeddings_are_refused_and_not_left_out(tmp_path: Path) -> None:
    trial = trial_of(tmp_path, IRIS)
    assert trial.data is not None
    train = replace(trial.data.train, codes=np.zeros((len(trial.data.train), 1), dtype=np.int64))
    trial.data = replace(trial.data, train=train)
    with pytest.raises(DataProblem, match="encode: onehot"):
        fit(trial, SGDClassifier())


@pytest.mark.parametrize(
    "train", [lambda trial: fit(trial, SGDClassifier()), lambda trial: grow(trial, RandomForestClassifier())]
)
def test_parameters_that_change_while_it_trains_are_refused(tmp_path: Path, train: Callable[[Trial], None]) -> None:
    with pytest.raises(NotResumable, match="scikit-learn estimator brings its former parameters back"):
        train(trial_of(tmp_path, IRIS, snapshots=2))


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("kind", "spec", "metric"), [("Classifier", IRIS, "val/accuracy"), ("Regressor", DIABETES, "val/r2")]
)
def test_nets_of_skorch_train_as_estimators(tmp_path: Path, kind: str, spec: DataSpec, metric: str) -> None:
    skorch = pytest.importorskip("skorch", reason="skorch is not installed")
    torch = pytest.importorskip("torch")
    data = load_data(spec)

    def net() -> Any:
        layers = torch.nn.Sequential(
            torch.nn.Linear(data.facts.inputs, 16), torch.nn.ReLU(), torch.nn.Linear(16, data.facts.outputs)
        )
        made = getattr(skorch, f"NeuralNet{kind}")
        loss = {"criterion": torch.nn.CrossEntropyLoss} if data.classes else {}
        return made(
            layers,
            max_epochs=1,
            train_split=None,
            lr=0.1,
            verbose=0,
            optimizer=torch.optim.Adam,
            optimizer__lr=0.02,
            **loss,
        )

    line = Line()
    direction = {"metric": metric, "direction": "maximize"}
    fit(trial_of(tmp_path, spec, line, epochs=12, **direction), net())
    values = [one.metrics[metric] for one in line.reports]
    assert len(values) == 12
    assert values[-1] > max(values[0], 0.3)
    stopped = Line(stop_after=5)
    trial = trial_of(tmp_path / "again", spec, stopped, epochs=12, **direction)
    fit(trial, net())
    trial.save()
    resumed = Line()
    fit(trial_of(tmp_path / "again", spec, resumed, epochs=12, attempt=2, reported=5, **direction), net())
    assert [one.metrics[metric] for one in (*stopped.reports, *resumed.reports)] == values
    assert load(tmp_path / "best.pt").predict(data.validation.x).shape[0] == len(data.validation)
