"""How large a request's body may be: counted as it comes, whatever its head says."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.server.answers import JsonAnswer

MOST = 1024 * 1024  # bytes


class BodyLimit:
    """Answers 413 to a body of more than MOST bytes, and reads no more of it."""

    def __init__(self, app: ASGIApp, most: int = MOST) -> None:
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared[:20]) > self._most:
            await self._refuse(scope, receive, send)
            return
        kept: list[Message] = []
        seen = 0
        if scope["method"] in ("POST", "PUT", "PATCH", "DELETE"):
            more = True
            while more:
                message = await receive()
                kept.append(message)
                if message["type"] != "http.request":
                    break
                seen += len(message.get("body", b""))
                if seen > self._most:
                    await self._refuse(scope, receive, send)
                    return
                more = message.get("more_body", False)

        async def replayed() -> Message:
            return kept.pop(0) if kept else await receive()

        await self._app(scope, replayed, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        told = {"error": "InputError", "message": f"the body has more than {self._most} bytes; send a smaller one"}
        await JsonAnswer(told, 413, headers={"Connection": "close"})(scope, receive, send)
