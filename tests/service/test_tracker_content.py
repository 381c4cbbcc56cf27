"""What MLflow is shown of a record, without MLflow."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.service.objective import Objective
from goodfit.service.records import Failure, Report, Study, StudyState, Trial, TrialState, Verdict
from goodfit.service.tracker import content
from goodfit.service.tracker.content import Point, safe_name

ACCURACY = Objective("val/accuracy", "maximize")
STUDY = Study("digits", {"objective": {"metric": "val/accuracy", "direction": "maximize"}}, "abc", 1000.0)


def _ended(number: int, value: float | None, state: TrialState = TrialState.COMPLETE, at: float | None = None) -> Trial:
    return Trial(number, {}, seed=0, state=state, value=value, ended=100.0 + number if at is None else at)


def _series(points: list[Point], key: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in points if point.key == key]


def test_a_gap_is_how_much_worse_validation_is_whichever_way_is_better() -> None:
    report = Report(0, 3, {"train/loss": 0.2, "val/loss": 0.5, "train/accuracy": 0.9, "val/accuracy": 0.8}, 12.5)
    points = {point.key: point for point in content.trial_points(Trial(0, {}, 1), [report], ACCURACY)}
    assert points["gap/loss"].value == pytest.approx(0.3)
    assert points["gap/accuracy"].value == pytest.approx(0.1)
    assert {point.step for point in points.values()} == {3}
    assert {point.at for point in points.values()} == {12500}


def test_a_metric_on_one_split_has_no_gap() -> None:
    points = content.trial_points(
        Trial(0, {}, 1), [Report(0, 1, {"train/loss": 0.2, "val/accuracy": 0.8}, 1.0)], ACCURACY
    )
    assert [point.key for point in points] == ["train/loss", "val/accuracy"]


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("f1_macro", True),
        ("top5-accuracy", True),
        ("R2", True),
        ("mse", False),
        ("perplexity", False),
        ("scored", False),
    ],
)
def test_the_name_of_a_metric_says_whether_more_is_better(name: str, more: bool) -> None:
    assert content.more_is_better(name, ACCURACY) is more


def test_the_objective_says_itself_whether_more_is_better() -> None:
    assert content.more_is_better("score", Objective("val/score", "minimize")) is False
    assert content.more_is_better("elbo", Objective("val/elbo", "maximize")) is True


def test_nan_and_infinities_stay_what_they_are() -> None:
    report = Report(0, 1, {"train/loss": math.inf, "val/loss": math.nan}, 1.0)
    values = {point.key: point.value for point in content.trial_points(Trial(0, {}, 1), [report], ACCURACY)}
    assert values["train/loss"] == math.inf
    assert math.isnan(values["val/loss"])
    assert math.isnan(values["gap/loss"])


def test_names_that_mlflow_takes_are_left_alone() -> None:
    for name in ("val/loss", "a b", "top-5", "x.y", "lr:head", "größe", "_"):
        assert safe_name(name) == name


@pytest.mark.parametrize(
    "name", ["val/f1@0.5", "a//b", "../x", "/x", "x/", ".", "..", "", "a\n", "loss (%)", "x" * 300]
)
def test_other_names_are_mapped_to_ones_that_it_takes(name: str) -> None:
    assert _taken_by_mlflow(safe_name(name))
    assert safe_name(name) != name


def test_names_that_look_alike_once_mapped_stay_apart() -> None:
    assert len({safe_name(name) for name in ("f1@5", "f1#5", "f1_5")}) == 3
    assert safe_name("val/f1@0.5").startswith("val/f1_0.5-")


@given(st.text(max_size=300))
def test_any_name_is_mapped_to_one_that_mlflow_takes(name: str) -> None:
    assert _taken_by_mlflow(safe_name(name))


def _taken_by_mlflow(name: str) -> bool:
    """MLflow's own rules: mlflow/utils/validation.py."""
    import posixpath

    characters = re.fullmatch(r"[/\w.\- :]*", name) is not None
    path = posixpath.normpath(name) == name and name != "." and not name.startswith(("..", "/"))
    return characters and path and 0 < len(name) <= 250


def test_a_long_param_is_cut_with_a_note_of_its_length() -> None:
    text = content.params({"prompt": "x" * 7000})["prompt"]
    assert len(text) == content.PARAM_LENGTH
    assert text.endswith("... (cut: 7000 characters)")


