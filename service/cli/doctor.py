"""`goodfit doctor`: what works on this machine, and what to do about the rest."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from goodfit.service import app
from goodfit.service.screen.words import size
from goodfit.service.settings import Settings, make_folder

PACKAGES = ("optuna", "ray", "mlflow", "torch", "sqlalchemy", "numpy", "pandas", "scikit-learn")
LOW_DISK_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    well: bool
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything that a study needs; one finding after the other."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    yield Finding("python", True, f"{platform.python_version()} on {platform.platform()}")
    yield Finding("packages", True, packages)
    checks: list[tuple[str, Callable[[Settings], str]]] = [
        ("home", _home),
        ("cache", _cache),
        ("store", _store),
        ("torch", _torch),
        ("ray", _ray),
        ("mlflow", _mlflow),
    ]
    yield _disk(settings)
    for name, look in checks:
        start = time.monotonic()
        try:
            text = look(settings)
        except Exception as error:  # noqa: BLE001 - whatever is wrong is the finding
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            yield Finding(name, False, first)
        else:
            yield Finding(name, True, f"{text} ({time.monotonic() - start:.1f} s)")


def print_findings(findings: Iterable[Finding]) -> None:
    """One line each."""
    for finding in findings:
        print(f"{'ok ' if finding.well else 'BAD'} {finding.name:<9} {finding.text}")


def _disk(settings: Settings) -> Finding:
    folder: Path = settings.home
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return Finding("disk", free >= LOW_DISK_BYTES, f"{free / 2**30:.1f} GiB free at {folder}")


def _home(settings: Settings) -> str:
    make_folder(settings.home)
    return str(settings.home)


def _cache(settings: Settings) -> str:
    if settings.cache == 0:
        return "off (GOODFIT_CACHE=0): large images and tables are decoded by each worker"
    use = app.cache_of(settings).use()
    bound = f", of {size(use.most)} at most" if use.most else ""
    return f"{size(use.size)} of decoded and prepared data in {use.folder}{bound}"


def _store(settings: Settings) -> str:
    store = app.open_home(settings, create=True)
    try:
        return f"{len(store.studies())} studies in {'SQLite' if settings.database is None else 'the database'}"
    finally:
        store.close()


def _torch(_settings: Settings) -> str:
    from goodfit.trainers.training.devices import describe

    return describe()


def _ray(settings: Settings) -> str:
    from goodfit.service.ray_executor import Cluster

    cluster = Cluster(settings.ray_address)
    try:
        return cluster.describe()
    finally:
        cluster.close()


def _mlflow(settings: Settings) -> str:
    from goodfit.service.tracker.experiment import connect

    experiments = connect(settings.tracking_uri).search_experiments()
    where = settings.mlflow_uri or "SQLite in the home"
    return f"{len(experiments)} experiments in {where}"
