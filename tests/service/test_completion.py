"""What a shell completes: the names of studies, of the home that the line names."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodfit.service import cli
from goodfit.testing.lab import Lab


def completed(words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    monkeypatch.setenv("COMP_WORDS", f"goodfit {words}")
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" "))))
    monkeypatch.setenv("_GOODFIT_COMPLETE", "complete_bash")
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    assert ended.value.code == 0
    return capsys.readouterr().out.split()


def test_names_of_studies_are_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("digits-cnn", "digits-mlp", "churn"):
        Lab(tmp_path, name=name, created=float(len(name))).store.close()
    assert completed(f"--home {tmp_path} show dig", monkeypatch, capsys) == ["digits-mlp", "digits-cnn"]
    monkeypatch.setenv("GOODFIT_HOME", str(tmp_path))
    assert completed("compare ch", monkeypatch, capsys) == ["churn"]
    assert completed("sho", monkeypatch, capsys) == ["show"]


def test_numbers_of_trials_are_completed_of_the_study_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GOODFIT_HOME", str(tmp_path))
    for name, numbers in (("digits", (0, 1, 10)), ("churn", (0,))):
        lab = Lab(tmp_path, name=name, created=float(len(name)))
        for number in numbers:
            lab.finish(number)
        lab.store.close()
    assert completed("why digits 1", monkeypatch, capsys) == ["1", "10"]
    assert completed("show churn ", monkeypatch, capsys) == ["0"]
    assert completed("rerun otter ", monkeypatch, capsys) == []
    assert completed("run exa", monkeypatch, capsys) == [], "the shell completes files"


def test_where_there_is_no_home_nothing_is_completed_or_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GOODFIT_HOME", str(tmp_path / "none"))
    assert completed("show d", monkeypatch, capsys) == []
    assert not (tmp_path / "none").exists()
