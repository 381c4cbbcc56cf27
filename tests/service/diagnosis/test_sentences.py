# ruff: noqa: E501 - a case a line, with its sentence
"""Every finding about a study: a case in which it is said, and one in which it is not, though nearly.

A new finding must be added to CASES.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import goodfit.service.diagnosis
from goodfit.search_spaces.space import Choice as Choices
from goodfit.search_spaces.space import Float, Int, Space
from goodfit.service.diagnosis.choice import Candidate, choose
from goodfit.service.diagnosis.health import Facts, Finding
from goodfit.service.diagnosis.health.controls import (
    no_better_than_chance,
    no_better_than_defaults,
    no_better_than_random,
)
from goodfit.service.diagnosis.health.early import EarlyScore, EarlyScores, pruning_trust
from goodfit.service.diagnosis.health.effects import without_effect
from goodfit.service.diagnosis.health.finding import percent
from goodfit.service.diagnosis.health.fit import cut_short, overfit_trials
from goodfit.service.diagnosis.health.inputs import mixed_inputs
from goodfit.service.diagnosis.health.noise import Noise, noise_hides_effect
from goodfit.service.diagnosis.health.progress import search_progress
from goodfit.service.diagnosis.health.range_ends import at_the_edge
from goodfit.service.diagnosis.health.table import Table
from goodfit.service.diagnosis.health.test_reuse import searched_after_test
from goodfit.service.diagnosis.health.wasted_budget import lost_trials
from goodfit.service.diagnosis.optimism import confirmed_against_defaults, few_complete, measure_optimism, too_good
from goodfit.service.objective import Objective
from goodfit.service.records import Failure, Study, Trial, TrialState, Verdict
from tests.service.diagnosis.made_studies import ACCURACY, LOSS

Params = Sequence[dict[str, Any]]
X, Y = Float("x", 0.0, 10.0), Float("y", 0.0, 10.0)


def table(values: Sequence[float], params: Params = (), space: Sequence[Any] = (), **facts: Any) -> Table:
    """Complete trials with these scores, less is better unless the facts say otherwise."""
    known = params or [{} for _ in values]
    trials = [
        Trial(number, known[number], 0, TrialState.COMPLETE, value=value, epochs=12)
        for number, value in enumerate(values)
    ]
    return of(trials, space, **facts)


def of(trials: Sequence[Trial], space: Sequence[Any] = (), **facts: Any) -> Table:
    known = Facts(**{"objective": LOSS, "epochs": 12, **facts})
    return Table.of(trials, [], Space(tuple(space)), known)


def by_random(later: float, count: int = 40) -> Iterator[Finding]:
    """Trials of which every fourth was drawn at random; the later searched ones are better by so much."""
    rng = np.random.default_rng(0)
    values = [float(rng.random()) - (later if number >= count // 2 and number % 4 else 0) for number in range(count)]
    return no_better_than_random(table(values, controls=frozenset(range(0, count, 4))))


def by_chance(best: float, baseline: float = 0.5, objective: Objective = ACCURACY, **facts: Any) -> Iterator[Finding]:
    worse = best + 0.1 * objective.sign
    return no_better_than_chance(table([best, worse], objective=objective, baseline=baseline, **facts))


def by_defaults(default: float, pruned: int = 0, sigma: float = 0.0, others: int = 11) -> Iterator[Finding]:
    """Defaults and trials of 0.5 to 0.6, of which some were pruned."""
    values = [default, *(0.5 + 0.1 * number / others for number in range(others))]
    trials = [
        Trial(n, {}, 0, TrialState.PRUNED if n > len(values) - 1 - pruned else TrialState.COMPLETE, value=value)
        for n, value in enumerate(values)
    ]
    noise = Noise(sigma, "seeds", 0.03, 0.5, 0, 12) if sigma else None
    return no_better_than_defaults(of(trials, tried_defaults=True), noise)


def by_infeasible(default: float = 0.0, others: float | None = None) -> Iterator[Finding]:
    """Defaults of 0.4, and trials of 0.5 to 0.6 of which the last is 0.3, with how far each is beyond a bound."""
    values = [0.4, *(0.5 + 0.01 * number for number in range(10)), 0.3]
    beyond = [default, *[0.0] * 10, others]
    trials = [
        Trial(n, {}, 0, TrialState.COMPLETE, value=value, violation=violation)
        for n, (value, violation) in enumerate(zip(values, beyond, strict=True))
    ]
    return no_better_than_defaults(of(trials, tried_defaults=True), None)


def by_rank(*scores: tuple[int, float], pruned_from: int | None, method: str = "median") -> Iterator[Finding]:
    """Kendall's tau by epoch, each known to 0.05."""
    told = tuple(EarlyScore(epoch, tau, tau - 0.05, tau + 0.05) for epoch, tau in scores)
    return pruning_trust(EarlyScores(told, 20, False, pruned_from), table([1.0], pruning=method))


