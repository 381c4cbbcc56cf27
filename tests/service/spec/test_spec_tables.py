"""The keys of `data:` that say how a table is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from goodfit.service.cli.check import plan, print_plan
from goodfit.service.errors import StudyFileError
from goodfit.service.spec import StudySpec, read
from goodfit.trainers.messages import DataSpec

STUDY = """\
name: shop
trainer: mlp
data:
  source: shop.csv
  target: bought
space:
  learning_rate: {type: float, low: 1e-3, high: 1e-1, log: true}
objective: {metric: val/loss, direction: minimize}
training: {epochs: 2}
budget: {trials: 2}
"""


def study(folder: Path, *overrides: str) -> StudySpec:
    (folder / "shop.yaml").write_text(STUDY)
    (folder / "shop.csv").touch()
    return read(folder / "shop.yaml", overrides)


def data_of(spec: StudySpec) -> DataSpec:
    data = spec.data_spec()
    assert data is not None
    return data


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("data.separator=;", "separator", ";"),
        ("data.separator=tab", "separator", "\t"),
        ('data.separator="|"', "separator", "|"),
        ('data.decimal=","', "decimal", ","),
        ("data.gaps=[]", "gaps", ()),
        ("data.gaps=[NA, null, -999, '?']", "gaps", ("NA", "null", "-999", "?")),
        ("data.header=false", "header", False),
        ("data.numbers=[pay, share]", "numbers", ("pay", "share")),
        ("data.dates=since", "dates", ("since",)),
        ("data.day_first=true", "day_first", True),
        ("data.task=classification", "task", "classification"),
    ],
)
def test_each_key_reaches_the_trainers_and_survives_json(tmp_path: Path, override: str, key: str, value: Any) -> None:
    spec = study(tmp_path, override)
    assert getattr(data_of(spec), key) == value
    assert data_of(StudySpec.from_dict(spec.to_dict())) == data_of(spec)
    assert getattr(data_of(study(tmp_path)), key) in (None, ())


@pytest.mark.parametrize(
    ("override", "wrong"),
    [
        ("data.separator=;;", "write one character in quotes"),
        ("data.separator=a", "write one character in quotes"),
        ("data.decimal=x", "there is no 'x'"),
        ("data.gaps=NA", "write a list of words"),
        ("data.gaps=[true]", "write words"),
        ("data.header=maybe", "data.header"),
        ("data.task=clasification", "did you mean classification"),
        ("data.seperator=;", "did you mean separator"),
        ("data.numbers=[1]", "put it in quotes"),
    ],
)
def test_a_wrong_value_is_refused_with_what_to_write(tmp_path: Path, override: str, wrong: str) -> None:
    with pytest.raises(StudyFileError, match=wrong):
        study(tmp_path, override)


def test_separator_and_decimal_mark_differ(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match="separator and decimal are both ','"):
        study(tmp_path, 'data.separator=","', 'data.decimal=","')


def test_check_says_the_task_and_why_and_what_reading_alters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = study(tmp_path)
    (tmp_path / "shop.csv").write_text("code,bought\n" + "".join(f"{row:05d},{row % 2}.0\n" for row in range(40)))
    planned = plan(spec)
    assert planned["data"]["task"] == "regression"
    print_plan(tmp_path / "shop.yaml", planned)
    shown = capsys.readouterr().out
    assert (
        "task       regression: the target has numbers with decimals (0.0, 1.0); if they are classes: `data:" in shown
    )
    assert "note       column code: 40 values are written with leading zeros, such as '00000'" in shown
