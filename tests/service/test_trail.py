"""What a look at the audit log says of entries that were changed, taken out, or lost, and what MLflow knows of them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from goodfit.service import app, cli
from goodfit.service.app.releasing import settle
from goodfit.service.app.trail import chain_head
from goodfit.service.audit_chain import Checked, check_chain, hash_of
from goodfit.service.records import AuditEntry
from goodfit.service.tracker.content import AUDIT
from goodfit.service.tracker.experiment import connect
from tests.serving import NOW, Place, filled
from tests.tracking import new_mlflow


def log_of(count: int, first_hashed: int = 1) -> list[AuditEntry]:
    """A log whose entries have hashes from one on."""
    entries, head = list[AuditEntry](), ""
    for number in range(1, count + 1):
        entry = AuditEntry(float(number), "ann", "note", "digits", str(number), 1)
        if number >= first_hashed:
            head = hash_of(entry, head)
            entry = replace(entry, hash=head)
        entries.append(entry)
    return entries


@pytest.mark.parametrize(
    ("found", "intact", "said"),
    [
        (check_chain([]), False, "the log has no entry, and each study's has one of how it was made"),
        (check_chain(log_of(2)), True, "2 entries; the chain of hashes is whole"),
        (check_chain(log_of(1, 2)), None, "1 entry, of which none has a hash: nothing tells whether they were changed"),
        (
            check_chain(log_of(3, 3)),
            True,
            "is whole from entry 3 on, and nothing tells of changes to the 2 entries before",
        ),
        (check_chain(log_of(3)[1:]), False, "breaks at entry 1 of 2"),
        (check_chain(log_of(3), log_of(2)[-1].hash), True, "is whole; MLflow has the hash of entry 2"),
        (check_chain(log_of(2), log_of(3)[-1].hash), False, "2 entries; none has the hash"),
        (check_chain(log_of(3, 4), "abc"), False, "were changed; none has the hash abc that MLflow keeps"),
        (check_chain([], "abc"), False, "were taken out; none has the hash abc"),
    ],
)
def test_a_log_is_whole_only_where_something_tells_so(found: Checked, intact: bool | None, said: str) -> None:
    assert (found.intact, said in str(found)) == (intact, True), str(found)


@pytest.fixture
def at(tmp_path: Path) -> Place:
    """A study with a log of three entries, the hash of whose last is in MLflow."""
    found = filled(tmp_path)
    settle(found.store, found.store.study("digits"), NOW)
    mirrored(found)
    return found


def mirrored(at: Place) -> None:
    """What a mirror does: a run of the study, with the hash of its log as it is now."""
    head = chain_head(at.store, "digits")
    assert head is not None
    home = at.settings.home
    uri = at.settings.tracking_uri if (home / "mlflow.db").exists() else new_mlflow(home)
    run = connect(uri).create_run("0", tags={AUDIT: head}).info.run_id
    at.store.note_study_mirrored(at.store.study("digits").id, mlflow_run_id=run)


def changed(at: Place, *sql: str) -> None:
    """The database after somebody wrote in it by hand."""
    with closing(sqlite3.connect(at.settings.home / "goodfit.db")) as connection, connection:
        for one in sql:
            assert connection.execute(one).rowcount


def audit(at: Place) -> int:
    return cli.run(["--home", str(at.settings.home), "audit", "digits"])


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            ["DELETE FROM audit WHERE id = (SELECT max(id) FROM audit)"],
            "2 entries; none has the hash",
        ),
        (["DELETE FROM audit"], "the log has no entry, and each study's has one of how it was made: its entries"),
        (["UPDATE audit SET hash = NULL"], "3 entries, of which none has a hash: nothing tells"),
        (["UPDATE audit SET hash = NULL", "UPDATE audit SET who = 'eve' WHERE id = 2"], "none has the hash"),
        (["UPDATE audit SET who = 'eve' WHERE id = 2"], "breaks at entry 2 of 3: the log was changed"),
    ],
)
def test_a_log_that_was_cut_or_changed_is_found(
    sql: list[str], said: str, at: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit(at) == 0
    assert "3 entries; the chain of hashes is whole; MLflow has the hash of entry 3" in capsys.readouterr().out
    changed(at, *sql)
    assert audit(at) == 1
    out, err = capsys.readouterr()
    assert said in out
    assert said in err


def test_a_log_that_has_gone_on_since_is_whole(at: Place, capsys: pytest.CaptureFixture[str]) -> None:
    at.store.annotate(at.store.study("digits").id, "for the paper", {}, "ann")
    assert audit(at) == 0
    assert "4 entries; the chain of hashes is whole; MLflow has the hash of entry 3" in capsys.readouterr().out
    changed(at, "DELETE FROM audit WHERE id = 4")
    assert audit(at) == 0, "MLflow does not know of it"


def test_a_study_that_is_removed_and_made_anew_goes_on_with_the_log(
    at: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    app.remove_study(at.settings, at.store, "digits", NOW)
    assert audit(at) == 0
    assert "4 entries; the chain of hashes is whole; not compared with MLflow: the study was removed" in (
        capsys.readouterr().out
    )
    at.study("digits")
    assert audit(at) == 0
    assert "is whole; not compared with MLflow: the study has no run there yet" in capsys.readouterr().out
    mirrored(at)
    assert audit(at) == 0
    assert "5 entries; the chain of hashes is whole; MLflow has the hash of entry 5" in capsys.readouterr().out


def test_a_log_that_cannot_be_compared_says_so(at: Place, capsys: pytest.CaptureFixture[str]) -> None:
    study = at.store.study("digits")
    connect(at.settings.tracking_uri).delete_tag(study.mlflow_run_id or "", AUDIT)
    assert audit(at) == 0
    assert "is whole; not compared with MLflow, which has no hash of the log yet" in capsys.readouterr().out
    at.store.note_study_mirrored(study.id, mlflow_run_id="f" * 32)
    assert audit(at) == 0
    out = capsys.readouterr().out
    assert "is whole; not compared with MLflow: MLflow at sqlite:///" in out
    assert "f" * 32 in out
    changed(at, "UPDATE audit SET hash = NULL")
    assert audit(at) == 0, "as of a log from before hashes were kept"
    assert "whole" not in capsys.readouterr().out
