"""The mirror on a real MLflow database: what is there after what happened in the store."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from goodfit.service.errors import TrackingError
from goodfit.service.records import Failure, StudyState, TrialState
from goodfit.service.scheduler import again
from goodfit.service.tracker import Mirror
from goodfit.service.tracker.experiment import connect
from goodfit.service.tracker.transaction import Rows
from goodfit.testing.lab import START
from tests.tracking import Lab, doubles, mirror_of, new_mlflow, seen


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return new_mlflow(tmp_path / "mlflow")


@pytest.fixture
def lab(tmp_path: Path) -> Any:
    lab = Lab(tmp_path)
    yield lab
    lab.store.close()


@pytest.fixture
def mirror(lab: Lab, uri: str, tmp_path: Path) -> Mirror:
    return mirror_of(lab, uri, tmp_path / "artifacts")


class Recorder:
    """A client that notes the points of each batch."""

    def __init__(self, uri: str) -> None:
        self._client = connect(uri)
        self.points: list[tuple[str, str, int]] = []
        self.batches: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def log_batch(self, run_id: str, metrics: Any = (), params: Any = (), tags: Any = ()) -> None:
        self.points += [(run_id, metric.key, metric.step) for metric in metrics]
        self.batches.append(len(metrics))
        self._client.log_batch(run_id, metrics, params, tags)


def _artifact(uri: str, run: str, path: str) -> str:
    client = connect(uri)
    found = next(item for item in client.search_runs(["1"]) if item.info.run_name == run)
    return Path(client.download_artifacts(found.info.run_id, path)).read_text()


def test_a_study_is_one_run_with_a_nested_run_for_each_trial(lab: Lab, mirror: Mirror, uri: str) -> None:
    lab.finish(0, epochs=2)
    lab.run(1, epochs=1)
    assert mirror.sync() == 0
    found = seen(uri)
    assert set(found) == {"digits", "trial 0", "trial 1"}
    trial = found["trial 0"]
    assert trial["parent"] == "digits"
    assert trial["status"] == "FINISHED"
    assert (trial["start"], trial["end"]) == (int(START * 1000), int((START + 2.5) * 1000))
    assert trial["params"] == {"learning_rate": "0.1", "optimizer": "adam"}
    assert trial["tags"]["goodfit.state"] == "COMPLETE"
    assert trial["tags"]["goodfit.verdict"] == "overfit"
    assert trial["artifacts"] == ["diagnosis.json", "learning_curve.svg"]
    assert [step for step, _, _ in trial["metrics"]["gap/accuracy"]] == [1, 2]
    assert trial["metrics"]["val/loss"][0] == (1, 1.2, int((START + 1) * 1000))
    assert found["trial 1"]["status"] == "RUNNING"
    assert found["trial 1"]["end"] is None
    assert found["digits"]["metrics"]["study/trial_value"] == [(0, 0.54, int((START + 2.5) * 1000))]
    assert found["digits"]["params"]["search.method"] == "bayesian"
    assert found["digits"]["tags"]["goodfit.best_trial"] == "0"


def test_the_store_learns_where_everything_is(lab: Lab, mirror: Mirror, uri: str) -> None:
    lab.finish(0)
    mirror.sync()
    client = connect(uri)
    study = lab.study
    assert study.mlflow_experiment_id is not None
    assert client.get_experiment(study.mlflow_experiment_id).name == "digits"
    assert client.get_run(study.mlflow_run_id or "").info.run_name == "digits"
    assert client.get_run(lab.trial(0).mlflow_run_id or "").info.run_name == "trial 0"
    assert lab.behind() == 0


def test_files_tell_the_study_the_diagnosis_and_the_curve(lab: Lab, mirror: Mirror, uri: str) -> None:
    lab.finish(0)
    mirror.sync()
    assert json.loads(_artifact(uri, "digits", "study.json"))["search"] == {"method": "bayesian", "seed": 0}
    assert json.loads(_artifact(uri, "trial 0", "diagnosis.json"))["reason"] == "for a test"
    assert "digits, trial 0: val/accuracy, maximize, 3 epochs" in _artifact(uri, "trial 0", "learning_curve.svg")


@pytest.mark.parametrize(
    ("state", "changes", "status", "label"),
    [
        (TrialState.PRUNED, {}, "KILLED", "PRUNED"),
        (TrialState.CANCELLED, {}, "KILLED", "CANCELLED"),
        (TrialState.FAILED, {"failure": Failure.OOM, "message": "no memory"}, "FAILED", "FAILED(oom)"),
    ],
)
def test_a_run_ends_as_its_trial_did(
    lab: Lab, mirror: Mirror, uri: str, state: TrialState, changes: dict[str, Any], status: str, label: str
) -> None:
    lab.finish(0, state=state, **changes)
    mirror.sync()
    found = seen(uri)["trial 0"]
    assert found["status"] == status
    assert found["tags"]["goodfit.state"] == label
    assert found["tags"].get("goodfit.failure") == changes.get("message")


def test_a_running_trials_curve_grows_and_no_point_is_sent_twice(lab: Lab, uri: str, tmp_path: Path) -> None:
    client = Recorder(uri)
    mirror = mirror_of(lab, uri, tmp_path, connect=lambda uri: client)
    for epochs in (1, 2, 5):
        lab.run(0, epochs)
        assert mirror.sync() == 0
    lab.finish(0, epochs=7)
    mirror.sync()
    assert [step for step, _, _ in seen(uri)["trial 0"]["metrics"]["val/loss"]] == [1, 2, 3, 4, 5, 6, 7]
    assert len(client.points) == len(set(client.points))


def test_a_later_mirror_sends_only_what_is_new(lab: Lab, mirror: Mirror, uri: str, tmp_path: Path) -> None:
    lab.finish(0)
    lab.run(1, epochs=3)
    mirror.sync()
    lab.run(1, epochs=4)
    client = Recorder(uri)
    mirror_of(lab, uri, tmp_path, connect=lambda uri: client).sync()
    assert {step for _, _, step in client.points} == {4}
    assert len(client.points) == 6


def test_a_trial_that_waits_is_not_shown_until_it_runs(lab: Lab, mirror: Mirror, uri: str) -> None:
    lab.queue(0)
    assert mirror.sync() == 0
    assert set(seen(uri)) == {"digits"}
    lab.run(0, epochs=1)
    mirror.sync()
    assert set(seen(uri)) == {"digits", "trial 0"}


def test_a_trial_that_waits_again_is_shown_as_waiting_and_then_goes_on(lab: Lab, mirror: Mirror, uri: str) -> None:
    lab.run(0, epochs=2)
    mirror.sync()
    lab._keep(lab.trial(0).to(TrialState.QUEUED))
    assert mirror.sync() == 0
    assert seen(uri)["trial 0"]["status"] == "SCHEDULED"
    lab.finish(0, epochs=4)
    mirror.sync()
    found = seen(uri)["trial 0"]
    assert found["status"] == "FINISHED"
    assert found["tags"]["goodfit.attempt"] == "2"
    assert [step for step, _, _ in found["metrics"]["val/loss"]] == [1, 2, 3, 4]


def test_a_paused_trials_run_stays_open_until_the_search_ends(lab: Lab, mirror: Mirror, uri: str) -> None:
    lab.run(0, epochs=2)
    lab._keep(lab.trial(0).to(TrialState.PAUSED))
    mirror.sync()
    found = seen(uri)["trial 0"]
    assert (found["status"], found["tags"]["goodfit.state"]) == ("SCHEDULED", "PAUSED")
    assert [step for step, _, _ in found["metrics"]["val/loss"]] == [1, 2]
    lab.finish(0, epochs=2, state=TrialState.PRUNED)
    mirror.sync()
    found = seen(uri)["trial 0"]
    assert (found["status"], found["tags"]["goodfit.state"], found["tags"]["goodfit.attempt"]) == (
        "KILLED",
        "PRUNED",
        "1",
    )
    assert [step for step, _, _ in found["metrics"]["val/loss"]] == [1, 2]


def test_a_push_takes_no_more_trials_than_it_may_and_says_what_is_left(lab: Lab, mirror: Mirror, uri: str) -> None:
    for number in range(5):
        lab.finish(number)
    assert mirror.sync(limit=2) == 3
    assert mirror.sync(limit=2) == 1
    assert mirror.sync(limit=2) == 0
    assert [step for step, _, _ in seen(uri)["digits"]["metrics"]["best_value"]] == [0, 1, 2, 3, 4]


def test_a_study_that_is_stopped_and_resumed_is_one_run(lab: Lab, mirror: Mirror, uri: str, tmp_path: Path) -> None:
    lab.finish(0)
    lab.end(StudyState.INTERRUPTED)
    mirror.sync()
    assert seen(uri)["digits"]["status"] == "KILLED"
    lab.change(lab.study.to(StudyState.RUNNING, ended=None))
    resumed = mirror_of(lab, uri, tmp_path)
    resumed.sync()
    assert seen(uri)["digits"]["status"] == "RUNNING"
    lab.finish(1)
    lab.end()
    resumed.sync()
    found = seen(uri)
    assert found["digits"]["status"] == "FINISHED"
    assert set(found) == {"digits", "trial 0", "trial 1"}


def test_long_curves_and_many_params_go_in_batches_that_mlflow_takes(lab: Lab, uri: str, tmp_path: Path) -> None:
    lab.run(0, epochs=500, **{f"p{number}": number for number in range(250)})
    client = Recorder(uri)
    mirror_of(lab, uri, tmp_path, connect=lambda uri: client).sync()
    found = seen(uri)["trial 0"]
    assert len(found["params"]) == 252
    assert sum(len(points) for points in found["metrics"].values()) == 3000
    assert max(client.batches) <= 1000
    assert len(client.batches) <= 6  # four of the trial


def test_numbers_and_names_that_mlflow_does_not_like_arrive(lab: Lab, mirror: Mirror, uri: str) -> None:
    lab.run(0, prompt="x" * 9000, **{"a//b": 1, "empty": "", "none": None})
    lab.report(
        0, 1, {"val/accuracy": 0.5, "train/loss": math.inf, "val/loss": math.nan, "val/f1@0.5": 0.3, "../x": 1.0}
    )
    assert mirror.sync() == 0
    found = seen(uri)["trial 0"]
    assert found["params"]["prompt"].endswith("(cut: 9000 characters)")
    assert found["params"]["none"] == "None"
    assert found["params"]["empty"] == ""
    (mapped,) = [key for key in found["metrics"] if key.startswith("val/f1_0.5-")]
    assert found["metrics"][mapped][0][1] == 0.3
    assert math.isnan(found["metrics"]["val/loss"][0][1])
    assert found["metrics"]["train/loss"][0][1] > 1e300
    lab.finish(0, epochs=1)
    assert mirror_of(lab, uri, None).sync() == 0  # looks at what is there, and sends none of it again
    assert doubles(uri) == {}


def test_studies_of_one_name_from_two_homes_stay_apart(lab: Lab, mirror: Mirror, uri: str, tmp_path: Path) -> None:
    lab.finish(0)
    mirror.sync()
    other = Lab(tmp_path / "other", created=START + 5)
    other.run(0, epochs=1)
    mirror_of(other, uri, tmp_path).sync()
    assert seen(uri, "digits")["trial 0"]["status"] == "FINISHED"
    assert seen(uri, "digits-2")["trial 0"]["status"] == "RUNNING"
    other.finish(0)
    mirror_of(other, uri, tmp_path).sync()
    assert seen(uri, "digits-2")["trial 0"]["status"] == "FINISHED"
    other.store.close()


def test_an_experiment_that_was_deleted_by_hand_is_left_alone(
    lab: Lab, mirror: Mirror, uri: str, tmp_path: Path
) -> None:
    lab.finish(0)
    mirror.sync()
    connect(uri).delete_experiment(lab.study.mlflow_experiment_id or "")
    lab.finish(1)
    mirror_of(lab, uri, tmp_path).sync()
    assert set(seen(uri, "digits-2")) == {"digits", "trial 0", "trial 1"}
    assert connect(uri).get_experiment_by_name("digits-2").experiment_id == lab.study.mlflow_experiment_id


def test_a_run_that_was_deleted_by_hand_comes_back_with_its_news(lab: Lab, mirror: Mirror, uri: str) -> None:
    lab.run(0, epochs=2)
    mirror.sync()
    connect(uri).delete_run(lab.trial(0).mlflow_run_id or "")
    lab.finish(0, epochs=3)
    with pytest.raises(TrackingError):
        mirror.sync()
    assert mirror.sync() == 0
    assert [step for step, _, _ in seen(uri)["trial 0"]["metrics"]["val/loss"]] == [1, 2, 3]


def test_a_lost_mlflow_is_rebuilt_from_the_store(lab: Lab, mirror: Mirror, uri: str, tmp_path: Path) -> None:
    lab.finish(0)
    lab.finish(1)
    mirror.sync()
    lab.end()
    mirror.sync()
    mirror.close_study()
    before = seen(uri)
    anew = new_mlflow(tmp_path / "anew")
    second = mirror_of(lab, anew, tmp_path / "artifacts")
    assert second.sync(limit=1) == 1
    assert mirror_of(lab, anew, tmp_path / "artifacts").sync() == 0  # goes on where the other was cut short
    third = mirror_of(lab, anew, tmp_path / "artifacts")
    assert third.sync() == 0
    third.close_study()
    assert seen(anew) == before
    assert connect(anew).get_model_version_by_alias("digits", "champion").tags["goodfit.trial"] == "1"


def test_a_run_that_is_there_twice_is_made_one(lab: Lab, mirror: Mirror, uri: str, tmp_path: Path) -> None:
    lab.run(0, epochs=1)
    mirror.sync()
    run_id = lab.trial(0).mlflow_run_id or ""
    client = connect(uri)
    tags = {"goodfit.study": "digits", "goodfit.trial": "0"}
    double = client.create_run(lab.study.mlflow_experiment_id or "", tags=tags, run_name="trial 0")
    lab.finish(0)
    mirror_of(lab, uri, tmp_path).sync()
    assert seen(uri)["trial 0"]["status"] == "FINISHED"
    assert client.get_run(double.info.run_id).info.lifecycle_stage == "deleted"
    assert lab.trial(0).mlflow_run_id == run_id


def test_a_trial_that_mlflow_refuses_does_not_hold_up_the_others(lab: Lab, uri: str, tmp_path: Path) -> None:
    for number in range(3):
        lab.finish(number)
    mirror = mirror_of(lab, uri, tmp_path)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Rows, "run", _refusing("trial 1"))
        for _ in range(2):
            with pytest.raises(TrackingError, match="not this one"):
                mirror.sync()
        assert mirror.sync() == 1
        assert {number: "not this one" in text for number, text in mirror.refused.items()} == {1: True}
        assert seen(uri)["trial 2"]["status"] == "FINISHED"
    assert mirror_of(lab, uri, tmp_path).sync() == 0
    assert seen(uri)["trial 1"]["status"] == "FINISHED"


def _refusing(refused: str) -> Any:
    """Refuses the run of one name, as MLflow does when something of it is invalid."""
    write = Rows.run

    def run(rows: Rows, experiment: str, name: str, *others: Any) -> Any:
        if name == refused:
            from mlflow.exceptions import MlflowException

            raise MlflowException.invalid_parameter_value("not this one")
        return write(rows, experiment, name, *others)

    return run


def test_a_failure_says_where_without_the_password(lab: Lab) -> None:
    def connect(uri: str) -> Any:
        raise OSError("connection refused")

    mirror = mirror_of(lab, "https://me:secret@example.org/mlflow", None, connect=connect)
    with pytest.raises(TrackingError) as caught:
        mirror.sync()
    assert str(caught.value) == "MLflow at https://example.org/mlflow: OSError: connection refused"


@pytest.mark.parametrize("restarted", [False, True], ids=["same-mirror", "another-mirror"])
def test_a_trial_that_was_trained_anew_has_one_run_with_the_new_curve_alone(
    lab: Lab, mirror: Mirror, uri: str, tmp_path: Path, restarted: bool
) -> None:
    lab.finish(0, epochs=3, state=TrialState.FAILED, failure=Failure.ERROR, message="no")
    lab.finish(1, epochs=3, state=TrialState.FAILED, failure=Failure.LOST, message="gone")
    lab.end()
    mirror.sync()
    before = {name: run["metrics"]["val/accuracy"] for name, run in seen(uri).items() if name != "digits"}
    lab.store.reopen(lab.lease, lab.study.to(StudyState.QUEUED), [again(lab.trial(0)), again(lab.trial(1))])
    if restarted:
        mirror = mirror_of(lab, uri, tmp_path / "artifacts")
    mirror.sync()
    lab.change(lab.study.to(StudyState.RUNNING))
    for epoch in (1, 2):
        lab.run(0)
        lab.report(0, epoch, {"val/accuracy": 0.7 + epoch / 100})
    mirror.sync()
    lab.run(1, epochs=3)
    lab.finish(1, epochs=4)
    mirror.sync()
    found = seen(uri)
    assert set(found) == {"digits", "trial 0", "trial 1"}
    assert [(step, value) for step, value, _ in found["trial 0"]["metrics"]["val/accuracy"]] == [(1, 0.71), (2, 0.72)]
    assert found["trial 0"]["tags"]["goodfit.attempt"] == "2"
    assert found["trial 1"]["metrics"]["val/accuracy"][:3] == before["trial 1"]
    assert len(found["trial 1"]["metrics"]["val/accuracy"]) == 4
    assert found["trial 1"]["tags"]["goodfit.failure"] == ""
    assert doubles(uri) == {}
