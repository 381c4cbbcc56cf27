"""The mirror's process for tests: DATABASE STUDY TRACKING_URI ARTIFACTS."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from goodfit.service.store import open_store
from goodfit.service.tracker import Mirror, run_mirror


def main(database: str, study: str, tracking_uri: str, artifacts: str) -> None:
    store = open_store(database)
    mirror = Mirror(
        store,
        store.study(study).id,
        tracking_uri,
        Path(artifacts) if artifacts else None,
        draw=_draw,
        export_model=lambda trial, folder: None,
    )
    run_mirror(mirror)


def _draw(*_arguments: Any) -> str:
    print("what a library prints")
    return "<svg/>"


def command(*arguments: str) -> list[str]:
    """Starts it; not as a file of this folder, where `service` would be the tests of the service."""
    root = Path(__file__).parent.parent
    code = f"import sys; sys.path.insert(0, {str(root)!r}); from tests.mirror_child import main; main(*sys.argv[1:])"
    return [sys.executable, "-c", code, *arguments]