def by_edge(best: float) -> Iterator[Finding]:
    rng = np.random.default_rng(1)
    params = [{"x": float(x), "y": float(y)} for x, y in 10 * rng.random((60, 2))]
    return at_the_edge(table([abs(one["x"] - best) for one in params], params, (X, Y)))


def by_effect(count: int, alone: bool = False) -> Iterator[Finding]:
    rng = np.random.default_rng(3)
    params = [{"x": float(x), "y": float(y)} for x, y in 10 * rng.random((count, 2))]
    values = [float(rng.random()) if alone else one["y"] + 0.1 * float(rng.random()) for one in params]
    space = (X,) if alone else (X, Y)
    return (item for item in without_effect(table(values, params, space)) if item.parameter == "x")


def by_verdict(
    verdicts: str, epochs: int = 12, complete: int | None = None, best_epoch: int | None = None, **facts: Any
) -> Table:
    """Trials with verdicts by their first letters, the best first; the first so many are complete."""
    names = {"o": Verdict.OVERFIT, "g": Verdict.GOOD_FIT, "u": Verdict.UNFINISHED}
    done = len(verdicts) if complete is None else complete
    trials = [
        Trial(
            n,
            {},
            0,
            TrialState.COMPLETE if n < done else TrialState.PRUNED,
            value=float(n),
            verdict=names[letter],
            epochs=epochs,
            best_epoch=best_epoch,
        )
        for n, letter in enumerate(verdicts)
    ]
    return of(trials, epochs=epochs, **facts)


def by_loss(*failures: Failure, count: int = 10, messages: Sequence[str] = ()) -> Iterator[Finding]:
    said = [*messages, *[None] * len(failures)]
    lost = [Trial(n, {"k": n}, 0, TrialState.FAILED, failure=one, message=said[n]) for n, one in enumerate(failures)]
    rest = [Trial(n, {"k": n}, 0, TrialState.COMPLETE, value=1.0) for n in range(len(failures), count)]
    return lost_trials(of([*lost, *rest]))


def where_lost(space: Any, params: Params, lost: Sequence[bool]) -> str:
    trials = [
        Trial(n, one, 0, TrialState.FAILED, failure=Failure.NAN)
        if bad
        else Trial(n, one, 0, TrialState.COMPLETE, value=1.0)
        for n, (one, bad) in enumerate(zip(params, lost, strict=True))
    ]
    return next(lost_trials(of(trials, [space]))).text


def by_noise(sigma: float, spread: float, trials: int = 10, folds: bool = False) -> Iterator[Finding]:
    noise = Noise(sigma, "seeds", spread, max(0.0, 1 - (sigma / spread) ** 2), 4, trials)
    return noise_hides_effect(noise, Facts(objective=LOSS, epochs=12, folds=folds))


def by_progress(values: Sequence[float], sigma: float = 0.0, **facts: Any) -> Iterator[Finding]:
    noise = Noise(sigma, "seeds", 1.0, 0.5, 0, len(values)) if sigma else None
    return search_progress(table(values, **facts), noise)


FALLING = [1.0 - 0.02 * number for number in range(30)]
LEVEL = [1.0 + 0.05 * (number % 2) for number in range(30)]


def by_inputs(**marks: Sequence[str | None]) -> Iterator[Finding]:
    count = max(map(len, marks.values()))
    trials = [
        Trial(n, {}, 0, TrialState.COMPLETE, **{name: given[n] for name, given in marks.items()}) for n in range(count)
    ]
    return mixed_inputs(trials)


def by_time(started: float) -> Iterator[Finding]:
    study = Study("q", {}, "", 0.0, test_opened=100.0, test_openings=1)
    return searched_after_test(study, [Trial(0, {}, 0, TrialState.COMPLETE, started=started)])


def facts(**more: Any) -> Facts:
    return Facts(**{"objective": LOSS, "epochs": 12, **more})


def by_luck(
    scores: Sequence[float], again: Sequence[float], tests: dict[int, float] | None = None, sigma: float = 0.0
) -> Iterator[Finding]:
    noise = Noise(sigma, "seeds", 0.1, 0.5, 0, len(scores)) if sigma else None
    pairs = list(enumerate(scores))
    best = int(np.argmin(scores))
    confirmed = [Candidate(best, tuple(again))] if again else []
    return too_good(measure_optimism(pairs, LOSS, noise, confirmed, tests), scores, facts())


