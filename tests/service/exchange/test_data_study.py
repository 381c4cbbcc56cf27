"""`goodfit init`: a study file for a data file, which runs as it is, and says what was found."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from goodfit.service import app, cli
from goodfit.service.spec import read
from goodfit.trainers.data.reading.hints import data_key, proposals


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def table(file: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with Path(file).open("w", newline="") as target:
        csv.writer(target).writerows([header, *rows])


def churn() -> None:
    days = [f"2024-{1 + row % 12:02d}-{1 + row % 28:02d}" for row in range(120)]
    table(
        "churn.csv",
        ["customer_id", "income", "plan", "signup", "paid", "reason", "churn"],
        [
            [
                f"C{row:04d}",
                "" if row % 9 == 0 else row * 7919 % 5000,
                ["basic", "pro"][row % 2],
                days[row],
                f"${row * 37 % 101 * 1000:,}",
                int(row % 5 == 0),
                ["no", "yes"][row % 5 == 0],
            ]
            for row in range(120)
        ],
    )


def test_a_study_file_says_what_was_found_and_passes_the_check(capsys: pytest.CaptureFixture[str]) -> None:
    churn()
    assert cli.run(["init", "churn.csv", "--target", "churn"]) == 0
    assert "run it with: goodfit run churn.yaml" in capsys.readouterr().out
    text = Path("churn.yaml").read_text()
    for line in (
        "# 120 rows of table data to predict churn: classification, because the target has text",
        "14 missing (11.7%)",
        "# classes: no 96 (80.0%), yes 24 (20.0%)",
        "column reason alone predicts the target",
        "ignore: [customer_id] # names each row",
        "dates: [signup]",
        "prepare: {missing: median}",
        "metric: val/balanced_accuracy, direction: maximize",
    ):
        assert line in text
    spec = read(Path("churn.yaml"))
    assert (spec.name, spec.trainer) == ("churn", "mlp")
    assert spec.data is not None
    assert "paid" in spec.data.numbers
    assert app.check(spec).task == "classification"


def test_without_a_target_the_likely_ones_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    churn()
    assert cli.run(["init", "churn.csv"]) == 2
    err = capsys.readouterr().err
    assert "--target churn  (text, 2 distinct values)" in err
    assert not Path("churn.yaml").exists()


def test_a_file_that_is_there_is_not_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    churn()
    Path("mine.yaml").write_text("mine")
    assert cli.run(["init", "churn.csv", "--target", "churn", "-o", "mine.yaml"]) == 2
    assert Path("mine.yaml").read_text() == "mine"
    assert "mine.yaml is there already" in capsys.readouterr().err


def test_a_file_for_another_folder_finds_its_data() -> None:
    churn()
    Path("studies").mkdir()
    assert cli.run(["init", "churn.csv", "--target", "churn", "-o", "studies/a.yaml"]) == 0
    found = read(Path("studies/a.yaml")).data
    assert found is not None
    assert found.source == str(Path("churn.csv").absolute())


@pytest.mark.parametrize(
    ("source", "trainer"), [("texts.jsonl", "transformer"), ("images.npz", "cnn"), ("prose.txt", "language-model")]
)
def test_each_kind_of_data_gets_the_trainer_that_fits(source: str, trainer: str) -> None:
    lines = [{"text": f"a long tale of number {row}", "mood": ["sad", "glad"][row % 2]} for row in range(60)]
    Path("texts.jsonl").write_text("\n".join(map(json.dumps, lines)))
    Path("prose.txt").write_text("\n".join(f"the cat saw {row} mice and sat down again" for row in range(400)))
    noise = np.random.default_rng(0)
    np.savez("images.npz", x=noise.random((60, 1, 8, 8)), y=np.arange(60) % 3)
    target = ["--target", "mood"] if source == "texts.jsonl" else []
    assert cli.run(["init", source, *target, "-o", "a.yaml"]) == 0
    assert read(Path("a.yaml")).trainer == trainer


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["absent.csv"], "no data file"),
        (["churn.csv", "--target", "churm"], "did you mean churn"),
        (["empty.csv", "--target", "y"], "empty"),
        (["digitz"], "digits"),
        (["churn.csv", "--target", "churn", "-o", "nowhere/a.yaml"], "cannot write"),
    ],
)
def test_what_cannot_be_written_is_said(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    churn()
    Path("empty.csv").touch()
    assert cli.run(["init", *words]) == 2
    assert said in capsys.readouterr().err
    assert not list(Path().glob("*.yaml"))


def test_what_a_message_proposes_is_read_back() -> None:
    names = ["a b", "yes", "it's: {odd}", "plain"]
    assert proposals(f"x; leave it out: {data_key('ignore', names)}, or more") == [{"ignore": names}]
    assert proposals("nothing") == []
