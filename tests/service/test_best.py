"""The best of a study, from the few trials that they can be among."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.service import app
from goodfit.service.app.best import enough_for_best
from goodfit.service.diagnosis.confirmation import best_first
from goodfit.service.objective import Objective
from goodfit.service.records import Failure, StudyState, Trial, TrialState, ranked
from tests.serving import place, some_trials

METRIC = "val/accuracy"
VALUES = st.sampled_from([0.1, 0.5, 0.5, 0.7, 0.9, float("inf"), -1.0, None])
STATES = st.sampled_from([*TrialState, TrialState.COMPLETE, TrialState.COMPLETE])


class Trials:
    """The part of a store that is asked; as the store's contract has it."""

    def __init__(self, trials: list[Trial]) -> None:
        self._trials = trials

    def top(self, study_id: int, objective: Objective, k: int) -> list[Trial]:
        return ranked(self._trials, objective)[:k]

    def confirming(self, study_id: int) -> list[Trial]:
        again = {trial.confirms for trial in self._trials if trial.confirms is not None}
        return [trial for trial in self._trials if trial.confirms is not None or trial.number in again]


@st.composite
def studies(draw: st.DrawFn) -> list[Trial]:
    """Any search, and any part of any confirmation."""
    searched = [
        Trial(number, {}, number, state=draw(STATES), value=draw(VALUES), gap=draw(st.sampled_from([None, 0.0, 0.1])))
        for number in range(draw(st.integers(0, 12)))
    ]
    made: list[Trial] = []
    if searched:
        for _ in range(draw(st.integers(0, 6))):
            number = len(searched) + len(made)
            confirms = draw(st.integers(0, len(searched) - 1))
            test: dict[str, Any] | None = draw(st.sampled_from([None, {"accuracy": 0.4}, {"accuracy": 0.8}, {}]))
            again = Trial(number, {}, number, state=draw(STATES), value=draw(VALUES), confirms=confirms, test=test)
            made.append(replace(again, started=1.0, ended=2.0))
    return [
        replace(trial, failure=Failure.ERROR) if trial.state is TrialState.FAILED else trial
        for trial in (*searched, *made)
    ]


@settings(max_examples=400)
@given(studies(), st.integers(1, 15), st.sampled_from(["maximize", "minimize"]))
def test_the_best_of_some_trials_are_the_best_of_all(trials: list[Trial], k: int, direction: str) -> None:
    some = enough_for_best(Trials(trials), 1, Objective(METRIC, direction), k)  # type: ignore[arg-type]
    assert best_first(some, Objective(METRIC, direction))[:k] == best_first(trials, Objective(METRIC, direction))[:k]


def test_the_store_gives_what_that_needs(tmp_path: Path) -> None:
    from tests.serving import filled

    at = filled(tmp_path)
    study = at.store.study("digits")
    everything = at.store.trials(study.id)
    for k in (1, 2, 3, 9):
        some = enough_for_best(at.store, study.id, Objective(METRIC, "maximize"), k)
        assert [one.number for one in best_first(some, Objective(METRIC, "maximize"))[:k]] == [
            one.number for one in best_first(everything, Objective(METRIC, "maximize"))[:k]
        ]


def test_the_diagnosis_and_the_report_name_the_winner_that_keeps_the_constraints(tmp_path: Path) -> None:
    """Trials that break them are trained again where ways of mitigation are compared, and may score higher."""
    at = place(tmp_path)
    study = at.study(constraints=["val/loss <= 1"])
    searched, curves = some_trials()
    trials = [replace(trial, violation=2.0 if trial.number == 5 else 0.0) for trial in searched]
    at.write(study, trials, curves, StudyState.DONE)
    found = at.store.study("digits")
    diagnosis = app.diagnose_of(at.settings, at.store, found)
    assert diagnosis.winner is not None
    assert [standing.trial for standing in diagnosis.winner.standings] == [1]
    (best,) = app.best_of(at.settings, at.store, found, 1)
    assert best.trial == diagnosis.winner.trial == 1
    assert "Trial 1 is the best configuration" in app.report_of(at.settings, at.store, found)
