"""The confirmed winner, the winner's curse, and overtuning."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from goodfit.service.diagnosis.choice import Candidate, choose
from goodfit.service.diagnosis.confirmation import winner_of
from goodfit.service.diagnosis.health.noise import Noise
from goodfit.service.diagnosis.health.selection_bias import best_of, variance_of_best
from goodfit.service.diagnosis.health.table import Facts
from goodfit.service.diagnosis.optimism import (
    confirmed_against_defaults,
    few_complete,
    measure_optimism,
    overtuning,
    winners_curse,
)
from goodfit.service.diagnosis.study import diagnose_study
from goodfit.service.errors import InputError
from goodfit.service.records import Trial, TrialState
from tests.service.diagnosis.made_studies import ACCURACY, FACTS, LOSS, make_study

NAN = math.nan


def test_the_best_mean_wins_where_it_is_clear() -> None:
    made = choose([Candidate(3, (0.90, 0.91, 0.89)), Candidate(7, (0.95, 0.96, 0.94))], ACCURACY)
    assert made.trial == 7
    assert made.mean == pytest.approx(0.95)
    assert [standing.tied for standing in made.standings] == [True, False]
    assert choose([Candidate(3, (0.90, 0.91)), Candidate(7, (0.95, 0.96))], LOSS).trial == 3


def test_the_test_split_decides_where_it_was_opened() -> None:
    candidates = [Candidate(1, (0.99, 0.98), tests=(0.80, 0.81)), Candidate(2, (0.90, 0.91), tests=(0.88, 0.89))]
    made = choose(candidates, ACCURACY)
    assert (made.trial, made.mean) == (2, pytest.approx(0.885))


def test_a_tie_goes_to_the_smaller_gap() -> None:
    seeds = (0.90, 0.96)
    made = choose([Candidate(1, seeds, gap=0.2), Candidate(2, (0.895, 0.955), gap=0.01)], ACCURACY)
    assert made.trial == 2
    assert "smallest gap" in made.reason


def test_a_tie_in_mean_and_gap_goes_to_the_smaller_model() -> None:
    seeds = (0.90, 0.96)
    candidates = [Candidate(1, seeds, gap=0.010, size=90_000), Candidate(2, (0.895, 0.955), gap=0.012, size=9_000)]
    assert choose(candidates, ACCURACY).trial == 2
    slow = [replace(one, size=None, seconds=seconds) for one, seconds in zip(candidates, (5.0, 50.0), strict=True)]
    assert choose(slow, ACCURACY).trial == 1
    assert choose([replace(one, size=None) for one in candidates], ACCURACY).trial == 1


def test_an_unknown_gap_is_no_small_gap() -> None:
    seeds = (0.90, 0.96)
    assert choose([Candidate(1, seeds), Candidate(2, (0.89, 0.95), gap=0.1)], ACCURACY).trial == 2
    assert choose([Candidate(1, seeds), Candidate(2, (0.89, 0.95))], ACCURACY).trial == 1


def test_a_configuration_that_failed_on_a_seed_comes_after_those_that_did_not() -> None:
    made = choose([Candidate(1, (0.99, 0.99, NAN)), Candidate(2, (0.90, 0.91, 0.90))], ACCURACY)
    assert made.trial == 2
    assert made.standings[1].failed == 1


def test_a_configuration_without_any_score_comes_last() -> None:
    made = choose([Candidate(1, (NAN,)), Candidate(2, (0.9, NAN, NAN))], ACCURACY)
    assert [standing.trial for standing in made.standings] == [2, 1]


def test_one_seed_each_is_judged_by_the_noise_that_is_known() -> None:
    candidates = [Candidate(1, (0.92,), gap=0.2), Candidate(2, (0.91,), gap=0.01)]
    assert choose(candidates, ACCURACY).trial == 1
    assert choose(candidates, ACCURACY, noise=0.02).trial == 2


@pytest.mark.parametrize(
    "candidates",
    [[], [Candidate(1, (0.5,)), Candidate(1, (0.6,))], [Candidate(1, (NAN,)), Candidate(2, ())]],
    ids=["none", "twice", "all failed"],
)
def test_what_cannot_be_chosen_from_is_refused(candidates: list[Candidate]) -> None:
    with pytest.raises(InputError):
        choose(candidates, ACCURACY)


def test_ties_are_broken_for_the_better_model_more_often_than_by_the_mean_alone() -> None:
    random = np.random.default_rng(0)
    right = 0
    for _ in range(200):
        scores = [tuple(random.normal(0.9, 0.02, 3).tolist()) for _ in range(2)]
        right += choose([Candidate(0, scores[0], gap=0.2), Candidate(1, scores[1], gap=0.01)], ACCURACY).trial
    assert right > 120


@pytest.mark.parametrize(
    ("count", "mean", "variance"), [(1, 0, 1), (2, 0.5642, 0.6817), (10, 1.5388, 0.3443), (100, 2.5076, 0.1845)]
)
def test_order_statistics_are_those_of_the_tables(count: int, mean: float, variance: float) -> None:
    assert best_of(count) == pytest.approx(mean, abs=2e-4)
    assert variance_of_best(count) == pytest.approx(variance, abs=2e-4)


def test_the_winners_curse_is_what_simulation_gives() -> None:
    random = np.random.default_rng(1)
    true = random.normal(0.8, 0.03, (4000, 50))
    noise = random.normal(0.0, 0.02, (4000, 50))
    best = np.argmax(true + noise, axis=1)
    simulated = float(np.mean(noise[np.arange(4000), best]))
    assert winners_curse(50, 0.02, math.hypot(0.03, 0.02)) == pytest.approx(simulated, rel=0.05)


def test_without_noise_or_with_one_trial_there_is_no_curse() -> None:
    assert winners_curse(50, 0.0, 0.1) == 0
    assert winners_curse(1, 0.1, 0.1) == 0
    assert winners_curse(50, 0.1, 0.0) == pytest.approx(0.1 * best_of(50))


def test_overtuning_is_the_test_score_lost_since_the_best_incumbent() -> None:
    scores = [(0, 0.5), (1, 0.4), (2, 0.45), (3, 0.3)]
    found = overtuning(scores, {0: 0.6, 1: 0.5, 3: 0.52}, LOSS)
    assert found is not None
    assert found.amount == pytest.approx(0.02)
    assert found.relative == pytest.approx(0.2)
    assert (found.incumbents, found.missing, found.worse_than_first) == (3, 0, False)


def test_overtuning_above_one_is_worse_than_where_it_began() -> None:
    found = overtuning([(0, 0.5), (1, 0.6), (2, 0.7)], {0: 0.50, 1: 0.55, 2: 0.45}, ACCURACY)
    assert found is not None
    assert found.relative == pytest.approx(2.0)
    assert found.worse_than_first


def test_overtuning_needs_the_last_incumbent_and_another() -> None:
    scores = [(0, 0.5), (1, 0.4), (2, 0.3)]
    assert overtuning(scores, {0: 0.6, 1: 0.5}, LOSS) is None
    assert overtuning(scores, {2: 0.5}, LOSS) is None
    flat = overtuning(scores, {0: 0.5, 2: 0.6}, LOSS)
    assert flat is not None
    assert (flat.relative, flat.missing) == (None, 1)


def test_optimism_compares_validation_with_fresh_seeds_and_test() -> None:
    noise = Noise(0.02, "seeds", 0.04, 0.75, 3, 20)
    told = measure_optimism(
        [(0, 0.80), (1, 0.95), (2, NAN)],
        ACCURACY,
        noise,
        [Candidate(1, (0.90, 0.92), tests=(0.88, 0.90)), Candidate(0, (0.79,), tests=(0.7,))],
    )
    assert told is not None
    assert (told.trial, told.trials) == (1, 2)
    assert told.found == pytest.approx(0.04)
    assert told.found_on_test == pytest.approx(0.06)
    assert told.expected == pytest.approx(0.01 * best_of(2))
    assert told.deflated == pytest.approx(0.95 - 0.01 * best_of(2))
    assert told.overtuning is not None
    assert told.overtuning.amount == 0


def test_a_study_without_scores_has_no_optimism() -> None:
    assert measure_optimism([(0, NAN)], ACCURACY, None) is None


def test_a_confirmed_winner_is_part_of_the_diagnosis() -> None:
    made = make_study(0, 40)
    plain = diagnose_study(*made.given)
    assert plain.best is not None
    best = made.trials[plain.best]
    assert best.value is not None
    confirmed = [
        Candidate(best.number, (best.value + 1.0, best.value + 1.1), gap=0.1),
        Candidate(1, (best.value + 0.2, best.value + 0.3), gap=0.1),
    ]
    told = diagnose_study(*made.given, confirmed=confirmed)
    assert told.winner is not None
    assert told.winner.trial == 1
    finding = next(item for item in told.findings if item.code == "optimism")
    assert finding.numbers
    assert finding.numbers["found"] == pytest.approx(1.05)
    assert finding.edit
    assert finding.edit.sets == ("confirm={top: 3, seeds: 5}",)
    json.dumps(told.to_dict(), allow_nan=False)


@pytest.mark.parametrize(("has", "edit"), [((5, 3), "{top: 5, seeds: 5}"), ((2, 8), "{top: 3, seeds: 10}")])
def test_no_advice_asks_for_less_confirmation_than_there_was(has: tuple[int, int], edit: str) -> None:
    facts = replace(FACTS, confirm=has)
    assert facts.confirm_more.sets == (f"confirm={edit}",)


def test_the_smaller_of_equal_models_wins_however_long_it_took() -> None:
    """A trial that was interrupted over night took long; its model is no dearer for that."""
    search = [Trial(0, {}, 1, TrialState.COMPLETE, gap=0.0), Trial(1, {}, 1, TrialState.COMPLETE, gap=0.0)]
    again = [
        Trial(2 + 2 * confirms + seed, {}, seed, TrialState.COMPLETE, confirms=confirms, started=0.0, **facts)
        for confirms, facts in ((0, {"size": 2000, "ended": 1.0}), (1, {"size": 1000, "ended": 90_000.0}))
        for seed in (0, 1)
    ]
    scored = [replace(trial, test={"loss": 0.5 + 0.1 * trial.seed + 0.001 * trial.confirms}) for trial in again]
    choice = winner_of([*search, *scored], LOSS)
    assert choice is not None
    assert choice.trial == 1
    assert "cheapest" in choice.reason
    unknown = [replace(trial, size=None) for trial in scored]
    assert (other := winner_of([*search, *unknown], LOSS)) is not None
    assert other.trial == 0


def test_confirmed_defaults_decide_whether_tuning_won_anything() -> None:
    made = make_study(0, 40)
    equal = [Candidate(0, (0.5, 0.6, 0.55), gap=0.0), Candidate(5, (0.5, 0.59, 0.54), gap=0.0)]
    better = [Candidate(0, (0.9, 0.91, 0.92), gap=0.0), Candidate(5, (0.5, 0.51, 0.52), gap=0.0)]
    codes = [[item.code for item in diagnose_study(*made.given, confirmed=given).findings] for given in (equal, better)]
    assert "no_better_than_defaults" in codes[0]
    assert "no_better_than_defaults" not in codes[1]
    assert FACTS.tried_defaults


def test_nothing_is_concluded_of_the_defaults_from_one_configuration_or_few_complete_trials() -> None:
    both = choose([Candidate(0, (0.1, 0.11)), Candidate(3, (0.2, 0.21))], LOSS)
    alone = choose([Candidate(0, (0.1, 0.11))], LOSS)
    (said,) = confirmed_against_defaults(both, LOSS, complete=12)
    assert "of 2 configurations that were trained again" in said.text
    assert list(confirmed_against_defaults(alone, LOSS, complete=12)) == []
    assert list(confirmed_against_defaults(both, LOSS, complete=4)) == []


def test_few_complete_trials_are_said_with_their_number() -> None:
    facts = Facts(objective=LOSS, epochs=9, pruning="asha", confirm=(2, 3))
    alone = choose([Candidate(0, (0.1, 0.11))], LOSS)
    (said,) = few_complete(alone, 12, 1, 11, facts)
    assert said.text.startswith(
        "Only 1 of 12 trials was trained to the end, so 1 and not 2 configurations were confirmed (11 pruned)"
    )
    (unconfirmed,) = few_complete(None, 12, 2, 10, facts)
    assert unconfirmed.text.startswith("Only 2 of 12 trials were trained to the end (10 pruned)")
    both = choose([Candidate(0, (0.1, 0.11)), Candidate(3, (0.2, 0.21))], LOSS)
    assert list(few_complete(both, 12, 8, 4, facts)) == []
    assert list(few_complete(None, 8, 2, 6, facts)) == []  # a small study
    assert list(few_complete(None, 12, 2, 0, facts)) == []  # failed, which is said elsewhere
