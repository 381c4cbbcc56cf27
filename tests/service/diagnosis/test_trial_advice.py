"""What is advised, word for word: it follows from the verdict, the evidence and the trial's own hyperparameters."""

import math
from typing import Any

import pytest
from made_curves import clear_overfit, fall, good_fit, reports

from goodfit.service.diagnosis import diagnose, diagnose_trial
from goodfit.service.objective import Objective
from goodfit.service.records import Report

RISING = 1.0 - fall(40, 10, 0.1, start=0.9)  # an accuracy from 0.1 to 0.9


def overfit() -> list[Report]:
    train, validation = clear_overfit(40)
    return reports(train__loss=train, val__loss=validation)


def advice(curve: list[Report], params: dict[str, Any]) -> tuple[str, ...]:
    return diagnose_trial(curve, Objective("val/loss", "minimize"), params=params).advice


def flat(value: float, epochs: int = 20) -> list[Report]:
    return reports(train__loss=[value] * epochs, val__loss=[value] * epochs)


def test_against_overfitting_the_trials_own_regularizers_are_raised_or_it_is_stopped() -> None:
    params = {"dropout": 0.1, "weight_decay": 1e-4, "depth": 4, "optimizer": "adamw", "learning_rate": 1e-3}

    assert advice(overfit(), params) == (
        "val/loss has risen since epoch 16 while train/loss fell: raise dropout above 0.1 or weight_decay above 1e-4, "
        "or stop at epoch 13 (training: {stop_on: overfit}).",
        "The net is large enough to memorize single rows: try depth below 4.",
    )


def test_a_metric_that_goes_up_falls_when_it_overfits() -> None:
    train, validation = clear_overfit(40)

    found = diagnose(1 - train, 1 - validation, "maximize", params={"dropout": 0.0}, names=("train/r2", "val/r2"))

    assert found.advice == (
        "val/r2 has fallen since epoch 16 while train/r2 rose: raise dropout above 0 (0.05 is a usual start), "
        "or stop at epoch 13 (training: {stop_on: overfit}).",
    )


def test_a_regularizer_that_is_at_its_sensible_end_is_not_raised() -> None:
    assert advice(overfit(), {"dropout": 0.5, "weight_decay": 0.05, "optimizer": "sgd"}) == (
        "val/loss has risen since epoch 16 while train/loss fell: stop at epoch 13 (training: {stop_on: overfit}).",
        "Regularization is already as strong as is useful: use more training rows, or a smaller net.",
    )
    assert "weight_decay above 0.05" in advice(overfit(), {"weight_decay": 0.05, "optimizer": "adamw"})[0]


def test_a_trial_without_a_regularizer_is_told_which_its_space_lacks() -> None:
    assert advice(overfit(), {"learning_rate": 1e-3})[1] == (
        "None of this trial's hyperparameters is known to regularize: add dropout or weight_decay to the space."
    )


def test_searched_augmentation_is_among_the_remedies() -> None:
    assert (
        "raise dropout above 0.2 or augment.rotate above 5, or stop"
        in advice(overfit(), {"dropout": 0.2, "augment.rotate": 5, "augment.flip": True, "prepare.scale": "standard"})[
            0
        ]
    )


def test_an_accuracy_that_is_best_after_the_loss_has_turned_is_not_stopped() -> None:
    train, validation = clear_overfit(40)
    curve = reports(train__loss=train, val__loss=validation, train__accuracy=RISING + 0.05, val__accuracy=RISING)

    found = diagnose_trial(
        curve, Objective("val/accuracy", "maximize"), params={"dropout": 0.1, "label_smoothing": 0.0}
    )

    assert found.advice == (
        "val/loss has risen since epoch 16 while train/loss fell, yet val/accuracy was best at epoch 40: the model is "
        "right more often, but too sure of itself where it is wrong: "
        "raise label_smoothing above 0 (0.05 is a usual start) or dropout above 0.1.",
    )


def test_against_underfitting_what_is_far_too_strong_comes_first() -> None:
    assert advice(flat(2.3), {"l1": 1.0, "learning_rate": 1e-7, "width": 1}) == (
        "val/loss fell no further than 2.3: "
        "lower l1 from 1 to 0.01 or less: that much keeps a net from learning at all.",
        "Try learning_rate above 1e-7: adamw usually learns between 1e-4 and 0.01.",
        "Give the net more to learn with: width above 1.",
    )


def test_the_learning_rates_usual_range_is_that_of_the_optimizer() -> None:
    assert advice(flat(2.3), {"learning_rate": 0.05, "optimizer": "sgd", "dropout": 0.3}) == (
        "val/loss fell no further than 2.3: regularize less: dropout below 0.3.",
        "Try learning_rate 0.5 and 0.005 in place of 0.05.",
    )
    assert "Try learning_rate below 0.05: adamw usually" in advice(flat(2.3), {"learning_rate": 0.05, "l1": 1.0})[1]


def test_unscaled_inputs_are_named_where_nothing_is_learned() -> None:
    assert "try prepare.scale standard" in advice(flat(2.3), {"prepare.scale": "none"})[0]
    assert not any("prepare.scale" in text for text in advice(flat(2.3), {"prepare.scale": "robust"}))


def test_against_divergence_the_step_is_lowered_and_gradients_are_clipped() -> None:
    curve = reports(train__loss=[2.3, 1.9, math.nan], val__loss=[2.3, 2.0, math.nan])

    assert advice(curve, {"learning_rate": 10.0, "clip_norm": 0.0, "momentum": 0.9, "optimizer": "adamw"}) == (
        "The trial diverged at epoch 3: "
        "lower the step: learning_rate below 10 (adamw usually learns between 1e-4 and 0.01).",
        "Clip the gradients: clip_norm is off, 1.0 is a usual start.",
    )
    assert advice(curve, {"momentum": 0.9, "optimizer": "sgd"}) == (
        "The trial diverged at epoch 3: lower the step: momentum below 0.9.",
    )
    assert "look for NaN and huge values in the data" in advice(curve, {"learning_rate": 1e-6})[0]


