"""What tests of many rooms do with a store."""

from __future__ import annotations

from goodfit.service.ports import Store


def remove(store: Store, name: str, by: str = "local") -> None:
    """Take a study out, whoever holds it."""
    lease = store.acquire(store.study(name).id, "remover:1:1", 0.0, 30.0, lambda _: True)
    store.remove(lease, by)
