"""What the routes share: the source of the home's store, the rules of submission, and the lanes of what takes long."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Request

from service.app.submission import Rules
from service.client.local import LocalSource
from service.server.lanes import Lane, Limits

if TYPE_CHECKING:
    from service.ports import Access
    from service.server.admission import Doorman
    from service.settings import Settings
    from service.store import SqlStore

# Diagnoses, reports and models: each may take seconds of one core and much memory.
HEAVY = Limits(at_once=2, a_token=1, waiting=8)
SUBMITTING = Limits(at_once=4, a_token=2, waiting=32)
# A study's own code is imported, in a process of its own, for up to two minutes.
CODE = Limits(at_once=2, a_token=1, waiting=8, seconds=60.0)
STREAMS = Limits(at_once=200, a_token=25, waiting=0)
LOOKS_AT_ONCE = 4  # at studies that are watched
PROBES_AT_ONCE = 4  # of /ready and /metrics


@dataclass(slots=True)
class State:
    """What belongs to one app."""

    settings: Settings
    store: SqlStore
    access: Access
    rules: Rules
    clock: Callable[[], float]
    source: LocalSource
    doorman: Doorman
    ending: threading.Event = field(default_factory=threading.Event)
    heavy: Lane = field(default_factory=lambda: Lane(HEAVY, "reports and models", retry=5))
    submitting: Lane = field(default_factory=lambda: Lane(SUBMITTING, "submissions", retry=2))
    code: Lane = field(default_factory=lambda: Lane(CODE, "studies with code of their own", retry=15))
    watching: Lane = field(default_factory=lambda: Lane(STREAMS, "watchers", retry=10))
    looks: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(LOOKS_AT_ONCE))
    probes: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(PROBES_AT_ONCE))


async def _state(request: Request) -> State:
    found: State = request.app.state.shared
    return found


Shared = Annotated[State, Depends(_state)]
