"""What every source of studies does to them: submit, stop, resume, change, remove."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from pathlib import Path

import pytest

from goodfit.service import app
from goodfit.service.cli.tables import study_rows
from goodfit.service.client import Studies
from goodfit.service.client.remote import RemoteSource
from goodfit.service.errors import ClusterLost, IllegalChange, InputError, NameTaken, StudyFileError, StudyHeld
from goodfit.service.ray_executor import cluster_nodes as asking
from goodfit.service.records import StudyState
from goodfit.service.settings import Settings
from tests.serving import KINDS, NOW, VALUES, Place, of


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


def test_a_note_and_tags_are_kept_and_what_cannot_be_is_named(studies: Studies) -> None:
    study = studies["digits"]
    assert (study.note(), study.tags) == ("", {})
    assert study.note("for the paper", tags={"paper": "v2", "runs": 3}) == "for the paper"
    assert study.note(tags={"runs": None}) == "for the paper"
    assert study.tags == {"paper": "v2"}
    assert (study.listed.study.note, next(iter(studies.listed())).study.tags) == ("for the paper", {"paper": "v2"})
    assert "paper=v2" in study.report_html()
    with pytest.raises(InputError) as caught:
        study.note("x" * 5001, tags={"mlflow.user": "me", "a=b": "1", "long": "x" * 501})
    for told in (
        "5001 characters",
        "'mlflow.user': keys that begin with",
        "'a=b': a key has",
        "'long': its value has 501",
    ):
        assert told in str(caught.value)
    with pytest.raises(InputError, match="would have 51 tags"):
        study.note(tags={f"k{n}": "v" for n in range(50)})
    assert study.note("") == ""
    assert study.tags == {"paper": "v2"}


def test_the_best_model_is_approved_and_rejected(studies: Studies, at: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    caught_up: list[str] = []
    monkeypatch.setattr(app, "follow", lambda settings, store, name: caught_up.append(name) or [], raising=False)
    study, remote = studies["digits"], isinstance(studies.source, RemoteSource)
    assert study.release["status"] is None
    said = study.approve("carla", "seen")
    assert said == [f"study digits: trial 5 is champion, approved by {'ann' if remote else 'carla'} (seen)"]
    assert [study.release[key] for key in ("status", "champion", "trial")] == ["champion", 5, 5]
    assert study.reject(note="no")[1].startswith("the alias champion is taken from trial 5")
    assert caught_up == ([] if remote else ["digits", "digits"])
    assert [one.name for one in at.store.behind(9)] == ["digits"]
    trail = study.audit()
    entries = {one["action"]: one for one in trail["entries"]}
    assert trail["chain"]["intact"]
    assert entries["approve"]["after"]["trial"] == 5
    assert entries["approve"]["after"].get("stated_by") == ("carla" if remote else None)
    assert study.approve("bo", "caf\udce9")[0].endswith("(caf\\udce9)")
    with pytest.raises(InputError, match="the note has 5001 characters"):
        study.approve("x", "x" * 5001)
    assert study.card()["trial"] == 5
    study.remove()
    assert studies.source.trail("digits")["entries"][-1]["action"] == "remove"


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


def test_a_done_study_is_confirmed_in_the_queue(studies: Studies, at: Place) -> None:
    assert "is in the queue" in studies["digits"].confirm(top=2, seeds=4)
    confirm = studies["digits"].spec.confirm
    assert confirm is not None
    assert (confirm.top, confirm.seeds) == (2, 4)
    with pytest.raises(InputError, match=r"is QUEUED, and only the best of a search that has ended are confirmed"):
        studies["digits"].confirm()


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

    source = studies.source
    with source._client if isinstance(source, RemoteSource) else nullcontext():  # one event loop, as a server has
        threads = [threading.Thread(target=submit) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(map(str, ended)) == sorted(map(str, ["race", NameTaken, NameTaken, NameTaken]))
