"""A user's table with gaps, text columns and a rare class: from the file to the best configuration, without code."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from goodfit import connect
from tests.e2e.cli import Home
from tests.trainers.tables import customers

pytestmark = pytest.mark.e2e

STUDY = """
name: leavers
trainer: mlp
data:
  source: customers.csv
  target: left
  ignore: id
  prepare: {missing: median, indicator: true, scale: robust, encode: ENCODE, balance: weights}
  split: {validation: 0.25, test: 0.2, reshuffle: RESHUFFLE}
space:
  learning_rate: {type: float, low: 1e-3, high: 1e-1, log: true}
  width: [16, 64]
objective: {metric: val/balanced_accuracy, direction: maximize}
search: {method: random, seed: 0}
training: {epochs: 12}
budget: {trials: 3}
"""


def home_of(folder: Path, encode: str, reshuffle: str = "false") -> Home:
    home = Home(folder, {"OMP_NUM_THREADS": "1"})
    customers(500, id=[f"c{row:04d}" for row in range(500)]).to_csv(folder / "customers.csv", index=False)
    (folder / "leavers.yaml").write_text(STUDY.replace("ENCODE", encode).replace("RESHUFFLE", reshuffle))
    return home


@pytest.mark.parametrize(("encode", "reshuffle"), [("onehot", "true"), ("embedding", "false")])
def test_a_table_as_users_have_it_goes_from_file_to_best_configuration(
    tmp_path: Path, encode: str, reshuffle: str
) -> None:
    home = home_of(tmp_path, encode, reshuffle)
    home.ok("run", "leavers.yaml", "--executor", "local")
    best = home.json("best", "leavers")["best"]
    assert len(best) == 3
    assert best[0]["value"] > 0.85, "half is what guessing gives"
    study, given = connect(home.path)["leavers"], pd.read_csv(tmp_path / "customers.csv")
    predicted = study.predictions()
    own = given.loc[predicted.index]
    assert (own["left"] == predicted["target"]).all()
    right = [(predicted["predicted"] == own["left"])[own["left"] == label].mean() for label in ("yes", "no")]
    assert sum(right) / 2 == pytest.approx(study.best().value), "the rows on which the value was measured"
    raw = customers(200, seed=1).drop(columns="left")
    told = connect(home.path)["leavers"].model().predict(raw)
    truth = customers(200, seed=1)["left"]
    assert (told[truth == "yes"] == "yes").mean() > 0.7
    assert (told[truth == "no"] == "no").mean() > 0.7


def test_the_data_are_reported_on_for_people_and_programs(tmp_path: Path) -> None:
    home = home_of(tmp_path, "onehot")
    page = home.ok("data", "leavers.yaml")
    assert "class yes is 15.0% of the rows" in page
    assert "table data for classification, 500 rows (275 train, 125 validation, 100 test)" in page
    report = home.json("data", "leavers.yaml", "--set", "data.prepare={missing: error}")
    assert "`prepare: {missing: median}`" in report["problem"]
    assert [column["name"] for column in report["columns"]] == ["age", "city", "plan", "spend"]


def test_what_is_wrong_with_a_table_is_told_before_a_trial_starts(tmp_path: Path) -> None:
    home = home_of(tmp_path, "onehot")
    home.first_start = True  # nobody makes a home before the command would
    for change, told in {
        "data.ignore=plan": "column id has 500 distinct values",
        "data.split={group: familiy}": "has no column 'familiy', which split.group names",
        "data.split={time: city}": "have no value of city, which split.time names",
        "data.prepare={missing: error}": "missing; fill them in",
    }.items():
        done = home.run("run", "leavers.yaml", "--executor", "local", "--set", change)
        assert done.returncode == 2, done.stderr
        assert told in done.stderr
    assert not home.path.exists(), "no study was made"
