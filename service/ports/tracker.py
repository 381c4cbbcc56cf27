"""What copies the store to where people look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Tracker(Protocol):
    """Mirrors the store to where people look. Never makes training wait; loses nothing."""

    def wake(self) -> None:
        """The store has news."""
        ...

    def behind(self) -> int:
        """How many trials the mirror has still to catch up with."""
        ...

    def trouble(self) -> str | None:
        """Why it does not get on, in one line; None while it does."""
        ...

    def close(self, seconds: float, on_wait: Callable[[int], None] = lambda _: None) -> bool:
        """Catch up for at most `seconds`, then end. Returns whether all is mirrored."""
        ...
