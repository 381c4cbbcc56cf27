"""Files made for one answer: they have no name on the disk, and are gone with the answer, however it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO

from starlette.responses import Response, StreamingResponse

PIECE = 1 << 18  # bytes


def download(file: IO[bytes], name: str, media_type: str) -> Response:
    """Send a file that is open, from its beginning, and close it.

    Args:
        file: to send; one of tempfile.TemporaryFile takes its space with it when it is closed.
        name: what the receiver is to call it.
        media_type: of its content.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    headers = {"Content-Length": str(size), "Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_pieces(file), media_type=media_type, headers=headers)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE):
            yield piece
