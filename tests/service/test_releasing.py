"""What gates come to, who decides over them, and that MLflow's aliases follow from the store."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from goodfit.service import app
from goodfit.service.app import tracker_process
from goodfit.service.app.releasing import settle
from goodfit.service.app.trail import trail_of
from goodfit.service.errors import IllegalChange, InputError, UnknownStudy
from goodfit.service.ports import Store
from goodfit.service.records import Study, StudyState
from goodfit.service.release import Ruling, standing
from goodfit.service.settings import Settings
from goodfit.service.spec.release import Release
from tests.serving import NOW, Place, filled, place, some_trials

LABELS = {"no_label_errors_above": 0.02}


def released(at: Place) -> app.ReleaseFacts:
    return app.release_facts(at.store, at.store.study("digits"))


def decide(at: Place, action: str, by: str = "ann", note: str | None = "seen") -> list[str]:
    return app.decide(at.store, "digits", action, by, note, NOW)


def settled(at: Place) -> tuple[int | None, int | None]:
    stands = settle(at.store, at.store.study("digits"), NOW)
    return stands.champion, stands.candidate


@pytest.mark.parametrize(
    ("gate", "held", "reason"),
    [
        ("confirmed", True, "trial 5 was confirmed on 2 seeds"),
        ("good_fit", True, "the verdict of trial 5 is good_fit"),
        ("approved", False, "nobody has approved trial 5"),
        ("test/accuracy >= 0.9", True, "test/accuracy is 0.905"),
        ("test/accuracy >= 0.91", False, "test/accuracy is 0.905, not >= 0.91"),
        ("val/accuracy <= 0.61", True, "val/accuracy is 0.6"),
        ("val/loss <= 1", False, "val/loss is nan"),
        ("val/accuracies >= 0.1", False, "val/accuracies was not measured; did you mean val/accuracy"),
        ("val/equalized_odds_difference <= 0.1", False, "was not measured"),
        (LABELS, False, "label errors have not been looked for"),
    ],
)
def test_each_gate_says_what_it_was_judged_by(gate: Any, held: bool, reason: str, tmp_path: Path) -> None:
    (found,) = released(filled(tmp_path, [gate]))["gates"]
    assert (found["held"], reason in found["reason"]) == (held, True), found


def test_without_gates_the_best_model_is_released_once(tmp_path: Path) -> None:
    at = filled(tmp_path)
    assert settled(at) == settled(at) == (5, None)
    assert [one["text"] for one in released(at)["decisions"]] == ["trial 5 is champion"]


def test_a_gate_that_fails_makes_a_candidate_and_says_why(tmp_path: Path) -> None:
    at = filled(tmp_path, ["good_fit", "test/accuracy >= 0.99", "approved"])
    assert settled(at) == (None, 5)
    found = released(at)
    why = "trial 5 is candidate: test/accuracy is 0.905, not >= 0.99; nobody has approved trial 5"
    assert (found["status"], found["reason"]) == ("candidate", why)
    assert settled(at) == (None, 5)
    assert len(found["decisions"]) == 1


def test_an_approval_is_what_the_gate_approved_waits_for(tmp_path: Path) -> None:
    at = filled(tmp_path, ["confirmed", "approved"])
    assert settled(at) == (None, 5)
    assert decide(at, "approve", note=None) == ["study digits: trial 5 is champion, approved by ann"]
    assert settled(at) == (5, None)
    assert (released(at)["status"], [one["held"] for one in released(at)["gates"]]) == ("champion", [True, True])


def test_an_approval_over_a_failed_gate_needs_a_note_and_is_recorded_as_such(tmp_path: Path) -> None:
    at = filled(tmp_path, ["confirmed", "test/accuracy >= 0.99"])
    with pytest.raises(InputError, match=r"not >= 0\.99\. An approval overrules 1 of its gates: say why by --note"):
        decide(at, "approve", note=" ")
    said = decide(at, "approve", note="for the pilot")
    assert said[0].endswith("approved by ann over 1 failed gate: test/accuracy >= 0.99 (for the pilot)")
    assert said[1] == "overruled: test/accuracy is 0.905, not >= 0.99"
    assert settled(at) == (5, None)
    last = released(at)["decisions"][-1]
    assert (last["override"], last["by"], last["action"]) == (["test/accuracy >= 0.99"], "ann", "approve")
    entry = at.store.access.audit(subject="digits")[0]
    assert entry.before == {"champion": None, "candidate": 5}
    assert entry.after is not None
    assert entry.after["gates"][1]["held"] is False


def test_a_rejection_withdraws_the_model_and_stands_until_it_is_approved(tmp_path: Path) -> None:
    at = filled(tmp_path, ["good_fit"])
    assert settled(at) == (5, None)
    assert decide(at, "reject", "bea", "biased")[1].startswith("the alias champion is taken from trial 5; no model")
    assert settled(at) == (None, None)
    assert released(at)["status"] == "rejected"
    decide(at, "approve", "ann")
    assert settled(at) == (5, None)
    assert [one["action"] for one in released(at)["decisions"]] == ["release", "reject", "approve"]


def test_a_second_rejection_needs_a_note_that_says_something_new(tmp_path: Path) -> None:
    at = filled(tmp_path)
    decide(at, "reject", "bea", "biased")
    for note in (None, "biased"):
        with pytest.raises(InputError, match=r"trial 5 is rejected already, by bea \(biased\); to add"):
            decide(at, "reject", "carl", note)
    decide(at, "reject", "carl", "leaks, too")
    decide(at, "approve")
    decide(at, "reject", "bea", "leaks, too")
    assert [one["action"] for one in released(at)["decisions"]] == ["release", "reject", "reject", "approve", "reject"]


def test_a_note_of_two_lines_is_shown_in_one_and_kept_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from goodfit.service.cli.show import print_release
    from goodfit.service.tracker.content import release_tags

    at = filled(tmp_path, ["confirmed"])
    said = decide(at, "reject", note="line1\nline2")
    assert said[0] == "study digits: trial 5 is rejected: line1\\nline2"
    print_release(released(at))
    assert len(capsys.readouterr().out.splitlines()) == 2
    entry = at.store.access.audit(subject="digits")[0]
    assert entry.after is not None
    assert (entry.after["note"], entry.detail) == ("line1\nline2", "trial 5 is rejected: line1\\nline2")
    stands = settle(at.store, at.store.study("digits"), NOW)
    assert release_tags(stands, 5)["goodfit.release_reason"] == entry.detail
    assert decide(at, "approve", note="a\nb")[0].endswith("approved by ann (a\\nb)")


@pytest.mark.parametrize(
    ("test_share", "said"),
    [
        (0.2, "the study has no `confirm:`; `goodfit confirm digits --top 3 --seeds 3` confirms its best"),
        (0.0, "the study has no `confirm:`, which is scored on the test split, and data.split.test is 0; give it rows"),
    ],
)
def test_a_gate_that_needs_a_confirmation_says_how_to_have_one(test_share: float, said: str, tmp_path: Path) -> None:
    at = place(tmp_path)
    trials, reports = some_trials()
    searched = [one for one in trials if one.confirms is None]
    data = {"source": "digits", "split": {"validation": 0.2, "test": test_share}}
    made = at.study(release={"require": ["confirmed", "test/accuracy >= 0.9"]}, data=data)
    at.write(made, searched, [one for one in reports if one.trial < 6], StudyState.DONE)
    settled(at)
    assert said in released(at)["reason"]
    for gate in released(at)["gates"]:
        assert said in gate["reason"], gate


def test_a_champion_stays_where_a_new_best_does_not_pass(tmp_path: Path) -> None:
    at = filled(tmp_path, ["confirmed"])
    assert settled(at) == (5, None)
    better = replace(next(one for one in at.store.trials(1) if one.number == 0), number=11, value=0.99)
    again = [replace(one, number=one.number + 4, confirms=11) for one in at.store.trials(1) if one.confirms == 5]
    scored = [replace(one, test={"accuracy": 0.99}, value=0.99) for one in again]
    study = at.store.study("digits")
    at.store.note_study_mirrored(study.id, champion=5, registered=1)
    study = replace(study.to(StudyState.QUEUED), state=StudyState.RUNNING)
    at.write(study, [better, *scored], [], StudyState.DONE)
    decide(at, "reject", "bea")
    assert settled(at) == (5, None)
    assert released(at)["trial"] == 11


def test_label_errors_are_judged_by_figures_of_the_same_data(tmp_path: Path) -> None:
    at = filled(tmp_path, [LABELS])
    assert settled(at) == (None, 5)
    app.note_figures(at.store, "digits", "label_errors", {"share": 0.03}, "ann", NOW)
    assert "3.00% of the rows may be labelled wrong, more than 2.00%" in released(at)["reason"] + str(released(at))
    stands = app.note_figures(at.store, "digits", "label_errors", {"share": 0.02}, "ann", NOW)
    assert stands.champion == 5
    with pytest.raises(ValueError, match="did you mean label_errors"):
        app.note_figures(at.store, "digits", "label_error", {}, "ann", NOW)


@pytest.mark.parametrize("state", [StudyState.RUNNING, StudyState.STOPPED])
def test_a_study_that_is_not_done_is_not_decided(state: StudyState, tmp_path: Path) -> None:
    at = filled(tmp_path)
    study = at.store.study("digits").to(StudyState.QUEUED).to(StudyState.RUNNING)
    at.write(study, [], [], state)
    if state is StudyState.RUNNING:
        at.store.acquire(study.id, "other:1:1", NOW, 1e9, lambda _: False)
    with pytest.raises(InputError, match=f"study digits is {state}; approve its model once it is done"):
        decide(at, "approve")
    assert at.store.study("digits").decided == 0


def test_a_study_without_a_model_is_not_decided(tmp_path: Path) -> None:
    at = filled(tmp_path)
    study = at.study("empty", queued=NOW)
    at.write(study, [], [], StudyState.DONE)
    with pytest.raises(InputError, match="study empty has no model to reject"):
        app.decide(at.store, "empty", "reject", "ann", None, NOW)
    assert app.release_facts(at.store, at.store.study("empty"))["trial"] is None


def test_two_decisions_at_once_do_not_overwrite_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = filled(tmp_path)
    settled(at)
    real = at.store.decide

    def late(study_id: int, number: int, entry: Any) -> Any:
        monkeypatch.setattr(at.store, "decide", real)
        decide(at, "reject", "bea")
        return real(study_id, number, entry)

    monkeypatch.setattr(at.store, "decide", late)
    with pytest.raises(IllegalChange, match="decided at the same time"):
        decide(at, "approve")
    assert [one["by"] for one in released(at)["decisions"]][1:] == ["bea"]


@pytest.mark.parametrize(
    ("by", "note", "problem"),
    [("", "n", "--by is empty"), (" \t\n", "n", "--by is empty"), (b"ann", "n", "by is bytes; give a text"),
     ("ann", 5, "note is int; give a text"),
     ("x" * 201, "n", "--by has 201 characters"), ("a", "x" * 5001, "the note has 5001")],
)  # fmt: skip
def test_names_and_notes_have_bounds(by: Any, note: Any, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=problem):
        decide(filled(tmp_path), "approve", by, note)


def test_what_is_decided_while_mlflow_follows_is_followed_by_the_same_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = filled(tmp_path)
    decide(at, "approve")
    sent: list[int] = []

    def send(settings: Settings, store: Store, study: Study, *_: object) -> None:
        sent.append(study.decided)
        if len(sent) == 1:
            decide(at, "reject", "bea")
        store.note_study_mirrored(study.id, champion=5, registered=study.decided)

    monkeypatch.setattr(tracker_process, "catch_up", send)
    assert app.follow(at.settings, at.store, "digits") == []
    assert sent == [2, 3]
    assert app.follow(at.settings, at.store, "digits") == []
    assert len(sent) == 2


@pytest.mark.parametrize("trouble", ["MLflow is away", None])
def test_mlflow_that_does_not_follow_is_asked_once(
    trouble: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = filled(tmp_path)
    decide(at, "approve")
    asked: list[str] = []

    def fail(settings: Settings, store: Store, study: Study, on_catch_up: object, on_trouble: Any) -> None:
        asked.append(study.name)
        if trouble is not None:
            on_trouble(trouble)

    monkeypatch.setattr(tracker_process, "catch_up", fail)
    said = [] if trouble is None else [f"MLflow's registry does not follow yet: {trouble}"]
    assert app.follow(at.settings, at.store, "digits") == said
    assert asked == ["digits"]


def test_an_empty_name_is_nobodys(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--by is empty"):
        filled(tmp_path).local()["digits"].approve("", "seen")


@pytest.mark.parametrize("number", [2**31, 10**30, pytest.param(10**5000, id="long"), -1, 5.0, "5", True])
def test_what_is_no_number_of_a_trial_is_refused(number: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"study digits has no trial .*; it has 0 to \d"):
        filled(tmp_path).local()["digits"].one(number)


def test_a_number_out_of_a_data_frame_is_a_trials(tmp_path: Path) -> None:
    study = filled(tmp_path).local()["digits"]
    assert study.one(study.trials()["trial"].iloc[-1]).number == study.records()[-1].number


def test_a_card_goes_to_no_folder_whose_name_has_nul(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="embedded null byte; name another folder"):
        filled(tmp_path).local()["digits"].card(f"{tmp_path}/a\0b")


def test_odd_characters_are_kept_and_exported(tmp_path: Path) -> None:
    from goodfit.service.cli.trail import trail_csv

    at = filled(tmp_path)
    decide(at, "approve", "Ünal\n<b>\x00\udcff", "=1+1\n\u202eright")
    trail = trail_of(at.settings, at.store, "digits")
    json.dumps(trail, allow_nan=False)
    assert trail["chain"]["intact"]
    assert "'=1+1" not in trail_csv(trail).splitlines()[0]
    assert "\n" not in trail["entries"][-1]["who"]


def test_the_trail_joins_what_the_store_knows_and_finds_a_changed_row(tmp_path: Path) -> None:
    import sqlite3

    at = filled(tmp_path)
    settled(at)
    trail = trail_of(at.settings, at.store, "digits")
    actions = [one["action"] for one in trail["entries"]]
    assert actions == ["submit", "state", "release"]
    with sqlite3.connect(at.settings.home / "goodfit.db") as connection:
        connection.execute("UPDATE audit SET who = 'eve' WHERE action = 'state'")
    connection.close()
    chain = trail_of(at.settings, at.store, "digits")["chain"]
    assert (chain["intact"], chain["broken"]) == (False, 2)
    with pytest.raises(UnknownStudy):
        trail_of(at.settings, at.store, "nothing")


def test_standing_follows_from_the_decisions_alone() -> None:
    def one(action: str, trial: int, status: str) -> Ruling:
        return Ruling(0.0, "a", action, trial, status)

    assert standing([], 3).champion == 3
    history = [one("release", 3, "champion"), one("release", 4, "candidate"), one("approve", 4, "champion")]
    assert [(found.champion, found.candidate) for found in (standing(history[:n]) for n in (1, 2, 3))] == [
        (3, None),
        (3, 4),
        (4, None),
    ]
    assert standing([*history, one("reject", 4, "rejected")]).champion == 3
    assert standing([*history, one("reject", 4, "rejected"), one("reject", 3, "rejected")]).champion is None


@pytest.mark.parametrize(
    ("require", "problem"),
    [
        ([], "names no gate"),
        ("", "is empty"),
        (["confirmd"], "there is no gate 'confirmd'; did you mean confirmed"),
        (["confirmed", "confirmed"], "more than once"),
        (["test/accuracy > 0.9"], "compares by >"),
        (["params_millions <= 2"], "is a cost, which `constraints:` bound"),
        (["confirmed >= 1"], "is no metric"),
        (["test/ <= 1"], "test/ names no metric; write one of the test split"),
        (["no_label_errors_above"], "needs a share"),
        ([{"no_label_errors_above": 2}], "no_label_errors_above is 2; it must be less than 1: it is a share"),
        ([{"no_label_errors_above": -0.1}], "no_label_errors_above is -0.1; it must be at least 0"),
        ([{"no_label_errors": 0.1}], "did you mean no_label_errors_above"),
        ([{"no_label_errors_above": 0.1, "x": 1}], "one gate an entry"),
        ([1], "is 1"),
        (["val/a >= 0.9", "val/a <= 0.8"], "cannot be kept"),
        (["good_fit"] * 51, "at most 50"),
    ],
)
def test_what_is_no_gate_is_refused(require: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Release.model_validate({"require": require})


def test_gates_read_as_they_are_written() -> None:
    written = ["confirmed", "test/accuracy >= 0.9", LABELS]
    assert Release.model_validate({"require": written}).model_dump(mode="json") == {"require": written}
    assert Release.model_validate({"require": "good_fit"}).model_dump(mode="json") == {"require": ["good_fit"]}


def test_the_report_has_gates_decisions_and_the_card(tmp_path: Path) -> None:
    at = filled(tmp_path / "gated", ["approved"])
    decide(at, "approve", "bea")
    page = app.report_of(at.settings, at.store, at.store.study("digits"))
    for told in ('"gate":"approved","held":true', "trial 5 is champion, approved by bea (seen)", "To be written by"):
        assert told in page
    other = filled(tmp_path / "other")
    assert '"release":null' in app.report_of(other.settings, other.store, other.store.study("digits"))


def test_a_note_says_that_nothing_is_confirmed_where_a_gate_needs_it() -> None:
    from tests.serving import spec_of

    spec = spec_of(release={"require": ["confirmed", "good_fit", "test/accuracy >= 0.9"]})
    assert any("release.require has confirmed, test/accuracy >= 0.9" in note for note in app.notes_of(spec))
    confirmed = spec_of(release={"require": ["confirmed"]}, confirm={"top": 1, "seeds": 2})
    assert not any("release.require" in note for note in app.notes_of(confirmed))


def test_other_gates_are_judged_as_soon_as_they_are_edited(tmp_path: Path) -> None:
    at = filled(tmp_path, ["approved"])
    assert settled(at) == (None, 5)
    said = app.edit(at.store, "digits", ["release.require=[good_fit]"], NOW, "ann", str)
    assert said[1:] == ["release.require: [approved] -> [good_fit]", "trial 5 is champion"]
    entries = at.store.access.audit(subject="digits")[:2]
    assert [one.action for one in entries] == ["release", "edit"]
    assert entries[1].before == {"release.require": "[approved]"}
