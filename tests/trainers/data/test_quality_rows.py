"""What more rows would bring, rows that are far from all others, and splits that are not alike."""

from __future__ import annotations

import numpy as np
import pytest

from goodfit.trainers.data.quality.drift import drift_between
from goodfit.trainers.data.quality.growth import growth_of
from goodfit.trainers.data.quality.outliers import outlier_scores

SIZES = [100, 200, 400, 800]


def scores(error: float, power: float, noise: float, seed: int = 0) -> list[list[float]]:
    random = np.random.default_rng(seed)
    return [[1 - 0.05 - error * n**-power + float(random.normal(0, noise)) for _ in range(3)] for n in SIZES]


def test_a_power_law_says_what_twice_the_rows_would_gain() -> None:
    found = growth_of(SIZES, scores(2.0, 0.5, 0.0005), larger_is_better=True, seed=0)
    true = 2.0 * (800**-0.5 - 1600**-0.5)
    assert found.gain == pytest.approx(true, rel=0.15)
    assert found.low < true < found.high
    assert found.clear
    assert found.limit == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize(
    ("limit", "slope", "power"),
    [(0.1, 2, 0.333), (0.1, 2, 0.02), (0, 1, 0.01), (0.1, 2, 3.0), (0.1, 2, 0.5), (0, 5, 1.0), (0.1, -1, 0.5)],
)
def test_a_power_law_without_noise_is_found_whatever_its_exponent(limit: float, slope: float, power: float) -> None:
    found = growth_of(SIZES, [[limit + slope * n**-power] * 3 for n in SIZES], larger_is_better=False, seed=0)
    assert found.gain == pytest.approx(slope * (800**-power - 1600**-power), rel=1e-6)
    assert found.exponent == pytest.approx(power, rel=1e-6)
    assert found.limit == pytest.approx(limit, abs=1e-6)
    assert found.equal == found.sizes == tuple(SIZES)
    assert not found.clear  # without noise nothing says how sure it is


@pytest.mark.parametrize("noise", [1e-4, 3e-3])
def test_nine_of_ten_intervals_hold_the_true_gain(noise: float) -> None:
    true = 2.0 * (800**-0.333 - 1600**-0.333)
    holds = [
        found.low < true < found.high
        for seed in range(60)
        for found in [growth_of(SIZES, scores(2.0, 0.333, noise, seed), larger_is_better=True, seed=seed)]
    ]
    assert 48 <= sum(holds) <= 59  # of 60 nine tenths are 54, and 2.3 is their standard deviation


def test_seeds_without_a_difference_count_as_one_score() -> None:
    drawn = scores(2.0, 0.333, 0.003)
    mean = float(np.mean(drawn[-1]))
    widths = []
    for last in ([mean - 0.003, mean, mean + 0.003], [mean] * 3):
        found = growth_of(SIZES, [*drawn[:-1], last], larger_is_better=True, seed=0)
        widths.append(found.high - found.low)
        assert found.equal == ((800,) if last[0] == last[1] else ())
    assert widths[1] > 1.2 * widths[0]


def test_scores_that_do_not_rise_gain_nothing_clear() -> None:
    flat = growth_of(SIZES, scores(0.0, 0.5, 0.01), larger_is_better=True, seed=0)
    assert not flat.clear
    falls = growth_of(
        SIZES, [[one + n / 1e3 for one in (1.0, 1.01)] for n in (1, 2, 3, 4)], larger_is_better=False, seed=0
    )
    assert falls.gain < 0
    assert not falls.clear
    with pytest.raises(ValueError, match="three sizes"):
        growth_of([1, 2], [[0.1, 0.2]] * 2, larger_is_better=True, seed=0)
    with pytest.raises(ValueError, match="finite"):
        growth_of([1, 2, 3], [[0.1, np.nan]] * 3, larger_is_better=True, seed=0)


def test_far_rows_are_outliers_and_equal_rows_are_not() -> None:
    random = np.random.default_rng(0)
    x = random.normal(0, 1, (500, 4))
    x[7] = 12.0
    far, score = outlier_scores(x, seed=0)
    assert far.nonzero()[0].tolist() == [7]
    assert score.argmin() == 7
    wide, _ = outlier_scores(np.concatenate([random.normal(0, 1, (300, 80)), np.full((1, 80), 9.0)]), seed=0)
    assert wide.nonzero()[0].tolist() == [300]
    assert not outlier_scores(np.ones((50, 2)), seed=0)[0].any()
    assert outlier_scores(np.ones((2, 2)), seed=0)[1].tolist() == [1.0, 1.0]


def test_splits_that_differ_are_told_apart_by_the_columns_that_differ() -> None:
    random = np.random.default_rng(0)
    alike = drift_between(random.normal(0, 1, (600, 5)), random.normal(0, 1, (200, 5)), seed=0)
    assert alike is not None
    assert not alike.differs
    moved = random.normal(0, 1, (200, 5))
    moved[:, 3] += 1.0
    found = drift_between(random.normal(0, 1, (600, 5)), moved, seed=0)
    assert found is not None
    assert found.differs
    assert found.columns[0] == 3
    wider = drift_between(random.normal(0, 1, (600, 2)), random.normal(0, 2, (600, 2)), seed=0)
    assert wider is not None
    assert wider.differs
    assert drift_between(np.ones((600, 2)), np.ones((600, 2)), seed=0).p >= 0.4  # type: ignore[union-attr]
    assert drift_between(np.ones((3, 2)), np.ones((600, 2)), seed=0) is None
