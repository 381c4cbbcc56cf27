"""Answers: JSON that is strict, and ETags of what it says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response


class JsonAnswer(Response):
    """Strict JSON in ASCII: any text can be told so, a lone surrogate too."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The body."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def tagged(request: Request, content: Mapping[str, Any]) -> Response:
    """An answer with the ETag of its content; 304 to who has it already."""
    answer = JsonAnswer(content)
    tag = f'"{hashlib.blake2b(bytes(answer.body), digest_size=12).hexdigest()}"'
    answer.headers["ETag"] = tag
    known = [one.strip().removeprefix("W/") for one in request.headers.get("If-None-Match", "").split(",")]
    if tag in known or "*" in known:
        return Response(status_code=304, headers={"ETag": tag})
    return answer
