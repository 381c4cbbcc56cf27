"""to_optuna_study: a real Optuna study that Optuna's own tools take."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState as State

from goodfit.search_spaces.space import Space
from goodfit.service.objective import Objective
from goodfit.service.records import Failure, Report, Trial, TrialState, Verdict
from goodfit.service.sampler import to_optuna_study
from goodfit.testing.recorder import CONDITIONAL, FINITE, METRIC, Recorder, a_sampler

SGD = {"batch_size": 64, "optimizer": "sgd", "momentum": 0.7, "nesterov": False, "dropout": 0.25}
ADAM = {"batch_size": 64, "optimizer": "adam", "dropout": 0.5, "clip": 1.0}


def curve(trial: int, *values: float) -> list[Report]:
    return [Report(trial, epoch, {"train/loss": 0.0, METRIC: value}, 0.0) for epoch, value in enumerate(values, 1)]


def exported(
    trials: list[Trial], reports: list[Report], space: Space = CONDITIONAL, direction: str = "minimize"
) -> optuna.Study:
    return to_optuna_study("digits", space, Objective(METRIC, direction), trials, reports)


def ended(number: int, params: dict[str, Any], state: TrialState, **more: Any) -> Trial:
    return Trial(number, params, 0, state, started=1000.0, ended=1060.0, **more)


def a_study() -> optuna.Study:
    good = {"verdict": Verdict.GOOD_FIT, "gap": 0.02}
    trials = [
        ended(0, SGD, TrialState.COMPLETE, value=0.2, best_epoch=2, epochs=3, **good),
        ended(1, ADAM, TrialState.PRUNED, value=0.5, best_epoch=1, epochs=2),
        ended(2, SGD, TrialState.FAILED, failure=Failure.NAN),
        ended(3, ADAM, TrialState.CANCELLED, value=0.1, best_epoch=1),
        Trial(4, SGD, 0, TrialState.RUNNING, started=1030.0),
        Trial(5, ADAM, 0, TrialState.QUEUED),
    ]
    reports = [*curve(0, 0.4, 0.2, 0.3), *curve(1, 0.5, 0.6), *curve(2, float("nan")), *curve(3, 0.1), *curve(4, 0.7)]
    return exported(trials[::-1], reports)


def test_trials_keep_their_numbers_states_and_values() -> None:
    trials = a_study().trials
    assert [trial.number for trial in trials] == list(range(6))
    assert [trial.state for trial in trials] == [
        State.COMPLETE,
        State.PRUNED,
        State.FAIL,
        State.FAIL,
        State.RUNNING,
        State.WAITING,
    ]
    assert [trial.value for trial in trials] == [0.2, 0.6, None, None, None, None]


def test_a_trial_pruned_at_a_nan_has_no_value() -> None:
    study = exported([ended(0, ADAM, TrialState.PRUNED)], curve(0, 0.3, float("nan")))
    assert study.trials[0].value is None


def test_the_best_trial_is_the_best_complete_one() -> None:
    study = a_study()
    assert study.study_name == "digits"
    assert (study.best_trial.number, study.best_value, study.best_params["momentum"]) == (0, 0.2, 0.7)


def test_curves_become_intermediate_values_by_epoch() -> None:
    trials = a_study().trials
    assert trials[0].intermediate_values == {1: 0.4, 2: 0.2, 3: 0.3}
    assert trials[4].intermediate_values == {1: 0.7}


def test_what_was_searched_is_a_parameter_and_what_was_fixed_is_not() -> None:
    study = a_study()
    assert set(study.trials[0].params) == {"optimizer", "momentum", "nesterov", "dropout"}
    assert set(study.trials[1].params) == {"optimizer", "dropout"}
    assert study.user_attrs == {"metric": METRIC, "fixed": {"batch_size": 64, "clip": 1.0}}


def test_goodfits_own_findings_are_user_attributes() -> None:
    trials = a_study().trials
    assert trials[0].user_attrs == {
        "number": 0,
        "state": "COMPLETE",
        "verdict": "good_fit",
        "gap": 0.02,
        "best_epoch": 2,
        "best_value": 0.2,
    }
    assert trials[1].user_attrs["best_value"] == 0.5
    assert trials[2].user_attrs["state"] == "FAILED(nan)"


def test_notes_are_user_attributes_and_take_no_finding_away() -> None:
    notes = {"dataset": "v2", "gap": "wide"}
    (trial,) = exported([ended(0, SGD, TrialState.COMPLETE, value=0.2, gap=0.1, notes=notes)], []).trials
    assert (trial.user_attrs["dataset"], trial.user_attrs["notes.gap"], trial.user_attrs["gap"]) == ("v2", "wide", 0.1)


def test_times_are_optunas_local_ones() -> None:
    trial = a_study().trials[0]
    assert trial.datetime_start == datetime.fromtimestamp(1000.0)  # noqa: DTZ006  # what Optuna compares with
    assert trial.duration is not None
    assert trial.duration.total_seconds() == 60.0


def test_a_trial_cancelled_before_it_started_is_exported_too() -> None:
    study = exported([replace(ended(0, ADAM, TrialState.CANCELLED), started=None)], [])
    assert study.trials[0].state is State.FAIL


def test_choices_that_optuna_would_confuse_are_told_apart() -> None:
    trials = [
        ended(number, {"depth": 1, "bias": bias, "dropout": 0.1}, TrialState.COMPLETE, value=0.1)
        for number, bias in enumerate((True, 1, "1"))
    ]
    assert [trial.params["bias"] for trial in exported(trials, [], FINITE).trials] == ["true", "1", '"1"']


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_the_direction_is_the_studys(direction: str) -> None:
    assert exported([], [], direction=direction).direction.name.lower() == direction


def test_importances_data_frames_and_new_trials_work_on_it() -> None:
    recorder = Recorder(a_sampler(CONDITIONAL, "random"))
    for number in range(30):
        params = recorder.ask()
        assert params is not None
        recorder.report(number, params["dropout"])
        recorder.end(number, TrialState.COMPLETE)
    trials = [replace(trial, started=1.0, ended=2.0) for trial in recorder.trials.values()]
    study = exported(trials, recorder.reports)
    importances = optuna.importance.get_param_importances(study, params=["dropout", "optimizer"])
    assert importances["dropout"] > 0.9
    frame = study.trials_dataframe()
    assert list(frame["user_attrs_number"]) == list(range(30))
    assert study.ask().number == 30


def test_optunas_plots_are_drawn_from_it() -> None:
    """With the extra `plots`, as the README says."""
    from optuna import visualization

    study = a_study()
    for plot in (visualization.plot_optimization_history, visualization.plot_intermediate_values):
        assert len(plot(study).data) > 0
