"""What training does about differences between groups: weights, draws, thresholds, an adversary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from goodfit.testing.attempts import attempt
from goodfit.trainers.data_specs import GroupSpec
from goodfit.trainers.groups.adversary import Adversary, log_odds
from goodfit.trainers.groups.columns import GroupColumns
from goodfit.trainers.groups.facts import Groups
from goodfit.trainers.groups.metrics import group_metrics
from goodfit.trainers.groups.thresholds import fitted_thresholds, thresholded
from goodfit.trainers.groups.weights import balanced_parts, reweighing
from goodfit.trainers.messages import DataSpec, Outcome
from goodfit.trainers.prediction.model_folder import load_model, read_facts, save_model
from goodfit.trainers.training.rare_classes import drawn_order

PARAMS = {"width": 16, "depth": 1, "learning_rate": 0.01, "batch_size": 64}


def biased(rows: int = 2500, seed: int = 0) -> pd.DataFrame:
    """Who is good, and who was judged to be: of one sex fewer, of equal merit."""
    random = np.random.default_rng(seed)
    sex = random.choice(["f", "m"], rows, p=[0.4, 0.6])
    merit = random.normal(size=rows)
    judged = merit + 1.3 * (sex == "m") + random.normal(0, 0.7, rows)
    hint = merit + random.normal(0, 0.4, rows)
    return pd.DataFrame(
        {
            "merit": hint,
            "height": random.normal(0, 0.5, rows) + (sex == "m"),
            "sex": sex,
            "hired": np.where(judged > 0.6, "yes", "no"),
        }
    )


def spec_of(folder: Path, **groups: Any) -> DataSpec:
    path = folder.parent / f"{folder.name}.csv"
    biased().to_csv(path, index=False)
    return DataSpec(str(path), "hired", fairness=GroupSpec(by=("sex",), **groups))


def last(folder: Path, epochs: int = 6, **groups: Any) -> dict[str, float]:
    """The metrics of the last epoch of a small net."""
    line = attempt(folder, params=PARAMS, data=spec_of(folder, **groups), epochs=epochs)
    assert line.ended.outcome is Outcome.COMPLETE, line.ended
    return dict(line.reports[-1].metrics)


def scored(rows: int = 3000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores that promise one group more than another."""
    random = np.random.default_rng(0)
    codes = random.integers(0, 2, rows)
    y = (random.random(rows) < 0.3 + 0.2 * codes).astype(int)
    scores = 1 / (1 + np.exp(-(2.5 * (y - 0.5) + codes - 0.5 + random.normal(0, 1.2, rows))))
    return scores, y, codes


def two(**spec: Any) -> Groups:
    columns = GroupColumns((("f", "m"),), np.array([[0], [1]]))
    return Groups.of(GroupSpec(by=("sex",), **spec), columns, "classification", ("no", "yes"), "-")[0]


def test_weights_make_group_and_class_independent() -> None:
    y, codes = np.array([1, 1, 1, 0, 1, 0, 0, 0]), np.array([0, 0, 0, 0, 1, 1, 1, 1])
    weights = reweighing(y, codes)
    assert weights.mean() == pytest.approx(1)
    assert weights[0] == pytest.approx(0.5 * 0.5 / (3 / 8))  # Kamiran and Calders: P(s) P(y) / P(s, y)
    weighted = [np.average(y[codes == code], weights=weights[codes == code]) for code in (0, 1)]
    assert weighted == pytest.approx([0.5, 0.5])


def test_groups_are_drawn_equally_often_with_the_classes_of_all_rows() -> None:
    y, codes = np.array([1] * 60 + [0] * 20 + [1] * 5 + [0] * 15), np.repeat([0, 2], [80, 20])
    places, shares = balanced_parts(y, codes, equal_classes=False)
    order = drawn_order(3, 1, torch.from_numpy(places), shares.tolist()).numpy()
    assert len(order) == 100
    assert np.bincount(codes[order]).tolist() == pytest.approx([50, 0, 50], abs=1)
    assert [y[order][codes[order] == code].mean() for code in (0, 2)] == pytest.approx([0.65, 0.65], abs=0.02)
    assert balanced_parts(y, codes, equal_classes=True)[1] == pytest.approx([0.25] * 4)
    assert balanced_parts(np.array([0, 0, 1]), np.array([0, 1, 1]), equal_classes=False)[1] == pytest.approx(
        [1 / 2, 1 / 3, 1 / 6]
    )


