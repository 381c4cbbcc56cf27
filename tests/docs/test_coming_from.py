"""docs/coming_from_*.md do what they say: their scripts run with their study files, unchanged."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.cli import Home

DOCS = Path(__file__).parents[2] / "docs"
pytestmark = pytest.mark.e2e


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
