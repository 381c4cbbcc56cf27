"""Whatever a body from the network holds, it is answered with what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.serving import Place, body


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "~",
        "null",
        "[]",
        "1",
        "x",
        "- a\n- b",
        "{",
        "a: b: c",
        "a: *b",
        "a: &a [*a]",
        "&a {x: *a}",
        "\x00",
        "\ud800",
        "!!python/object/apply:os.system ['echo']",
        "name: !!python/name:os.system",
        "a: !!binary aGk=",
        "a: !!set {x}",
        "? [a]\n: b",
        "%YAML 9.9\n---\na: 1",
        "a: 1\n---\nb: 2",
        "name: !foo bar",
        "<<: {name: x}",
        "name: " + "9" * 5000,
        "training: {epochs: 0x" + "f" * 9000 + "}",
        "budget: {trials: 1e999}",
        "budget: {trials: .nan}",
        "[" * 3000,
        "{a: " * 3000,
        "a: |\n" + " x\n" * 5000,
        bomb(9),
        "\t",
        "\ufeffname: x",
        "name: {a: {b: {c: [1, {d: e}]}}}",
        "trainer: [mlp]",
        "data: digits",
        "data: []",
        "space: []",
        "space: {x: {type: {}}}",
        "objective: []",
        "training: {epochs: -1}",
        "training: {epochs: 99999999999999999999999}",
        "budget: {trials: 99999999999999999999999}",
        "fixed: 1",
        "set: 1",
        "space: {x: {type: float, low: .inf, high: .nan}}",
        "space: {x: [[[[]]]]}",
        "name: '../../etc'",
        "name: '<script>'",
        "name: 'a; DROP TABLE studies'",
    ],
    ids=lambda text: text[:20].encode("ascii", "backslashreplace").decode(),
)
def test_any_text_is_answered_with_what_is_wrong(at: Place, text: str) -> None:
    answer = at.http().post("/v1/studies", content=json.dumps({"spec": text}))
    assert answer.status_code == 422, answer.text[:500]
    assert answer.json()["error"] in ("StudyFileError", "InputError")


@pytest.mark.parametrize(
    "changes",
    [
        {"training": {"epochs": 10**30}},
        {"budget": {"trials": 10**30}},
        {"search": {"seed": 10**30}},
        {"budget": {"minutes": 1e308}},
        {"space": {"learning_rate": {"type": "int", "low": 0, "high": 10**400}}},
        {"fixed": {"depth": 10**30}},
        {"fixed": {"depth": True}},
        {"space": {f"p{i}": [1, 2] for i in range(3000)}},
        {"resources": {"cpus": 10**30}},
        {"confirm": {"top": 10**30, "seeds": 10**30}},
        {"data": {"source": "digits", "split": {"folds": 10**30}}},
        {"data": {"source": "digits", "augment": {"rotate": "x"}}},
    ],
    ids=lambda changes: str(changes)[:40],
)
def test_strange_numbers_are_no_fault_of_the_server(at: Place, changes: dict[str, Any]) -> None:
    answer = at.http().post("/v1/studies", json=body(**changes))
    assert answer.status_code in (201, 422), answer.text[:500]
    if answer.status_code == 201:
        assert at.http().get("/v1/studies/digits").status_code == 200


@pytest.mark.parametrize(
    "given",
    [
        "set=1",
        "",
        "[]",
        "null",
        "{}",
        "1",
        '{"spec": 1}',
        '{"spec": null}',
        '{"spec": "x", "what": 1}',
        '{"spec": "x", "priority": 1e99}',
        '{"spec": "x", "set": "x"}',
        '{"spec": "x", "files": []}',
        '{"spec": "x", "files": {"x.py": 1}}',
        '{"spec": "x", "new": "maybe"}',
        "{" * 100_000,
        "[" * 100_000,
        '{"spec": "\\ud800"}',
        '{"spec": "x", "priority": NaN}',
        "\xff\xfe",
    ],
    ids=lambda text: text[:30].encode("ascii", "backslashreplace").decode(),
)
def test_any_body_is_answered_with_what_is_wrong(at: Place, given: str) -> None:
    answer = at.http().post(
        "/v1/studies", content=given.encode("latin-1"), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 422), answer.text[:300]
    assert set(answer.json()) >= {"error", "message"}


def test_overrides_that_are_none_are_said(at: Place) -> None:
    for override in (
        "",
        "x",
        "=",
        "a=",
        "=b",
        "a.b.c.d=1",
        "budget.trials=0",
        "budget.trials=*x",
        "name=../x",
        "a" * 60_000 + "=1",
        "space=[",
        "a=\x00",
    ):
        answer = at.http().post("/v1/studies", json=body(set=[override]))
        assert answer.status_code == 422, (override[:20], answer.text[:300])


def test_a_body_of_ten_megabytes_is_not_read(at: Place) -> None:
    client = at.http()
    assert client.post("/v1/studies", json={"spec": "x" * 10_000_000}).status_code == 413

    def endless():  # type: ignore[no-untyped-def]
        for _ in range(160):
            yield b"x" * 65536

    answer = client.post("/v1/studies", content=endless(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.json()["error"] == "InputError"
