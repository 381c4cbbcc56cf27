"""The answer of a study in a report and on the command line: each sentence where it is true, and not where nearly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from goodfit.service.cli.diagnose import answer, print_diagnosis
from goodfit.service.diagnosis.health import Facts
from goodfit.service.diagnosis.study import diagnose_study
from goodfit.service.objective import Objective
from goodfit.service.records import Study, StudyState, Trial, TrialState
from goodfit.service.report.answer import answer_of
from goodfit.service.spec import StudySpec

STUDY = Study("q", {}, "", 0.0, state=StudyState.DONE)
SPEC = StudySpec.from_dict(
    {
        "name": "q",
        "trainer": "/net.py:train",
        "space": [{"name": "x", "type": "int", "low": 1, "high": 9}],
        "objective": {"metric": "val/loss", "direction": "minimize"},
        "training": {"epochs": 5},
    }
)


def complete(*values: float) -> list[Trial]:
    return [Trial(number, {"x": 1}, 0, TrialState.COMPLETE, value=value) for number, value in enumerate(values)]


def failed(*messages: str) -> list[Trial]:
    return [Trial(number, {}, 0, TrialState.FAILED, message=message) for number, message in enumerate(messages)]


def cancelled(count: int) -> list[Trial]:
    return [Trial(number, {}, 0, TrialState.CANCELLED) for number in range(count)]


def found_of(trials: list[Trial]) -> dict[str, Any]:
    facts = Facts(objective=Objective("val/loss", "minimize"), epochs=5)
    return diagnose_study(trials, [], SPEC.space, facts).to_dict()


@pytest.mark.parametrize(
    ("trials", "headline"),
    [
        ([], "No trial has started yet"),
        (failed("a"), "The only trial failed: a"),
        (failed("a", "a", "b"), "All 3 trials failed; most often: a"),
        (failed("a", "b"), "All 2 trials failed; one of them: a"),
        (cancelled(1), "The only trial was not trained to its end"),
        (cancelled(2), "None of 2 trials was trained to its end"),
        (complete(0.5, 0.4), "Trial 1 is the best configuration"),
    ],
)
def test_the_headline(trials: list[Trial], headline: str) -> None:
    assert answer_of(STUDY, SPEC, trials, found_of(trials))["headline"] == headline


@pytest.mark.parametrize(
    ("trials", "more"),
    [
        (complete(0.5), "Not confirmed: the only complete trial, measured"),
        (complete(0.5, 0.6), "Not confirmed: the best of 2 complete trials, measured"),
        (complete(0.5, 0.5), "1 other complete trial has the same score: "),
        (complete(0.5, 0.5, 0.5), "2 other complete trials have the same score: "),
    ],
)
def test_how_sure_the_answer_is(trials: list[Trial], more: str) -> None:
    told = answer_of(STUDY, SPEC, trials, found_of(trials))["sure"]
    assert any(text.startswith(more) for text in told)
    assert any("same score" in text for text in told) == ("same score" in more)
    assert any("How much of its lead is luck is not known" in text for text in told) == (len(trials) > 1)


def test_a_confirmation_on_the_test_split_is_proposed_only_where_there_is_one() -> None:
    trials = complete(0.5, 0.6)

    def proposed(data: dict[str, Any] | None, study: Study = STUDY) -> list[str]:
        spec = StudySpec.from_dict({**SPEC.to_dict(), "data": data})
        return [step["text"] for step in answer_of(study, spec, trials, found_of(trials))["next"] if step["set"]]

    assert proposed(None) == ["Confirm the best configurations on fresh seeds."]
    assert proposed({"source": "iris"}) == [
        "Confirm the best configurations on fresh seeds and the untouched test split."
    ]
    opened = replace(STUDY, test_opened=1.0)
    assert proposed({"source": "iris"}, opened) == [
        "Confirm the best configurations on fresh seeds and the test split."
    ]
    assert proposed({"source": "iris", "split": {"test": 0}}) == []


@pytest.mark.parametrize(
    ("state", "trials", "text", "command"),
    [
        (
            StudyState.FAILED, failed("a", "a"),
            "The study has failed (why). Once the cause is fixed, train again what failed:",
            "goodfit resume q --retry-failed",
        ),
        (
            StudyState.FAILED, complete(0.5),
            "The study has failed (why). Everything is saved; go on with:", "goodfit resume q",
        ),
        (
            StudyState.INTERRUPTED, failed("a"),
            "The study was interrupted (why). Everything is saved; go on with:", "goodfit resume q",
        ),
        (
            StudyState.STOPPED, complete(0.5),
            "The study was stopped (why). Everything is saved; go on with:", "goodfit resume q",
        ),
    ],
)  # fmt: skip
def test_a_study_that_ended_early_says_how_to_go_on(
    state: StudyState, trials: list[Trial], text: str, command: str
) -> None:
    study = replace(STUDY, state=state, message="why")
    step = answer_of(study, SPEC, trials, found_of(trials))["next"][0]
    assert (step["text"], step["command"]) == (text, command)


@pytest.mark.parametrize(("found", "said"), [(0.25, "0.25 too good"), (0.0, "just as good"), (-0.25, "0.25 better")])
def test_the_optimism_on_the_test_split_has_its_direction(found: float, said: str) -> None:
    facts = found_of(complete(0.5, 0.6))
    facts["optimism"] |= {"test": 0.5 + found, "found_on_test": found}
    (text,) = [text for label, text in answer(facts) if label == "optimism"]
    assert text.endswith(f"on the test split: {said}")


@pytest.mark.parametrize(("count", "said"), [(9, "too few trials"), (10, "no problems found")])
def test_nothing_amiss_is_said_only_of_enough_trials(count: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    trials = complete(*(0.5 + number / 100 for number in range(count)))
    print_diagnosis({"study": "q", **found_of(trials), "findings": []})
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("tested", "said"), [(True, "test/loss 0.5 on the test split"), (False, "val/loss 0.5 on fresh seeds")]
)
def test_a_winner_is_confirmed_where_it_was_scored(tested: bool, said: str) -> None:
    winner = {"trial": 1, "mean": 0.5, "error": None, "reason": "it is", "standings": [], "tested": tested}
    told = [text for label, text in answer({**found_of(complete(0.5, 0.4)), "winner": winner}) if label == "winner"]
    assert told == [f"trial 1, confirmed: {said}"]
    again = replace(complete(0.5)[0], number=2, confirms=1, test={"loss": 0.5} if tested else None)
    facts = {**found_of(complete(0.5, 0.4)), "winner": winner}
    assert f"Confirmed: {said}." in answer_of(STUDY, SPEC, [*complete(0.5, 0.4), again], facts)["sure"]
