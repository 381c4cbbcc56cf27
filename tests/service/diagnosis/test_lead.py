"""The best of a study against that of another: what is counted out here is drawn there."""

from __future__ import annotations

import random

import pytest

from goodfit.service.diagnosis.lead import Scores, interval_of, lead_by_search, lead_by_seeds
from goodfit.service.objective import Objective

MORE, LESS = Objective("val/accuracy", "maximize"), Objective("val/loss", "minimize")


def test_the_best_of_trials_drawn_anew_is_counted_out_as_it_is_drawn() -> None:
    source = random.Random(0)
    values = [source.random() for _ in range(20)]
    drawn = sorted(max(source.choices(values, k=20)) for _ in range(20_000))
    found = interval_of(Scores(max(values), tuple(values)), MORE)
    assert found is not None
    assert (found.low, found.high) == (drawn[500], drawn[19_500])


def test_of_one_trial_no_interval_is_known() -> None:
    alone, many = Scores(0.5, (0.5,)), Scores(0.4, (0.4, 0.6))
    assert interval_of(alone, LESS) is None
    lead = lead_by_search(many, alone, LESS)
    assert lead.by == pytest.approx(0.1)
    assert lead.low is None
    assert not lead.clear


@pytest.mark.parametrize(("objective", "better", "worse"), [(MORE, 0.9, 0.1), (LESS, 0.1, 0.9)])
def test_a_clear_lead_is_one_in_either_direction(objective: Objective, better: float, worse: float) -> None:
    first = Scores(better, (better, better), better, 0.01, 3)
    second = Scores(worse, (worse, worse), worse, 0.01, 3)
    assert lead_by_search(first, second, objective).clear
    assert lead_by_seeds(first, second, objective).clear
    assert not lead_by_seeds(second, first, objective).clear


def test_seeds_that_all_gave_the_same_have_no_spread() -> None:
    first, second = Scores(0.9, (0.9,), 0.9, 0.0, 3), Scores(0.8, (0.8,), 0.8, 0.0, 3)
    lead = lead_by_seeds(first, second, MORE)
    assert lead.low == lead.high == pytest.approx(0.1)
