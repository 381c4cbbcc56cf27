"""The file .env: each line of the example works as it stands, passwords are made once, and `make up` reads the same."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import compose, dotenv, plan

ROOT = plan.ROOT
EXAMPLE = (ROOT / ".env.example").read_text()
LINES = re.findall(r"^#([A-Z][A-Z0-9_]*=.*)$", EXAMPLE, re.MULTILINE)
TEXT = plan.COMPOSE.read_text()


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_the_example_without_its_mark_is_the_default(line: str) -> None:
    [(name, value)] = dotenv.parse(line).items()
    uses = re.findall(rf"\$\{{{name}[^{{}}]*\}}", TEXT)
    assert uses, f"{name} is not in {plan.COMPOSE.name}"
    for use in uses:
        assert compose.fill(use, {name: value}) == compose.fill(use, {}) == value


def test_the_example_says_every_setting_and_nothing_else() -> None:
    names = {line.partition("=")[0] for line in LINES}
    of_the_stack = {name for name in re.findall(r"\$\{(\w+)", TEXT) if name.startswith("STACK_")}
    assert names == set(re.findall(r"\$\{(\w+)", TEXT)) - of_the_stack
    assert dotenv.parse(EXAMPLE) == {}
    assert not re.search(r"(?i)password\s*=|token\s*=", EXAMPLE)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=1", "1"),
        ("export A=1", "1"),
        ("A = 1 ", "1"),
        ("A=1 # one", "1"),
        ("A=1#2", "1#2"),
        ("A=", ""),
        ("A=b=c", "b=c"),
        ("A='1 # one'  # two", "1 # one"),
        ('A="1"', "1"),
        ("A=1            the explanation", "1            the explanation"),
    ],
)
def test_a_value_is_read_as_compose_reads_it(line: str, value: str) -> None:
    assert dotenv.parse(f"# a comment\n\n{line}\n") == {"A": value}


def test_a_line_that_is_no_setting_is_named() -> None:
    with pytest.raises(dotenv.DotenvError, match=r"\.env, line 2: 'port 8000' is no NAME=value"):
        dotenv.parse("A=1\nport 8000\n")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What `make up` needs of a checkout, with a `docker` that only says what it was called with."""
    for name in ("Makefile", ".env.example", "docker-compose.yml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "deploy").mkdir()
    for name in ("__init__.py", "dotenv.py"):
        shutil.copy(ROOT / "deploy" / name, tmp_path / "deploy")
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\necho "$@" >> calls\n')
    docker.chmod(0o755)
    return tmp_path


def make(folder: Path, target: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GOODFIT_", "MAKE"))}
    return subprocess.run(
        ["make", "--no-print-directory", target, f"PYTHON={sys.executable}", "COMPOSE=./docker compose"],
        cwd=folder,
        env={**kept, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
    )


def test_make_up_makes_settings_secrets_and_the_data_folder_once(checkout: Path) -> None:
    done = make(checkout, "up")
    assert done.returncode == 0, done.stderr
    assert "http://127.0.0.1:8000;" in done.stdout
    assert (checkout / "calls").read_text().splitlines()[-1] == "compose up --detach --build --wait"
    assert (checkout / ".env").read_text() == EXAMPLE
    assert (checkout / ".env").stat().st_mode & 0o777 == 0o600
    assert (checkout / "data").stat().st_uid == os.getuid()
    folder = checkout / "secrets"
    assert folder.stat().st_mode & 0o777 == 0o700  # the files are for the containers' user to read
    secrets = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(secrets) == set(compose.load(plan.COMPOSE)["secrets"])
    assert all(re.fullmatch(r"[0-9a-f]{48}", secret) for secret in secrets.values())
    assert len(set(secrets.values())) == len(secrets)
    assert all(path.stat().st_mode & 0o777 == 0o444 for path in folder.iterdir())
    again = make(checkout, "up")
    assert again.returncode == 0
    assert secrets == {path.name: path.read_text() for path in folder.iterdir()}


def test_make_up_names_the_port_of_env_and_that_of_the_shell_before_it(checkout: Path) -> None:
    (checkout / ".env").write_text("GOODFIT_PORT=8123 # behind a proxy\n")
    assert "http://127.0.0.1:8123;" in make(checkout, "up").stdout
    assert "http://127.0.0.1:9000;" in make(checkout, "up", GOODFIT_PORT="9000").stdout


def test_passwords_of_an_older_env_are_taken_over(checkout: Path) -> None:
    (checkout / ".env").write_text("POSTGRES_PASSWORD=old1\nMLFLOW_DB_PASSWORD=old2\nRAY_AUTH_TOKEN=old3\n")
    done = make(checkout, ".env")
    assert done.returncode == 0
    assert "POSTGRES_PASSWORD, MLFLOW_DB_PASSWORD, RAY_AUTH_TOKEN in .env: not read any more" in done.stderr
    names = ("goodfit_database_password", "mlflow_database_password", "ray_auth_token")
    assert [(checkout / "secrets" / name).read_text() for name in names] == ["old1", "old2", "old3"]


def test_a_setting_that_has_another_name_now_stops_make_up_and_an_unknown_one_is_named(checkout: Path) -> None:
    (checkout / ".env").write_text("GOODFIT_ARTIFACTS=s3://bucket/prefix\n")
    done = make(checkout, "up")
    assert done.returncode == 2
    assert ".env: GOODFIT_ARTIFACTS is called ARTIFACTS_ROOT now; rename it" in done.stderr
    (checkout / ".env").write_text("GOODFIT_PROT=8001\nDATA_FOLDER=/srv/sets\n")
    done = make(checkout, "up")
    assert done.returncode == 0
    assert ".env: GOODFIT_PROT is not a setting of docker-compose.yml; .env.example lists them" in done.stderr
    assert not (checkout / "data").exists()