@pytest.mark.parametrize(
    ("rule", "metric", "least"),
    [
        ("demographic_parity", "demographic_parity_difference", 0.01),
        ("equalized_odds", "equalized_odds_difference", 0.05),
    ],
)
def test_thresholds_take_the_difference_away_where_they_are_chosen(rule: str, metric: str, least: float) -> None:
    scores, y, codes = scored()
    groups = two(thresholds=rule)
    before = group_metrics((scores >= 0.5).astype(int), y, scores, codes, groups, by_group=False)
    thresholds = fitted_thresholds(scores, y, codes, groups)
    chosen = thresholded(scores, codes, thresholds).astype(int)
    after = group_metrics(chosen, y, scores, codes, groups, by_group=False)
    assert before[metric] > 0.15
    assert after[metric] <= least + 1e-9
    assert (chosen == y).mean() > ((scores >= 0.5) == y).mean() - 0.03
    assert thresholds[0] < thresholds[1]


def test_thresholds_of_tiny_groups_and_of_equal_scores() -> None:
    groups = two(thresholds="equalized_odds")
    y, codes = np.array([0, 1, 0, 1, 1]), np.array([0, 0, 0, 0, 1])
    found = fitted_thresholds(np.full(5, 0.7), y, codes, groups)
    assert np.isfinite(found).all()
    nobody = two(thresholds="demographic_parity")
    assert not thresholded(np.full(5, 0.1), codes, fitted_thresholds(np.full(5, 0.1), y, codes, nobody)).any()
    assert thresholded(np.array([0.6, 0.4]), np.array([-1, -1]), found).tolist() == [True, False]


def test_the_adversary_learns_the_group_and_its_gradient_reaches_the_model_reversed() -> None:
    torch.manual_seed(0)
    groups, codes = two(mitigation="adversarial", strength=3.0), torch.tensor([0, 1] * 50)
    adversary = Adversary(groups, codes)
    outputs = torch.randn(100, 2, requires_grad=True)
    loss = adversary(outputs, torch.zeros(100, dtype=torch.int64), codes)
    (reversed_gradient,) = torch.autograd.grad(loss, outputs)
    plain = outputs.detach().clone().requires_grad_()
    score = log_odds(plain, 1)
    guess = adversary._head(torch.stack([score, score * 0, score], dim=1))
    (gradient,) = torch.autograd.grad(torch.nn.functional.cross_entropy(guess, codes), plain)
    assert torch.allclose(reversed_gradient, -3.0 * gradient, atol=1e-7)
    assert log_odds(torch.tensor([[1.0, 3.0]]), 1).item() == pytest.approx(2.0)


def test_each_mitigation_lowers_the_equalized_odds_difference(tmp_path: Path) -> None:
    ways: dict[str, dict[str, Any]] = {
        "none": {},
        "reweighing": {"mitigation": "reweighing"},
        "adversarial": {"mitigation": "adversarial", "strength": 2.0},
        "thresholds": {"thresholds": "equalized_odds"},
        "both": {"mitigation": "sampling", "thresholds": "demographic_parity"},
    }
    found = {name: last(tmp_path / name, **groups) for name, groups in ways.items()}
    odds = {name: metrics["val/equalized_odds_difference"] for name, metrics in found.items()}
    assert odds["none"] > 0.2
    assert odds["reweighing"] < 0.7 * odds["none"]
    assert odds["adversarial"] < 0.7 * odds["none"]
    assert odds["thresholds"] < 0.7 * odds["none"]
    assert found["both"]["val/demographic_parity_difference"] < 0.5 * found["none"]["val/demographic_parity_difference"]
    assert "train/equalized_odds_difference" in found["none"]
    assert not [name for name in found["none"] if name.startswith("train/") and ":" in name]


def test_a_model_with_thresholds_predicts_by_the_group_of_each_row(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, thresholds="demographic_parity")
    spec = DataSpec(spec.source, "hired", ignore=("sex",), fairness=spec.fairness)
    line = attempt(tmp_path, params=PARAMS, data=spec, epochs=3, test=True)
    assert line.ended.outcome is Outcome.COMPLETE, line.ended
    assert {"equalized_odds_difference", "tpr/sex:f"} <= set(line.ended.test or {})
    save_model(tmp_path / "model", "mlp", PARAMS, read_facts(tmp_path), tmp_path / "best.pt")
    model = load_model(tmp_path / "model")
    frame = biased()
    predicted = pd.Series(model.predict(frame))
    shares = (predicted == "yes").groupby(frame["sex"]).mean()
    assert abs(shares["f"] - shares["m"]) < 0.06
    plain = (model.predict_proba(frame)[:, 1] >= 0.5) == (predicted == "yes").to_numpy()
    assert not plain.all()
    assert set(model.example().columns) == {"merit", "height", "sex"}
    assert len(model.predict(model.example())) == 1
    unknown = frame.head(3).assign(sex="x")
    with pytest.warns(UserWarning, match="groups that the data had not") as warned:
        found = model.predict(unknown)
    assert (found == np.where(model.predict_proba(unknown)[:, 1] >= 0.5, "yes", "no")).all()
    assert [str(one.message) for one in warned] == [
        "the rows to predict: 3 of 3 are of groups that the data had not in training, and are predicted by the usual "
        "threshold of 0.5: sex:x"
    ]
    assert warned[0].filename == __file__
