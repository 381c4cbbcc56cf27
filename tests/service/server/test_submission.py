"""What a study from the network may name: never a path outside the roots, never code that was not allowed."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from goodfit.service.app.submission import Rules
from tests.serving import Place, body, place

TABLE = {"trainer": "mlp", "data": {"source": "inner/table.csv", "target": "label"}}


def test_data_lie_under_a_root(at: Place, roots: Path) -> None:
    client = at.http(role="submitter")
    for number, source in enumerate(
        ("inner/table.csv", str(roots / "inner/table.csv"), "well.csv", "images/../inner/table.csv")
    ):
        answer = client.post("/v1/studies", json=body(name=f"s-{number}", data={"source": source, "target": "label"}))
        assert answer.status_code == 201, answer.text
        assert answer.json()["spec"]["data"]["source"] == str((roots / "inner" / "table.csv").resolve())


@pytest.mark.parametrize(
    "source",
    [
        "../secret.csv",
        "inner/../../secret.csv",
        "/etc/passwd",
        "/etc",
        "link.csv",
        "round.csv",
        "~/x.csv",
        "./nothing.csv",
        "images",
        "s3://bucket/x.csv",
        "file:///etc/passwd",
        "http://localhost:1/x.csv",
        "x\x00.csv",
        "a" * 5000 + ".csv",
        "/dev/zero",
        "/proc/self/environ",
        "..",
        ".",
        "",
        " ",
        "\\\\host\\share\\x.csv",
        "inner/table.csv/..",
        "größe\ud800.csv",
    ],
)
def test_no_path_leads_outside(at: Place, source: str, tmp_path: Path) -> None:
    answer = at.http(role="submitter").post("/v1/studies", json=body(data={"source": source, "target": "label"}))
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"] == "StudyFileError"
    assert str(tmp_path / "home") not in answer.text
    assert at.store.studies() == []
    other = at.http(role="submitter").post(
        "/v1/studies", json=body(set=[f"data.source={json.dumps(source)}", "data.target=label"])
    )
    assert other.status_code == 422


@pytest.mark.parametrize("source", ["iris", "../outside.csv", "/etc/passwd"])
def test_the_source_of_an_added_kind_lies_under_a_root_whatever_its_name(
    at: Place, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("goodfit.service.spec.data.added", lambda group: ("clouds",))
    data = {"source": source, "kind": "clouds"}
    answer = at.http(role="submitter").post("/v1/studies", json=body(data=data))
    assert answer.status_code == 422, answer.text
    assert f"there is no '{source}' under this server's data roots" in answer.text


def test_without_roots_there_are_no_paths(tmp_path: Path, roots: Path) -> None:
    answer = place(tmp_path).http().post("/v1/studies", json=body(**TABLE))
    assert answer.status_code == 422
    assert "no data but the built-in sets" in answer.text


def test_a_file_of_synonyms_is_data_too(at: Place) -> None:
    for changes in (
        {"data": {"source": "digits", "augment": {"synonyms": "/etc/passwd"}}},
        {"fixed": {"augment.synonyms": "/etc/passwd"}},
    ):
        answer = at.http().post("/v1/studies", json=body(**changes))
        assert answer.status_code == 422
        assert "root:" not in answer.text


CODE = [
    {"trainer": "os:system"},
    {"trainer": "subprocess:run"},
    {"trainer": "tests.zoo:curve"},
    {"trainer": "/tmp/x.py:net"},
    {"trainer": "my_net.py:net"},
    {"trainer": "../x.py:net"},
    {"trainer": "goodfit.trainers.builtin.mlp:os"},
    {"trainer": ":"},
    {"trainer": "x:"},
    {"data": {"source": "my_data.py:load"}},
    {"data": {"source": "/tmp/x.py:load"}},
    {"data": {"source": "digits", "augment": {"translate": "my.py:f"}}},
    {"trainer": "rl", "data": None, "fixed": {"environment": "antigravity:Env-v0"}},
    {"trainer": "rl", "data": None, "space": {"environment": ["CartPole-v1", "this:Env-v0"]}},
    {"trainer": "rl", "data": None, "space": {"environment": {"type": "choice", "choices": ["this:Env-v0"]}}},
    {"space": "my_space.yaml"},
    {"space": "/etc/passwd"},
    {"space": "../../etc/hostname"},
]


@pytest.mark.parametrize("changes", CODE, ids=str)
def test_no_code_and_no_file_is_taken_in(at: Place, changes: dict[str, Any]) -> None:
    answer = at.http(role="submitter").post("/v1/studies", json=body(**changes))
    assert answer.status_code == 422, answer.text
    assert "antigravity" not in sys.modules
    assert "this" not in sys.modules


def test_a_study_of_one_name_is_there_once(at: Place) -> None:
    client = at.http(role="submitter")
    assert client.post("/v1/studies", json=body()).status_code == 201
    answer = client.post("/v1/studies", json=body())
    assert (answer.status_code, answer.json()["error"]) == (409, "NameTaken")
    assert client.post("/v1/studies", json=body(new=True)).json()["name"] == "digits-2"


def test_the_roots_are_what_the_environment_says(roots: Path) -> None:
    from goodfit.service.errors import InputError
    from goodfit.service.server.serve import Serving, rules_of

    assert rules_of(Serving(), None) == Rules()
    assert rules_of(Serving(allow_code=True), f"{roots}{os.pathsep}{roots / 'inner'}") == Rules(
        (roots, roots / "inner"), True
    )
    with pytest.raises(InputError, match="no folder"):
        rules_of(Serving(), str(roots / "nothing"))
