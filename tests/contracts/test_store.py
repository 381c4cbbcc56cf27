"""The store held to its contract, on each database."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest

from goodfit.service.ports import Access
from goodfit.service.store import SqlStore, open_store
from goodfit.testing import AccessContract, StoreContract


class TestSqlStore(StoreContract):
    @pytest.fixture
    def open_store(self, database_url: str) -> Callable[[], SqlStore]:
        return functools.partial(open_store, database_url)


class TestSqlAccess(AccessContract):
    @pytest.fixture
    def open_store(self, database_url: str) -> Callable[[], SqlStore]:
        return functools.partial(open_store, database_url)

    @pytest.fixture
    def access(self, store: SqlStore) -> Access:
        return store.access
