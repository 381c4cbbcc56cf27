"""What every source of studies keeps to: the home's own, and the server's over HTTP."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from goodfit.service.client import Studies, StudyHandle
from goodfit.service.errors import GoodfitError, InputError, TrainerError, UnknownStudy
from goodfit.service.json_values import plain
from goodfit.service.records import Batch, Decision, Report, Seen, StudyRun, StudyState, Trial, TrialState
from goodfit.testing.stores.opening import remove
from tests.serving import KINDS, NOW, Place, of, place, some_trials


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
    table = study.trials()
    assert list(table.columns)[:3] == ["trial", "state", "params"]
    names = {f"params.{name}" for params in table["params"] for name in params}
    assert names <= set(table.columns)
    assert all(table[name][0] == table["params"][0].get(name.removeprefix("params.")) for name in names)


def test_trials_are_filtered_and_paged(studies: Studies, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goodfit.service.client.study_records.PAGE", 2)
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


def test_where_runs_came_from_and_how_studies_compare(studies: Studies, at: Place) -> None:
    assert studies["digits"].runs() == []
    kept = [
        StudyRun(1, NOW + 0.25, {"git": {"diff": "+ é\n"}, "seeds": {"search": 0}}),
        StudyRun(2, NOW, {"git": None}),
    ]
    lease = at.store.acquire(studies["digits"].record.id, "test:1:1", NOW, 30.0, lambda _: True)
    at.store.apply(lease, Batch(runs=kept))
    assert studies["digits"].runs() == kept
    at.study("other", search={"method": "grid"})
    found = studies.compare("digits", "other")
    assert found["comparable"]
    assert [row["best"] and row["best"]["trial"] for row in found["studies"]] == [5, None]


def test_the_best_come_with_the_confirmed_winner_first(studies: Studies) -> None:
    found = studies["digits"].best(5)
    assert [best.trial for best in found] == [5, 1, 0]
    assert found[0].test is not None
    assert found[0].test["seeds"] == 2
    assert found[1].gap is None
    assert studies["digits"].best() == found[0]
    assert studies["digits"].best(0) == []


def test_groups_are_audited_alike(studies: Studies, at: Place) -> None:
    group = {"base_rate": 0.5, "selection_rate": 0.5, "accuracy": 0.9, "tpr": 0.9, "fpr": 0.1}
    rates = {f"val/{rate}/sex:{sex}": value for sex in "fm" for rate, value in {"count": 40.0, **group}.items()}
    metrics = {"train/loss": 0.2, "val/loss": 0.3, "val/accuracy": 0.9, "val/equalized_odds_difference": 0.0, **rates}
    done = Trial(0, {"learning_rate": 0.01}, 7, TrialState.COMPLETE, value=0.9, best_epoch=1, epochs=1)
    study = at.study("people", fairness={"by": ["sex"]})
    at.write(study, [done], [Report(0, 1, metrics, NOW)], StudyState.DONE)
    found = studies["people"].fairness()
    assert found == at.local()["people"].fairness(0)
    assert list(found.to_frame().index) == ["sex:f", "sex:m"]
    with pytest.raises(InputError, match="has no trial 77"):
        studies["people"].fairness(77)
    with pytest.raises(
        InputError, match=r"study digits compares no groups; run it with `fairness: \{by: \[COLUMN\]\}`"
    ):
        studies["digits"].fairness()


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
    monkeypatch.setattr("goodfit.service.client.study_records.PAGE", 2)
    for number in range(3):
        at.study(f"more-{number}", queued=NOW, submitter="bob")
    assert len(studies) == 4
    assert [listed.study.name for listed in studies.listed([StudyState.DONE])] == ["digits"]
    assert {listed.study.name for listed in studies.listed(submitter="bob")} == {"more-0", "more-1", "more-2"}
    counts = {listed.study.name: dict(listed.tally.states) for listed in studies.listed()}
    assert counts["digits"] == {"COMPLETE": 3, "PRUNED": 1, "FAILED(nan)": 1, "FAILED(error)": 1}


@pytest.fixture(params=KINDS)
def searched(request: pytest.FixtureRequest, tmp_path: Path) -> StudyHandle:
    """A study whose search has kept its decisions."""
    at = place(tmp_path)
    study = at.study(search={"method": "auto"}, pruning={"method": "auto"})
    trials = [
        Trial(0, {"learning_rate": 0.01}, 1, TrialState.PAUSED, epochs=1, until=1, attempts=1),
        Trial(1, {"learning_rate": 0.1}, 2, TrialState.RUNNING, attempts=1),
    ]
    study = at.write(study, trials, [Report(0, 1, {"val/accuracy": 0.5}, NOW)], StudyState.INTERRUPTED)
    known = {"by": "ranks", "score": 0.0, "source": "random", "reliability": 0.5, "reliability_at": 1, "learned": False}
    seen = (Seen(0, 1, None, "target"),)
    decisions = [
        Decision(0, 0, True, 1, 1, (), known),
        Decision(1, 1, True, 1, 1, seen, {**known, "after": 0, "rank": 1, "of": 1, "at": 1}),
    ]
    lease = at.store.acquire(study.id, "test:1:1", NOW, 30.0, lambda _: True)
    at.store.apply(lease, Batch(decisions=decisions))
    at.store.release(lease)
    return of(request.param, at)["digits"]


def test_why_a_trial_is_as_it_is(searched: StudyHandle) -> None:
    found = searched.why(0)
    assert (found.study, found.trial, found.state) == ("digits", 0, "PAUSED")
    assert [reason.event for reason in found.reasons] == ["proposed", "paused", "PAUSED"]
    assert found.reasons[1].evidence["rank"] == 1
    assert str(found).splitlines()[1] == (
        "At epoch 1 it was paused. It ranked 1 of 1, and the worker was given to trial 1, a new configuration."
    )
    assert json.loads(json.dumps(found.to_dict()))["reasons"][1]["decision"] == 1
    with pytest.raises(InputError, match="has no trial 7"):
        searched.why(7)


def test_decisions_are_derived_again_wherever_they_are(searched: StudyHandle) -> None:
    counts: list[int] = []
    found = searched.replay(counts.append)
    assert (found.decisions, counts) == (2, [1, 2])
    assert {one.decision for one in found.differences} <= {0, 1}
    first = found.differences[0]
    assert first.stored == {"trial": 0, "until": 1, "params": {"learning_rate": 0.01}}  # which no search has drawn
    assert first.derived is not None
    assert set(first.derived) == {"trial", "until", "params"}


def test_a_study_without_decisions_has_none_to_derive(studies: Studies) -> None:
    assert studies["digits"].replay().note is not None
    assert [reason.event for reason in studies["digits"].why(1).reasons] == ["proposed", "COMPLETE"]


def test_paused_trials_are_listed_and_counted(searched: StudyHandle) -> None:
    assert [trial.number for trial in searched.records("paused")] == [0]
    assert searched.listed.tally.states == {"PAUSED": 1, "RUNNING": 1}
    assert list(searched.trials()["state"]) == ["PAUSED", "RUNNING"]
    assert [trial.state.name for trial in searched.to_optuna().trials] == ["RUNNING", "RUNNING"]
    (progress,) = searched.watch()
    assert progress.paused == 1


def test_a_study_is_edited_and_lists_its_versions(studies: Studies, at: Place) -> None:
    study = studies["digits"]
    assert study.versions() == []
    said = study.edit("budget.trials=40", "space.learning_rate.high=0.05")
    assert said[0].startswith("study digits has version 2 of its spec; ")
    assert sorted(said[1:]) == ["budget.trials: 8 -> 40", "space.learning_rate.high: 0.1 -> 0.05"]
    assert study.versions() == at.store.versions(at.store.study("digits").id)
    assert [(one.number, one.pending) for one in study.versions()] == [(1, False), (2, False)]
    assert study.spec.budget.trials == 40
    assert at.store.access.audit(subject="digits")[0].action == "edit"
    with pytest.raises(InputError) as caught:
        study.edit("trainer=cnn", "search.seed=4", "space.learning_rate=null", "budget.trials=x")
    for key in ("trainer", "search.seed", "space.learning_rate", "budget.trials"):
        assert f"--set {key}" in str(caught.value)
    with pytest.raises(UnknownStudy):
        StudyHandle(studies.source, "nothing").edit("budget.trials=1")
