"""Files made for one answer: they have no name on the disk, and are gone with the answer, however it ends."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import IO

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from goodfit.service.server.lanes import Lane

PIECE = 1 << 18  # bytes


@dataclass(frozen=True, slots=True)
class File:
    """An open file to send, and to close afterwards; one of tempfile.TemporaryFile then gives back its space.

    Attributes:
        content: of any position; all of it is sent.
        name: what the receiver is to call it.
        media_type: of its content.
    """

    content: IO[bytes]
    name: str
    media_type: str


class Download(Response):
    """Makes a file and sends it. A client that leaves closes the file at once, not at some collection of garbage.

    Args:
        lane: of downloads, which lasts until the client has all of it; TooMany while the token has too many.
        token: the id of whoever downloads.
        make: makes the file.
    """

    def __init__(self, lane: Lane, token: str, make: Callable[[], Awaitable[File]]) -> None:
        super().__init__()
        self._lane, self._token, self._make = lane, token, make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._lane.turn(self._token):
            file = await self._make()
            with file.content:
                await _sending(file)(scope, receive, send)


def _sending(file: File) -> Response:
    size = file.content.seek(0, os.SEEK_END)
    file.content.seek(0)
    headers = {"Content-Length": str(size), "Content-Disposition": f'attachment; filename="{file.name}"'}
    return StreamingResponse(_pieces(file.content), media_type=file.media_type, headers=headers)


def _pieces(content: IO[bytes]) -> Iterator[bytes]:
    while piece := content.read(PIECE):
        yield piece
