"""The example package that adds a search method, an executor, a trainer and a kind of data, as pip installs it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import zoo
from tests.e2e.cli import PATIENCE, Home

pytestmark = pytest.mark.e2e
ROOT = Path(zoo.__file__).parents[1]
EXAMPLE = ROOT / "examples" / "extensions"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("extensions")
    source = shutil.copytree(EXAMPLE, folder / "source")  # a build leaves files beside its source
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", str(folder / "site"), str(source)], check=True, timeout=PATIENCE)
    return Home(folder, {"PYTHONPATH": f"{ROOT}:{folder / 'site'}"})


def test_a_study_is_searched_and_trained_by_an_installed_package(home: Home) -> None:
    study = str(EXAMPLE / "study.yaml")
    facts = json.loads(home.ok("run", study, "--executor", "processes", "--set", "budget.trials=8", "--json"))
    assert facts["best"][0]["value"] > 0.8
    trials = home.json("trials", "hill-climbing")
    assert [trial["state"] for trial in trials].count("COMPLETE") == 8
    tried = [trial["params"] for trial in trials]
    assert any(sum(one[name] != other[name] for name in one) == 1 for one in tried[4:] for other in tried), (
        "a climb changes one parameter"
    )


def test_one_study_uses_all_that_an_installed_package_adds(home: Home) -> None:
    subprocess.run([sys.executable, str(EXAMPLE / "make_point_sets.py"), str(home.folder / "shapes")], check=True)
    study = Path(shutil.copy(EXAMPLE / "point_sets.yaml", home.folder))
    facts = json.loads(home.ok("run", str(study), "--executor", "processes", "--json"))
    assert facts["best"][0]["value"] > 0.8
    assert [trial["state"] for trial in home.json("trials", "point-sets")].count("COMPLETE") == 4
    report = home.json("data", str(study))
    assert (report["kind"], report["rows"], report["problem"]) == ("point-sets", 120, None)
    done = home.run("check", str(study), "--set", "data.options.points=100")
    assert done.returncode == 2
    assert "has 32 points" in done.stderr
    done = home.run("check", str(study), "--set", "data.kind=point-set")
    assert done.returncode == 2
    assert "did you mean point-sets?" in done.stderr


def test_what_a_package_adds_is_held_to_its_contract_as_the_page_shows(home: Home) -> None:
    """The tests of the page, beside the installed package: of the slow ones, each port's first."""
    folder = home.folder / "tests"
    folder.mkdir()
    shutil.copy(ROOT / "examples" / "bring_your_own" / "my_model.py", folder)
    page = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    files = dict(re.findall(r"```python\n# (test_\w+\.py)\n(.*?)```", page, re.DOTALL))
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    assert len(files) == 7
    some = (
        "HillClimbing or Gated or PointSets or FolderTracker or Random "
        "or (ProcessPool and (in_order or dies)) or (MyStore and (comes_back or killed))"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-W",
        "error",
        "-k",
        some,
        "--rootdir",
        ".",
    ]
    done = subprocess.run(command, cwd=folder, env=home.env(), capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout
    tested = re.search(r"(\d+) passed", done.stdout)
    assert tested, done.stdout
    assert int(tested[1]) > 50
    assert "skipped" not in done.stdout


def test_what_no_package_adds_is_named_with_what_there_is(home: Home) -> None:
    done = home.run("run", str(EXAMPLE / "study.yaml"), "--executor", "proceses")
    assert done.returncode == 2
    assert "did you mean processes?" in done.stderr
    done = home.run("check", str(EXAMPLE / "study.yaml"), "--set", "search.method=hill-climb")
    assert done.returncode == 2
    assert "did you mean hill-climbing?" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [("{slope: 1}", "unexpected keyword argument 'slope'"), ("{step: steep}", "method hill-climbing raises TypeError")],
)
def test_a_method_that_fails_ends_the_study_with_its_reason(home: Home, options: str, said: str) -> None:
    words = ("--set", f"search.options={options}", "--set", "name=fails", "--executor", "local", "--new")
    done = home.run("run", str(EXAMPLE / "study.yaml"), *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
