"""What all suites of a store share: the store under test, and the same one opened once more."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from goodfit.service.ports import Store

OpenStore = Callable[[], Store]


class Opened:
    """The fixtures of a store's suites."""

    @pytest.fixture
    def open_store(self) -> OpenStore:
        """Opens the store under test: an empty one at first, afterwards the same one again.

        Other processes call it, too: let it be a function of a module, or a functools.partial of one.
        """
        raise NotImplementedError("override the fixture `open_store`: it returns a function that opens your store")

    @pytest.fixture
    def store(self, open_store: OpenStore) -> Iterator[Store]:
        """The store under test, empty."""
        opened = open_store()
        yield opened
        opened.close()


def remove(store: Store, name: str, by: str = "local") -> None:
    """Remove a study, whoever holds it."""
    lease = store.acquire(store.study(name).id, "remover:1:1", 0.0, 30.0, lambda _: True)
    store.remove(lease, by)
