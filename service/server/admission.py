"""Who asks: the bearer's token, whether it is still valid, what its role allows, how often it asks.

All of it is known from a request's head: of a request that is refused no body is read.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Annotated

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from goodfit.service.app.tokens import PREFIX, token_digest
from goodfit.service.errors import GoodfitError, NotAllowed, NotSignedIn, TooMany
from goodfit.service.ports import Access
from goodfit.service.records import Role, Study, Token
from goodfit.service.server.error_responses import answer_to
from goodfit.service.server.lanes import Lane, Limits
from goodfit.service.server.limits import Buckets, Rate
from goodfit.service.server.request_bodies import BodyLimit, is_large

ASKING = Rate(burst=600, a_second=200)  # of one token
FAILING = Rate(burst=10, a_second=0.2)  # of one address, with tokens that open nothing
LONGEST = 200  # characters of a secret
PROTECTED = "/v1/"  # every path below needs a token
LOOKUPS_AT_ONCE = 4  # of tokens, in threads of their own
UNDER_WAY = Limits(at_once=1000, a_token=16, waiting=64)  # requests, until their answer begins

_HOW = "set GOODFIT_TOKEN, or send `Authorization: Bearer gf_...`; an admin makes tokens by `goodfit token create`"
_bearer = HTTPBearer(auto_error=False, description="A token from `goodfit token create`.")


class Doorman:
    """Lets those in whose token is good.

    Args:
        access: the tokens.
        clock: seconds since the epoch.
        asking: how often a token may ask.
        failing: how often an address may come with a token that is none.
    """

    def __init__(
        self, access: Access, clock: Callable[[], float], asking: Rate = ASKING, failing: Rate = FAILING
    ) -> None:
        self._access, self._clock = access, clock
        self._asking, self._failing = Buckets(asking, clock), Buckets(failing, clock)

    def token(self, secret: str | None, address: str) -> Token:
        """The token of a secret; NotSignedIn where it opens nothing, TooMany where it was used too often."""
        found = self._found(secret)
        if isinstance(found, str):
            if wait := self._failing.wait(address):
                raise TooMany("too many requests without a good token; wait", math.ceil(wait))
            raise NotSignedIn(f"{found}; {_HOW}")
        if wait := self._asking.wait(found.id):
            raise TooMany(f"token {found.id} asks too often; wait", math.ceil(wait))
        return found

    def recheck(self, secret: str | None) -> None:
        """NotSignedIn where the secret is no longer valid; for requests that last."""
        found = self._found(secret)
        if isinstance(found, str):
            raise NotSignedIn(f"{found}; {_HOW}")

    def _found(self, secret: str | None) -> Token | str:
        """The token, or what is wrong with the secret."""
        if not secret:
            return "a token is needed"
        if not secret.startswith(PREFIX) or len(secret) > LONGEST:
            return "this is not a Goodfit token"
        token = self._access.token_of(token_digest(secret))
        if token is None:
            return "there is no such token"
        if token.revoked is not None:
            return f"token {token.id} was revoked"
        return token if token.valid(self._clock()) else f"token {token.id} has expired"


class Gate:
    """Lets a request in once its token is known and the token has not too many requests under way.

    Args:
        app: gets the requests that were let in.
        doorman: knows the tokens.
        limits: of requests that are under way.
    """

    def __init__(self, app: ASGIApp, doorman: Doorman, limits: Limits = UNDER_WAY) -> None:
        self._open, self._protected = app, BodyLimit(app)
        self._doorman = doorman
        self._lane = Lane(limits, "requests", retry=1)
        self._threads = CapacityLimiter(LOOKUPS_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PROTECTED):
            await self._open(scope, receive, send)
            return
        async with AsyncExitStack() as under_way:

            async def sent(message: Message) -> None:
                if message["type"] == "http.response.start":
                    await under_way.aclose()  # a slow reader of the answer keeps no other request waiting
                await send(message)

            try:
                token = await to_thread.run_sync(
                    self._doorman.token, bearer(scope), address(scope), limiter=self._threads
                )
                await under_way.enter_async_context(self._lane.turn(token.id))
            except GoodfitError as error:
                refusal = answer_to(error)
                if is_large(scope):
                    refusal.headers["Connection"] = "close"  # the rest of the body is not read
                await refusal(scope, receive, send)
                return
            scope.setdefault("state", {})["token"] = token
            await self._protected(scope, receive, sent)


def bearer(scope: Scope) -> str | None:
    """The secret that a request brings."""
    header = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    kind, _, secret = header.decode("latin-1").partition(" ")
    return secret.strip() if kind.lower() == "bearer" else None


def address(scope: Scope) -> str:
    """Whose failures are counted together: an address, or the network of an IPv6 address, which one user has whole."""
    host = scope["client"][0] if scope.get("client") else "unknown"
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    # A server that listens on :: has all of IPv4 in one network.
    return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))


async def _token(
    request: Request,
    _: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],  # for the OpenAPI document
) -> Token:
    found: Token = request.state.token  # from the gate
    return found


def _needs(role: Role) -> Callable[[Token], Awaitable[Token]]:
    async def check(token: Annotated[Token, Depends(_token)]) -> Token:
        if not token.role.allows(role):
            raise NotAllowed(f"this needs the role {role}, and token {token.id} has {token.role}; ask an admin")
        return token

    return check


Viewer = Annotated[Token, Depends(_needs(Role.VIEWER))]
Submitter = Annotated[Token, Depends(_needs(Role.SUBMITTER))]
Admin = Annotated[Token, Depends(_needs(Role.ADMIN))]


def check_owner(token: Token, study: Study) -> None:
    """Refuse who is not the study's submitter, nor an admin."""
    if token.role is not Role.ADMIN and study.submitter != token.name:
        whose = f"{study.submitter}'s" if study.submitter else "not yours"
        raise NotAllowed(f"study {study.name} is {whose}: its submitter or an admin may do this")
