"""One thing wrong in a study file gives one problem, with its line, its key and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodfit.service.spec import read
from tests.service.spec.studies import problems_of, study


def test_the_study_that_the_others_spoil_is_right(tmp_path: Path):
    (tmp_path / "study.yaml").write_text(study())
    assert read(tmp_path / "study.yaml").planned_trials() == 4


def faults() -> list[tuple[str, str]]:
    r"""The rows of faults.txt.

    Of each, what is written (\n for a new line, && between sections, - for a section that is left out), then the line,
    the key, and a part of the message.
    """
    lines = Path(__file__).with_name("faults.txt").read_text(encoding="utf-8").splitlines()
    return list(zip(lines[::2], (line.strip() for line in lines[1::2]), strict=True))


def spoiled(written: str) -> str:
    """The study with the sections of a fault in place of its own; new ones stand on line 8."""
    sections: dict[str, str | None] = {}
    for text in written.replace(r"\n", "\n").split(" && "):
        name = text.removeprefix("- ") if text.startswith("- ") else text.split(":")[0]
        sections[name] = None if text.startswith("- ") else text
    return study(**sections)


@pytest.mark.parametrize(("written", "expected"), faults())
def test_one_fault_gives_one_problem_with_its_line_and_key(tmp_path: Path, written: str, expected: str):
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    (tmp_path / "rigid.py").write_text(
        "def train(trial):\n    for _ in trial.epochs():\n        trial.report(val={})\n"
    )
    (tmp_path / "spoiled.yaml").write_text("depth: 1\nwidth: {type: int, low: 3, high: 1}\n")
    (problem,) = problems_of(tmp_path, spoiled(written))
    line, key, fragment = expected.split(": ", 2)
    assert (str(problem.line), problem.key) == (line, key)
    assert fragment in problem.text
