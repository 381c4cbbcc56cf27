"""The verdict on curves that were made to have one."""

import math
from typing import Any

import numpy as np
import pytest
from made_curves import MAKERS, clear_overfit, double_descent, fall, good_fit, noisy, still_falling

from goodfit.service.diagnosis import diagnose
from goodfit.service.errors import InputError
from goodfit.service.records import Verdict

EXPECTED = {"gap alone": Verdict.GOOD_FIT, "double descent": Verdict.GOOD_FIT}


def verdict_of(name: str) -> Verdict:
    return EXPECTED.get(name) or Verdict(name)


@pytest.mark.parametrize("epochs", [12, 20, 50, 200])
@pytest.mark.parametrize("name", MAKERS)
def test_a_constructed_curve_gets_its_verdict_under_noise_in_19_of_20_seeds(name: str, epochs: int) -> None:
    found = [diagnose(*noisy(MAKERS[name](epochs), 0.01, seed)).verdict for seed in range(20)]

    assert found.count(verdict_of(name)) >= 19, found


@pytest.mark.parametrize("epochs", [20, 50, 200])
def test_a_noisy_plateau_is_a_good_fit_in_19_of_20_seeds(epochs: int) -> None:
    plateau = (fall(epochs, 14, 0.3), fall(epochs, 14, 0.35))

    found = [diagnose(*noisy(plateau, 0.06, seed)).verdict for seed in range(20)]

    assert found.count(Verdict.GOOD_FIT) >= 19, found


def test_overfitting_names_onset_regret_and_what_training_did() -> None:
    train, validation = clear_overfit(40)

    found = diagnose(train, validation)

    best = int(np.argmin(validation)) + 1
    assert found.best_epoch == best
    assert found.onset is not None
    assert best < found.onset <= best + 5
    assert found.regret == pytest.approx(validation[-1] - validation.min())
    assert found.wasted == 40 - best
    assert found.gap == pytest.approx(validation[best - 1] - train[best - 1])
    assert found.gap_end == pytest.approx(validation[-1] - train[-1])
    assert found.slope == pytest.approx(0.025, rel=0.05)  # the rise an epoch that it was made with
    assert f"epoch {found.onset}" in found.reason
    assert f"epoch {best}" in found.reason
    assert "while training went from" in found.reason


def test_without_training_metrics_overfitting_is_less_certain_and_says_so() -> None:
    train, validation = clear_overfit(40)

    both, alone = diagnose(train, validation), diagnose(None, validation)

    assert alone.verdict is Verdict.OVERFIT
    assert alone.confidence < both.confidence
    assert "no training metric" in alone.reason
    assert alone.gap is None
    assert alone.gap_end is None


def test_validation_that_worsens_with_training_is_not_overfit() -> None:
    drift = np.maximum(0, np.arange(40) - 15) * 0.006

    found = diagnose(fall(40, 12, 0.3) + drift, fall(40, 12, 0.35) + drift)

    assert found.verdict is not Verdict.OVERFIT
    assert "not while training got better" in found.reason


def test_training_that_is_already_perfect_does_not_hide_overfitting() -> None:
    validation = [2.0, 0.9, 0.5, 0.4, 0.42, 0.47, 0.53, 0.6, 0.66, 0.7, 0.74, 0.79]

    assert diagnose([1.0, 0.3, 0.1, *[0.0] * 9], validation).verdict is Verdict.OVERFIT


@pytest.mark.parametrize("spike", [[4.0], [4.0, 3.0]])
def test_a_spike_at_the_end_is_no_overfitting(spike: list[float]) -> None:
    train, validation = good_fit(40)
    validation[-len(spike) :] = spike

    assert diagnose(train, validation).verdict is Verdict.GOOD_FIT


def test_a_spike_of_many_orders_in_the_middle_changes_nothing() -> None:
    train, validation = good_fit(40)
    validation[20] = 1e13

    assert diagnose(train, validation).verdict is Verdict.GOOD_FIT


