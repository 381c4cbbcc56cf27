"""Build the wheel, install it into an empty environment, and use it outside the repository: `make wheel`."""

from __future__ import annotations

import os
import subprocess
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STUDY = """\
name: wheel
trainer: mlp
data: {source: iris}
space: {learning_rate: {type: float, low: 1.0e-3, high: 1.0e-1, log: true}}
objective: {metric: val/accuracy, direction: maximize}
training: {epochs: 3}
budget: {trials: 2}
"""
USE = "import goodfit; best = goodfit.connect()['wheel'].best(); assert 0 < best.value <= 1, best; print(best.params)"


def main() -> None:
    """Raise where the wheel holds anything but `goodfit`, or a study of it fails."""
    with tempfile.TemporaryDirectory(prefix="goodfit-wheel-") as name:
        folder = Path(name)
        python = _environment(folder / "venv")
        _call([python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)], ROOT)
        (wheel,) = folder.glob("goodfit-*.whl")
        tops = {entry.partition("/")[0] for entry in zipfile.ZipFile(wheel).namelist()}
        if strange := {top for top in tops if top != "goodfit" and not top.endswith(".dist-info")}:
            raise SystemExit(f"{wheel.name} holds {', '.join(sorted(strange))}, too; it is to hold goodfit alone")
        _call([python, "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt"), str(wheel)], folder)
        (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
        _call([str(Path(python).with_name("goodfit")), "run", "study.yaml"], folder)
        _call([python, "-c", USE], folder)
        print(f"{wheel.name}: goodfit alone; a study ran outside the repository")


def _environment(folder: Path) -> str:
    venv.create(folder, with_pip=True)
    return str(folder / ("Scripts" if os.name == "nt" else "bin") / "python")


def _call(command: list[str], folder: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GOODFIT_", "PYTHONPATH"))}
    if subprocess.run(command, cwd=folder, env=kept, check=False).returncode:  # noqa: S603 - our own commands
        raise SystemExit(f"failed: {' '.join(command)}")


if __name__ == "__main__":
    main()
