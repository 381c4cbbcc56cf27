"""What runners do in the tests of runners: say who and where they are, and stay until told to go."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from goodfit.service.records import Lease, Study


def serve(folder: Path, study: Study, lease: Lease) -> None:
    stay(folder, f"{study.name}-{lease.fence}")


def catch_up(folder: Path, study: Study) -> None:
    stay(folder, f"mirror-{study.name}")


def stay(folder: Path, name: str) -> None:
    found = {"pid": os.getpid(), "told": os.environ.get("GOODFIT_TOLD")}
    with (folder / name).open("a") as notes:
        notes.write(json.dumps(found) + "\n")
    while not (folder / "end").exists():
        time.sleep(0.05)


def notes(folder: Path, name: str) -> list[dict[str, Any]]:
    path = folder / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
