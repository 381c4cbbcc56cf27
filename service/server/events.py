"""Server-sent events: a study's progress for as long as somebody watches."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import anyio
from anyio import to_thread
from starlette.responses import Response, StreamingResponse

from service import app, errors
from service.client import wire
from service.server.state import STREAMS, State

LOOK_SECONDS = 0.5
HEARTBEAT_SECONDS = 15.0  # between two signs of life: proxies end what is silent for long


def stream(shared: State, name: str) -> Response:
    """The events of a study; TooMany while too many watch already."""
    if shared.streams >= STREAMS:
        raise errors.TooMany(f"{STREAMS} watchers are connected already; try again later", 10)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(shared, name), media_type="text/event-stream", headers=headers)


async def _events(shared: State, name: str) -> AsyncIterator[str]:
    shared.streams += 1
    try:
        watcher = app.Watcher(shared.store, name)
        before: str | None = None
        silent = 0.0
        while not shared.ending.is_set():
            progress = await to_thread.run_sync(watcher.look, shared.clock())
            text = json.dumps(wire.from_progress(progress), allow_nan=False)
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
    finally:
        shared.streams -= 1
