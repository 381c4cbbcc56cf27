"""The routes of admins: tokens and the audit log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.responses import Response

from goodfit.service import app
from goodfit.service.errors import InputError
from goodfit.service.records import Role, Token
from goodfit.service.server.admission import Admin
from goodfit.service.server.error_responses import Missing
from goodfit.service.server.replies import AuditPage, MadeToken, Tokens
from goodfit.service.server.request_bodies import Body
from goodfit.service.server.responses import reply
from goodfit.service.server.state import InTurn, Shared

router = APIRouter(route_class=InTurn, prefix="/v1", tags=["admin"])


class NewToken(Body):
    """A token to make."""

    name: str = Field(max_length=100, description="Whose it is: the submitter of studies, the who of the audit log.")
    role: Role
    expires: str | None = Field(
        default=None, max_length=10, description="After how long: 90d, 12h, 8w, 1y; else never."
    )


@router.post("/tokens", status_code=201, response_model=MadeToken, summary="Make a token")
def make_token(shared: Shared, token: Admin, given: NewToken) -> Response:
    """A new token; its secret is shown this once."""
    made, secret = app.make_token(
        shared.store.access, name=given.name, role=given.role, now=shared.clock(), by=token.name, expires=given.expires
    )
    return reply(MadeToken, MadeToken.of(made, secret), 201, {"Cache-Control": "no-store"})


@router.get("/tokens", response_model=Tokens, summary="List tokens")
def tokens(shared: Shared, _: Admin) -> Response:
    """All tokens, without their secrets, oldest first."""
    return reply(Tokens, {"tokens": shared.store.access.tokens()})


@router.delete("/tokens/{token_id}", response_model=Token, summary="Revoke a token")
def revoke(shared: Shared, token: Admin, token_id: Annotated[str, Path(pattern="^[0-9a-f]{1,40}$")]) -> Response:
    """Make a token worthless, at once."""
    try:
        return reply(Token, shared.store.access.revoke(token_id, shared.clock(), token.name))
    except InputError as error:
        raise Missing(str(error)) from error


@router.get("/audit", response_model=AuditPage, summary="Read the audit log")
def audit(
    shared: Shared,
    _: Admin,
    subject: Annotated[str | None, Query(max_length=200, description="Only of this study or token.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
) -> Response:
    """Who did what and when, newest first; `next` is the offset of the next page, null at the end."""
    found = shared.store.access.audit(subject=subject, limit=limit, offset=offset)
    following = offset + limit if len(found) == limit else None
    return reply(AuditPage, {"entries": found, "next": following})
