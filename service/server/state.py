"""What the routes share: the source of the home's store, the rules of submission, and what takes long, in turn."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from service.app.submission import Rules
from service.client.local import LocalSource
from service.errors import TooMany

if TYPE_CHECKING:
    from service.ports import Access
    from service.settings import Settings
    from service.store import SqlStore

HEAVY_AT_ONCE = 2  # diagnoses, reports and models, each of which may take seconds and much memory
HEAVY_SECONDS = 60.0  # that one waits for its turn
STREAMS = 200  # watchers at once


@dataclass(slots=True)
class State:
    """What belongs to one app."""

    settings: Settings
    store: SqlStore
    access: Access
    rules: Rules
    clock: Callable[[], float]
    source: LocalSource
    ending: threading.Event = field(default_factory=threading.Event)
    streams: int = 0
    heavy: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(HEAVY_AT_ONCE))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One's turn at what takes long."""
        if not self.heavy.acquire(timeout=HEAVY_SECONDS):
            raise TooMany("the server is busy with reports; try again later", 30)
        try:
            yield
        finally:
            self.heavy.release()


def _state(request: Request) -> State:
    found: State = request.app.state.shared
    return found


Shared = Annotated[State, Depends(_state)]
