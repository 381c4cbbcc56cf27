"""What of the environment the code of a study does not get."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from service.settings import Settings
from trainers.withheld import KEYS, PRIVATE, take
from trainers.worker import Host, Setup

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
