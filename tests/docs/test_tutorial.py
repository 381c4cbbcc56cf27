"""docs/tutorial.md does what it says: its study runs once, and each of its commands gives the output shown there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from goodfit import connect
from tests.e2e.cli import Home

TEXT = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text(encoding="utf-8")
STUDY = dict(re.findall(r"```yaml\n# (\S+)\n(.*?)```", TEXT, re.DOTALL))
COMMANDS = re.findall(r"^\$ goodfit (.+)\n((?:(?!\$ |```).*\n)*)", TEXT, re.MULTILINE)
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def without_figures(text: str) -> list[str]:
    """The lines with their figures, curves and widths left out: in their last digits machines differ."""
    plain = re.sub(r"[-+]?\d[\d.e-]*%?|[▁-█─]+|goodfit \S+ --home \S+", "#", text)
    return [line for line in (" ".join(line.split()) for line in plain.splitlines()) if line]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A folder with the study's file."""
    folder = tmp_path_factory.mktemp("tutorial")
    for name, text in STUDY.items():
        (folder / name).write_text(text, encoding="utf-8")
    made = Home(folder, {"COLUMNS": "200"})
    made.path = folder / ".goodfit"
    return made


def test_the_commands_of_the_tutorial_give_its_output(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [words.split()[0] for words, _ in COMMANDS] == ["check", "run", "show", "diagnose", "best", "report"]
    for words, shown in COMMANDS:
        here = ["--executor", "local"] if words.startswith("run") else []  # Ray takes seconds to start
        done = home.run(*shlex.split(words), *here)
        assert done.returncode == 0, f"{words}\n{done.stderr}"
        printed = without_figures(done.stdout + done.stderr)
        expected = [line for line in without_figures(shown) if line != "..." and "home .goodfit" not in line]
        assert [line for line in expected if line not in printed] == [], words
    monkeypatch.chdir(home.folder)
    for code in PYTHON:
        exec(code, {})
    best = connect(home.path)["tumours"].best()
    assert best.test is not None
    assert best.test["seeds"] == 3
