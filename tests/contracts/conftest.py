"""A place with a study, and its studies from both sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodfit.service.client import Studies
from tests.serving import KINDS, Place, filled, of


@pytest.fixture
def at(tmp_path: Path) -> Place:
    return filled(tmp_path)


@pytest.fixture(params=KINDS)
def studies(request: pytest.FixtureRequest, at: Place) -> Studies:
    return of(request.param, at)
