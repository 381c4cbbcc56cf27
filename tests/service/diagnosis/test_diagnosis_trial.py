"""A trial's diagnosis from its reports: which curves decide, and what the objective's numbers are."""

import math

import pytest
from made_curves import clear_overfit, fall, good_fit, never_learned, reports

from service.diagnosis import diagnose_trial
from service.records import Report, Verdict

RISING = 1.0 - fall(40, 10, 0.1, start=0.9)  # an accuracy from 0.1 to 0.9
TRAIN_RISING = RISING + 0.05


def test_the_losses_give_the_verdict_and_the_objective_the_numbers() -> None:
    train, validation = clear_overfit(40)
    curve = reports(train__loss=train, val__loss=validation, train__accuracy=TRAIN_RISING, val__accuracy=RISING)

    found = diagnose_trial(curve, "val/accuracy", "maximize")

    assert found.verdict is Verdict.OVERFIT
    assert found.judged_by == "val/loss"
    assert "val/loss got worse" in found.reason
    assert found.best_epoch == 40
    assert found.best == RISING[-1]
    assert found.gap == pytest.approx(0.05)  # training accuracy is higher: validation is worse


def test_without_losses_the_objective_and_its_counterpart_decide() -> None:
    train, validation = clear_overfit(40)

    found = diagnose_trial(reports(train__error=train, val__error=validation), "val/error", "minimize")

    assert found.verdict is Verdict.OVERFIT
    assert found.judged_by == "val/error"
    assert "train/error" in found.reason


def test_one_loss_alone_does_not_decide_over_a_whole_pair() -> None:
    _, validation = clear_overfit(40)

    found = diagnose_trial(
        reports(val__loss=validation, train__accuracy=TRAIN_RISING, val__accuracy=RISING), "val/accuracy", "maximize"
    )

    assert found.judged_by == "val/accuracy"
    assert found.verdict is Verdict.GOOD_FIT


@pytest.mark.parametrize("metric", ["train/loss", "val/reward"])
def test_an_objective_without_a_counterpart_has_no_gap(metric: str) -> None:
    train, validation = good_fit(40)

    found = diagnose_trial(reports(train__loss=train, val__loss=validation, val__reward=RISING), metric, "minimize")

    assert found.gap is None
    assert found.gap_end is None
    assert found.best is not None


def test_a_study_of_a_training_metric_alone_is_never_told_that_it_overfits() -> None:
    found = diagnose_trial(reports(train__loss=clear_overfit(40)[1]), "train/loss", "minimize")

    assert found.verdict is not Verdict.OVERFIT
    assert found.gap is None
    assert found.best_epoch == 13


def test_an_objective_that_is_nan_is_diverged_even_where_the_losses_are_fine() -> None:
    train, validation = good_fit(12)
    accuracy = [*RISING[:11], math.nan]

    found = diagnose_trial(
        reports(train__loss=train, val__loss=validation, val__accuracy=accuracy), "val/accuracy", "maximize"
    )

    assert found.verdict is Verdict.DIVERGED
    assert found.best_epoch == 11


def test_the_study_tells_underfitting_in_the_objectives_unit() -> None:
    loss = fall(40, 12, 1.5)
    curve = reports(train__loss=loss, val__loss=loss, train__accuracy=RISING / 2, val__accuracy=RISING / 2)

    assert diagnose_trial(curve, "val/accuracy", "maximize").verdict is Verdict.GOOD_FIT
    poor = diagnose_trial(curve, "val/accuracy", "maximize", reachable=0.97, baseline=0.1)
    assert poor.verdict is Verdict.UNDERFIT
    assert poor.judged_by == "val/accuracy"


def test_a_net_that_starts_trained_is_no_underfit_where_the_baseline_says_so() -> None:
    train, validation = never_learned(20)
    curve = reports(train__loss=train, val__loss=validation, train__accuracy=[0.97] * 20, val__accuracy=[0.95] * 20)

    assert diagnose_trial(curve, "val/accuracy", "maximize").verdict is Verdict.UNDERFIT
    assert diagnose_trial(curve, "val/accuracy", "maximize", baseline=0.1).verdict is Verdict.GOOD_FIT


def test_reports_out_of_order_and_epochs_left_out_are_put_in_their_place() -> None:
    train, validation = clear_overfit(40)
    curve = reports(train__loss=train, val__loss=validation)
    whole = diagnose_trial(curve, "val/loss", "minimize")

    shuffled = diagnose_trial(curve[::-1], "val/loss", "minimize")
    seldom = diagnose_trial(
        [
            Report(r.trial, r.epoch, r.metrics if r.epoch % 2 else {"train/loss": r.metrics["train/loss"]}, r.at)
            for r in curve
        ],
        "val/loss",
        "minimize",
    )

    assert shuffled == whole
    assert seldom.verdict is Verdict.OVERFIT
    assert seldom.best_epoch == 13


def test_no_reports_at_all_are_unfinished() -> None:
    found = diagnose_trial([], "val/accuracy", "maximize")

    assert found.verdict is Verdict.UNFINISHED
    assert found.best is None
    assert found.last is None


def test_advice_names_the_trials_own_hyperparameters_and_no_others() -> None:
    train, validation = clear_overfit(40)
    curve = reports(train__loss=train, val__loss=validation)

    found = diagnose_trial(
        curve, "val/loss", "minimize", params={"dropout": 0.1, "weight_decay": 0.0, "depth": 4, "optimizer": "adam"}
    )

    told = " ".join(found.advice)
    assert found.advice[0].startswith("Stop at epoch 13")
    assert "dropout above 0.1 or weight_decay above 0." in told
    assert "depth below 4" in told
    assert "width" not in told
    assert "l1" not in told


@pytest.mark.parametrize(
    ("curve", "params", "expected"),
    [
        ([2.3, 2.5, 40.0, 1e5, 1e9], {"learning_rate": 10.0, "clip_norm": None}, "learning_rate below 10"),
        ([2.3, 2.5, 40.0, 1e5, 1e9], {"learning_rate": 10.0, "clip_norm": None}, "clip_norm is off"),
        ([2.3] * 20, {"learning_rate": 1e-7, "width": 1}, "another learning_rate than 1e-07"),
        ([2.3] * 20, {"learning_rate": 1e-7, "width": 1}, "width above 1"),
        ([2 - 0.02 * epoch for epoch in range(30)], {"learning_rate": 1e-5}, "longer than 30 epochs"),
        ([2.0, 1.0, 0.5, 0.3, *[0.29] * 20], {}, "19 of 24 epochs"),
    ],
)
def test_advice_follows_from_the_verdict(curve: list[float], params: dict[str, object], expected: str) -> None:
    found = diagnose_trial(reports(train__loss=curve, val__loss=curve), "val/loss", "minimize", params=params)

    assert any(expected in sentence for sentence in found.advice), found.advice


def test_when_the_objective_is_best_after_the_loss_turned_the_advice_does_not_say_to_stop() -> None:
    train, validation = clear_overfit(40)
    curve = reports(train__loss=train, val__loss=validation, train__accuracy=TRAIN_RISING, val__accuracy=RISING)

    found = diagnose_trial(curve, "val/accuracy", "maximize", params={"label_smoothing": 0.0})

    assert "too sure of itself" in found.advice[0]
    assert not any("Stop" in sentence for sentence in found.advice)
