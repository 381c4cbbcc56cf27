"""Scripts that search at their top level, imported for the objective that they define."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from goodfit.trainers.importing import import_file
from goodfit.trainers.own_searches import lines_not_run

OPTUNA = """\
import optuna
from helpers import study_of

DEPTH = 3
def objective(trial):
    return trial.suggest_int("x", 0, DEPTH)
study = optuna.create_study(direction="maximize")
study.enqueue_trial({"x": 1})
study.optimize(objective, n_trials=10**9)
print(study.best_params)
best = study.best_trial
for trial in study.trials:
    print(trial)
WIDTH = 2
def second(trial):
    return trial.suggest_int("y", 0, WIDTH)
second(best)
study = optuna.create_study()
study.optimize(second, n_trials=10**9)
optuna.create_study().optimize(second, n_trials=10**9)
"""
MAIN = """\
import optuna
def objective(trial): return trial.suggest_int("x", 0, 1)
def search():
    study = optuna.create_study()
    study.optimize(objective, n_trials=10**9)
    return study
def main(): return search().best_value
if __name__ == "__main__":
    main()
found = main()
print(found)
"""
RAY = """\
from ray import tune
space = {"x": tune.uniform(0, 1)}
def train(config): tune.report({"loss": config["x"]})
tuner = tune.Tuner(train, param_space=space)
results = tuner.fit()
print(results.get_best_result())
tune.run(train, config=space)
"""
LEFT_ALONE = """\
from sklearn.linear_model import LinearRegression
model = LinearRegression()
model.fit([[0.0], [1.0]], [0.0, 1.0])
slope = model.coef_[0]
def train(trial): return trial.suggest_float("x", 0, slope)
"""


def imported(folder: Path, text: str) -> ModuleType:
    (folder / "helpers.py").write_text("study_of = None\n")
    (folder / "theirs.py").write_text(text)
    return import_file(folder / "theirs.py")


@pytest.mark.parametrize(
    ("text", "lines", "names"),
    [
        (OPTUNA, "lines 9, 10, 11, 12, 17, 19, 20 of its script do not run", {"objective", "second", "WIDTH", "study"}),
        (MAIN, "lines 10, 11 of its script do not run", {"objective", "main"}),
        (RAY, "lines 5, 6, 7 of its script do not run", {"train", "tuner", "space"}),
    ],
)
def test_a_script_is_imported_without_the_searches_at_its_top_level(
    tmp_path: Path, text: str, lines: str, names: set[str]
) -> None:
    module = imported(tmp_path, text)
    assert str(lines_not_run(module)).startswith(lines)
    assert names < vars(module).keys()
    assert not {"best", "results", "found"} & vars(module).keys()
    cached = importlib.util.cache_from_source(str(tmp_path / "theirs.py"))
    assert not Path(cached).exists()  # whoever imports the script itself gets all of it


def test_a_script_without_searches_is_imported_as_it_stands(tmp_path: Path) -> None:
    module = imported(tmp_path, LEFT_ALONE)
    assert lines_not_run(module) is None
    assert module.slope == pytest.approx(1.0)
    assert sys.modules[module.__name__] is module
