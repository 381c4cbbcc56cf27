"""Metrics by group: equal to fairlearn's, and how sure they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from fairlearn import metrics as fairlearn
from sklearn.metrics import accuracy_score

from goodfit.trainers.data_specs import GroupSpec
from goodfit.trainers.groups.columns import read_groups
from goodfit.trainers.groups.facts import Groups
from goodfit.trainers.groups.intervals import of_differences, wilson
from goodfit.trainers.groups.metrics import group_metrics, group_notes

CLOSE = {"rel": 0, "abs": 1e-12}


def groups_of(frame: pd.DataFrame, classes: tuple[str, ...] = ("no", "yes"), **spec: Any) -> tuple[Groups, np.ndarray]:
    given = GroupSpec(by=tuple(frame.columns), **spec)
    columns = read_groups({str(name): column for name, column in frame.items()}, given, "people.csv")
    return Groups.of(given, columns, "classification", classes, "people.csv")


def people(seed: int, rows: int, columns: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Groups, truths and predictions; each group has both truths."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"sex": random.choice(["f", "m"], rows)})
    if columns > 1:
        frame["age"] = random.choice(["young", "old", "middle"], rows)
    whole = frame.drop_duplicates()
    both = pd.concat([whole, whole])
    y = np.concatenate([random.integers(0, 2, rows), np.repeat([0, 1], len(whole))])
    return pd.concat([frame, both], ignore_index=True), y, random.integers(0, 2, len(y))


@pytest.mark.parametrize(("seed", "rows", "columns", "positive"), [(0, 40, 1, 1), (1, 300, 2, 0), (2, 12, 2, 1)])
def test_all_of_them_are_fairlearns(seed: int, rows: int, columns: int, positive: int) -> None:
    frame, y, predicted = people(seed, rows, columns)
    groups, codes = groups_of(frame, positive=("no", "yes")[positive])
    got = group_metrics(predicted, y, np.zeros(len(y)), codes, groups, by_group=True)
    truth, chosen = (y == positive).astype(int), (predicted == positive).astype(int)
    by = {"sensitive_features": frame}
    assert got["demographic_parity_difference"] == pytest.approx(
        fairlearn.demographic_parity_difference(truth, chosen, **by), **CLOSE
    )
    if chosen.any():
        ratio = fairlearn.demographic_parity_ratio(truth, chosen, **by)
        assert got["demographic_parity_ratio"] == pytest.approx(ratio, **CLOSE)
    odds = fairlearn.equalized_odds_difference(truth, chosen, **by)
    assert got["equalized_odds_difference"] == pytest.approx(odds, **CLOSE)
    rates = {
        "count": fairlearn.count,
        "selection_rate": fairlearn.selection_rate,
        "accuracy": accuracy_score,
        "tpr": fairlearn.true_positive_rate,
        "fpr": fairlearn.false_positive_rate,
    }
    for column in frame.columns:
        audit = fairlearn.MetricFrame(metrics=rates, y_true=truth, y_pred=chosen, sensitive_features=frame[column])
        for group, row in audit.by_group.iterrows():
            assert {rate: got[f"{rate}/{column}:{group}"] for rate in rates} == pytest.approx(dict(row), **CLOSE)
        if columns > 1:
            alone = fairlearn.equalized_odds_difference(truth, chosen, sensitive_features=frame[column])
            assert got[f"equalized_odds_difference/{column}"] == pytest.approx(alone, **CLOSE)
    if columns > 1:
        audit = fairlearn.MetricFrame(metrics=rates, y_true=truth, y_pred=chosen, sensitive_features=frame)
        for (sex, age), row in audit.by_group.dropna().iterrows():
            assert {rate: got[f"{rate}/sex:{sex}/age:{age}"] for rate in rates} == pytest.approx(dict(row), **CLOSE)
        assert got["worst_group_accuracy"] == pytest.approx(audit.group_min()["accuracy"], **CLOSE)


def test_a_group_without_positives_has_no_true_positive_rate_and_takes_no_part_in_it() -> None:
    frame = pd.DataFrame({"sex": ["f", "f", "m", "m", "x", "x"]})
    y, predicted = np.array([0, 1, 0, 1, 0, 0]), np.array([0, 1, 0, 1, 0, 1])
    groups, codes = groups_of(frame)
    got = group_metrics(predicted, y, np.full(6, 0.5), codes, groups, by_group=True)
    assert "tpr/sex:x" not in got
    assert (got["count/sex:x"], got["fpr/sex:x"], got["equalized_odds_difference"]) == (2, 0.5, 0.5)
    notes = list(group_notes("validation", y, codes, groups, ("no", "yes")))
    assert "fairness: the group sex:x has 2 rows in validation, none of class yes: no true positive rate" in notes


def test_the_calibration_gap_is_how_much_more_is_promised_to_one_group_than_to_another() -> None:
    frame = pd.DataFrame({"sex": ["f"] * 4 + ["m"] * 4})
    groups, codes = groups_of(frame)
    scores = np.array([0.9, 0.9, 0.5, 0.5, 0.3, 0.3, 0.3, 0.3])
    got = group_metrics(
        (scores > 0.5).astype(int), np.array([1, 0, 1, 0, 1, 0, 1, 0]), scores, codes, groups, by_group=True
    )
    assert got["calibration_error/sex:f"] == pytest.approx(0.2)
    assert got["calibration_error/sex:m"] == pytest.approx(-0.2)
    assert got["calibration_gap"] == pytest.approx(0.4)


def test_nobody_chosen_is_parity() -> None:
    groups, codes = groups_of(pd.DataFrame({"sex": ["f", "m"] * 4}))
    y = np.array([0, 0, 1, 1, 0, 0, 1, 1])
    got = group_metrics(np.zeros(8), y, np.zeros(8), codes, groups, by_group=False)
    assert (got["demographic_parity_difference"], got["demographic_parity_ratio"]) == (0, 1)
    assert not [name for name in got if ":" in name]


def test_wilsons_interval_is_wide_for_few_rows_and_within_0_and_1() -> None:
    assert wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(1.0, 5) == pytest.approx((0.5655, 1.0), abs=1e-4)
    assert wilson(0.3, 0) == (0, 1)
    assert wilson(0.3, 30)[1] - wilson(0.3, 30)[0] < 0.32


def rates_of(hits: np.ndarray, rows: int) -> list[dict[str, float]]:
    """Groups of which `hits` of so many positive, and as many of so many negative rows are predicted positive."""
    return [
        {
            "count": 2.0 * rows,
            "base_rate": 0.5,
            "tpr": tp / rows,
            "fpr": fp / rows,
            "selection_rate": (tp + fp) / (2 * rows),
            "accuracy": (tp + rows - fp) / (2 * rows),
        }
        for tp, fp in hits
    ]


@pytest.mark.parametrize(
    ("truth", "rows"),
    [([[0.8, 0.2]] * 4, 100), ([[0.8, 0.7]] * 6, 8), ([[0.8, 0.2], [0.7, 0.2]], 50), ([[0.8, 0.2], [0.4, 0.3]], 50)],
)
def test_intervals_hold_the_true_differences_also_of_groups_that_are_treated_alike(
    truth: list[list[float]], rows: int
) -> None:
    random, rates = np.random.default_rng(0), np.array(truth)
    selected, right = rates.mean(axis=1), (rates[:, 0] + 1 - rates[:, 1]) / 2
    true = {
        "demographic_parity_difference": np.ptp(selected),
        "demographic_parity_ratio": selected.min() / selected.max(),
        "equalized_odds_difference": np.ptp(rates, axis=0).max(),
        "worst_group_accuracy": right.min(),
    }
    held = dict.fromkeys(true, 0)
    for seed in range(100):
        found = of_differences(rates_of(random.binomial(rows, rates), rows), seed)
        for name, value in true.items():
            held[name] += found[name][0] - 1e-12 <= value <= found[name][1] + 1e-12
    assert min(held.values()) >= 88, held  # of 100 at 95% the standard deviation is 2.2


def test_intervals_are_nearer_with_more_rows_and_the_same_each_time() -> None:
    hits = np.array([[40, 10], [30, 10]])
    few, many = of_differences(rates_of(hits, 50)), of_differences(rates_of(hits * 100, 5000))
    assert few == of_differences(rates_of(hits, 50))
    for name, (low, high) in few.items():
        assert high - low > 5 * (many[name][1] - many[name][0])
    assert few["equalized_odds_difference"][0] < 0.05
    assert 0.15 < many["equalized_odds_difference"][0] < 0.2 < many["equalized_odds_difference"][1] < 0.25
    tiny = [*rates_of(hits * 10, 500), *rates_of(np.array([[1, 1]]), 2)]
    assert 0.1 < of_differences(tiny)["equalized_odds_difference"][0] < 0.2, "a tiny group does not blur the others"
    assert of_differences(rates_of(hits[:1], 50)) == {}


def test_a_rate_of_0_or_1_among_few_rows_is_not_certain() -> None:
    few: dict[str, float] = {
        "count": 12,
        "base_rate": 0.5,
        "selection_rate": 0.5,
        "accuracy": 1.0,
        "tpr": 1.0,
        "fpr": 0,
    }
    other = {**few, "accuracy": 0.0, "tpr": 0.0, "fpr": 1.0}
    found = of_differences([few, other])
    low, high = found["equalized_odds_difference"]
    assert 0.5 < low < 0.9
    assert high == 1.0
    assert found["worst_group_accuracy"][0] == 0.0 < found["worst_group_accuracy"][1] < 0.4
    without = {key: value for key, value in few.items() if key != "tpr"} | {"base_rate": 0.0}
    assert of_differences([without, without])["equalized_odds_difference"][0] == 0.0  # of false positives alone
    many = {**few, "count": 10_000}
    assert of_differences([many, {**other, "count": 10_000}])["equalized_odds_difference"][0] > 0.998
