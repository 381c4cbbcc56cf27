"""docs/team.md does what it says: its commands and scripts run in their order, on a real server with PostgreSQL.

The server is `goodfit serve` without its controller: queued studies are run here, without Ray and MLflow, which take
seconds to start and have tests of their own. What needs a container engine is compared with the compose file.
"""

from __future__ import annotations

import os
import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from goodfit.service import app
from goodfit.service.records import StudyState
from goodfit.service.settings import Settings
from tests.e2e import forked
from tests.e2e.cli import until
from tests.shortened import no_mirror
from tests.trainers.tables import customers

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "team.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
COMPOSE = "docker compose exec goodfit goodfit "
TRAINED = ("goodfit watch", "goodfit ls")  # before these the service has trained what waits

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


class Team:
    """The machines of the page: the service with its home, and the folder where the others work.

    Args:
        folder: for all of it.
        database: an empty one.
    """

    def __init__(self, folder: Path, database: str, patch: pytest.MonkeyPatch) -> None:
        self._folder, self._patch = folder, patch
        self._served = {"GOODFIT_HOME": str(folder / "home"), "GOODFIT_DATABASE": database}
        self._served["GOODFIT_DATA_ROOTS"] = str(folder / "data")
        self.secrets: dict[str, str] = {}
        self.server: forked.Forked | None = None
        self.url = ""

    def run(self, line: str) -> None:
        command, _, comment = line.partition("#")
        words = shlex.split(command)
        if words[0] == "export":
            self._export(dict(word.partition("=")[::2] for word in words[1:]), comment)
        elif words[0] == "make":
            assert f"\n{words[1]}: " in (ROOT / "Makefile").read_text()
        elif words[0] == "ssh":
            assert "MLFLOW_PORT:-5000" in (ROOT / "docker-compose.yml").read_text()
        elif words[0] == "python":
            self._python(words[1])
        elif command.startswith(COMPOSE):
            assert "goodfit" in yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
            if "--name" not in words and "rerun" not in words:  # made below; trained in tests/service/test_rerunning.py
                with self._beside_the_service():
                    self._goodfit(words[5:])
        elif words[1] == "serve":
            self._serve(words[1:])
        else:
            if command.startswith(TRAINED):
                self._train()
            self._goodfit(words[1:])

    def _export(self, given: dict[str, str], comment: str) -> None:
        if "GOODFIT_SERVER" not in given:
            assert given.keys() <= {*self._served, "GOODFIT_DATABASE_PASSWORD_FILE", "MLFLOW_TRACKING_URI"}
            given = {name: value for name, value in self._served.items() if name in given}
        else:
            for name in self._served:
                self._patch.delenv(name, raising=False)
            given = {"GOODFIT_SERVER": self.url, "GOODFIT_TOKEN": self.secrets[comment.strip().removesuffix("'s")]}
        for name, value in given.items():
            self._patch.setenv(name, value)

    def _goodfit(self, words: list[str]) -> None:
        done = forked.run(words, os.environ, Path.cwd(), 60.0)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        if words[:2] == ["token", "create"]:
            self.secrets[words[words.index("--name") + 1]] = done.stdout.strip()

    def _python(self, name: str) -> None:
        runpy.run_path(str(self._folder / "work" / name), run_name="__main__")

    def _serve(self, words: list[str]) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with (self._folder / "said").open("w+") as said, Path(os.devnull).open() as nothing:
            words = [*words, "--port", "0", "--no-controller"]
            self.server = forked.Forked(
                forked.server(), forked.COMMAND, words, environment, self._folder, [nothing, said, said]
            )
        found = until(lambda: re.search(r"at (http://\S+)", (self._folder / "said").read_text()), "the server")
        self.url = f"http://127.0.0.1:{found[1].rpartition(':')[2]}"

    def end(self) -> None:
        if self.server is not None:
            self.server.kill()
            self.server.wait(30)

    @contextmanager
    def _beside_the_service(self) -> Iterator[None]:
        with self._patch.context() as patch:
            patch.delenv("GOODFIT_SERVER")
            for name, value in self._served.items():
                patch.setenv(name, value)
            yield

    def _train(self) -> None:
        """Run what waits, as the controller would have it run."""
        with self._beside_the_service(), pytest.MonkeyPatch.context() as patch:
            patch.setattr("goodfit.service.app.run.tracking", no_mirror)
            settings = Settings.from_environment(None)
            store = app.open_home(settings)
            for study in store.page_of_studies(states=[StudyState.QUEUED], limit=9):
                checked = app.check(app.spec_of(study))
                app.run_study(settings, checked, store, study, app.Options(executor="local"))
            store.close()


def test_each_step_of_the_page_works(
    tmp_path: Path, postgresql_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "work").mkdir()
    customers(300).to_csv(tmp_path / "data" / "churn.csv", index=False)
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(sys, "argv", ["script"])
    team = Team(tmp_path, postgresql_url, monkeypatch)
    try:
        for kind, text in BLOCKS:
            if kind == "sh":
                for line in text.splitlines():
                    team.run(line)
                continue
            name, _, _ = text.removeprefix("# ").partition("\n")
            Path(name).write_text(text, encoding="utf-8")
            if kind == "python" and f"python {name}" not in PAGE:
                team._python(name)
    finally:
        team.end()
    said = capsys.readouterr().out
    for told in (" ben submit ", " ben resume ", " ben note "):
        assert told in said
    assert Path("both.html").is_file()
    assert Path("churn.pt").is_file()