def by_seeds(default: Sequence[float], winner: Sequence[float], complete: int = 5) -> Iterator[Finding]:
    choice = choose([Candidate(0, tuple(default)), Candidate(1, tuple(winner))], LOSS)
    return confirmed_against_defaults(choice, LOSS, 0, complete)


def by_count(confirmed: int, trials: int, complete: int, pruned: int, top: int | None = None) -> Iterator[Finding]:
    candidates = [Candidate(number, (0.1 * number, 0.1 * number + 0.01)) for number in range(confirmed)]
    choice = choose(candidates, LOSS) if candidates else None
    return few_complete(choice, trials, complete, pruned, facts(confirm=(top, 3) if top else None))


# The code; a part of what is said, or None where the finding is not made; what is looked at.
CASES: list[tuple[str, str | None, Iterator[Finding]]] = [
    ("no_better_than_random", "did no better than random", by_random(0.0)),
    ("no_better_than_random", "did little better than random", by_random(0.12, count=400)),
    ("no_better_than_random", None, by_random(0.9)),
    ("no_better_than_chance", "is 0.5, and a trivial model gets 0.5. Do not use", by_chance(0.5)),
    ("no_better_than_chance", "gets 0.5, a lead too small to mean anything", by_chance(0.505)),
    ("no_better_than_chance", "; the best of 2 scores reaches 0.5", by_chance(0.54, rows=400)),
    ("no_better_than_chance", "is 1, and a trivial model gets 1. Do not use", by_chance(1.0, baseline=1.0)),
    ("no_better_than_chance", "val/loss is 0.7, and a trivial model gets 0.69. Do", by_chance(0.7, 0.69, LOSS)),
    ("no_better_than_chance", None, by_chance(0.52)),
    ("no_better_than_chance", None, by_chance(math.nan)),
    ("no_better_than_chance", None, by_chance(0.66, 0.69, LOSS)),
    ("no_better_than_defaults", "none of the other 11 trials with a score did better", by_defaults(0.5)),
    ("no_better_than_defaults", "none of the other 10 trials that keep the constraints did better", by_infeasible(0.0, 1.0)),
    ("no_better_than_defaults", "score, 1 of which was not trained to the end, did", by_defaults(0.4, pruned=1)),
    ("no_better_than_defaults", "score, 3 of which were not trained to the", by_defaults(0.4, pruned=3)),
    ("no_better_than_defaults", "the best of 12 trials 0.5, and with a noise of 0.1", by_defaults(0.55, sigma=0.1)),
    ("no_better_than_defaults", None, by_defaults(0.501)),
    ("no_better_than_defaults", None, by_infeasible(1.0, 1.0)),
    ("no_better_than_defaults", None, by_defaults(0.4, pruned=8)),
    ("no_better_than_defaults", None, by_defaults(0.4, others=8)),
    ("no_better_than_defaults", "Tuning gained nothing: the defaults (trial 0) are", by_seeds((0.1, 0.12), (0.3, 0.32))),
    ("no_better_than_defaults", "the difference 0.01", by_seeds((0.1, 0.12), (0.09, 0.11))),
    ("no_better_than_defaults", "the difference is not known", by_seeds((0.1, math.nan), (0.1,))),
    ("no_better_than_defaults", None, by_seeds((0.3, 0.32), (0.1, 0.12))),
    ("no_better_than_defaults", None, by_seeds((0.1, 0.12), (0.3, 0.32), complete=4)),
    ("early_scores_mislead", "begins at epoch 3, where", by_rank((3, 0.1), (6, 0.3), pruned_from=3)),
    ("early_scores_mislead", "From epoch 6 on it can", by_rank((3, 0.1), (6, 0.6), (9, 0.7), pruned_from=3)),
    ("early_scores_mislead", "tau = 0.10", by_rank((3, 0.1), (6, 0.6), (9, 0.3), pruned_from=3)),
    ("early_scores_mislead", None, by_rank((3, 0.4), pruned_from=3)),
    ("early_scores_mislead", None, by_rank((3, 0.1), pruned_from=4)),
    ("could_prune", "safe from epoch 3 of 12", by_rank((2, 0.5), (3, 0.7), (6, 0.8), pruned_from=None, method="none")),
    ("could_prune", None, by_rank((3, 0.7), (6, 0.5), pruned_from=None, method="none")),
    ("could_prune", None, by_rank((3, 0.6), (6, 0.8), pruned_from=None, method="none")),
    ("edge", "near the upper end of x: the best 6 trials have", by_edge(11.0)),
    ("edge", None, by_edge(5.0)),
    ("no_effect", "of what the other parameters leave", by_effect(150)),
    ("no_effect", None, by_effect(12)),
    ("overfit", "12 of 12 trials (100%) overfit, and 5 of the best 5: most of the best", overfit_trials(by_verdict("o" * 12))),
    ("overfit", "though most of the best did not.", overfit_trials(by_verdict("ggggg" + "o" * 20))),
    ("overfit", "overfit, and 2 of the best 3: most trials went on past their best epoch.", overfit_trials(by_verdict("oog" + "o" * 20, complete=3))),
    ("overfit", "23 of 23 trials (100%) overfit: most trials went", overfit_trials(by_verdict("o" * 23, complete=0))),
    ("overfit", None, overfit_trials(by_verdict("oogggooggg"))),
    ("overfit", None, overfit_trials(by_verdict("o" * 9))),
    ("cut_short", "5 of the best 5 trials were still improving", cut_short(by_verdict("u" * 10))),
    ("cut_short", "5 of the best 5 trials were still improving", cut_short(by_verdict("u" * 10, best_epoch=9))),
    ("cut_short", None, cut_short(by_verdict("u" * 10, best_epoch=3))),  # its loss went on falling, its accuracy did not rise
    ("cut_short", None, cut_short(by_verdict("u" * 10, epochs=4))),
    ("cut_short", None, cut_short(by_verdict("uuggg" * 2))),
    ("cut_short", None, cut_short(replace(by_verdict("u" * 10), facts=facts(epochs=30)))),
    ("lost_trials", "4 of 10 trials (40%) failed or diverged: 4 diverged.", by_loss(*[Failure.NAN] * 4)),
    ("lost_trials", "The message: no file x", by_loss(*[Failure.ERROR] * 4, messages=["no file x"] * 4)),
    ("lost_trials", "The most common message: a", by_loss(*[Failure.ERROR] * 4, messages=["b", "a", "a", "c"])),
    ("lost_trials", "One of the messages: a", by_loss(*[Failure.ERROR] * 4, messages=["a", "b", "c", "d"])),
    ("lost_trials", "3 ran out of memory, 1 lost the worker.", by_loss(*[Failure.OOM] * 3, Failure.LOST)),
    ("lost_trials", None, by_loss(*[Failure.NAN] * 3)),
    ("noise", "is 0.2, that of one score between seeds is 0.3; 4 of 9 others", by_noise(0.3, 0.2)),
    ("noise", "Validate on more data", by_noise(0.3, 0.2, folds=True)),
    ("noise", None, by_noise(0.1, 0.2)),
    ("noise", None, by_noise(0.3, 0.2, trials=9)),
    ("still_improving", "with 15 new bests in", by_progress(FALLING)),
    ("still_improving", None, by_progress(FALLING, different=30)),
    ("still_improving", None, by_progress(FALLING[::-1])),
    ("still_improving", None, by_progress([1.0] * 30)),
    ("saturated", "after 1 of 30 trials", by_progress(LEVEL, sigma=0.1)),
    ("saturated", None, by_progress(LEVEL[1:], sigma=0.1)),
    ("saturated", None, by_progress(LEVEL)),
    ("mixed_data", "trial 0 had a, trials 1-2 had b", by_inputs(data=["a", "b", "b"])),
    ("mixed_data", None, by_inputs(data=["a", "a", None])),
    ("mixed_code", "trials 0, 2 had a, trial 1 had b", by_inputs(code=["a", "b", "a"])),
    ("mixed_code", None, by_inputs(code=["a"])),
    ("test_reopened", "with trial 0.", by_time(101.0)),
    ("test_reopened", None, by_time(100.0)),
    ("optimism", "0.15 of it was luck.", by_luck([0.1, 0.5, 0.6], [0.24, 0.26])),
    ("optimism", "luck is expected to add 0.0846 to the best of 3 trials", by_luck([0.1, 0.5, 0.6], [0.24, 0.26], sigma=0.1)),
    ("optimism", "luck.", by_luck([0.1], [0.24, 0.26], sigma=0.1)),
    ("optimism", None, by_luck([0.1, 0.5, 0.6], [0.1, 0.14])),
    ("optimism", None, by_luck([0.1, 0.5, 0.6], [0.3])),
    ("overtuning", "0.2 worse than the earlier one.", by_luck([0.5, 0.4], [], {0: 0.3, 1: 0.5})),
    ("overtuning", "worse than the best of 2 earlier ones, and", by_luck([0.5, 0.4, 0.3], [], {0: 0.3, 1: 0.2, 2: 0.5})),
    ("overtuning", None, by_luck([0.5, 0.4], [], {0: 0.5, 1: 0.5})),
    ("few_complete", "1 of 12 trials was trained to the end, so 1 and not 2", by_count(1, 12, 1, 11, top=2)),
    ("few_complete", "2 of 12 trials were trained to the end (10 pruned)", by_count(0, 12, 2, 10)),
    ("few_complete", "None of 12 trials was trained to the end (12 pruned): there is no", by_count(0, 12, 0, 12)),
    ("few_complete", "too few to tell the winner from luck. Try more.", by_count(2, 4, 2, 0, top=3)),
    ("few_complete", None, by_count(2, 12, 10, 2, top=3)),
    ("few_complete", None, by_count(0, 12, 5, 7)),
    ("few_complete", None, by_count(0, 9, 4, 5)),
]  # fmt: skip