def test_double_descent_on_its_way_down_is_unfinished_and_at_its_peak_overfit() -> None:
    train, validation = double_descent(100)

    assert diagnose(train[:35], validation[:35]).verdict is Verdict.OVERFIT
    assert diagnose(train[:48], validation[:48]).verdict is Verdict.UNFINISHED


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("split", [0, 1])
def test_a_value_that_is_not_finite_means_diverged_from_there(broken: float, split: int) -> None:
    pair = clear_overfit(20)
    pair[split][15:] = broken

    found = diagnose(*pair)

    assert found.verdict is Verdict.DIVERGED
    assert found.onset == 16
    assert found.severity == 1.0


def test_nan_then_recovery_is_diverged_but_less_severe_and_keeps_the_best() -> None:
    train, validation = good_fit(20)
    validation[4] = math.nan

    found = diagnose(train, validation)

    assert found.verdict is Verdict.DIVERGED
    assert found.severity == 0.5
    assert found.onset == 5
    assert found.best_epoch == 20
    assert "finite again" in found.reason


def test_all_nan_is_diverged_and_has_no_best() -> None:
    found = diagnose([math.nan] * 8, [math.nan] * 8)

    assert found.verdict is Verdict.DIVERGED
    assert found.best is None
    assert found.best_epoch is None
    assert found.regret is None
    assert math.isnan(found.last or 0.0)


@pytest.mark.parametrize("curve", [[2.3, 1e6], [2.3, 2.5, 40.0, 1e5, 1e9], [2.3, 1.0, 0.8, 5e3, 1e200]])
def test_a_blow_up_is_diverged_however_short(curve: list[float]) -> None:
    assert diagnose(curve, curve).verdict is Verdict.DIVERGED
    assert diagnose(None, curve).verdict is Verdict.DIVERGED


def test_an_accuracy_that_collapses_is_diverged() -> None:
    curve = [0.3, 0.6, 0.8, 0.9, 0.93, 0.94, 0.95, 0.95, 0.1, 0.1, 0.1, 0.1]

    assert diagnose(curve, curve, "maximize").verdict is Verdict.DIVERGED
    assert diagnose(None, curve, "maximize").verdict is Verdict.DIVERGED


@pytest.mark.parametrize("epochs", [0, 1, 2, 4])
def test_too_few_epochs_are_unfinished_and_say_how_many_are_needed(epochs: int) -> None:
    found = diagnose([1.0, 0.5, 0.3, 0.2][:epochs], [1.0, 0.6, 0.7, 0.9][:epochs])

    assert found.verdict is Verdict.UNFINISHED
    assert "5 needed" in found.reason
    assert found.epochs == epochs


def test_a_curve_cut_off_while_falling_is_unfinished_and_the_same_curve_whole_is_not() -> None:
    whole = fall(100, 8, 0.3)

    assert diagnose(whole[:20], whole[:20]).verdict is Verdict.UNFINISHED
    assert diagnose(whole, whole).verdict is Verdict.GOOD_FIT


def test_constant_curves_are_underfit_with_doubt_and_a_baseline_settles_it() -> None:
    unknown = diagnose([0.5] * 20, [0.5] * 20)

    assert unknown.verdict is Verdict.UNDERFIT
    assert unknown.confidence == 0.5
    assert "no baseline is known" in unknown.reason
    assert diagnose([0.5] * 20, [0.5] * 20, baseline=2.3).verdict is Verdict.GOOD_FIT
    assert diagnose([2.29] * 20, [2.29] * 20, baseline=2.3).verdict is Verdict.UNDERFIT


@pytest.mark.parametrize(("value", "direction"), [(0.0, "minimize"), (1.0, "maximize")])
def test_perfect_from_the_first_epoch_is_not_underfit(value: float, direction: str) -> None:
    assert diagnose([value] * 10, [value] * 10, direction).verdict is Verdict.GOOD_FIT


