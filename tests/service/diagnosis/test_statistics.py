"""Each function beside the one of scipy.stats that it stands for."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from goodfit.service.diagnosis import statistics

SERIES = st.lists(st.integers(0, 12) | st.floats(-1, 1), min_size=2, max_size=60)


@given(SERIES)
def test_ranks(values: list[float]) -> None:
    assert statistics.ranks(values).tolist() == scipy.stats.rankdata(values).tolist()


def test_no_values_have_no_ranks() -> None:
    assert statistics.ranks([]).tolist() == []


@given(st.floats(-30, 30), st.integers(1, 10_000))
def test_student(t: float, freedom: int) -> None:
    assert statistics.student_sf(t, freedom) == pytest.approx(scipy.stats.t.sf(t, freedom), rel=1e-9, abs=1e-300)
    assert statistics.student_cdf(t, freedom) == pytest.approx(scipy.stats.t.cdf(t, freedom), rel=1e-9, abs=1e-300)


@given(st.integers(-1, 200), st.integers(1, 200), st.floats(0.01, 0.99))
def test_binomial(successes: int, trials: int, chance: float) -> None:
    successes = min(successes, trials)
    expected = scipy.stats.binom.sf(successes, trials, chance)
    assert statistics.binomial_sf(successes, trials, chance) == pytest.approx(expected, rel=1e-7, abs=1e-300)
    for quantile in (0.0012, 0.513, 0.947, 0.99987):
        expected = scipy.stats.binom.ppf(quantile, trials, chance)
        assert statistics.binomial_ppf(quantile, trials, chance) == expected


@given(st.integers(1, 400), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_hypergeometric(total: int, good: float, drawn: float, above: float) -> None:
    bad, draws = round(good * total), round(drawn * total)
    more_than = round(above * draws) - 1
    found = statistics.hypergeometric_sf(more_than, total, bad, draws)
    assert found[0] == pytest.approx(scipy.stats.hypergeom.sf(more_than, total, bad, draws), rel=1e-6, abs=1e-14)


def test_hypergeometric_of_many_pairs() -> None:
    drawn = np.arange(1, 10_000)
    more_than = np.minimum(drawn, 500) * 3 // 50
    found = statistics.hypergeometric_sf(more_than, 10_000, 500, drawn)
    some = slice(0, None, 500)
    expected = scipy.stats.hypergeom.sf(more_than[some], 10_000, 500, drawn[some])
    assert found[some] == pytest.approx(expected, rel=1e-6, abs=1e-14)


@given(st.lists(st.lists(st.integers(0, 9), min_size=2, max_size=20), min_size=2, max_size=5))
def test_kruskal(groups: list[list[int]]) -> None:
    if len({value for group in groups for value in group}) < 2:
        return
    arrays = [np.array(group, dtype=float) for group in groups]
    assert statistics.kruskal_p(arrays) == pytest.approx(scipy.stats.kruskal(*arrays).pvalue, rel=1e-7)


@given(SERIES, st.randoms(use_true_random=False))
def test_kendall(values: list[float], draw: object) -> None:
    other = list(values)
    draw.shuffle(other)  # type: ignore[attr-defined]
    for x in (list(range(len(values))), other):
        expected = scipy.stats.kendalltau(x, values).statistic
        found = statistics.kendall_tau(x, values)
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12) or (math.isnan(expected) and math.isnan(found))
    falling = scipy.stats.kendalltau(np.arange(len(values)), values, alternative="less").pvalue
    if math.isnan(falling):
        assert math.isnan(statistics.falling_p(values))
    else:
        assert statistics.falling_p(values) == pytest.approx(falling, rel=1e-6, abs=1e-9)


def test_kendall_of_many() -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=5000)
    y = x + draw.normal(size=5000)
    assert statistics.kendall_tau(x, y) == pytest.approx(scipy.stats.kendalltau(x, y).statistic, rel=1e-9)
