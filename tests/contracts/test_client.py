"""What every source of studies keeps to: the home's own, and the server's over HTTP."""

from __future__ import annotations

import itertools
import json
import math
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from goodfit.service.cli.tables import study_rows
from goodfit.service.client import Studies
from goodfit.service.errors import (
    ClusterLost,
    GoodfitError,
    IllegalChange,
    InputError,
    NameTaken,
    StudyFileError,
    StudyHeld,
    TrainerError,
    UnknownStudy,
)
from goodfit.service.json_values import plain
from goodfit.service.ray_executor import cluster_nodes as asking
from goodfit.service.records import StudyState, TrialState
from goodfit.service.settings import Settings
from goodfit.testing.stores.opening import remove
from tests.serving import NOW, VALUES, Place, filled, place, some_trials

KINDS = ["local", "remote"]


def of(kind: str, found: Place) -> Studies:
    return found.local() if kind == "local" else found.remote()


@pytest.fixture
def at(tmp_path: Path) -> Place:
    return filled(tmp_path)


@pytest.fixture(params=KINDS)
def studies(request: pytest.FixtureRequest, at: Place) -> Studies:
    return of(request.param, at)


def same(a: Any, b: Any) -> bool:
    """Equal, where a NaN is equal to itself."""
    return repr(a) == repr(b)


def test_a_study_is_what_the_store_has(studies: Studies, at: Place) -> None:
    study = studies["digits"]
    assert study.record == at.store.study("digits")
    assert study.state == "DONE"
    assert study.spec.trainer == "mlp"
    assert study.mlflow_uri == at.settings.tracking_uri
    assert list(studies) == ["digits"]
    assert len(studies) == 1
    assert "digits" in studies
    assert "other" not in studies
    assert "digits" in repr(studies)


def test_an_unknown_study_is_named_with_the_nearest(studies: Studies) -> None:
    with pytest.raises(UnknownStudy, match="did you mean digits"):
        studies["digit"]
    for strange in (
        "../../etc/passwd",
        "a/b",
        "",
        " ",
        "größe",
        "\x00",
        "<b>",
        "'; DROP TABLE studies; --",
        "x" * 3000,
    ):
        with pytest.raises(InputError):
            studies[strange]


def test_trials_come_back_to_the_last_bit(studies: Studies) -> None:
    trials, reports = some_trials()
    study = studies["digits"]
    found = study.records()
    assert [trial.number for trial in found] == [0, 1, 2, 3, 4, 5]
    kept = [
        replace(trial, message=trial.message and trial.message.replace("\x00", "\\x00").replace("\ud800", "\\ud800"))
        for trial in trials
    ]
    assert same(found, kept[:6])
    assert same(study.confirmations(), kept[6:])
    assert same(study.one(1), kept[1])
    assert same(study.reports(3), [report for report in reports if report.trial == 3])
    frame = study.curve(0)
    assert list(frame.columns) == ["epoch", "train/loss", "val/loss", "val/accuracy"]
    assert math.isnan(frame["val/loss"][1])
    assert list(study.trials().columns)[:3] == ["trial", "state", "params"]


