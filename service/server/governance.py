"""The routes that release models and tell what was done to a study."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from goodfit.service import app
from goodfit.service.app.cards import Cards
from goodfit.service.app.releasing import ReleaseFacts
from goodfit.service.app.trail import Trail
from goodfit.service.records import Token
from goodfit.service.server.admission import Submitter, Viewer, check_owner
from goodfit.service.server.replies import Messages
from goodfit.service.server.request_bodies import Body
from goodfit.service.server.responses import reply
from goodfit.service.server.state import InTurn, Shared, State

router = APIRouter(route_class=InTurn, prefix="/v1/studies", tags=["studies"])


class Review(Body):
    """What somebody decides about the release of a study's best model."""

    by: Annotated[str, Field(max_length=200)] | None = Field(default=None, description="For whom the token decides.")
    note: Annotated[str, Field(max_length=20_000)] | None = Field(
        default=None, description="Why; needed where an approval overrules a gate that fails."
    )


@router.get("/{name}/release", response_model=ReleaseFacts, summary="Whether the best model is released")
async def release(shared: Shared, token: Viewer, name: str) -> Response:
    """Its gates, whether each holds and why, all decisions, and which model has the alias champion."""
    return await shared.heavy.run(token.id, lambda: reply(ReleaseFacts, shared.source.release(name)))


@router.post("/{name}/approve", response_model=Messages, summary="Release the best model")
async def approve(shared: Shared, token: Submitter, name: str, given: Review | None = None) -> Response:
    """Give it the alias champion, in the name of the token; gates that fail are recorded as overruled."""
    return await shared.heavy.run(token.id, lambda: _decided(shared, token, name, "approve", given or Review()))


@router.post("/{name}/reject", response_model=Messages, summary="Keep the best model from being released")
async def reject(shared: Shared, token: Submitter, name: str, given: Review | None = None) -> Response:
    """Take the alias champion from it where it has it, in the name of the token."""
    return await shared.heavy.run(token.id, lambda: _decided(shared, token, name, "reject", given or Review()))


def _decided(shared: State, token: Token, name: str, action: str, given: Review) -> Response:
    """MLflow's registry follows by the controller, which looks for studies that it is behind of."""
    check_owner(token, shared.store.study(name))
    stated = given.by if given.by != token.name else None
    said = app.decide(shared.store, name, action, token.name, given.note, shared.clock(), stated)
    return reply(Messages, {"messages": said})


@router.get("/{name}/card", response_model=Cards, summary="A study's model card and data card")
async def card(shared: Shared, token: Viewer, name: str) -> Response:
    """README.md in the form of the Hugging Face hub, and croissant.json where the data are those of the study."""
    return await shared.heavy.run(token.id, lambda: reply(Cards, shared.source.cards(name)))


@router.get("/{name}/audit", response_model=Trail, summary="All that was done to a study")
async def trail(shared: Shared, token: Viewer, name: str) -> Response:
    """Who did what to it and when, also to one that was removed, and whether the log was changed or cut."""
    return await shared.heavy.run(token.id, lambda: reply(Trail, shared.source.trail(name)))
