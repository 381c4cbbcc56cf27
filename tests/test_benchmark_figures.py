"""The figures of benchmarks: kept by version, compared, and each command that README and docs name is there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks import figures as kept
from benchmarks.figures import Figures, differences, keep, read

ROOT = Path(__file__).parents[1]


def some(seconds: float) -> Figures:
    found = Figures()
    found.add("ls", [seconds, seconds + 0.2, seconds + 0.1], "s")
    found.add("verdicts", 18, "")
    return found


def test_a_file_has_the_median_and_the_spread_of_each_figure_and_what_was_not_run(tmp_path: Path) -> None:
    keep(tmp_path / "0.1.0.json", "commands", some(0.5))
    keep(tmp_path / "0.1.0.json", "rebuild", some(1.0))
    found = read(tmp_path / "0.1.0.json")
    assert list(found["benchmarks"]) == ["rebuild", "commands"]
    assert found["benchmarks"]["commands"]["figures"]["ls"] == {"value": 0.6, "unit": "s", "spread": 0.1, "runs": 3}
    assert found["benchmarks"]["commands"]["figures"]["verdicts"] == {
        "value": 18.0,
        "unit": "",
        "spread": None,
        "runs": 1,
    }
    assert "engine" in found["not_run"]
    assert not {"rebuild", "commands"} & set(found["not_run"])
    assert set(found["machine"]) == {"cores", "memory_gib", "system", "python"}


def test_figures_of_two_versions_or_machines_do_not_share_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "0.1.0.json"
    keep(path, "commands", some(0.5))
    monkeypatch.setattr(kept, "version", lambda _: "9.9.9")
    with pytest.raises(ValueError, match="figures of another version; write these to a file of their own"):
        keep(path, "commands", some(0.5))


def test_a_name_is_given_once() -> None:
    with pytest.raises(ValueError, match="'ls' was added before"):
        some(0.5).add("ls", 1.0, "s")


def test_what_changed_is_a_line_for_each_figure_of_both(tmp_path: Path) -> None:
    old, new = tmp_path / "0.1.0.json", tmp_path / "0.2.0.json"
    keep(old, "commands", some(0.4))
    keep(new, "commands", some(0.9))
    keep(new, "rebuild", some(0.9))
    first, second = differences(read(old), read(new))
    assert re.split(r"\s{2,}", first) == ["commands", "ls", "0.5 ->", "1 s", "2.00x"]
    assert "verdicts" in second
    assert "1.00x" in second


def test_kept_files_are_in_the_order_of_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "FOLDER", tmp_path)
    for version in ("0.10.0", "0.2.0", "0.1.0"):
        (tmp_path / f"{version}.json").write_text(json.dumps({}))
    assert [path.stem for path in kept.kept_files()] == ["0.1.0", "0.2.0", "0.10.0"]


def test_each_file_in_the_repository_can_be_read() -> None:
    for path in kept.kept_files():
        assert read(path)["version"] == path.stem


def test_each_benchmark_that_is_named_is_there_and_keeps_its_figures() -> None:
    texts = [(ROOT / "README.md").read_text(), *(path.read_text() for path in (ROOT / "docs").glob("*.md"))]
    named = {name for text in texts for name in re.findall(r"python -m benchmarks\.(\w+)", text)}
    assert len(named) >= 8
    for name in named:
        source = (ROOT / "benchmarks" / f"{name}.py").read_text()  # those of searches keep theirs by search/measure.py
        keeps = r"^ +(run(_command)?\(\"|return main\(parser|parser.add_argument\(\"--json\")"
        assert re.search(keeps, source, re.MULTILINE), name
