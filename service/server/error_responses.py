"""Errors as answers: {"error": "UnknownStudy", "message": "..."} with the status that says the same."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from goodfit.service import errors
from goodfit.service.server.responses import JsonAnswer

PROBLEMS = 20  # of a request that are written out
RETRY_SECONDS = "5"  # while the database is away

_LOG = logging.getLogger("goodfit.server")
# The first that fits counts.
_STATUS: tuple[tuple[type[errors.GoodfitError], int], ...] = (
    (errors.UnknownStudy, 404),
    (errors.NameTaken, 409),
    (errors.HomeError, 503),
    (errors.NotSignedIn, 401),
    (errors.NotAllowed, 403),
    (errors.StudyFileError, 422),
    (errors.DataError, 422),
    (errors.TrainerError, 422),
    (errors.InputError, 400),
    (errors.TooMany, 429),
    (errors.ServerError, 503),
    (errors.GoodfitError, 409),  # StudyHeld, IllegalChange, no complete trial yet
)
_NAMES = {404: "NotFound", 405: "NotFound"}


class Missing(errors.InputError):
    """There is nothing of that number or name."""


def add_handlers(app: FastAPI) -> None:
    """Let no exception out of the app but as an answer."""
    app.add_exception_handler(errors.GoodfitError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _fault)


def status_of(error: errors.GoodfitError) -> int:
    """The status that says what an error says."""
    if isinstance(error, Missing):
        return 404
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def answer_to(error: errors.GoodfitError) -> Response:
    """An error as an answer."""
    status = status_of(error)
    headers = {"Retry-After": RETRY_SECONDS} if status == 503 else {}
    if status == 401:
        headers = {"WWW-Authenticate": "Bearer"}
    if isinstance(error, errors.TooMany):
        headers = {"Retry-After": str(error.seconds)}
    content = errors.to_dict(error) | ({"error": "InputError"} if isinstance(error, Missing) else {})
    return JsonAnswer(content, status, headers=headers)


async def _ours(_request: Request, error: Exception) -> Response:
    if not isinstance(error, errors.GoodfitError):
        raise error
    return answer_to(error)


async def _invalid(_request: Request, error: Exception) -> Response:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    message = "; ".join(
        f"{'.'.join(str(part) for part in problem['loc'][1:]) or 'the body'}: {problem['msg']}"
        for problem in problems[:PROBLEMS]
    )
    if len(problems) > PROBLEMS:
        message += f"; and {len(problems) - PROBLEMS} more"
    return JsonAnswer({"error": "InputError", "message": message or "the request cannot be read"}, 422)


async def _http(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    content = {"error": _NAMES.get(error.status_code, "InputError"), "message": str(error.detail)}
    return JsonAnswer(content, error.status_code, headers=error.headers)


async def _fault(request: Request, error: Exception) -> Response:
    _LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
    message = f"this is a bug in Goodfit ({type(error).__name__}); the server's log has more"
    return JsonAnswer({"error": "ServerError", "message": message}, 500)
