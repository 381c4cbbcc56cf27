"""The examples on tables, images and series, shortened: what their winners do on rows that the search never saw.

Texts are in test_examples_of_texts.py, generators and reinforcement learning in test_examples_that_generate.py.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from goodfit.service import app
from goodfit.service.spec import read
from tests.shortened import EXAMPLES, searched, unseen

pytestmark = pytest.mark.e2e
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.yaml"))


@pytest.mark.parametrize("example", NAMES)
def test_every_example_is_valid(example: str) -> None:
    if example == "rl":
        pytest.importorskip("stable_baselines3", reason="Stable-Baselines3 is not installed")
    assert app.check(read(EXAMPLES / f"{example}.yaml")).spec.planned_trials()


def test_every_example_is_run_by_a_test() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    run = set(re.findall(r'(?:searched\(\s*|^ +\()"([\w-]+)"', tests, re.MULTILINE))
    assert set(NAMES) <= run | {"digits"}, "digits is run by test_main_job.py, with all that Goodfit has"


def test_a_net_for_a_table_is_far_above_the_majority_class(tmp_path: Path) -> None:
    study = searched(
        "mlp",
        tmp_path,
        "training.epochs=8",
        "budget.trials=6",
        "pruning.n_startup_trials=2",
        "pruning.n_warmup_steps=3",
    )
    found, trivial = unseen(study)
    assert found["accuracy"] > trivial["accuracy"] + 0.3
    assert found["loss"] < trivial["loss"] / 3
    assert study.best().value < trivial["loss"] / 3


def test_digits_with_wrong_labels_are_found_and_left_out(tmp_path: Path) -> None:
    study = searched("noisy_labels", tmp_path, "training.epochs=3", "budget.trials=3", "confirm.seeds=1")
    best = study.best()
    assert best.params["data.labels"] in ("keep", "drop", "reweigh")
    assert best.value > 0.5
    assert best.test is not None


def test_credit_is_given_alike_and_what_that_costs_is_told(tmp_path: Path) -> None:
    study = searched("credit", tmp_path, "training.epochs=6", "budget.trials=6", "confirm.seeds=2")
    best = study.best()
    assert study.one(best.trial).feasible
    audit = study.fairness()
    assert audit.measured_on == "the test split, 2 seeds"
    assert set(audit.to_frame().index) == {"sex:female", "sex:male"}
    assert {one.seeds for one in audit.costs} == {2}
    plain = next(one for one in audit.costs if (one.mitigation, one.thresholds) == ("none", "none"))
    assert plain.metrics["equalized_odds_difference"].value > audit.differences["equalized_odds_difference"].value
    assert "val/tpr/sex:female" in study.curve(best.trial)
    assert "What mitigation costs" in study.report_html()
    assert "sex:female" in study.report_html()
    assert study.predictions("test").shape == (1250, 2)
    explained = study.explain(rows=range(40))
    assert set(explained.values.columns) == {"age", "income", "debts", "part_time", "late_payments"}
    assert explained.values["age"].abs().mean() < explained.values["debts"].abs().mean(), "age says nothing of itself"
    assert all(check.passed for check in explained.checks)
    assert "| sex:female |" in study.card(tmp_path / "card")["files"]["README.md"]


def test_a_regression_explains_a_good_part_of_the_variance(tmp_path: Path) -> None:
    study = searched("diabetes", tmp_path, "training.epochs=15", "budget.trials=5")
    found, trivial = unseen(study)
    assert found["r2"] > 0.38 > trivial["r2"]
    assert found["rmse"] < 0.8 * trivial["rmse"]


def test_a_grid_has_each_point_once_and_its_best_is_far_above_the_majority_class(tmp_path: Path) -> None:
    study = searched("iris_grid", tmp_path, "training.epochs=8", "search.seed=1")
    points = {tuple(sorted(trial.params.items())) for trial in study.records()}
    assert len(points) == len(study.records()) == 18
    found, trivial = unseen(study)
    assert found["accuracy"] > trivial["accuracy"] + 0.4
    assert found["loss"] < trivial["loss"] / 3


def test_a_confirmed_winner_holds_on_the_test_split_though_the_nets_overfit(tmp_path: Path) -> None:
    study = searched("overfit", tmp_path, "training.epochs=20", "budget.trials=6", "confirm={top: 2, seeds: 2}")
    confirmed = [trial for trial in study.confirmations() if trial.test is not None]
    assert len(confirmed) == 4
    found, trivial = unseen(study)
    test = study.best().test
    assert test is not None
    assert test["mean"] is not None
    assert test["mean"] < trivial["loss"] / 2
    assert found["accuracy"] > trivial["accuracy"] + 0.2
    assert study.diagnosis()["winner"]["trial"] == study.best().trial


def test_turned_images_are_told_apart_and_the_search_reaches_into_their_turning(tmp_path: Path) -> None:
    study = searched("cnn", tmp_path, "training.epochs=6", "budget.trials=2")
    found, trivial = unseen(study)
    assert found["accuracy"] > 0.95 > 9 * trivial["accuracy"]
    turned = [trial.params["augment.rotate"] for trial in study.records()]
    assert turned[0] == 10, "the file's own value is tried first"
    assert 7 <= turned[1] <= 13
    assert turned[1] != 10


def test_images_are_read_row_by_row(tmp_path: Path) -> None:
    study = searched("rnn", tmp_path, "training.epochs=4", "budget.trials=2")
    found, trivial = unseen(study)
    assert found["accuracy"] > 0.7 > 5 * trivial["accuracy"]


def test_a_real_series_is_forecast_better_than_naively(tmp_path: Path) -> None:
    study = searched("forecast", tmp_path, "training.epochs=12", "budget.trials=3")
    found, trivial = unseen(study)
    assert found["naive_ratio"] < 0.9 * trivial["naive_ratio"]
    assert study.best().value < 0.95