@pytest.mark.parametrize(("code", "said", "found"), CASES, ids=[f"{n}-{case[0]}" for n, case in enumerate(CASES)])
def test_a_finding_is_said_where_it_is_true(code: str, said: str | None, found: Iterator[Finding]) -> None:
    texts = [item.text for item in found if item.code == code]
    assert len(texts) == (0 if said is None else 1), texts
    for text in texts:
        assert said in text
        assert not re.search(r"\bnan\b|\binf\b|None [^o]|\b1 (trials|others|new bests|seeds)\b|-0\b|\.\.| ,", text)


def _codes() -> set[str]:
    folder = Path(goodfit.service.diagnosis.__file__).parent
    calls = [
        node
        for file in folder.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding"
    ]
    return {call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)}


def test_each_finding_of_the_package_is_among_the_cases_both_said_and_not() -> None:
    assert {code for code, said, _ in CASES if said is not None} == _codes()
    assert {code for code, said, _ in CASES if said is None} == _codes()


def test_the_place_of_lost_trials_is_what_their_parameters_are() -> None:
    counts = [{"k": 1 + n % 8} for n in range(40)]
    low = where_lost(Int("k", 1, 8), counts, [one["k"] <= 3 for one in counts])
    assert "Where: k up to 3, 15 of 15; elsewhere 0 of 25." in low
    high = where_lost(Int("k", 1, 8), counts, [one["k"] > 6 for one in counts])
    assert "Where: k above 6, 10 of 10; elsewhere 0 of 30." in high
    names = [{"k": "ab"[n % 2]} for n in range(40)]
    assert "Where: k a, 20 of 20" in where_lost(Choices("k", ("a", "b")), names, [one["k"] == "a" for one in names])


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [(0, 9, "0%"), (1, 900, "less than 1%"), (1, 3, "33%"), (899, 900, "more than 99%"), (9, 9, "100%")],
)
def test_a_share_is_never_rounded_to_none_or_all(part: int, whole: int, said: str) -> None:
    assert percent(part, whole) == said


