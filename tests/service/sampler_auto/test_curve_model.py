"""The Gaussian process over configurations and epochs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad

from goodfit.service.sampler.auto.curve_model import CurveModel, Observations

COLUMNS = np.array([0, 1, 2, 2])  # the third parameter is a choice of two


def observed(count: int, seed: int = 0) -> Observations:
    """Curves on a slope, seen at one or two epochs."""
    rng = np.random.default_rng(seed)
    rows = rng.random((count, 4))
    progress = rng.choice([0.3, 0.6, 1.0], count)
    values = 2 * rows[:, 0] - rows[:, 1] + 0.5 * progress + 0.01 * rng.normal(size=count)
    return Observations(rows, progress, np.arange(count) // 2, values - values.mean())


@pytest.mark.parametrize("shift", [-0.5, 0.0, 0.7])
def test_the_gradient_is_that_of_the_loss(shift: float) -> None:
    model, seen = CurveModel(COLUMNS), observed(20)
    hyper = model._mode + shift
    error = check_grad(lambda h: model._loss(h, seen)[0], lambda h: model._loss(h, seen)[1], hyper)
    assert error < 1e-4 * np.linalg.norm(model._loss(hyper, seen)[1])


def test_a_fit_makes_the_data_likelier_and_follows_from_them_alone() -> None:
    seen = observed(40)
    model, again = CurveModel(COLUMNS), CurveModel(COLUMNS)
    before = model._loss(model._mode, seen)[0]
    model.fit(seen)
    again.fit(observed(30, seed=5))
    again.fit(seen)
    assert model._loss(model._found, seen)[0] < before
    assert (model._found == again._found).all()


def test_it_predicts_what_it_did_not_see_and_is_surer_near_what_it_saw() -> None:
    seen = observed(60)
    model = CurveModel(COLUMNS)
    model.fit(seen)
    model.condition(seen)
    new = observed(60, seed=9)
    mean, deviation = model.predict(new.rows, new.progress, -1 - np.arange(60))
    assert np.corrcoef(mean, new.values)[0, 1] > 0.95
    _, known = model.predict(seen.rows, seen.progress, seen.trials)
    assert known.mean() < deviation.mean()


def test_a_trial_of_its_own_is_predicted_from_its_own_curve() -> None:
    rows = np.tile(np.full(4, 0.5), (3, 1))
    seen = Observations(rows, np.array([0.5, 0.5, 0.5]), np.array([0, 1, 2]), np.array([1.0, 0.0, -1.0]))
    model = CurveModel(COLUMNS)
    model.condition(seen)
    mean, _ = model.predict(rows, np.ones(3), np.array([0, 1, 2]))
    assert mean[0] > mean[1] > mean[2]


def test_without_parameters_it_still_tells_the_mean() -> None:
    model = CurveModel(np.empty(0, dtype=np.int64))
    seen = Observations(np.empty((4, 0)), np.ones(4), np.arange(4), np.array([1.0, 1.1, 0.9, 1.0]))
    model.fit(seen)
    model.condition(seen)
    mean, deviation = model.predict(np.empty((1, 0)), np.ones(1), np.array([-1]))
    assert mean[0] == pytest.approx(1.0, abs=0.3)
    assert deviation[0] > 0
