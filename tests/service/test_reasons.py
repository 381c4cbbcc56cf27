"""Why a trial is as it is: each sentence, with what makes it true."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from goodfit.service.reasons import Reason, by_trial, reasons_of
from goodfit.service.records import Decision, Failure, Seen, Trial, TrialState
from goodfit.service.spec import StudySpec
from tests.searching import auto_spec

SPEC = auto_spec()
TRIAL = Trial(4, {"x": 0.5}, 1, TrialState.COMPLETE, epochs=8, value=0.25, best_epoch=7)
KNOWN = {"score": 0.0, "floor": 2, "reliability": 0.5, "reliability_at": 1, "learned": False, "ended": 0, "best": 0.31}
FORECAST = {"epoch": 6, "forecast": [0.2, 0.25, 0.4], "chance": 0.34, "gain": 0.1}
RANK = {"rank": 3, "of": 20, "at": 2}


def decision(trial: int = 4, *, new: bool = False, until: int | None = 2, seen: int = 0, **why: Any) -> Decision:
    """A decision; `seen`: the epoch to which trial 4 had come."""
    came = (Seen(4, seen, 1.0, "target"),) if seen else ()
    return Decision(9, trial, new, until, 2, came, {"by": "ranks", **KNOWN, **why})


def one(made: Decision, trial: Trial = TRIAL, spec: StudySpec = SPEC) -> Reason:
    """What a decision meant."""
    return reasons_of(trial, [made], spec, 4)[0]


@pytest.mark.parametrize(
    ("why", "says"),
    [
        ({"source": "defaults"}, "It begins with the trainer's defaults"),
        ({"source": "start_from"}, "given by search.start_from"),
        ({"source": "control"}, "It is a control"),
        ({"source": "random"}, "drawn at random: such trials look where no model does"),
        ({"source": "random", "by": "full"}, "for a full run"),
        ({"source": "random", "by": "model"}, "all that the model proposed had been tried"),
        ({"source": "finals", "by": "full"}, "A model of the final values so far proposed it"),
        (
            {"source": "finals", "by": "full", **FORECAST},
            "promised most among full runs, with val/loss expected at 0.25",
        ),
        ({"source": "bayesian"}, "The study's search method, bayesian, proposed it"),
        ({"source": "curves", "by": "model"}, "A model of all curves so far proposed it."),
        (
            {"source": "curves", "by": "model", **FORECAST},
            "with val/loss expected at 0.25 (90% interval 0.2 to 0.4) by epoch 6 and a chance of 34% to beat 0.31, "
            "the best value then.",
        ),
    ],
)
def test_a_proposal_says_by_what_and_on_what_evidence(why: dict[str, Any], says: str) -> None:
    found = one(decision(new=True, **why))
    assert (found.event, found.epoch, found.until, found.decision) == ("proposed", 0, 2, 9)
    assert says in found.text
    assert found.evidence["by"] == why.get("by", "ranks")


def test_how_far_a_new_configuration_is_trained_first_is_explained() -> None:
    assumed = one(decision(new=True, source="random"))
    learned = one(decision(new=True, source="random", learned=True, reliability=0.66))
    assert "first trained to epoch 2 then: a rank correlation of 0.50 between values at epoch 1 and at the end is " in (
        assumed.text
    )
    assert "at epoch 1 and at the end was estimated at 0.66 from the study's curves" in learned.text
    assert one(decision(new=True, until=None, source="control")).text.endswith("to its end without a pause.")


@pytest.mark.parametrize(("chance", "says"), [(1e-9, "under 1%"), (0.999, "over 99%"), (0.5, "50%")])
def test_a_chance_says_no_more_than_is_known(chance: float, says: str) -> None:
    why = {"source": "curves", "by": "model", **FORECAST, "chance": chance}
    assert f"a chance of {says} to beat" in one(decision(new=True, **why)).text


def test_a_pause_says_the_rank_and_who_got_the_worker() -> None:
    new = one(decision(7, new=True, seen=2, after=4, by="model", source="curves", **FORECAST, **RANK))
    assert (new.event, new.epoch, new.until) == ("paused", 2, None)
    assert new.text == (
        "At epoch 2 it was paused. It ranked 3 of 20, and the worker was given to trial 7, a new configuration: the "
        "model of all curves chose it."
    )
    other = one(decision(7, seen=3, after=4, **RANK))
    assert other.text == (
        "At epoch 3 it was paused. It ranked 3 of 20 at epoch 2, and the worker was given to trial 7, which was "
        "resumed."
    )


@pytest.mark.parametrize(
    ("why", "says"),
    [
        ({}, "in the better half, there, of the trials that ranks alone promote"),
        ({"by": "full"}, "its last value was the best among the paused"),
        ({"by": "model", **FORECAST}, "the model of all curves chose it: weighed against"),
        ({"closing": 3}, "no new configuration could start any more, and the better half at each level went on"),
        ({"closing": 3, "by": "full"}, "too few trials had been trained to their end"),
    ],
)
def test_going_on_is_explained_at_once_and_later(why: dict[str, Any], says: str) -> None:
    later = one(decision(until=4, own=RANK, **why))
    assert (later.event, later.epoch, later.until) == ("resumed", 2, 4)
    assert later.text.startswith("It was resumed from epoch 2, to train to epoch 4: ")
    at_once = one(decision(until=None, seen=2, after=4, **RANK, **why))
    assert (at_once.event, at_once.epoch, at_once.until) == ("went on", 2, None)
    assert at_once.text.startswith("At epoch 2 it ranked 3 of 20 and went on at once to train to its end: ")
    assert says in later.text
    assert says in at_once.text


def test_a_trial_that_cannot_be_paused_is_stopped_or_goes_on() -> None:
    stopped = decision(seen=2, after=4, stays=True, ends=True, learned=True, reliability=0.8, rank=15, of=20, at=2)
    pruned = replace(TRIAL, state=TrialState.PRUNED, prune_at=2, epochs=2)
    [found] = reasons_of(pruned, [stopped], SPEC, 4)
    assert found.event == "stopped"
    assert found.text.startswith("At epoch 2 it was stopped, since it cannot be paused: it ranked 15 of 20, in the wor")
    assert "it cannot be paused, and nothing was sure" in one(decision(seen=2, after=4, stays=True, **RANK)).text


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "It was trained to its end, epoch 8. Its best val/loss is 0.25, of epoch 7."),
        ({"epochs": 5}, "Its training ended of itself at epoch 5 of 8."),
        ({"epochs": 5, "stop_at": 5}, "It was stopped at epoch 5: it overfits"),
        (
            {"state": TrialState.PRUNED, "epochs": 2, "prune_at": 2, "until": 2},
            "it was not resumed: it counts as pruned",
        ),
        (
            {"state": TrialState.PRUNED, "epochs": 3, "prune_at": 3, "until": 4},
            "It ended at epoch 3: its trainer gave it",
        ),
        (
            {"state": TrialState.FAILED, "epochs": 3, "failure": Failure.OOM, "message": "no more"},
            "It failed at epoch 3 (oom): no more.",
        ),
        ({"state": TrialState.CANCELLED, "epochs": 3}, "it was cancelled"),
        ({"state": TrialState.PAUSED, "epochs": 3}, "It is paused at epoch 3, and may be resumed."),
        ({"state": TrialState.RUNNING, "epochs": 3}, "It runs, at epoch 3."),
        ({"state": TrialState.QUEUED, "epochs": 0}, "It waits for a worker"),
    ],
)
def test_the_last_event_is_where_the_trial_is(changes: dict[str, Any], says: str) -> None:
    trial = replace(TRIAL, **changes)
    last = reasons_of(trial, [decision(new=True, source="random")], SPEC, 4)[-1]
    assert last.event == trial.label
    assert says in last.text


@pytest.mark.parametrize(
    ("place", "says"),
    [
        (0, "given by search.start_from"),
        (1, "begins with the trainer's defaults"),
        (2, "The study's search method, bayesian, proposed it."),
        (9, "It is a control"),
    ],
)
def test_without_decisions_the_file_says_what_can_be_said(place: int, says: str) -> None:
    search = {"method": "bayesian", "start_from": [{"x": 0.1}]}
    spec = auto_spec(search=search, pruning={"method": "asha"}, control=0.1)
    trial = replace(TRIAL, number=place, state=TrialState.PRUNED, epochs=3, prune_at=3)
    first, last = reasons_of(trial, [], spec, place)
    assert says in first.text
    assert (first.event, first.decision) == ("proposed", None)
    assert "It was pruned at epoch 3 (pruning: asha)." in last.text


def test_a_confirmation_names_the_trial_that_it_confirms() -> None:
    first, *_ = reasons_of(replace(TRIAL, confirms=2), [], SPEC, 4)
    assert first.text == "It trains the configuration of trial 2 again on a fresh seed, to confirm it."


def test_a_decision_concerns_who_got_the_worker_and_who_gave_it_up() -> None:
    made = [decision(1, new=True), decision(2, after=1), decision(2, after=2)]
    assert by_trial(made) == {1: made[:2], 2: made[1:]}