def test_flat_and_far_from_what_others_reached_is_underfit_unless_training_is_there() -> None:
    flat = 0.9 - fall(30, 15, 0.4, start=0.8)

    poor = diagnose(flat, flat, "maximize", reachable=0.98)
    fitted = diagnose(1 - fall(30, 15, 0.001, start=0.8), flat, "maximize", reachable=0.98)

    assert poor.verdict is Verdict.UNDERFIT
    assert "0.98" in poor.reason
    assert fitted.verdict is Verdict.GOOD_FIT
    assert diagnose(flat, flat, "maximize", reachable=0.52).verdict is Verdict.GOOD_FIT


@pytest.mark.parametrize("extra", [-15, 15])
def test_curves_of_different_length_are_aligned_at_the_first_epoch(extra: int) -> None:
    train, validation = clear_overfit(40)
    train = np.concatenate([train, train[-1:].repeat(extra)]) if extra > 0 else train[:extra]

    found = diagnose(train, validation)

    assert found.verdict is Verdict.OVERFIT
    best = int(np.argmin(validation))
    assert found.gap == pytest.approx(validation[best] - train[best])
    last = min(len(train), 40) - 1
    assert found.gap_end == pytest.approx(validation[last] - train[last])


def test_a_none_is_an_epoch_without_the_metric_and_not_a_divergence() -> None:
    train, validation = clear_overfit(60)
    seldom = [value if epoch % 3 == 2 else None for epoch, value in enumerate(validation)]

    found = diagnose(train, seldom)

    assert found.verdict is Verdict.OVERFIT
    assert found.epochs == 20
    assert found.best_epoch is not None
    assert found.best_epoch % 3 == 0
    assert found.wasted == (60 - found.best_epoch) // 3


def test_the_first_of_equal_bests_is_the_best_epoch() -> None:
    assert diagnose(None, [0.5, 0.9, 0.8, 0.9, 0.9], "maximize").best_epoch == 2


def test_ten_thousand_epochs_are_judged_like_a_hundred() -> None:
    for maker in MAKERS.values():
        assert diagnose(*maker(10_000)).verdict == diagnose(*maker(100)).verdict


def test_an_unknown_direction_and_a_text_are_refused_by_name() -> None:
    with pytest.raises(InputError, match="did you mean minimize"):
        diagnose(None, [1.0], "minimise")
    with pytest.raises(InputError, match="validation, epoch 2: 'high' is not a number"):
        diagnose(None, [1.0, "high"])  # type: ignore[list-item]
    with pytest.raises(InputError, match="no direction None: choose from"):
        diagnose(None, [1.0], None)  # type: ignore[arg-type]


@pytest.mark.parametrize("curve", [None, 0.5, "123", {1: 0.5}])
def test_what_is_no_curve_is_refused_by_name(curve: Any) -> None:
    with pytest.raises(InputError, match=r"validation: .* is not a list of numbers"):
        diagnose([1.0, 0.5], curve)


def test_a_number_that_no_float_holds_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"validation, epoch 2: 10+ is not a number"):
        diagnose(None, [1.0, 10**400])


def test_a_curve_that_comes_value_by_value_is_read() -> None:
    train, validation = clear_overfit(40)

    assert diagnose(iter(train), iter(validation)) == diagnose(train, validation)  # type: ignore[arg-type]


def test_severity_grows_with_what_was_lost() -> None:
    train = fall(40, 6, 0.02)
    rise = np.maximum(0, np.arange(40) - 12) / 27

    found = [diagnose(train, fall(40, 14, 0.5) + size * rise) for size in (0.2, 0.6, 1.5, 4.0)]

    assert [item.verdict for item in found] == [Verdict.OVERFIT] * 4
    severities = [item.severity for item in found]
    assert severities == sorted(severities)
    assert severities[0] < 0.2
    assert severities[-1] == 1.0


