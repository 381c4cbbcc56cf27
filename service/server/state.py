"""What the routes share: the source of the home's store, the rules of submission, and the lanes of work."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any

import anyio
from anyio import CapacityLimiter
from fastapi import Depends, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from goodfit.service.app.submission import Rules
from goodfit.service.queries.local import LocalSource
from goodfit.service.server.lanes import Lane, Limits

if TYPE_CHECKING:
    from goodfit.service.ports import Store
    from goodfit.service.server.admission import Doorman
    from goodfit.service.settings import Settings

# Diagnoses, reports and models: each may take seconds of one core and much memory.
HEAVY = Limits(at_once=2, a_token=1, waiting=8)
SUBMITTING = Limits(at_once=4, a_token=2, waiting=32)
# A study's own code is imported, in a process of its own, for up to two minutes.
CODE = Limits(at_once=2, a_token=1, waiting=8, seconds=60.0)
STREAMS = Limits(at_once=200, a_token=25, waiting=0)
# Their files keep a handle, and a model its space on the disk, until the client has all of them.
DOWNLOADS = Limits(at_once=64, a_token=8, waiting=32)
# What a database answers in milliseconds; more threads than these would only take turns at one interpreter.
QUICK = Limits(at_once=8, a_token=3, waiting=64)


def streams(connections: int) -> Limits:
    """Limits of the streams that are watched, where a server takes so many connections: they last, and keep places."""
    return replace(
        STREAMS,
        at_once=max(1, min(STREAMS.at_once, connections // 2)),
        a_token=max(1, min(STREAMS.a_token, connections // 4)),
    )


LOOKS_AT_ONCE = 4  # at studies that are watched
PROBES_AT_ONCE = 4  # of /ready and /metrics


@dataclass(slots=True)
class State:
    """What belongs to one app."""

    settings: Settings
    store: Store
    rules: Rules
    clock: Callable[[], float]
    source: LocalSource
    doorman: Doorman
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep  # in the event loop
    ending: threading.Event = field(default_factory=threading.Event)
    heavy: Lane = field(default_factory=lambda: Lane(HEAVY, "reports and models", retry=5))
    submitting: Lane = field(default_factory=lambda: Lane(SUBMITTING, "submissions", retry=2))
    code: Lane = field(default_factory=lambda: Lane(CODE, "studies with code of their own", retry=15))
    downloads: Lane = field(default_factory=lambda: Lane(DOWNLOADS, "downloads", retry=5))
    quick: Lane = field(default_factory=lambda: Lane(QUICK, "requests", retry=1))
    watching: Lane = field(default_factory=lambda: Lane(STREAMS, "watchers", retry=10))
    looks: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(LOOKS_AT_ONCE))
    probes: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(PROBES_AT_ONCE))


async def _state(request: Request) -> State:
    found: State = request.app.state.shared
    return found


Shared = Annotated[State, Depends(_state)]


class InTurn(APIRoute):
    """A route whose function is called when it is its token's turn; one that is a coroutine has a lane of its own."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route as an ASGI app calls it."""
        handle = super().get_route_handler()
        if inspect.iscoroutinefunction(self.endpoint):
            return handle

        async def in_turn(request: Request) -> Response:
            shared = await _state(request)
            async with shared.quick.turn(request.state.token.id):
                return await handle(request)

        return in_turn