@pytest.mark.parametrize(
    ("candidates", "reason"),
    [
        ([Candidate(4, (0.5, 0.6))], "trial 4 is the only configuration that was confirmed; its mean is 0.55"),
        ([Candidate(1, (0.1, 0.11)), Candidate(2, (0.5, 0.51))], "trial 1 has the best mean, 0.105, and no other is within its error"),
        ([Candidate(1, (0.1,)), Candidate(2, (0.5,))], "trial 1 has the best mean, 0.1, and the error of it is not known"),
        ([Candidate(1, (0.5, 0.51)), Candidate(2, (0.1, math.nan))], "trial 1 has the best mean, 0.505, of those that failed on the fewest seeds"),
        ([Candidate(1, (0.5,), size=9), Candidate(2, (0.5,), size=3)], "2 candidates have the same mean; their gaps are not known, and trial 2 is the cheapest"),
        ([Candidate(1, (0.5,), gap=0.1), Candidate(2, (0.5,))], "2 candidates have the same mean; trial 1 has the smallest known gap, 0.1"),
        ([Candidate(1, (0.5,), gap=0.1, size=2), Candidate(2, (0.5,), gap=0.1, size=1)], "2 candidates have the same mean; 2 have as small a gap, and trial 2 is the cheapest"),
        ([Candidate(1, (0.5,)), Candidate(2, (0.5,))], "2 candidates have the same mean; gap and cost decide nothing, and trial 1 has the best mean of them"),
    ],
)  # fmt: skip
def test_why_a_configuration_wins_is_true(candidates: list[Candidate], reason: str) -> None:
    assert choose(candidates, LOSS).reason == reason
