"""Metrics by group: equal to fairlearn's, and how sure they are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fairlearn import metrics as fairlearn
from sklearn.metrics import accuracy_score

from goodfit.trainers.data_specs import GroupSpec
from goodfit.trainers.groups.columns import read_groups
from goodfit.trainers.groups.facts import Groups
from goodfit.trainers.groups.intervals import bootstrapped, wilson
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


def test_the_bootstrap_from_counts_is_that_of_the_rows() -> None:
    random = np.random.default_rng(0)
    codes = np.repeat([0, 1], [300, 60])
    y = random.integers(0, 2, 360)
    predicted = np.where(random.random(360) < 0.75, y, 1 - y)
    groups, _ = groups_of(pd.DataFrame({"sex": np.where(codes, "m", "f")}))

    def odds(rows: np.ndarray) -> float:
        return group_metrics(predicted[rows], y[rows], np.zeros(len(rows)), codes[rows], groups, by_group=False)[
            "equalized_odds_difference"
        ]

    whole = group_metrics(predicted, y, np.zeros(360), codes, groups, by_group=True)
    rates = [
        {name.partition("/")[0]: value for name, value in whole.items() if name.endswith(f":{label}")} for label in "fm"
    ]
    found = bootstrapped(rates)["equalized_odds_difference"]
    drawn = [odds(np.concatenate([random.integers(0, 300, 300), random.integers(300, 360, 60)])) for _ in range(600)]
    assert found == pytest.approx(tuple(np.quantile(drawn, (0.025, 0.975))), abs=0.04)
    assert bootstrapped(rates) == bootstrapped(rates)
    assert not any(math.isnan(end) for ends in bootstrapped(rates).values() for end in ends)


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
    found = bootstrapped([few, other])
    low, high = found["equalized_odds_difference"]
    assert 0.5 < low < 0.9
    assert high == 1.0
    assert found["worst_group_accuracy"][0] == 0.0 < found["worst_group_accuracy"][1] < 0.4
    without = {key: value for key, value in few.items() if key != "tpr"} | {"base_rate": 0.0}
    assert bootstrapped([without, without])["equalized_odds_difference"][0] == 0.0  # of false positives alone
    many = {**few, "count": 10_000}
    assert bootstrapped([many, {**other, "count": 10_000}])["equalized_odds_difference"][0] > 0.998