def test_confidence_is_lower_near_the_threshold_and_for_short_curves() -> None:
    assert diagnose(*clear_overfit(10)).confidence < diagnose(*clear_overfit(100)).confidence
    slight = fall(60, 14, 0.5) + np.maximum(0, np.arange(60) - 20) * 0.0017
    found = diagnose(fall(60, 6, 0.02), slight)
    assert found.verdict is Verdict.OVERFIT
    assert found.confidence < 0.9 < diagnose(*clear_overfit(60)).confidence
    assert diagnose(*still_falling(50)).confidence > 0.9


def test_a_slow_rise_in_much_noise_is_seen_and_noise_alone_is_not() -> None:
    train = fall(40, 6, 0.02)
    rising = fall(40, 20, 0.5) + np.maximum(0, np.arange(40) - 8) * 0.008
    level = fall(40, 20, 0.5)

    told = [[diagnose(*noisy((train, pair), 0.05, seed)).verdict for seed in range(20)] for pair in (rising, level)]

    assert told[0].count(Verdict.OVERFIT) >= 17
    assert told[1].count(Verdict.OVERFIT) == 0


def test_a_zigzag_is_not_taken_for_noise_that_hides_a_rise() -> None:
    zigzag = 0.05 * (-1.0) ** np.arange(60)
    validation = np.concatenate([np.linspace(1.0, 0.6, 10), np.linspace(0.6, 0.9, 50)]) + zigzag

    assert diagnose(fall(60, 6, 0.01, start=1.0), validation).verdict is Verdict.OVERFIT


@pytest.mark.parametrize("epochs", [60, 200, 1000])
def test_a_curve_that_rose_as_far_before_and_came_back_wanders_and_is_not_overfit(epochs: int) -> None:
    done = np.arange(epochs) / epochs
    validation = fall(epochs, 20, 1.0) + 0.08 * np.sin(2 * np.pi * 3.35 * done)

    found = diagnose(*noisy((fall(epochs, 6, 0.1), validation), 0.005, 0))

    assert found.verdict is not Verdict.OVERFIT
    assert "risen and come back" in found.reason


def test_a_hump_before_does_not_hide_overfitting() -> None:
    done = np.arange(200) / 200
    hump = 0.3 * np.exp(-(((done - 0.25) / 0.06) ** 2))  # as before a step of the learning rate
    validation = fall(200, 20, 0.5) + hump + np.maximum(0, done - 0.5)

    assert diagnose(*noisy((fall(200, 6, 0.02), validation), 0.01, 0)).verdict is Verdict.OVERFIT


def test_a_blow_up_right_after_the_first_epoch_is_diverged() -> None:
    validation = [1.4, 1e9, *[2e9] * 30]

    found = diagnose([1.6, *np.linspace(1.5, 1.1, 31)], validation)

    assert found.verdict is Verdict.DIVERGED


@pytest.mark.parametrize("fallen", [0.05, 0.1])
def test_a_slow_fall_that_does_not_level_off_is_unfinished(fallen: float) -> None:
    straight = np.linspace(1.1, 1.1 - fallen, 30)

    assert diagnose(*noisy((straight, straight), 0.0005, 0)).verdict is Verdict.UNFINISHED
    levelled = 1.1 - fallen * (1 - np.exp(-np.arange(30) / 5))
    assert diagnose(*noisy((levelled, levelled), 0.0005, 0)).verdict is Verdict.GOOD_FIT


def test_the_onset_is_after_the_best_epoch_however_early_that_was() -> None:
    rise = np.linspace(0.118, 0.31, 37)

    found = diagnose(fall(40, 12, 0.0), [0.131, 0.057, 0.08, *rise])

    assert found.verdict is Verdict.OVERFIT
    assert (found.best_epoch, found.onset) == (2, 3)


def test_a_good_fit_that_ends_worse_says_of_training_only_what_is_known() -> None:
    curve = [*fall(40, 12, 0.35)[:-1], 4.0]
    for train in (None, fall(40, 12, 0.3)):
        found = diagnose(train, curve)
        assert found.verdict is Verdict.GOOD_FIT
        assert "training got better" not in found.reason
