"""What runners do in the tests of runners: say who and where they are, and stay until told to go."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from service.records import Lease, Study


def serve(folder: Path, study: Study, lease: Lease) -> None:
    stay(folder, f"{study.name}-{lease.fence}")


def catch_up(folder: Path, study: Study) -> None:
    stay(folder, f"mirror-{study.name}")


def stay(folder: Path, name: str) -> None:
    found = {"pid": os.getpid(), "files": _files(), "told": os.environ.get("GOODFIT_TOLD")}
    with (folder / name).open("a") as notes:
        notes.write(json.dumps(found | {"child": _child()}) + "\n")
    while not (folder / "end").exists():
        time.sleep(0.05)


def _files() -> list[str]:
    return sorted(path.name for path in Path.cwd().iterdir())


def _child() -> Any:
    """What an actor that a runner makes, as its executor does, sees of the runner's files."""
    import ray

    return ray.get(ray.remote(num_cpus=0)(lambda: (os.getpid(), _files())).remote())


def notes(folder: Path, name: str) -> list[dict[str, Any]]:
    path = folder / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
