"""A trial's diagnosis from its reports: which curves decide, and what the objective's numbers are."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from made_curves import clear_overfit, fall, good_fit, never_learned, noisy, reports

from goodfit.service.diagnosis import diagnose_trial
from goodfit.service.objective import Objective
from goodfit.service.records import Report, Verdict

RISING = 1.0 - fall(40, 10, 0.1, start=0.9)  # an accuracy from 0.1 to 0.9
TRAIN_RISING = RISING + 0.05


def test_the_losses_give_the_verdict_and_the_objective_the_numbers() -> None:
    train, validation = clear_overfit(40)
    curve = reports(train__loss=train, val__loss=validation, train__accuracy=TRAIN_RISING, val__accuracy=RISING)

    found = diagnose_trial(curve, Objective("val/accuracy", "maximize"))

    assert found.verdict is Verdict.OVERFIT
    assert found.judged_by == "val/loss"
    assert "val/loss got worse" in found.reason
    assert found.best_epoch == 40
    assert found.best == RISING[-1]
    assert found.gap == pytest.approx(0.05)  # training accuracy is higher: validation is worse


def test_without_losses_the_objective_and_its_counterpart_decide() -> None:
    train, validation = clear_overfit(40)

    found = diagnose_trial(reports(train__error=train, val__error=validation), Objective("val/error", "minimize"))

    assert found.verdict is Verdict.OVERFIT
    assert found.judged_by == "val/error"
    assert "train/error" in found.reason


def test_one_loss_alone_does_not_decide_over_a_whole_pair() -> None:
    _, validation = clear_overfit(40)

    found = diagnose_trial(
        reports(val__loss=validation, train__accuracy=TRAIN_RISING, val__accuracy=RISING),
        Objective("val/accuracy", "maximize"),
    )

    assert found.judged_by == "val/accuracy"
    assert found.verdict is Verdict.GOOD_FIT


@pytest.mark.parametrize("metric", ["train/loss", "val/reward"])
def test_an_objective_without_a_counterpart_has_no_gap(metric: str) -> None:
    train, validation = good_fit(40)

    found = diagnose_trial(
        reports(train__loss=train, val__loss=validation, val__reward=RISING), Objective(metric, "minimize")
    )

    assert found.gap is None
    assert found.gap_end is None
    assert found.best is not None


def test_a_study_of_a_training_metric_alone_is_never_told_that_it_overfits() -> None:
    found = diagnose_trial(reports(train__loss=clear_overfit(40)[1]), Objective("train/loss", "minimize"))

    assert found.verdict is not Verdict.OVERFIT
    assert found.gap is None
    assert found.best_epoch == 13


def test_an_objective_that_is_nan_is_diverged_even_where_the_losses_are_fine() -> None:
    train, validation = good_fit(12)
    accuracy = [*RISING[:11], math.nan]

    found = diagnose_trial(
        reports(train__loss=train, val__loss=validation, val__accuracy=accuracy), Objective("val/accuracy", "maximize")
    )

    assert found.verdict is Verdict.DIVERGED
    assert found.best_epoch == 11


def test_the_study_tells_underfitting_in_the_objectives_unit() -> None:
    loss = fall(40, 12, 1.5)
    curve = reports(train__loss=loss, val__loss=loss, train__accuracy=RISING / 2, val__accuracy=RISING / 2)

    assert diagnose_trial(curve, Objective("val/accuracy", "maximize")).verdict is Verdict.GOOD_FIT
    poor = diagnose_trial(curve, Objective("val/accuracy", "maximize"), reachable=0.97, baselines={"val/accuracy": 0.1})
    assert poor.verdict is Verdict.UNDERFIT
    assert poor.judged_by == "val/accuracy"


def test_a_net_that_starts_trained_is_no_underfit_where_the_baseline_says_so() -> None:
    train, validation = never_learned(20)
    curve = reports(train__loss=train, val__loss=validation, train__accuracy=[0.97] * 20, val__accuracy=[0.95] * 20)

    assert diagnose_trial(curve, Objective("val/accuracy", "maximize")).verdict is Verdict.UNDERFIT
    assert (
        diagnose_trial(curve, Objective("val/accuracy", "maximize"), baselines={"val/accuracy": 0.1}).verdict
        is Verdict.GOOD_FIT
    )


def test_reports_out_of_order_and_epochs_left_out_are_put_in_their_place() -> None:
    train, validation = clear_overfit(40)
    curve = reports(train__loss=train, val__loss=validation)
    whole = diagnose_trial(curve, Objective("val/loss", "minimize"))

    shuffled = diagnose_trial(curve[::-1], Objective("val/loss", "minimize"))
    seldom = diagnose_trial(
        [
            Report(r.trial, r.epoch, r.metrics if r.epoch % 2 else {"train/loss": r.metrics["train/loss"]}, r.at)
            for r in curve
        ],
        Objective("val/loss", "minimize"),
    )

    assert shuffled == whole
    assert seldom.verdict is Verdict.OVERFIT
    assert seldom.best_epoch == 13


def test_an_accuracy_that_rose_and_stayed_has_moved_however_few_its_epochs() -> None:
    losses = {
        "train__loss": [0.507, 0.169, 0.061, 0.038, 0.019, 0.013, 0.010, 0.008],
        "val__loss": [0.237, 0.063, 0.047, 0.041, 0.027, 0.030, 0.032, 0.027],
    }

    def verdict(*accuracies: float) -> Verdict:
        return diagnose_trial(reports(**losses, val__acc=accuracies), Objective("val/acc", "maximize")).verdict

    assert verdict(0.93, 0.98, 0.98, 0.99, 0.98, 0.99, 0.98, 0.99) is Verdict.GOOD_FIT
    assert verdict(0.9, 0.91, 0.9, 0.9, 0.89, 0.9, 0.9, 0.91) is Verdict.UNDERFIT  # the same class for all rows


def test_no_reports_at_all_are_unfinished() -> None:
    found = diagnose_trial([], Objective("val/accuracy", "maximize"))

    assert found.verdict is Verdict.UNFINISHED
    assert found.best is None
    assert found.last is None


def test_an_accuracy_by_luck_is_not_learning_where_the_loss_is_no_better_than_trivial() -> None:
    random = np.random.default_rng(3)
    flat, lucky = [0.693] * 20, 0.51 + random.normal(0, 0.02, 20)  # 100 rows
    curve = reports(train__loss=flat, val__loss=flat, train__accuracy=lucky, val__accuracy=lucky)

    found = diagnose_trial(
        curve, Objective("val/accuracy", "maximize"), reachable=0.9, baselines={"val/loss": 0.693, "val/accuracy": 0.5}
    )

    assert found.verdict is Verdict.UNDERFIT


def test_a_loss_that_never_came_back_to_the_baseline_is_diverged_and_one_on_its_way_is_not() -> None:
    blown = [1.8e10, 2e10, 2.1e9, 5.6e8, 131, 57, 165, 5.8e7, 1.5e8, 2.7e8, 3e8, 3e8, 3e8, 5e8, 1.3e9, 8.6e8, 9.6e8]
    train = [1.1e10, 2e9, 2.3e8, 4.6e8, 129, 56, 164, 186, 471, 224, 275, 73, 181, 0.72, 48, 28, 171]
    falling = fall(17, 2, 1.0, start=1000.0)

    def verdict(train_loss: list[float], loss: list[float]) -> Verdict:
        curve = reports(train__loss=train_loss, val__loss=loss)
        return diagnose_trial(curve, Objective("val/loss", "minimize"), baselines={"val/loss": 0.693}).verdict

    assert verdict(train, blown) is Verdict.DIVERGED
    assert verdict(list(falling), list(falling)) is Verdict.UNFINISHED


def test_an_r2_that_hovers_around_zero_is_underfit_and_not_diverged() -> None:
    hovering = [0.0047, *[0.0001, -0.0002] * 10]
    curve = reports(train__loss=[1.0] * 21, val__loss=[1.09] * 21, train__r2=hovering, val__r2=hovering)

    found = diagnose_trial(
        curve, Objective("val/r2", "maximize"), reachable=0.8, baselines={"val/loss": 1.09, "val/r2": -0.0007}
    )

    assert found.verdict is Verdict.UNDERFIT


def test_the_evidence_has_every_number_and_diagnosis_json_holds_it() -> None:
    train, validation = noisy(clear_overfit(60), 0.01, 4)

    costs = {"epoch_seconds": 2.0, "waiting_seconds": 0.5}
    curve = [replace(report, costs=costs) for report in reports(train__loss=train, val__loss=validation)]

    told = diagnose_trial(curve, Objective("val/loss", "minimize")).to_dict()

    assert {name for name, value in told.items() if value is None} == set()
    low, high = told["slope_interval"]
    assert low < 1 / 60 < high  # the rise an epoch that it was made with
    assert told["gap_sigmas"] == pytest.approx(told["gap"] / told["gap_noise"])
    assert told["gap_end_sigmas"] == pytest.approx(told["gap_end"] / told["gap_noise"])
    assert told["gap_noise"] == pytest.approx(math.hypot(0.01, 0.005), rel=0.4)
    assert told["train_gain"] == pytest.approx(float(train[told["best_epoch"] - 1] - train[-1]), abs=0.1)
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_reports_by_fold_are_not_taken_for_a_curve() -> None:
    scores = {"val__loss": [0.5, 0.6, 0.7, 0.8, 0.9, 1.0], "train__loss": [0.4, 0.3, 0.2, 0.1, 0.1, 0.1]}

    found = diagnose_trial(reports(**scores, fold__val__loss=scores["val__loss"]), Objective("val/loss", "minimize"))

    assert found.verdict is Verdict.UNFINISHED
    assert found.reason == "6 folds so far: the curve by epoch is known after the last"
    assert found.advice == ()
    assert found.gap == pytest.approx(0.9)


def test_an_objective_that_was_reported_too_seldom_leaves_the_verdict_to_the_losses() -> None:
    train, validation = good_fit(40)
    curve = reports(train__loss=train, val__loss=validation, val__accuracy=[0.1])

    found = diagnose_trial(curve, Objective("val/accuracy", "maximize"), reachable=0.9, baselines={"val/accuracy": 0.1})

    assert found.verdict is Verdict.GOOD_FIT
    assert (
        diagnose_trial(reports(train__loss=train, val__loss=validation), Objective("val/f1", "maximize")).best is None
    )
