"""A study's note and tags on its run in MLflow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from goodfit.service.errors import TrackingError
from goodfit.service.records import Study
from goodfit.service.tracker import audit_head, content, keep_note

STUDY = Study("digits", {}, "f", 1.0, mlflow_run_id="run", note="for the paper", tags={"paper": "v2", "odd@": "1"})


class Client:
    """MLflow's client, of one run."""

    def __init__(self, tags: dict[str, str]) -> None:
        self.tags, self.calls = tags, 0

    def get_run(self, run: str) -> Any:
        assert run == "run"
        return SimpleNamespace(data=SimpleNamespace(tags=dict(self.tags)))

    def set_tag(self, _run: str, key: str, value: str) -> None:
        self.calls += 1
        self.tags[key] = value

    def delete_tag(self, _run: str, key: str) -> None:
        del self.tags[key]


def test_what_is_new_is_written_and_what_is_gone_is_taken_out() -> None:
    client: Any = Client({"paper": "v1", "old": "1", "theirs": "by hand"})
    keep_note("sqlite:///m.db", STUDY, ["old", "never"], lambda _: client)
    odd = content.safe_name("odd@")
    assert client.tags == {"paper": "v2", odd: "1", "theirs": "by hand", "mlflow.note.content": "for the paper"}
    before = client.calls
    keep_note("sqlite:///m.db", STUDY, [], lambda _: client)
    assert client.calls == before
    keep_note("sqlite:///m.db", replace(STUDY, note=None, tags=None), ["paper"], lambda _: client)
    assert client.tags == {odd: "1", "theirs": "by hand", "mlflow.note.content": ""}


def test_a_study_without_a_run_is_left_to_its_mirror_and_an_mlflow_that_is_away_is_named() -> None:
    def away(_: str) -> Any:
        raise ConnectionError("refused")

    keep_note("http://mlflow", replace(STUDY, mlflow_run_id=None), [], away)
    with pytest.raises(TrackingError, match="http://mlflow: ConnectionError: refused"):
        keep_note("http://mlflow", STUDY, [], away)
    told = content.study_tags(replace(STUDY, spec={"objective": {"metric": "val/loss", "direction": "minimize"}}), None)
    assert (told["paper"], told["mlflow.note.content"]) == ("v2", "for the paper")


def test_the_hash_of_the_audit_log_is_read_back_and_no_database_is_made_for_it(tmp_path: Path) -> None:
    heads: list[Any] = [Client({"goodfit.audit": "abc"}), Client({})]
    assert [audit_head("http://mlflow", "run", lambda _, one=one: one) for one in heads] == ["abc", None]
    gone = tmp_path / "mlflow.db"
    with pytest.raises(TrackingError, match="is not there"):
        audit_head(f"sqlite:///{gone}", "run")
    assert not gone.exists()
