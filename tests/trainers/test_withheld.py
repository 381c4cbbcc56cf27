"""What of the environment the code of a study does not get."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from goodfit.service.app.submission import Rules, Submission, admitted
from goodfit.service.settings import Settings
from goodfit.service.tracker import MlflowTracker
from goodfit.trainers.artifacts import object_store
from goodfit.trainers.environment import KEYS, PRIVATE, SERVICE, take, without
from goodfit.trainers.worker.host import Host
from goodfit.trainers.worker.worker import Setup

SECRETS = {
    "GOODFIT_DATABASE": "postgresql://goodfit:password@db",
    "GOODFIT_TOKEN": "gf_secret",
    "MLFLOW_TRACKING_PASSWORD": "secret",
    "AWS_SECRET_ACCESS_KEY": "secret",
}


def test_settings_keep_them_and_do_not_show_them() -> None:
    settings = Settings.from_environment(Path("h"), {**SECRETS, "PATH": "/bin", "GOODFIT_HOME": "h"})
    assert settings.private == SECRETS
    assert "gf_secret" not in repr(settings)


def test_processes_on_other_nodes_get_the_databases_password_and_not_its_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("p w\n")
    file = str(tmp_path / "password")
    environ = {"GOODFIT_DATABASE": "postgresql://ada@db/x", "GOODFIT_DATABASE_PASSWORD_FILE": file}
    settings = Settings.from_environment(Path("h"), environ)
    assert settings.database == "postgresql://ada:p%20w@db/x"
    assert settings.private == {"GOODFIT_DATABASE": settings.database}


def test_an_environment_is_without_some_variables_for_a_while() -> None:
    environ = {**SECRETS, "PATH": "/bin"}
    with without(environ, [*SECRETS, "ABSENT"]):
        assert environ == {"PATH": "/bin"}
    assert environ == {**SECRETS, "PATH": "/bin"}


def test_the_mirrors_process_gets_its_private_variables_apart_from_its_environment(tmp_path: Path) -> None:
    child = (
        "import os; from goodfit.service.tracker import read_private; found = read_private(0);"
        "own = open('/proc/self/environ').read() + str(dict(os.environ));"
        "print('trouble', found['MLFLOW_X'], 'MLFLOW_X' in own, os.read(0, 5), flush=True);"
        "print('done 0', flush=True)"
    )
    tracker = MlflowTracker([sys.executable, "-c", child], tmp_path / "log", private={"MLFLOW_X": "s"})
    tracker.wake()
    tracker.close(30.0)
    assert tracker.trouble() == "s False b'wake\\n'", (tmp_path / "log").read_text()


def test_the_code_of_a_study_that_is_handed_in_gets_none_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    text = "name: s\ntrainer: t.py:train\nspace: {x: {type: int, low: 1, high: 2}}\nbudget: {trials: 1}\n"
    code = f"import os\nassert not {set(SECRETS)} & set(os.environ)\ndef train(trial): ...\n"
    objective = "objective: {metric: val/loss, direction: minimize}\ntraining: {epochs: 1}\n"
    spec = admitted(Submission(text + objective, files={"t.py": code}), Rules(allow_code=True))
    assert spec.trainer == "t.py:train"


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_process_that_hides_shows_them_to_no_other_and_keeps_them_for_itself() -> None:
    child = (
        "import os, subprocess, sys; from goodfit.trainers.environment import hide; hide();"
        "print(os.environ['GOODFIT_TOKEN'], subprocess.check_output('echo $GOODFIT_TOKEN', shell=True, text=True),"
        "flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", child],
        env={**os.environ, **SECRETS, "OTHER": "shown"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "gf_secret gf_secret\n"
    try:
        seen = Path(f"/proc/{process.pid}/environ").read_text()
    except PermissionError:  # it is nobody's but root's
        seen = "OTHER=shown"
    process.communicate()
    assert "OTHER=shown" in seen
    assert "\0\0" not in seen  # where its readers would take it to end
    assert not any(value in seen for value in SECRETS.values())


def test_the_password_of_libpq_goes_with_the_databases_address_and_to_no_code_of_the_service() -> None:
    environ = {"GOODFIT_DATABASE": "postgresql://ada@db/x", "PGPASSWORD": "p w"}
    settings = Settings.from_environment(Path("h"), environ)
    assert settings.private == {**environ, "GOODFIT_DATABASE": "postgresql://ada:p%20w@db/x"}
    assert take(dict(environ), SERVICE) == environ
    assert (
        Settings.from_environment(Path("h"), {**environ, "GOODFIT_DATABASE": "sqlite:///x"}).database == "sqlite:///x"
    )
    own = {**environ, "GOODFIT_DATABASE": "postgresql://ada:mine@db/x"}
    assert Settings.from_environment(Path("h"), own).database == own["GOODFIT_DATABASE"]


def test_workers_of_an_object_store_are_told_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "here")
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    monkeypatch.setattr(object_store, "_keys", {})
    object_store.use_keys({"AWS_ENDPOINT_URL_S3": "http://s3", "AWS_REGION": "there", "AWS_ACCESS_KEY_ID": "id"})
    assert (os.environ["AWS_ENDPOINT_URL_S3"], os.environ["AWS_REGION"]) == ("http://s3", "here")
    assert object_store._keys == {"key": "id"}
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")


@pytest.fixture
def environment() -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update({**SECRETS, "AWS_REGION": "eu"})
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.mark.usefixtures("environment")
def test_a_worker_of_its_own_process_has_none_of_them() -> None:
    setup = Setup("mlp", None)
    Host(setup, capture=False)
    assert os.environ["GOODFIT_TOKEN"] == "gf_secret", "a process that is shared needs its own"
    Host(setup)
    assert SECRETS.keys() & os.environ.keys() == {"AWS_SECRET_ACCESS_KEY"}, "a user's own trainer may read data there"
    Host(replace(setup, withheld=(*PRIVATE, *KEYS)))
    assert not SECRETS.keys() & os.environ.keys()
    assert os.environ["AWS_REGION"] == "eu"


def test_what_is_taken_out_comes_back_as_it_was() -> None:
    environ = {**SECRETS, "HOME": "/root"}
    assert take(environ, PRIVATE) == {name: SECRETS[name] for name in list(SECRETS)[:3]}
    assert environ == {"AWS_SECRET_ACCESS_KEY": "secret", "HOME": "/root"}
