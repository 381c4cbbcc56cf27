"""How large a request's body may be, how long it may take, and how many entries its content may have.

Bytes and seconds are counted as they come, whatever the request's head says.
"""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from goodfit.service.app.submission import FILES
from goodfit.service.server.responses import JsonAnswer

MOST = 1024 * 1024  # bytes
SECONDS = 60.0  # from the head to the end of the body
LARGE = 64 * 1024  # bytes: so much is discarded where nobody reads it
_WITH_BODY = ("POST", "PUT", "PATCH", "DELETE")


class Body(BaseModel):
    """A body's content. Of thousands of wrong entries one problem is made: describing each would take seconds."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _few_entries(cls, given: Any) -> Any:
        parts = {"the body": given, **given} if isinstance(given, dict) else {}
        for name, part in parts.items():
            if isinstance(part, dict | list) and len(part) > FILES:
                raise ValueError(f"{name} has {len(part)} entries; at most {FILES} are taken")
        return given


class BodyLimit:
    """Answers 413 to a body of more than `most` bytes and 408 to one that is late, and reads no more of it."""

    def __init__(self, app: ASGIApp, most: int = MOST, seconds: float = SECONDS) -> None:
        self._app, self._most, self._seconds = app, most, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in _WITH_BODY:
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._seconds):
                kept = await self._read(scope, receive)
        except TimeoutError:
            message = f"the body was not here within {self._seconds:g} s; send it again"
            await _refusal(message, 408)(scope, receive, send)
            return
        if kept is None:
            message = f"the body has more than {self._most} bytes; send a smaller one"
            await _refusal(message, 413)(scope, receive, send)
            return

        async def replayed() -> Message:
            return kept.pop(0) if kept else await receive()

        await self._app(scope, replayed, send)

    async def _read(self, scope: Scope, receive: Receive) -> list[Message] | None:
        """The body's messages; None where they are too much."""
        if _declared(scope) > self._most:
            return None
        kept: list[Message] = []
        seen = 0
        more = True
        while more:
            message = await receive()
            kept.append(message)
            if message["type"] != "http.request":
                break
            seen += len(message.get("body", b""))
            if seen > self._most:
                return None
            more = message.get("more_body", False)
        return kept


def is_large(scope: Scope) -> bool:
    """Whether a request's body is more than is discarded, or nobody knows."""
    return _declared(scope) > LARGE or any(name == b"transfer-encoding" for name, _ in scope["headers"])


def _declared(scope: Scope) -> int:
    declared = dict(scope["headers"]).get(b"content-length", b"")
    return int(declared[:20]) if declared.isdigit() else 0


def _refusal(message: str, status: int) -> JsonAnswer:
    return JsonAnswer({"error": "InputError", "message": message}, status, headers={"Connection": "close"})
