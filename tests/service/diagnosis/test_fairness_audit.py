"""What a model does to groups, with intervals, and what each way of mitigation costs on the test split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from goodfit.service.cli.fairness import print_audit
from goodfit.service.diagnosis.confirmation import winner_of
from goodfit.service.diagnosis.fairness import _differences, audit_of, compared, groups_of, nearest
from goodfit.service.records import Trial, TrialState
from goodfit.service.scheduler.ending import confirmations_due
from goodfit.service.scheduler.events import Plan
from goodfit.service.spec import StudySpec, from_mapping
from goodfit.service.tracker.content import safe_name
from goodfit.trainers.groups.names import BY_GROUP, SUMMARY

WAYS = {"fairness.mitigation": ["none", "reweighing"], "fairness.thresholds": ["none", "equalized_odds"]}


@pytest.fixture
def spec(tmp_path: Any) -> StudySpec:
    (tmp_path / "people.csv").write_text("sex,score,hired\nf,1,yes\n")
    return from_mapping(
        {
            "name": "people",
            "trainer": "mlp",
            "data": {"source": "people.csv", "target": "hired"},
            "fairness": {"by": ["sex"]},
            "space": WAYS,
            "objective": {"metric": "val/accuracy", "direction": "maximize"},
            "constraints": ["val/equalized_odds_difference <= 0.1"],
            "training": {"epochs": 3},
            "budget": {"trials": 4},
        },
        tmp_path,
    )


def metrics(accuracy: float, odds: float, split: str = "") -> Mapping[str, float]:
    """Of 100 women and 200 men, half of them positive; the true positive rates differ by `odds`."""
    found = {"accuracy": accuracy, "equalized_odds_difference": odds, "worst_group_accuracy": accuracy}
    for name, count, tpr in (("sex:f", 100.0, 0.9 - odds), ("sex:m", 200.0, 0.9)):
        found |= {
            f"count/{name}": count, f"base_rate/{name}": 0.5, f"tpr/{name}": tpr, f"fpr/{name}": 0.2,
            f"selection_rate/{name}": (tpr + 0.2) / 2, f"accuracy/{name}": accuracy, f"calibration_error/{name}": 0.01,
        }  # fmt: skip
    return {split + name: value for name, value in found.items()}


def trial(number: int, way: tuple[str, str], value: float, odds: float, **changes: Any) -> Trial:
    plain: dict[str, Any] = {
        "state": TrialState.COMPLETE,
        "value": value,
        "best_epoch": 2,
        "violation": max(0.0, (odds - 0.1) / 0.1),
    }
    return Trial(number, dict(zip(WAYS, way, strict=True)), 1, **{**plain, **changes})


SEARCHED = [
    trial(0, ("none", "none"), 0.90, 0.3),
    trial(1, ("reweighing", "none"), 0.88, 0.05),
    trial(2, ("reweighing", "none"), 0.86, 0.05),
    trial(3, ("none", "equalized_odds"), 0.87, 0.2),
]


def confirmed() -> list[Trial]:
    """Each way on two seeds; the plain one is the most accurate on the test split, too."""
    tests = {0: (0.89, 0.3), 1: (0.87, 0.06), 3: (0.86, 0.15)}
    found = []
    for number, (score, odds) in tests.items():
        for turn in (0, 1):
            test = metrics(score + turn / 100, odds)
            again = {"confirms": number, "test": test}
            found.append(trial(10 + 2 * number + turn, ("none", "none"), 0.9, 0.0, **again))
    return found


def test_the_best_of_each_way_is_confirmed_with_the_best(spec: StudySpec) -> None:
    plan = Plan(spec.goal, 3, trials=4, confirm=(1, 2), contrast=spec.contrast)
    assert [one.number for one, _ in confirmations_due(plan, SEARCHED)] == [1, 1, 3, 3, 0, 0]
    alone = Plan(spec.goal, 3, trials=4, confirm=(1, 2))
    assert [one.number for one, _ in confirmations_due(alone, SEARCHED)] == [1, 1]


def test_what_breaks_a_constraint_does_not_win_though_it_is_confirmed(spec: StudySpec) -> None:
    winner = winner_of([*SEARCHED, *confirmed()], spec.goal)
    assert winner is not None
    assert winner.trial == 1


def test_costs_are_measured_on_the_test_split_beside_no_mitigation(spec: StudySpec) -> None:
    audit = audit_of(spec, [*SEARCHED, *confirmed()], 1, {})
    assert audit is not None
    assert (audit.measured_on, audit.costs_on) == ("the test split, 2 seeds", "the test split")
    assert [(one.trial, one.mitigation, one.thresholds, one.seeds) for one in audit.costs] == [
        (0, "none", "none", 2), (3, "none", "equalized_odds", 2), (1, "reweighing", "none", 2),
    ]  # fmt: skip
    plain, _, weighed = audit.costs
    assert plain.cost is None
    assert weighed.cost is not None
    assert weighed.gain is not None
    assert weighed.cost.value == pytest.approx(0.02)
    assert weighed.gain.value == pytest.approx(0.24)
    assert weighed.cost.low < 0.02 < weighed.cost.high  # type: ignore[operator]
    low, high = weighed.metrics["accuracy"].low, weighed.metrics["accuracy"].high
    assert 0.06 < high - low < 0.09  # type: ignore[operator]  # of 300 rows, and of seeds that differ by 0.01


def test_the_same_number_has_the_same_interval_in_the_head_and_beside_other_ways(spec: StudySpec) -> None:
    unlike = [replace(one, test=metrics(0.87, 0.06 + 0.02 * turn)) for turn, one in enumerate(confirmed()[2:4])]
    audit = audit_of(spec, [*SEARCHED, *confirmed()[:2], *unlike, *confirmed()[4:]], 1, {})
    assert audit is not None
    (shown,) = (one for one in audit.costs if one.trial == 1)
    odds = audit.differences["equalized_odds_difference"]
    assert shown.metrics["equalized_odds_difference"] == odds
    assert odds.value == pytest.approx(0.07)
    assert odds.low == 0.0 < odds.value < 0.15 < odds.high  # type: ignore[operator]
    assert audit.infeasible == ""


def test_a_trial_that_breaks_the_constraints_is_said_to_and_that_none_keeps_them(spec: StudySpec) -> None:
    name = "val/equalized_odds_difference"
    broken = [replace(SEARCHED[0], measured={name: 0.3}), replace(SEARCHED[3], measured={name: 0.2})]
    at_best = {number: metrics(0.9, 0.2, "val/") for number in (0, 1, 3)}
    none = audit_of(spec, broken, 3, at_best)
    assert none is not None
    assert none.infeasible == (
        "trial 3 breaks the constraints, and the study has no best trial: all 2 complete trials break the constraints; "
        f"the nearest is trial 3: {name} is 0.2, not <= 0.1. Loosen a bound, widen the space, or raise the budget"
    )
    other = audit_of(spec, [*broken, SEARCHED[1]], 0, at_best)
    assert other is not None
    assert other.infeasible == f"trial 0 breaks the constraints, so it cannot be the best: {name} is 0.3, not <= 0.1"


def test_a_change_has_the_sign_of_what_it_is_a_change_of(spec: StudySpec, capsys: pytest.CaptureFixture[str]) -> None:
    audit = audit_of(spec, [*SEARCHED, *confirmed()], 1, {})
    assert audit is not None
    print_audit(replace(audit, infeasible="it breaks a bound"))
    shown = capsys.readouterr().out
    assert shown.startswith("it breaks a bound\ntrial 1 on the test split, 2 seeds\n")
    words = shown.split()
    plain, worse = words.index("reweighing"), words.index("-0.020")
    assert plain < worse  # 0.87 of 0.89 is right
    assert "-0.240" in words  # the difference is 0.06 and not 0.3
    assert "changes are from training without mitigation: of accuracy + is better" in shown


def test_without_a_confirmation_it_is_validation_at_the_best_epoch(spec: StudySpec) -> None:
    at_best = {number: metrics(0.9, 0.1 * number, "val/") for number in (0, 1, 3)}
    audit = audit_of(spec, SEARCHED, 1, at_best)
    assert audit is not None
    assert (audit.measured_on, audit.costs_on) == ("validation, epoch 2", "validation")
    assert [one.seeds for one in audit.costs] == [0, 0, 0]
    odds = audit.differences["equalized_odds_difference"]
    assert odds.low < 0.1 < odds.high  # type: ignore[operator]
    assert audit.to_frame().loc["sex:f", "tpr"] == pytest.approx(0.8)
    assert compared(SEARCHED, spec) == {0, 1, 3}
    assert audit_of(spec, SEARCHED, 2, at_best) is None


def test_a_bound_that_holds_on_validation_alone_is_named(spec: StudySpec) -> None:
    again = [trial(10, ("none", "none"), 0.9, 0.0, confirms=1, test=metrics(0.87, 0.16))]
    at_best = {1: metrics(0.9, 0.05, "val/")}
    audit = audit_of(spec, [*SEARCHED, *again], 1, at_best)
    assert audit is not None
    (sentence,) = audit.broken
    assert sentence.startswith(
        "val/equalized_odds_difference <= 0.1 is kept on validation, by which the trial was chosen"
    )
    assert "(0.05), and broken on the test split (0.16)" in sentence
    kept = audit_of(spec, [*SEARCHED, *confirmed()], 1, at_best)
    assert kept is not None
    assert kept.broken == ()


def test_mlflow_takes_their_names_as_they_are() -> None:
    names = [f"val/{rate}/sex:female/age:under 25" for rate in BY_GROUP] + [f"val/{name}/sex" for name in SUMMARY]
    assert [safe_name(name) for name in names] == names


def test_intervals_are_wider_for_fewer_rows() -> None:
    few, many = groups_of(metrics(0.9, 0.1), ["sex"])
    assert few.name == "sex:f"
    assert few.of == "sex"
    widths = [one.rates["tpr"].high - one.rates["tpr"].low for one in (few, many)]  # type: ignore[operator]
    assert widths[0] > 1.3 * widths[1]
    assert few.rates["calibration_error"].low is None


def test_an_interval_of_a_difference_holds_what_was_measured() -> None:
    """Eight groups of five rows that are treated alike."""
    rates = {"count": 5.0, "base_rate": 0.4, "selection_rate": 1.0, "accuracy": 0.4, "tpr": 1.0, "fpr": 1.0}
    alike = {f"{rate}/who:{group}": value for group in range(8) for rate, value in rates.items()}
    measured = {"equalized_odds_difference": 0.0, "demographic_parity_ratio": 1.0, "worst_group_accuracy": 0.4}
    found = _differences([measured], groups_of(alike, ["who"]))
    odds, ratio = found["equalized_odds_difference"], found["demographic_parity_ratio"]
    assert odds.low == 0.0 < (odds.high or 0.0)
    assert (ratio.low or 1.0) < ratio.high == 1.0


def test_intersections_come_after_the_groups_of_each_column() -> None:
    names = ["sex:f/age:a/b", "age:a/b", "sex:f"]
    found = groups_of({f"count/{name}": 3.0 for name in names}, ["sex", "age"])
    assert [(one.name, one.of) for one in found] == [("sex:f", "sex"), ("age:a/b", "age"), ("sex:f/age:a/b", None)]


def test_where_none_keeps_the_constraints_the_nearest_is_shown(spec: StudySpec) -> None:
    breaking = [SEARCHED[0], SEARCHED[3]]
    shown = nearest(breaking, spec.goal)
    assert shown is not None
    assert shown.number == 3
