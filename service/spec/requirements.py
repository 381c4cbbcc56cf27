"""The packages that a study's `requirements:` name, and whether they are installed here."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from goodfit.search_spaces.scalars import listed
from goodfit.search_spaces.values import BadValue
from goodfit.service.spec.fields import names

MOST = 500  # of them


def requirements(value: object) -> tuple[str, ...]:
    """Packages as pip takes them: `einops>=0.8`, or the path of a wheel or of a project's folder."""
    found = names(value)
    if len(found) > MOST:
        raise BadValue(f"has {len(found):,} packages; no more than {MOST} are taken: name a project that requires them")
    for item in found:
        if not is_path(item):
            _check_requirement(item)
    return found


Requirements = Annotated[
    tuple[str, ...], Field(max_length=MOST), BeforeValidator(requirements, json_schema_input_type=str | list[str])
]


def is_path(requirement: str) -> bool:
    """Whether a requirement is a wheel or a folder, and no package's name."""
    return "@" not in requirement and ("/" in requirement or requirement.endswith(".whl"))


def _check_requirement(item: str) -> None:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        Requirement(item)
    except InvalidRequirement as error:
        first = str(error).splitlines()[0]
        raise BadValue(f"{item!r} is no requirement such as 'einops>=0.8': {first}") from error


def absent_packages(requirements: Iterable[str]) -> str | None:
    """Which of them are not installed here, or in another version, with the command; None where all are."""
    absent = [one for one in requirements if not _installed(one)]
    return f"{listed(absent)} is not installed here: pip install {shlex.join(absent)}" if absent else None


def _installed(requirement: str) -> bool:
    from packaging.requirements import Requirement

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
