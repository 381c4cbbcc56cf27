"""Every example of bringing one's own trainer, by the real command line."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests import zoo
from tests.e2e.cli import PATIENCE, Home

pytestmark = pytest.mark.e2e
EXAMPLES = Path(zoo.__file__).parents[1] / "examples" / "bring_your_own"
SHORT = ["--set", "budget.trials=2", "--set", "training.epochs=4", "--executor", "local"]

# Each is tested with the page that shows it, too (tests/docs); these three have all that a command line adds: a file's
# class, a library of one's own that prints, an installed package.
ALWAYS = ("my_model.yaml", "my_lightning.yaml", "package/study.yaml")

# study file -> the objective that is better than chance by far, and the package it needs
LEARNS = {
    "my_net.yaml": (0.8, None),  # accuracy on 3 classes
    "my_model.yaml": (0.2, None),  # the focal loss of a guess is 0.49
    "my_lightning.yaml": (0.3, "lightning"),  # the loss of a guess is 0.66
    "my_hugging_face.yaml": (0.5, "transformers"),  # accuracy on 10 classes
    "my_linear.yaml": (1.2, None),  # the loss of a guess is 2.3
    "my_boosting.yaml": (0.25, None),  # R2
    "package/study.yaml": (0.7, None),  # the loss of a guess is 1.09
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the example package is installed, as pip installs it."""
    folder = tmp_path_factory.mktemp("package")
    source = shutil.copytree(EXAMPLES / "package", folder / "source")  # a build leaves files beside its source
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", str(folder / "site"), str(source)], check=True, timeout=PATIENCE)
    root = Path(zoo.__file__).parents[1]
    return {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{root}:{folder / 'site'}"}


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str], request: pytest.FixtureRequest
) -> dict[str, Any]:
    """A short run of each example that is asked for and whose package is here, by its name."""
    asked = {item.callspec.params.get("name") for item in request.session.items if hasattr(item, "callspec")}
    names = [
        name for name, (_, package) in LEARNS.items() if name in asked and (package is None or _installed(package))
    ]
    one_a_core = range(2)
    homes = [Home(tmp_path_factory.mktemp("home"), environment, own_interpreters=core == 1) for core in one_a_core]

    def run(home: Home, mine: list[str]) -> dict[str, Any]:
        return {name: home.run("run", str(EXAMPLES / name), *SHORT, "--json", timeout=250) for name in mine}

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(run, homes, (names[::2], names[1::2]))
    return {**first, **second}


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


@pytest.mark.parametrize(
    "name", [name if name in ALWAYS else pytest.param(name, marks=pytest.mark.soak) for name in LEARNS]
)
def test_an_example_of_a_users_own_trainer_learns(finished: dict[str, Any], name: str) -> None:
    limit, package = LEARNS[name]
    if package is not None and not _installed(package):
        pytest.skip(f"{package} is not installed: pip install {package}")
    done = finished[name]
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    value = facts["best"][0]["value"]
    assert value >= limit if facts["direction"] == "maximize" else value <= limit
    assert "Warning" not in done.stderr, "the terminal is for the study's progress"


def test_an_installed_package_adds_its_trainer(tmp_path: Path, environment: dict[str, str]) -> None:
    home = Home(tmp_path, environment)
    rows = {row["trainer"]: row for row in home.json("trainers")}
    assert "mlp" in rows
    assert rows["bilinear"]["about"] == "Products of two linear functions of the row, summed linearly."
    assert home.json("trainers", "bilinear")["defaults"]["width"] == 16
