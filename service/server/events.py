"""Server-sent events: a study's progress for as long as somebody watches, and may."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable

import anyio
from anyio import to_thread
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from goodfit.service import app, errors
from goodfit.service.progress import Progress
from goodfit.service.queries import wire
from goodfit.service.records import Token
from goodfit.service.server.state import State

LOOK_SECONDS = 0.5
HEARTBEAT_SECONDS = 15.0  # between two signs of life: proxies end what is silent for long


class Stream(StreamingResponse):
    """The events of a study; TooMany while the token, or everybody together, has too many streams.

    Args:
        shared: the app's.
        token: of who watches.
        check: raises NotSignedIn once the token is no longer valid; called before each look.
        name: the study's.
    """

    def __init__(self, shared: State, token: Token, check: Callable[[], None], name: str) -> None:
        self._lane, self._token = shared.watching, token
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(_events(shared, check, name), media_type="text/event-stream", headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._lane.turn(self._token.id):
            await super().__call__(scope, receive, send)


async def _events(shared: State, check: Callable[[], None], name: str) -> AsyncIterator[str]:
    watcher = app.Watcher(shared.store, name)

    def look() -> Progress:
        check()
        return watcher.look(shared.clock())

    before: str | None = None
    silent = 0.0
    try:
        while not shared.ending.is_set():
            progress = await to_thread.run_sync(look, limiter=shared.looks)
            text = json.dumps(wire.sent(Progress, progress), allow_nan=False)
            if text != before:
                yield f"data: {text}\n\n"
                before, silent = text, 0.0
            elif silent >= HEARTBEAT_SECONDS:
                yield ": still there\n\n"
                silent = 0.0
            if progress.over:
                return
            await anyio.sleep(LOOK_SECONDS)
            silent += LOOK_SECONDS
    except errors.GoodfitError as error:
        yield f"event: error\ndata: {json.dumps(errors.to_dict(error))}\n\n"
