"""The backup and the restore of docs/operations.md, as they are written there, on real servers."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from deploy import compose, plan, postgres, stack
from deploy.state import Running, State
from goodfit.service.records import Study
from goodfit.service.store import open_store

TEXT = (plan.ROOT / "docs" / "operations.md").read_text()
COMMANDS = re.findall(r"^docker compose exec -T postgres sh -c '(.*)' ([<>]) (\w+\.dump)$", TEXT, re.MULTILINE)
PACKED = re.findall(r"^docker compose exec -T (\w+) (tar -C (/data/\w+) .*) > (\w+\.tar)$", TEXT, re.MULTILINE)
UNPACKED = re.findall(
    r"^docker compose run --rm --no-deps -T --entrypoint tar (\w+) (-C (/data/\w+) .*) < (\w+\.tar)$",
    TEXT,
    re.MULTILINE,
)
RUN = r"^docker compose run --rm --no-deps (?:--entrypoint (\w+) )?(\w+) (.*)$"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where PostgreSQL's user gets in: it does not run as root."""
    found = Path(tempfile.mkdtemp(prefix="goodfit-stack-"))
    found.chmod(0o711)
    yield found
    for name in ("old", "new"):
        stack.down(found / name, lambda _: None)
    shutil.rmtree(found)


def typed(command: str, way: str, file: Path, at: Path, server: Running) -> None:
    """A command of the page, as in a shell of the server's container; its output or its input is a file of the host."""
    [port] = [part.removeprefix("port=") for part in server.command if part.startswith("port=")]
    programs = os.pathsep.join([str(postgres.binaries()), server.environment["PATH"]])
    environment = {**server.environment, "PATH": programs, "PGHOST": plan.LOCALHOST, "PGPORT": port}
    with file.open("rb" if way == "<" else "wb") as stream:
        done = subprocess.run(
            ["sh", "-c", command.replace("/run/secrets", str(at / "secrets"))],
            env=environment,
            stdin=stream if way == "<" else subprocess.DEVNULL,
            stdout=stream if way == ">" else subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (done.returncode, done.stderr) == (0, "")


def mlflow_rows(at: Path, known: State, *statements: str) -> list[tuple[object, ...]]:
    password = (at / "secrets" / "mlflow_database_password").read_text()
    with psycopg.connect(_plain(known), user="mlflow", dbname="mlflow", password=password) as connection:
        for statement in statements:
            connection.execute(statement.encode())
        return connection.execute("SELECT name FROM experiments").fetchall()


def _plain(known: State) -> str:
    return known.urls["database"].replace("+psycopg", "")


def test_the_files_that_were_packed_are_there_once_they_are_unpacked(tmp_path: Path) -> None:
    document = compose.load(plan.COMPOSE)
    assert [(name, place, file) for name, _, place, file in PACKED] == [
        ("goodfit", "/data/artifacts", "artifacts.tar"),
        ("mlflow", "/data/mlflow", "mlflow.tar"),
    ]
    assert [(one[0], *one[2:]) for one in UNPACKED] == [(one[0], *one[2:]) for one in PACKED]
    for number, ((name, pack, place, _), (_, unpack, _, _)) in enumerate(zip(PACKED, UNPACKED, strict=True)):
        assert any(str(volume).endswith(f":{place}") for volume in document["services"][name]["volumes"])
        old, new, archive = (tmp_path / f"{word}{number}" for word in ("old", "new", "archive"))
        (old / "digits größe" / "00001").mkdir(parents=True)
        new.mkdir()
        (old / "digits größe" / "00001" / "best.pt").write_bytes(b"weights")
        with archive.open("wb") as stream:
            subprocess.run(shlex.split(pack.replace(place, str(old))), stdout=stream, check=True)
        with archive.open("rb") as stream:
            subprocess.run(["tar", *shlex.split(unpack.replace(place, str(new)))], stdin=stream, check=True)
        assert (new / "digits größe" / "00001" / "best.pt").read_bytes() == b"weights"


def test_the_upgrade_of_the_containers_and_that_of_a_stack_are_the_same() -> None:
    upgrades = TEXT[TEXT.index("## Upgrade") :]
    found = {service: (program, words) for program, service, words in re.findall(RUN, upgrades, re.MULTILINE)}
    commands = {name: (*([one[0]] if one[0] else []), *shlex.split(one[1])) for name, one in found.items()}
    assert commands == dict(stack.UPGRADES)
    environment = compose.service(compose.load(plan.COMPOSE), "mlflow", {}).environment
    assert {"MLFLOW_BACKEND_STORE_URI", "PGPASSWORD_FILE"} <= environment.keys()


@pytest.mark.e2e
def test_what_was_backed_up_is_there_after_a_restore_on_a_new_server(folder: Path) -> None:
    assert [(way, name) for _, way, name in COMMANDS] == [
        (">", "goodfit.dump"), (">", "mlflow.dump"), ("<", "goodfit.dump"), ("<", "mlflow.dump"),
    ]  # fmt: skip
    old = stack.up(folder / "old", only=["postgres"], say=lambda _: None)
    with closing(open_store(old.urls["database"])) as store:
        store.add_study(Study("digits", {"trainer": "mlp"}, "abc", 100.0))
    made = "CREATE TABLE experiments (name text)", "INSERT INTO experiments VALUES ('digits')"
    assert mlflow_rows(folder / "old", old, *made) == [("digits",)]
    with psycopg.connect(_plain(old)) as connection:
        roles = connection.execute("SELECT rolname FROM pg_roles WHERE rolsuper").fetchall()
        assert roles == [("postgres",)]
    new = stack.up(folder / "new", only=["postgres"], say=lambda _: None)
    for command, way, name in COMMANDS:
        at, known = (folder / "old", old) if way == ">" else (folder / "new", new)
        server = known.service("postgres")
        assert server is not None
        typed(command, way, folder / name, at, server)
    with closing(open_store(new.urls["database"])) as store:
        assert [study.name for study in store.studies()] == ["digits"]
    assert mlflow_rows(folder / "new", new) == [("digits",)]