def test_a_study_is_told_by_dotted_names_without_its_space() -> None:
    study = replace(STUDY, spec={**STUDY.spec, "search": {"method": "grid", "seed": 0}, "space": {"x": {"low": 0}}})
    assert content.study_params(study) == {
        "objective.metric": "val/accuracy",
        "objective.direction": "maximize",
        "search.method": "grid",
        "search.seed": "0",
    }


def test_values_come_as_trials_end_and_the_best_when_all_before_have_ended() -> None:
    trials = [_ended(0, 0.5), _ended(2, 0.9)]
    points = content.study_points(trials, ACCURACY)
    assert _series(points, "study/trial_value") == [(0, 0.5), (2, 0.9)]
    assert _series(points, "best_value") == [(0, 0.5)]
    points = content.study_points([*trials, _ended(1, 0.4)], ACCURACY)
    assert _series(points, "best_value") == [(0, 0.5), (1, 0.5), (2, 0.9)]


@given(st.permutations(range(6)), st.lists(st.sampled_from([0.1, 0.2, 0.3, math.nan, None]), min_size=6, max_size=6))
def test_a_point_of_the_summary_never_changes_once_it_is_there(order: list[int], values: list[float | None]) -> None:
    trials = [_ended(number, values[number], at=50.0 - number) for number in order]
    known: dict[tuple[str, int], str] = {}
    for count in range(len(trials) + 1):
        points = {point.place: repr(point) for point in content.study_points(trials[:count], ACCURACY)}
        assert points.items() >= known.items()
        known = points
    assert len(_series(content.study_points(trials, ACCURACY), "trials/complete")) == 6


def test_states_and_verdicts_are_counted_by_trial_number() -> None:
    trials = [
        replace(_ended(0, 0.5), verdict=Verdict.GOOD_FIT),
        replace(_ended(1, 0.2, TrialState.PRUNED), verdict=Verdict.OVERFIT),
        replace(_ended(2, 0.7), verdict=Verdict.GOOD_FIT),
    ]
    points = content.study_points(trials, ACCURACY)
    assert _series(points, "trials/complete") == [(0, 1), (2, 2)]
    assert _series(points, "trials/pruned") == [(1, 1)]
    assert _series(points, "verdicts/good_fit") == [(0, 1), (2, 2)]


def test_the_best_is_a_complete_trial_and_the_first_of_equals() -> None:
    trials = [_ended(3, 0.7), _ended(1, 0.7), _ended(0, 0.9, TrialState.PRUNED), _ended(2, math.nan), _ended(4, None)]
    best = content.best_of(trials, ACCURACY)
    assert best is not None
    assert best.number == 1
    assert content.best_of([_ended(0, 0.9, TrialState.PRUNED)], ACCURACY) is None


def test_a_failed_trial_says_how_and_why() -> None:
    trial = Trial(7, {}, 0, TrialState.FAILED, Failure.NAN, "val/loss is nan at epoch 3", attempts=2)
    tags = content.trial_tags(STUDY, trial)
    assert {key: value for key, value in tags.items() if value} == {
        "goodfit.study": "digits",
        "goodfit.trial": "7",
        "goodfit.state": "FAILED(nan)",
        "goodfit.attempt": "2",
        "goodfit.failure": "val/loss is nan at epoch 3",
    }
    assert content.trial_status(trial) == "FAILED"


def test_notes_are_tags_of_their_own() -> None:
    trial = Trial(7, {}, 0, notes={"about": "v2", "auc": 0.5, "goodfit.state": "x", "odd@": True})
    tags = content.trial_tags(STUDY, trial)
    assert (tags["notes.about"], tags["notes.auc"], tags["notes.goodfit.state"]) == ("v2", "0.5", "x")
    assert tags["goodfit.state"] == "QUEUED"
    assert [value for key, value in tags.items() if key.startswith("notes.odd_-")] == ["true"]


def test_every_state_has_a_status_that_mlflow_knows() -> None:
    known = {"RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"}
    assert {content.trial_status(Trial(0, {}, 0, state)) for state in TrialState} <= known
    assert {content.study_status(replace(STUDY, state=state)) for state in StudyState} <= known


def test_the_files_are_json_whatever_the_numbers_are() -> None:
    trial = replace(_ended(0, math.nan), diagnosis={"gap": math.inf, "advice": ["more data"]})
    told = json.loads(content.diagnosis_json(trial), parse_constant=pytest.fail)
    assert (told["value"], told["gap"], told["advice"]) == (None, None, ["more data"])


def test_studies_of_one_name_are_told_apart() -> None:
    assert content.identity(STUDY) != content.identity(replace(STUDY, created=1000.5))
    assert content.identity(STUDY) != content.identity(replace(STUDY, fingerprint="abd"))
