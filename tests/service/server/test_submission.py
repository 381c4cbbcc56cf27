"""What a study from the network may name: never a path outside the roots, never code that was not allowed."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from goodfit.service import app
from goodfit.service.app.submission import Rules
from tests.serving import VALUES, Place, place

NET = """
from goodfit import register

@register("my-net")
def train(trial):
    for epoch in trial.epochs():
        trial.report(train={"loss": 1.0}, val={"loss": 1.0})
"""


def body(**changes: Any) -> dict[str, Any]:
    extra = {name: changes.pop(name) for name in ("set", "files", "priority", "new") if name in changes}
    return {"spec": json.dumps({**VALUES, **changes}), **extra}


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "inner").mkdir(parents=True)
    rows = "x,y,label\n" + "".join(f"{i},{i * 2},{i % 2}\n" for i in range(60))
    (folder / "inner" / "table.csv").write_text(rows)
    (tmp_path / "secret.csv").write_text(rows)
    (folder / "link.csv").symlink_to(tmp_path / "secret.csv")
    (folder / "well.csv").symlink_to(folder / "inner" / "table.csv")
    (folder / "round.csv").symlink_to(folder / "round.csv")
    for name in ("cats", "dogs"):
        (folder / "images" / name).mkdir(parents=True)
    (folder / "images" / "cats" / "a.png").symlink_to(tmp_path / "secret.csv")
    return folder


@pytest.fixture
def at(tmp_path: Path, roots: Path) -> Place:
    return place(tmp_path, rules=Rules((roots,)))


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


def test_files_are_refused_without_allow_code(at: Place) -> None:
    answer = at.http().post("/v1/studies", json=body(trainer="my_net.py:my-net", files={"my_net.py": NET}))
    assert answer.status_code == 400
    assert "runs no code" in answer.text


@pytest.fixture
def open_minded(tmp_path: Path, roots: Path) -> Place:
    return place(tmp_path, rules=Rules((roots,), allow_code=True))


MINE: dict[str, Any] = {"data": None, "objective": {"metric": "val/loss", "direction": "minimize"}}


def own(**changes: Any) -> dict[str, Any]:
    found = body(**{**MINE, **changes})
    values = {key: value for key, value in json.loads(found["spec"]).items() if value is not None}
    return {**found, "spec": json.dumps(values)}


def test_allowed_code_travels_with_the_study(open_minded: Place) -> None:
    given = own(trainer="my_net.py:my-net", files={"my_net.py": NET})
    answer = open_minded.http(role="submitter").post("/v1/studies", json=given)
    assert answer.status_code == 201, answer.text
    study = open_minded.store.study("digits")
    assert study.spec["trainer"] == "my_net.py:my-net"
    assert open_minded.store.files(study.id) == {"my_net.py": NET}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise ValueError('broken')", "broken"),
        ("import os; os._exit(7)", "ended (7)"),
        ("import nothing_such", "nothing_such"),
        ("def other(trial): pass", "has no 'my-net'"),
        ("print('noise'); import sys; sys.exit(3)", "SystemExit"),
        ("\x00", "failed"),
    ],
)
def test_code_that_cannot_be_imported_is_said(open_minded: Place, text: str, said: str) -> None:
    given = own(trainer="my_net.py:my-net", files={"my_net.py": text})
    answer = open_minded.http().post("/v1/studies", json=given)
    assert answer.status_code == 422, answer.text
    assert said in answer.text


@pytest.mark.parametrize(
    ("sets", "place"),
    [
        (['trainer="my_net.py:my-net"'], "trainer: my_net.py has no 'my-net'"),
        (["trainer=../my_net.py:my-net", 'trainer="my_net.py:my-net"'], "--set trainer: my_net.py has no 'my-net'"),
        (["budget.trials=2", 'trainer="my_net.py:my-net"'], "trainer: my_net.py has no 'my-net'"),
    ],
)
def test_a_key_that_the_client_wrote_anew_is_the_files(open_minded: Place, sets: list[str], place: str) -> None:
    given = own(trainer="../my_net.py:my-net", files={"my_net.py": "def other(trial): pass"}, set=sets)
    answer = open_minded.http().post("/v1/studies", json=given)
    assert answer.status_code == 422, answer.text
    message = answer.json()["message"]
    assert place in message
    assert ("--set" in message) == place.startswith("--set")


@pytest.mark.parametrize(
    "name",
    [
        *("../x.py", "/tmp/x.py", "x", "x.pyc", "a/../b.py", "a//b.py", "./b.py", "a\\b.py", ".a/b.py", "a/"),
        *(".py", "x.py\n", "", "con\x00.py", "x\u202e.py", f"{'x' * 200}.py", "a/" * 30 + "b.py"),
    ],
)
def test_files_have_plain_names(open_minded: Place, name: str) -> None:
    answer = open_minded.http().post("/v1/studies", json=own(trainer="my_net.py:my-net", files={name: NET}))
    assert answer.status_code == 400, answer.text
    assert "plain file name" in answer.text


@pytest.mark.parametrize("name", ["größe netz.v2 (1).py", "模型/my_net.py"])
def test_files_may_be_called_as_people_call_them(open_minded: Place, name: str) -> None:
    answer = open_minded.http().post("/v1/studies", json=own(trainer=f"{name}:my-net", files={name: NET}))
    assert answer.status_code == 201, answer.text


def test_code_finds_what_lies_beside_the_study_file(open_minded: Place) -> None:
    files = {"code/my_net.py": f"import shapes\n{NET}", "shapes.py": "import leaf", "lib/leaf.py": ""}
    answer = open_minded.http().post("/v1/studies", json=own(trainer="code/my_net.py:my-net", files=files))
    assert answer.status_code == 201, answer.text


def test_files_that_an_installed_package_would_take_the_place_of_are_named(open_minded: Place) -> None:
    files = {"my_net.py": f"import yaml, numpy\n{NET}", "numpy.py": "", "unused.py": ""}
    answer = open_minded.http().post("/v1/studies", json=own(trainer="my_net.py:my-net", files=files))
    assert answer.status_code == 400, answer.text
    assert "numpy.py: a package of that name is installed on the server's workers" in answer.text


def test_a_module_of_a_package_may_have_the_name_of_an_installed_one(open_minded: Place) -> None:
    files = {
        "nets/__init__.py": "",
        "nets/my_net.py": f"import numpy, yaml\nfrom .numpy import x\nfrom nets.yaml import y\n{NET}",
        "nets/numpy.py": "x = 1",
        "nets/yaml.py": "y = 1",
    }
    answer = open_minded.http().post("/v1/studies", json=own(trainer="nets/my_net.py:my-net", files=files))
    assert answer.status_code == 201, answer.text


PACKAGE = {
    "nets/__init__.py": "",
    "nets/my_net.py": f"from nets.parts import x\n{NET}",
    "nets/parts.py": "x = 1",
    "trainers.py": "raise SystemExit",
    "service/__init__.py": "raise SystemExit",
}


@pytest.mark.parametrize("trainer", ["nets/my_net.py:my-net", "nets.my_net:my-net"])
def test_a_package_travels_with_the_study(
    open_minded: Place, trainer: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    answer = open_minded.http(role="submitter").post("/v1/studies", json=own(trainer=trainer, files=PACKAGE))
    assert answer.status_code == 201, answer.text
    study = open_minded.store.study("digits")
    assert study.spec["trainer"] == trainer
    assert open_minded.store.files(study.id) == PACKAGE
    here = app.spec_here(open_minded.store, study)
    assert here.trainer == trainer or Path(here.trainer.partition(":")[0]).is_file()
    assert all((Path(folder) / "nets/parts.py").is_file() for folder in here.modules)


def test_requirements_are_refused_where_no_code_is_allowed(at: Place) -> None:
    answer = at.http(role="submitter").post("/v1/studies", json=body(requirements=["einops"]))
    assert answer.status_code == 422, answer.text
    assert "names packages to install, and this server runs no code" in answer.json()["message"]


@pytest.mark.parametrize("trainer", ["my_net.py:my-net", "nothing_such.models:train"])
def test_a_trainer_that_needs_its_requirements_is_looked_at_by_its_runner(open_minded: Place, trainer: str) -> None:
    files = {"my_net.py": f"import nothing_such\n{NET}"} if ".py:" in trainer else {}
    given = own(trainer=trainer, files=files, requirements=["nothing-such>=2"])
    answer = open_minded.http(role="submitter").post("/v1/studies", json=given)
    assert answer.status_code == 201, answer.text
    study = open_minded.store.study("digits")
    assert (study.spec["trainer"], study.spec["requirements"]) == (trainer, ["nothing-such>=2"])


def test_a_package_that_is_not_sent_is_the_workers_to_have(open_minded: Place) -> None:
    files = {"my_net.py": f"import nothing_such\n{NET}"}
    answer = open_minded.http().post("/v1/studies", json=own(trainer="my_net.py:my-net", files=files))
    assert "which the server's workers lack" in answer.json()["message"]
    assert "pip install" not in answer.text


def test_code_does_not_see_the_secrets_of_the_server(open_minded: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOODFIT_DATABASE", "postgresql://goodfit:sesame@db/goodfit")
    text = "import os\nraise ValueError([name for name in os.environ if name.startswith('GOODFIT')])"
    answer = open_minded.http().post("/v1/studies", json=own(trainer="my_net.py:x", files={"my_net.py": text}))
    assert "[]" in answer.json()["message"]


def test_even_then_other_modules_are_not_imported(open_minded: Place) -> None:
    for trainer in ("os:system", "/etc/x.py:net", "other.py:net"):
        answer = open_minded.http().post("/v1/studies", json=own(trainer=trainer, files={"my_net.py": NET}))
        assert answer.status_code == 422, answer.text


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
