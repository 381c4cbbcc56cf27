"""docs/coming_from_*.md do what they say: their scripts run with their study files, unchanged."""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from goodfit.search_spaces import Choice, Fixed
from goodfit.service.spec import from_mapping
from goodfit.testing.attempts import attempt
from goodfit.trainers.messages import Outcome
from tests.e2e.cli import Home

DOCS = Path(__file__).parents[2] / "docs"
OF_RAY = (DOCS / "coming_from_ray_tune.md").read_text(encoding="utf-8")


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("page", "study", "recognised", "params"),
    [
        ("coming_from_ray_tune.md", "tune_study.yaml", "Ray Tune function", {"optimizer.lr", "epochs"}),
        ("coming_from_optuna.md", "optuna_study.yaml", "Optuna objective", {"rate", "kind"}),
    ],
)
def test_the_script_of_the_page_runs_unchanged(
    tmp_path: Path, page: str, study: str, recognised: str, params: set[str]
):
    blocks = dict(re.findall(r"```\w+\n# (\S+)\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL))
    for name, text in blocks.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    home = Home(tmp_path)
    checked = home.run("check", str(tmp_path / study))
    assert checked.returncode == 0, checked.stderr
    assert recognised in checked.stdout
    done = home.run("run", str(tmp_path / study), "--executor", "local", "--set", "budget.trials=8")
    assert done.returncode == 0, done.stderr
    best = home.json("best", re.findall(r"name: (\S+)", blocks[study])[0])["best"][0]
    assert params <= set(best["params"])
    assert best["value"] < 64.0


@pytest.mark.parametrize(
    ("example", "name", "metric"), re.findall(r"^\| `(\w+)\.py` \| `(\w+)` \| `(\w+)`", OF_RAY, re.M)
)
def test_an_example_of_ray_that_the_page_lists_is_a_trainer_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, example: str, name: str, metric: str
):
    folder = Path(str(importlib.util.find_spec("ray").origin)).parent / "tune" / "examples"
    shutil.copy(folder / f"{example}.py", tmp_path)
    goal = {"metric": metric, "direction": "minimize"}
    study: dict[str, Any] = {"name": "theirs", "trainer": f"{example}.py:{name}", "objective": goal}
    study |= {"training": {"epochs": 3}, "budget": {"trials": 2}}
    if "define_by_run" in example:
        study |= {"space": {"width": [1], "height": [2]}, "fixed": {"steps": 100}}
    spec = from_mapping(study, tmp_path)
    params = {item.name: some(item) for item in spec.space.parameters}
    monkeypatch.setattr("time.sleep", lambda _: None)
    line = attempt(tmp_path / "t", trainer=spec.trainer, params=params, epochs=3, **goal)
    assert line.ended.outcome is Outcome.COMPLETE, line.ended.message
    assert [epoch for epoch, metrics in line.curve if metric in metrics] == [1, 2, 3]


def some(item: Any) -> Any:
    """A value of a parameter."""
    return item.value if isinstance(item, Fixed) else item.choices[0] if isinstance(item, Choice) else item.high
