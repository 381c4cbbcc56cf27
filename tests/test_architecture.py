"""The rooms and the public surface, as docs/architecture.md draws them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import search_spaces
import service
import trainers
from service import app

ROOT = Path(service.__file__).parents[1]


def test_every_room_imports_only_what_it_may() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_public_surface_is_what_the_documentation_says() -> None:
    assert service.__all__ == ["connect"]
    assert sorted(trainers.__all__) == ["Trainer", "Trial", "register", "resolve"]
    assert sorted(search_spaces.__all__) == [
        "Choice", "Fixed", "Float", "Int", "Parameter", "Space", "SpaceFileError", "library", "load",
    ]  # fmt: skip
    for module in (service, trainers, search_spaces, app):
        for name in module.__all__:
            assert getattr(module, name) is not None


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
    assert not imported_by("from service.cli import run\nrun(['--help'])") & heavy
    made = (
        "from service.app import open_home\nfrom service.settings import Settings\nfrom pathlib import Path\n"
        f"open_home(Settings(Path({str(tmp_path)!r})), create=True)"
    )
    imported_by(made)
    assert not imported_by(f"from service.cli import run\nrun(['--home', {str(tmp_path)!r}, 'ls'])") & heavy


def test_trainers_are_listed_without_torch() -> None:
    assert "torch" not in imported_by("from service.cli import run\nrun(['trainers'])")
