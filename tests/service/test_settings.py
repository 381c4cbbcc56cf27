"""What the environment says: the database and its password."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodfit.service.app.controller_process import handed_on
from goodfit.service.errors import InputError
from goodfit.service.settings import Settings


def database(**environ: str) -> str | None:
    return Settings.from_environment(Path("home"), environ).database


def test_a_databases_password_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("p@ss/w:rd\n")
    url = "postgresql+psycopg://goodfit@postgres:5432/goodfit?sslmode=require"
    assert database(GOODFIT_DATABASE=url) == url
    assert database(GOODFIT_DATABASE=url, GOODFIT_DATABASE_PASSWORD_FILE="") == url
    given = database(GOODFIT_DATABASE=url, GOODFIT_DATABASE_PASSWORD_FILE=str(file))
    assert given == "postgresql+psycopg://goodfit:p%40ss%2Fw%3Ard@postgres:5432/goodfit?sslmode=require"
    assert database(GOODFIT_DATABASE_PASSWORD_FILE=str(file)) is None


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"GOODFIT_DATABASE_PASSWORD_FILE=.*absent cannot be read: No such file"):
        database(GOODFIT_DATABASE="postgresql://db/goodfit", GOODFIT_DATABASE_PASSWORD_FILE=str(tmp_path / "absent"))


def test_runners_get_no_file_of_another_machine() -> None:
    environ = {"GOODFIT_DATABASE_PASSWORD_FILE": "/run/secrets/x", "GOODFIT_TOKEN": "gf_x", "OMP_NUM_THREADS": "1"}
    assert handed_on(environ) == {"OMP_NUM_THREADS": "1"}
