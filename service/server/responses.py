"""Answers: JSON that is strict, and ETags of what it says."""

from __future__ import annotations

import hashlib
import json
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from goodfit.service.queries import wire

T = TypeVar("T")


class JsonAnswer(Response):
    """Strict JSON in ASCII: any text can be told so, a lone surrogate too."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The body."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def reply(kind: type[T], content: T, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer of a kind that the OpenAPI document has (replies.py)."""
    return JsonAnswer(wire.sent(kind, content), status, headers)


def tagged(request: Request, kind: type[T], content: T) -> Response:
    """As reply, with the ETag of its content; 304 to who has it already."""
    answer = JsonAnswer(wire.sent(kind, content))
    tag = f'"{hashlib.blake2b(bytes(answer.body), digest_size=12).hexdigest()}"'
    answer.headers["ETag"] = tag
    known = [one.strip().removeprefix("W/") for one in request.headers.get("If-None-Match", "").split(",")]
    if tag in known or "*" in known:
        return Response(status_code=304, headers={"ETag": tag})
    return answer
