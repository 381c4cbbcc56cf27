"""What must not change a verdict: units, direction, order of magnitude; and what must always hold."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_curves import MAKERS, Pair, noisy

from goodfit.service.diagnosis import Diagnosis, diagnose
from goodfit.service.records import Verdict

numbers = st.floats(min_value=-1e6, max_value=1e6, allow_nan=False)
anything = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), numbers)
made = st.builds(
    lambda name, epochs, noise, seed: noisy(MAKERS[name](epochs), noise, seed),
    st.sampled_from(sorted(MAKERS)),
    st.integers(5, 80),
    st.sampled_from([0.0, 0.01, 0.05]),
    st.integers(0, 1000),
)


def judged(found: Diagnosis) -> tuple[object, ...]:
    return (found.verdict, found.onset, found.best_epoch, found.wasted, round(found.severity, 3))


@given(pair=made, power=st.integers(-40, 40))
def test_the_unit_of_the_metric_does_not_matter(pair: Pair, power: int) -> None:
    train, validation = pair

    plain, scaled = diagnose(train, validation), diagnose(train * 2.0**power, validation * 2.0**power)

    assert judged(scaled) == judged(plain)
    assert scaled.regret == pytest.approx((plain.regret or 0.0) * 2.0**power, rel=1e-6)


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1e6, 1e12])
@pytest.mark.parametrize("name", MAKERS)
def test_losses_of_1e_minus_12_and_1e12_get_the_same_verdict(name: str, scale: float) -> None:
    for seed in range(5):
        train, validation = noisy(MAKERS[name](30), 0.01, seed)
        assert judged(diagnose(train * scale, validation * scale)) == judged(diagnose(train, validation))


@given(pair=made)
def test_negating_the_metric_and_turning_the_direction_changes_nothing(pair: Pair) -> None:
    train, validation = pair

    down, up = diagnose(train, validation), diagnose(-train, -validation, "maximize")

    assert judged(up) == judged(down)
    assert (up.gap, up.regret, up.rise, up.slope) == (down.gap, down.regret, down.rise, down.slope)


@given(
    train=st.none() | st.lists(anything, max_size=40),
    validation=st.lists(anything, max_size=40),
    direction=st.sampled_from(["minimize", "maximize"]),
    baseline=st.none() | st.floats(),
    reachable=st.none() | st.floats(),
)
@settings(max_examples=300)
def test_any_curve_gets_a_diagnosis_that_json_can_hold(
    train: list[float | None] | None,
    validation: list[float | None],
    direction: str,
    baseline: float | None,
    reachable: float | None,
) -> None:
    found = diagnose(train, validation, direction, baseline=baseline, reachable=reachable)

    assert 0.0 <= found.severity <= 1.0
    assert 0.0 <= found.confidence <= 1.0
    assert found.reason
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["verdict"] == found.verdict
    if any(value is not None and not math.isfinite(value) for value in [*validation, *(train or [])]):
        assert found.verdict is Verdict.DIVERGED
    finite = [value for value in validation if value is not None and math.isfinite(value)]
    if finite:
        assert found.best == (max(finite) if direction == "maximize" else min(finite))
        assert found.best_epoch == validation.index(found.best) + 1


@given(curve=st.lists(numbers, min_size=1, max_size=40), flat=numbers)
def test_training_that_is_validation_itself_is_never_overfit(curve: list[float], flat: float) -> None:
    assert diagnose(curve, curve).verdict is not Verdict.OVERFIT
    assert diagnose([flat] * len(curve), [flat] * len(curve)).verdict is not Verdict.OVERFIT


@given(name=st.sampled_from(["good_fit", "gap alone", "overfit"]), epochs=st.integers(10, 60), more=st.integers(1, 8))
def test_a_few_more_flat_epochs_leave_a_settled_verdict(name: str, epochs: int, more: int) -> None:
    train, validation = MAKERS[name](epochs)

    longer_train, longer = (np.concatenate([curve, curve[-1:].repeat(more)]) for curve in (train, validation))

    assert diagnose(longer_train, longer).verdict == diagnose(train, validation).verdict


@given(
    pair=made,
    gap=st.floats(min_value=0, max_value=5),
)
def test_a_wider_gap_alone_never_makes_overfitting(pair: Pair, gap: float) -> None:
    train, validation = pair
    plain = diagnose(train, validation)

    wider = diagnose(train - gap, validation)

    if plain.verdict in {Verdict.GOOD_FIT, Verdict.UNFINISHED}:
        assert wider.verdict is not Verdict.OVERFIT