def test_trials_are_filtered_and_paged(studies: Studies, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goodfit.service.client.handles.PAGE", 2)
    study = studies["digits"]
    assert [trial.number for trial in study.records()] == [0, 1, 2, 3, 4, 5]
    assert [trial.number for trial in study.records("failed")] == [3, 4]
    assert [trial.number for trial in study.records("FAILED(nan)")] == [3]
    assert [trial.number for trial in study.records(verdict="overfit")] == [1]
    assert [trial.number for trial in study.pages(most=3)] == [0, 1, 2]
    with pytest.raises(InputError, match="COMPLETE"):
        study.records("COMPLET")
    with pytest.raises(InputError, match="overfit"):
        study.records(verdict="overfits")


def test_a_trial_that_is_not_there_is_an_input_error(studies: Studies) -> None:
    study = studies["digits"]
    for ask in (study.one, study.reports, study.read_log, study.diagnosis, study.model):
        with pytest.raises(InputError, match="has no trial 77"):
            ask(77)


def test_the_best_come_with_the_confirmed_winner_first(studies: Studies) -> None:
    found = studies["digits"].best(5)
    assert [best.trial for best in found] == [5, 1, 0]
    assert found[0].test is not None
    assert found[0].test["seeds"] == 2
    assert found[1].gap is None
    assert studies["digits"].best() == found[0]
    assert studies["digits"].best(0) == []


def test_both_say_the_same_of_everything(at: Place) -> None:
    here, there = at.local()["digits"], at.remote()["digits"]
    assert here.best(9) == there.best(9)
    assert here.verdicts() == there.verdicts() == {"good_fit": 2, "overfit": 1, "unfinished": 1}
    assert here.listed == there.listed
    assert json.dumps(plain(here.diagnosis())) == json.dumps(there.diagnosis())
    assert here.diagnosis(0) == there.diagnosis(0) != {}
    assert here.report_html() == there.report_html()
    optuna = [study.to_optuna() for study in (here, there)]
    assert same(optuna[0].trials, optuna[1].trials)
    for kind in ("trainers", "spaces", "datasets"):
        assert json.dumps(at.local().source.catalog(kind)) == json.dumps(at.remote().source.catalog(kind))  # type: ignore[arg-type]


def test_a_catalog_says_what_it_does_not_have(studies: Studies) -> None:
    assert studies.source.described("trainers", "mlp")["trainer"] == "mlp"
    for kind in ("trainers", "spaces", "datasets"):
        with pytest.raises(InputError, match="nothing-such"):
            studies.source.described(kind, "nothing-such")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_everybody_gets_the_weights_of_a_trial(kind: str, at: Place, tmp_path: Path) -> None:
    import torch

    study = of(kind, at)["digits"]
    with pytest.raises(TrainerError, match=r"trial 5 of digits kept no checkpoint"):
        study.weights()
    with pytest.raises(TrainerError, match=r"trial 5 of digits kept no checkpoint"):
        study.download(tmp_path / "best.pt")
    assert not list(tmp_path.glob("best.pt*"))
    folder = at.settings.home / "studies" / "digits" / "trials" / "00001"
    folder.mkdir(parents=True)
    torch.save({"epoch": 2, "model": {"weight": torch.arange(3.0)}}, folder / "best.pt")
    assert torch.equal(study.weights(1)["weight"], torch.arange(3.0))
    assert study.download(tmp_path / "best.pt", 1) == tmp_path / "best.pt"
    assert (tmp_path / "best.pt").read_bytes() == (folder / "best.pt").read_bytes()
    with pytest.raises(InputError, match="has no trial 77"):
        study.weights(77)
    with pytest.raises(InputError, match=r"cannot write the model to .*No such file or directory; name another file"):
        study.download(tmp_path / "none" / "best.pt", 1)
    (folder / "best.pt").write_bytes((folder / "best.pt").read_bytes()[:200])
    with pytest.raises(TrainerError, match="the checkpoint of trial 1 of digits is damaged"):
        study.weights(1)


def test_a_log_is_read_in_pieces(studies: Studies, monkeypatch: pytest.MonkeyPatch) -> None:
    study = studies["digits"]
    assert study.read_log(0).text == ""
    whole = "größe\nTraceback ...\n" * 3
    assert study.read_log(4).text == whole
    first = study.read_log(4, 3)
    assert first.next == len(whole.encode())
    assert study.read_log(4, first.next).text == ""
    assert study.log(4) is not None


def test_a_model_that_is_not_there_is_said(studies: Studies) -> None:
    with pytest.raises(TrainerError, match="kept no checkpoint"):
        studies["digits"].model()


@pytest.mark.parametrize("kind", KINDS)
def test_no_complete_trial_is_no_best(kind: str, tmp_path: Path) -> None:
    at = place(tmp_path)
    at.study()
    study = of(kind, at)["digits"]
    assert study.best(3) == []
    assert study.records() == study.confirmations() == []
    assert study.to_optuna().trials == []
    for ask in (study.best, study.model):
        with pytest.raises(GoodfitError, match="no complete trial"):
            ask()


def test_a_finished_study_is_watched_in_one_look(studies: Studies) -> None:
    (progress,) = studies["digits"].watch()
    assert progress.over
    assert progress.state is StudyState.DONE
    assert progress.budget == 8
    assert progress.states == {"COMPLETE": 3, "PRUNED": 1, "FAILED(nan)": 1, "FAILED(error)": 1}
    assert progress.best is not None
    assert progress.best.number == 1
    assert progress.seconds == 12.5


@pytest.mark.parametrize("kind", KINDS)
def test_a_running_study_is_watched_to_its_end(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goodfit.service.server.events.LOOK_SECONDS", 0.01)
    at = place(tmp_path)
    study = at.study(queued=NOW)
    trials, reports = some_trials()
    running = [replace(trials[0], state=TrialState.RUNNING, verdict=None, ended=None)]
    looks = itertools.count()

    def goes_on() -> None:
        """What the runner does between two looks."""
        nonlocal study
        match next(looks):
            case 1:
                study = at.write(study, running, reports[:3])
            case 2:
                study = at.write(study, [trials[0], *trials[1:4]], [])
            case 3:
                study = at.write(study, [], [], StudyState.DONE)

    real = at.store.tally
    monkeypatch.setattr(at.store, "tally", lambda study_id: [goes_on(), real(study_id)][1])
    seen = list(of(kind, at).source.watch("digits"))
    assert seen[0].state is StudyState.QUEUED
    assert seen[-1].over
    assert sorted(one.number for progress in seen for one in progress.settled) == [0, 1, 2, 3]
    shown = [one for progress in seen for one in progress.running]
    assert [one.number for one in shown] == [0]
    assert shown[0].verdict == "diverged", "of its curve, which has a NaN"


@pytest.mark.parametrize("kind", KINDS)
def test_a_study_that_is_removed_ends_its_watch(kind: str, at: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goodfit.service.server.events.LOOK_SECONDS", 0.01)
    at.study("other", queued=NOW)
    real = at.store.top
    monkeypatch.setattr(at.store, "top", lambda *a: [real(*a), remove(at.store, "other")][0])
    with pytest.raises(UnknownStudy):
        list(of(kind, at).source.watch("other"))


def test_a_study_is_submitted_once(studies: Studies, at: Place) -> None:
    study = studies.submit({**VALUES, "name": "new"}, priority=7, overrides=["budget.trials=5"])
    kept = at.store.study("new")
    assert study.record == kept
    assert (kept.state, kept.queued, kept.priority) == (StudyState.QUEUED, NOW, 7)
    assert kept.spec["budget"]["trials"] == 5
    with pytest.raises(NameTaken, match="another spec"):
        studies.submit({**VALUES, "name": "new"})
    assert studies.submit({**VALUES, "name": "new"}, new=True).name == "new-2"


@pytest.fixture
def in_a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A home whose studies run on a cluster with one node of two CPUs, which is away from time to time."""

    def ask(address: str) -> list[dict[str, float]]:
        if (tmp_path / "away").exists():
            raise ClusterLost(f"{address} is away")
        return [{"cpus": 2.0}]

    monkeypatch.setattr(asking, "ask_nodes", ask)
    return Place(Settings(tmp_path / "home", ray_address="head:6379"))


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_nodes_have_is_said(kind: str, in_a_cluster: Place, tmp_path: Path) -> None:
    source = of(kind, in_a_cluster).source
    assert source.nodes() == [{"cpus": 2.0}]
    (tmp_path / "away").touch()
    with pytest.raises(ClusterLost, match="head:6379 is away"):
        source.nodes()


@pytest.mark.parametrize("kind", KINDS)
def test_a_study_that_no_node_has_room_for_leaves_its_name_to_the_next(
    kind: str, in_a_cluster: Place, tmp_path: Path
) -> None:
    studies = of(kind, in_a_cluster)
    wanted = {**VALUES, "name": "new"}
    first = studies.submit({**wanted, "resources": {"cpus": 3}})
    with pytest.raises(NameTaken, match="already exists and is QUEUED"):
        studies.submit({**wanted, "resources": {"cpus": 3}})
    (tmp_path / "away").touch()
    with pytest.raises(NameTaken, match="with another spec"):
        studies.submit({**wanted, "resources": {"cpus": 2}})
    (tmp_path / "away").unlink()
    second = studies.submit({**wanted, "resources": {"cpus": 2}})
    assert (second.name, second.spec.resources.cpus) == (first.name, 2)
    with pytest.raises(NameTaken, match="with another spec"):
        studies.submit({**wanted, "resources": {"cpus": 1}})


def test_a_file_with_faults_is_refused_with_its_lines(studies: Studies, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("name: bad\ntrainer: mpl\nbudget: {trials: 0}\nwhat: 1\n")
    with pytest.raises(StudyFileError) as caught:
        studies.submit(file)
    assert f"{file}:2: trainer: " in str(caught.value)
    assert f"{file}:4: what: " in str(caught.value)
    with pytest.raises(StudyFileError, match="no such file"):
        studies.submit(tmp_path / "none.yaml")


def test_a_study_is_stopped_resumed_and_removed(studies: Studies, at: Place) -> None:
    study = studies.submit({**VALUES, "name": "new"})
    assert "is stopped" in study.stop()
    assert study.state == "STOPPED"
    assert "is in the queue" in study.resume()
    assert study.state == "QUEUED"
    assert "already" in study.resume()
    with at.store.writing() as connection:
        connection.exec_driver_sql("UPDATE studies SET inputs = '{}'")
    study.stop()
    study.resume()
    assert study.record.inputs == {}
    study.stop()
    study.resume(changed=True)
    assert study.record.inputs is None
    lease = at.store.acquire(study.record.id, "somewhere:1:1", NOW, 30.0, lambda _: False)
    assert "asked study new" in study.stop()
    with pytest.raises(StudyHeld):
        study.remove()
    at.store.release(lease)
    assert study.remove()[0] == "removed study new"
    assert "new" not in studies
    with pytest.raises(IllegalChange):
        studies["digits"].resume()


def test_the_runner_of_a_study_that_has_just_stopped_is_waited_for(studies: Studies, at: Place) -> None:
    study = studies.submit({**VALUES, "name": "new"})
    for act, said in ((study.resume, "is in the queue"), (study.remove, "removed study new")):
        study.stop()
        lease = at.store.acquire(study.record.id, "somewhere:1:1", NOW, 30.0, lambda _: False)
        at.on_pause = lambda lease=lease: at.store.release(lease)
        at.pauses.clear()
        assert said in str(act())
        assert len(at.pauses) == 1


def test_a_done_study_goes_on_with_more_of_a_budget_and_its_failed_trials(studies: Studies, at: Place) -> None:
    study = studies["digits"]
    before = study.record.spec["budget"]["trials"]
    said = study.resume(overrides=["budget.trials=40", "confirm.top=2"], retry_failed=True, priority=5)
    for told in (f"budget.trials: {before} -> 40", "priority: 3 -> 5", "2 trials trained again", "is in the queue"):
        assert told in said
    record = study.record
    assert (record.state, record.queued, record.priority, record.ended) == (StudyState.QUEUED, NOW, 5, None)
    assert study.spec.budget.trials == 40
    assert study.spec.confirm is not None
    assert [trial.number for trial in study.records("QUEUED")] == [3, 4]
    assert study.records("FAILED") == []
    assert study.reports(3) == []
    entry = studies.source.audit(subject="digits")[0]
    assert (entry.action, entry.detail[:14]) == ("resume", "DONE -> QUEUED")
    assert f"budget.trials: {before} -> 40" in entry.detail
    assert "priority: 5 -> 7" in study.resume(priority=7), "one that waits can be changed, too"
    assert study.record.queued == NOW


def test_what_cannot_be_changed_leaves_a_study_as_it_is(studies: Studies, at: Place) -> None:
    study, before = studies["digits"], at.store.study("digits")
    with pytest.raises(StudyFileError) as caught:
        study.resume(overrides=["training.epochs=99", "budget.trials=-1"], retry_failed=True)
    assert {problem.key for problem in caught.value.problems} == {"--set training.epochs", "--set budget.trials"}
    lease = at.store.acquire(before.id, "somewhere:1:1", NOW, 30.0, lambda _: False)
    with pytest.raises(StudyHeld):
        study.resume(overrides=["budget.trials=99"])
    at.store.release(lease)
    assert at.store.study("digits") == before
    assert len(study.records("FAILED")) == 2


def test_tokens_are_made_listed_and_revoked(studies: Studies) -> None:
    made, secret = studies.source.make_token("bob", "viewer", "90d")
    assert secret.startswith("gf_")
    assert made in studies.source.tokens()
    assert made.expires == NOW + 90 * 86400
    assert studies.source.revoke(made.id).revoked == NOW
    assert studies.source.audit(subject="bob")[0].action == "revoke-token"
    for wrong in (("bob", "king", None), ("bob", "viewer", "soon"), ("", "viewer", None), ("<b>", "viewer", None)):
        with pytest.raises(InputError):
            studies.source.make_token(*wrong)
    with pytest.raises(InputError):
        studies.source.revoke("nothing")


def test_studies_are_listed_by_state_and_submitter(
    studies: Studies, at: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("goodfit.service.client.handles.PAGE", 2)
    for number in range(3):
        at.study(f"more-{number}", queued=NOW, submitter="bob")
    assert len(studies) == 4
    assert [listed.study.name for listed in studies.listed([StudyState.DONE])] == ["digits"]
    assert {listed.study.name for listed in studies.listed(submitter="bob")} == {"more-0", "more-1", "more-2"}
    counts = {listed.study.name: dict(listed.tally.states) for listed in studies.listed()}
    assert counts["digits"] == {"COMPLETE": 3, "PRUNED": 1, "FAILED(nan)": 1, "FAILED(error)": 1}


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_finite_space_a_study_is_to_try_all_and_no_more(kind: str, at: Place) -> None:
    spec = {**VALUES, "space": {"learning_rate": [0.1, 0.01, 0.001], "batch_size": [16, 32]}, "budget": {"trials": 20}}
    studies = of(kind, at)
    for name, search in (
        ("grid", {"method": "grid"}),
        ("all", {"method": "random"}),
        ("again", {"method": "random", "repeats": True}),
    ):
        studies.submit({**spec, "name": name, "search": search})
    found = {listed.study.name: listed.planned for listed in studies.listed()}
    assert found == {"digits": 8, "grid": 6, "all": 6, "again": 20}
    assert {row["study"]: row["budget"] for row in study_rows(studies)} == found
    assert {study: studies[study].spec.planned_trials() for study in found} == found


def test_two_submissions_of_one_name_at_once_make_one_study(studies: Studies) -> None:
    ended: list[object] = []

    def submit() -> None:
        try:
            ended.append(studies.submit({**VALUES, "name": "race"}).name)
        except NameTaken as error:
            ended.append(type(error))

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, ended)) == sorted(map(str, ["race", NameTaken, NameTaken, NameTaken]))
