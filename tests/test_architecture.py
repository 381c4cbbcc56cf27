"""The rooms and the public surface, as docs/architecture.md draws them."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from setuptools import find_packages

import goodfit
from goodfit import testing

ROOT = Path(goodfit.__file__).parents[1]
ROOMS = ("service", "trainers", "search_spaces")


def test_every_room_imports_only_what_it_may() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_goodfit_lists_what_users_need() -> None:
    assert goodfit.__all__ == [
        "DataError", "Dropout", "GoodfitError", "HomeError", "InputError", "NameTaken", "NotAllowed", "NotSignedIn",
        "ServerError", "StudyFailed", "StudyFileError", "StudyHeld", "SupervisedConfig", "TooMany", "TrainerError",
        "Trial", "UnknownStudy", "Unreachable", "choice", "connect", "diagnose", "number", "register", "run",
        "supervised",
    ]  # fmt: skip
    for name in goodfit.__all__:
        assert getattr(goodfit, name).__module__.startswith("goodfit.")
    assert {*goodfit.__all__, "float", "int"} <= set(dir(goodfit))
    with pytest.raises(AttributeError, match="'goodfit' has no attribute 'conect'"):
        goodfit.conect  # noqa: B018


def test_the_contract_suites_are_listed_and_without_pytest_say_what_they_need() -> None:
    assert testing.__all__ == [
        "AccessContract", "DataKindCase", "DataKindContract", "ExecutorContract", "PackingExecutorContract",
        "ProcessExecutorContract", "SamplerContract", "SearchContract", "StoreContract", "TrackerContract",
        "TrainerCase", "TrainerContract",
    ]  # fmt: skip
    assert all(getattr(testing, name).__name__ == name for name in testing.__all__)
    code = (
        "import sys; sys.modules['pytest'] = None\nimport goodfit.testing\n"
        "try: goodfit.testing.StoreContract\nexcept ModuleNotFoundError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "goodfit.testing needs pytest: pip install pytest\n"


@pytest.mark.parametrize("module", ["lightning", "hugging_face", "scikit"])
def test_the_modules_for_other_libraries_lead_to_ours(module: str) -> None:
    users = importlib.import_module(f"goodfit.{module}")
    assert all(getattr(users, name).__module__ == f"goodfit.trainers.integrations.{module}" for name in users.__all__)


def test_nothing_is_imported_by_another_name_than_goodfit() -> None:
    folders = (*ROOMS, "goodfit", "tests", "benchmarks", "deploy", "examples", "docs")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    assert len(files) > 500
    for file in files:
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not {name.partition(".")[0] for name in names} & set(ROOMS), file


def test_the_wheel_holds_goodfit_alone_and_all_of_it() -> None:
    found = find_packages(str(ROOT), include=["goodfit*"])
    modules = {path.parent for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    rooms = {f"goodfit.{folder.relative_to(ROOT).as_posix().replace('/', '.')}" for folder in modules}
    assert set(found) == {"goodfit", "goodfit.testing", "goodfit.testing.stores"} | rooms


def imported_by(code: str) -> set[str]:
    """The top-level modules that a fresh process imports for a piece of code."""
    probe = f"import sys\n{code}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.splitlines()[-1].split())


def test_the_command_line_starts_without_the_heavy_libraries(tmp_path: Path) -> None:
    heavy = {
        "torch", "ray", "mlflow", "optuna", "pandas", "sklearn", "alembic", "fastapi", "uvicorn", "httpx2",
        "prometheus_client",
    }  # fmt: skip
    assert not imported_by("from goodfit.service.cli import run\nrun(['--help'])") & {*heavy, "email", "pydantic"}
    made = (
        "from pathlib import Path\nfrom goodfit.service.app import open_home\n"
        "from goodfit.service.settings import Settings\n"
        f"open_home(Settings(Path({str(tmp_path)!r})), create=True)"
    )
    imported_by(made)
    listed = imported_by(f"from goodfit.service.cli import run\nrun(['--home', {str(tmp_path)!r}, 'ls'])")
    assert not listed & {*heavy, "yaml", "numpy"}


def test_the_best_trials_are_found_without_numpy() -> None:
    assert "numpy" not in imported_by("from goodfit.service.diagnosis.confirmation import candidates_of, best_first")


def test_trainers_are_listed_without_torch() -> None:
    assert "torch" not in imported_by("from goodfit.service.cli import run\nrun(['trainers'])")
