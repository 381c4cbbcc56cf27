"""Goodfit's engine and its faces. The public surface is `connect`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from service.client import connect

__all__ = ["connect"]


def __getattr__(name: str) -> Any:
    """Import the client when it is asked for: the command line starts without pandas."""
    if name == "connect":
        from service.client import connect

        return connect
    raise AttributeError(f"module 'service' has no attribute {name!r}")
