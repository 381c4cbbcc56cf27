"""In the tests of the store a database is made by its migrations each time."""

from __future__ import annotations

import inspect

import pytest

from goodfit.service.store import opening


@pytest.fixture(autouse=True)
def databases_are_made(empty_databases_are_copies: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_prepare", inspect.unwrap(opening._prepare))
