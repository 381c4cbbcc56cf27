"""The packages that a study's `requirements:` name, and whether they are installed here."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def absent_packages(requirements: Iterable[str]) -> list[str]:
    """Those that are not installed here, or in another version."""
    return [one for one in requirements if not _installed(one)]


def pip_environment(requirements: Sequence[str]) -> dict[str, Any] | None:
    """Ray's runtime environment with these packages beside those that a node has; None where there are none."""
    return {"pip": {"packages": list(requirements), "pip_check": False}} if requirements else None


def _installed(requirement: str) -> bool:
    from packaging.requirements import Requirement

    from service.spec.fields import is_path

    if is_path(requirement):
        name, wanted = _name_of(Path(requirement)), None
    else:
        found = Requirement(requirement)
        if found.marker is not None and not found.marker.evaluate():
            return True
        name, wanted = found.name, found.specifier
    try:
        return wanted is None or wanted.contains(version(name), prereleases=True) if version(name) else False
    except PackageNotFoundError:
        return False


def _name_of(place: Path) -> str:
    """The name of the package in a wheel, or in a project's folder."""
    if place.suffix == ".whl":
        return place.name.partition("-")[0]
    try:
        return str(tomllib.loads((place / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"])
    except (OSError, KeyError, ValueError):
        return place.name
