"""A study's own code from the network: taken in where it is allowed, by plain names, and imported apart."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from goodfit.service import app
from goodfit.service.errors import StudyFileError
from tests.serving import VALUES, Place, body

NET = """
from goodfit import register

@register("my-net")
def train(trial):
    for epoch in trial.epochs():
        trial.report(train={"loss": 1.0}, val={"loss": 1.0})
"""


MINE: dict[str, Any] = {"data": None, "objective": {"metric": "val/loss", "direction": "minimize"}}


def own(**changes: Any) -> dict[str, Any]:
    found = body(**{**MINE, **changes})
    values = {key: value for key, value in json.loads(found["spec"]).items() if value is not None}
    return {**found, "spec": json.dumps(values)}


def test_files_are_refused_without_allow_code(at: Place) -> None:
    answer = at.http().post("/v1/studies", json=body(trainer="my_net.py:my-net", files={"my_net.py": NET}))
    assert answer.status_code == 400
    assert "runs no code" in answer.text


def test_allowed_code_travels_with_the_study(open_minded: Place) -> None:
    given = own(trainer="my_net.py:my-net", files={"my_net.py": NET})
    answer = open_minded.http(role="submitter").post("/v1/studies", json=given)
    assert answer.status_code == 201, answer.text
    study = open_minded.store.study("digits")
    assert study.spec["trainer"] == "my_net.py:my-net"
    assert open_minded.store.files(study.id) == {"my_net.py": NET}


SPACE = """
from ray import tune
from sizes import WIDE

space = {"learning_rate": tune.loguniform(1e-4, 1e-1), "width": tune.choice([8, WIDE])}
"""


def test_a_space_of_a_script_is_read_where_the_study_is_submitted(open_minded: Place, tmp_path: Path) -> None:
    (tmp_path / "spaces.py").write_text(SPACE)
    (tmp_path / "sizes.py").write_text("WIDE = 64")
    file = tmp_path / "study.yaml"
    file.write_text(json.dumps({**VALUES, "space": "spaces.py:space"}))
    open_minded.remote(role="submitter").submit(file)
    study = open_minded.store.study("digits")
    assert [item["name"] for item in study.spec["space"]] == ["learning_rate", "width"]
    assert study.spec["space"][1]["choices"] == [8, 64]
    file.write_text(json.dumps({**VALUES, "space": "spaces.py:spcae"}))
    with pytest.raises(StudyFileError, match=r"study.yaml:1: space: spaces.py has no 'spcae'; did you mean space"):
        open_minded.remote().submit(file)


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