def test_what_was_cut_off_is_told_what_more_epochs_would_win_at_most() -> None:
    curve = [2 - 0.02 * epoch for epoch in range(30)]

    assert advice(reports(train__loss=curve, val__loss=curve), {"learning_rate": 1e-5}) == (
        "val/loss was still falling by 0.02 an epoch, so 6 more would win up to 0.12: "
        "train longer than 30 (training: {epochs: 60}).",
        "Or learn faster: learning_rate above 1e-5.",
    )


def test_no_gain_is_promised_that_no_loss_or_accuracy_can_have() -> None:
    losses = [0.02 - 0.0006 * epoch for epoch in range(30)]
    assert advice(reports(train__loss=losses, val__loss=losses), {}) == (
        "val/loss was still falling by 0.0006 an epoch: train longer than 30 (training: {epochs: 60}).",
    )
    shares = [0.7 + 0.01 * epoch for epoch in range(30)]
    assert diagnose(shares, shares, "maximize").advice == (
        "validation was still rising by 0.01 an epoch: train longer than 30 (training: {epochs: 60}).",
    )


def test_longer_training_is_not_advised_where_the_objective_has_settled_before_the_loss() -> None:
    losses = [2 - 0.02 * epoch for epoch in range(30)]
    curve = reports(train__loss=losses, val__loss=losses, val__acc=[1.0] * 30)
    assert diagnose_trial(curve, Objective("val/acc", "maximize"), params={"lr": 1e-5}).advice == (
        "val/loss was still falling by 0.02 an epoch, yet val/acc was best at epoch 1 of 30: "
        "more epochs may not improve it.",
    )


def test_hyperparameters_are_known_by_other_common_names_and_called_as_the_trial_calls_them() -> None:
    assert advice(flat(2.3), {"lr": 1e-3, "hidden": 16, "num_layers": 2}) == (
        "val/loss fell no further than 2.3: give the net more to learn with: hidden above 16 or num_layers above 2.",
        "Try lr 0.01 and 1e-4 in place of 0.001.",
    )
    assert "is known to give a net more room: add learning_rate or width" in advice(flat(2.3), {"kernel": 3})[0]
    assert "is known to give a net more room: add learning_rate to" in advice(flat(2.3), {"hidden": 9999})[0]


@pytest.mark.parametrize(("epochs", "told"), [(0, "were none"), (1, "was 1"), (3, "were 3")])
def test_too_few_epochs_are_counted(epochs: int, told: str) -> None:
    assert diagnose(None, [1.0, 0.9, 0.8][:epochs]).advice == (f"A trend needs 5 epochs, and there {told}.",)


def test_a_good_fit_is_told_of_wasted_epochs_and_otherwise_nothing() -> None:
    early = [2.0, 1.0, 0.5, 0.3, *[0.29] * 20]

    assert advice(reports(train__loss=early, val__loss=early), {"dropout": 0.1}) == (
        "19 of 24 epochs came after the best one, at 5: "
        "fewer epochs or a smaller patience would do (training: {epochs: 10}).",
    )
    train, validation = good_fit(40)
    assert advice(reports(train__loss=train, val__loss=validation), {"dropout": 0.1}) == ()


@pytest.mark.parametrize("params", [{}, {"dropout": None, "width": "wide", "clip_norm": True, "depth": False}])
def test_hyperparameters_that_are_no_numbers_are_never_advised(params: dict[str, Any]) -> None:
    for curve in (overfit(), flat(2.3), reports(train__loss=[math.nan] * 5, val__loss=[math.nan] * 5)):
        told = " ".join(advice(curve, params))
        assert "None" not in told.replace("None of this trial's", "")
        assert "wide" not in told
        assert "True" not in told


def test_a_learning_rate_is_never_advised_beyond_its_usual_range() -> None:
    assert advice(flat(2.3), {"learning_rate": 5e-3, "optimizer": "adamw"}) == (
        "val/loss fell no further than 2.3: try learning_rate 5e-4 in place of 0.005.",
    )


def test_no_saving_is_advised_that_would_take_longer() -> None:
    early = [2.0, 1.0, 0.5, 0.3, *[0.29] * 6]  # the best is at epoch 5 of 10, and five epochs after it are spared
    assert advice(reports(train__loss=early, val__loss=early), {"dropout": 0.1}) == ()


def test_a_pruned_trial_is_not_advised_to_train_longer_than_it_was_let() -> None:
    curve = reports(train__loss=[2 - 0.02 * epoch for epoch in range(6)], val__loss=[2 - 0.02 * e for e in range(6)])
    found = diagnose_trial(curve, Objective("val/loss", "minimize"), params={"learning_rate": 1e-5}, pruned=True)
    assert found.advice == ("It was pruned after 6 epochs: how it would have ended is not known.",)


def test_a_small_lead_over_the_baseline_is_called_small() -> None:
    def reason(value: float) -> str:
        return diagnose_trial(flat(value), Objective("val/loss", "minimize"), baselines={"val/loss": 1.0}).reason

    assert reason(1.0) == "val/loss (1) is no better than the baseline 1"
    assert reason(0.97) == "val/loss (0.97) is hardly better than the baseline 1"
    assert "better than the baseline" not in reason(0.9)
