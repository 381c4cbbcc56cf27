"""Who asks: the bearer's token, whether it still opens anything, what its role allows, how often it asks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from service.app.tokens import PREFIX, token_digest
from service.errors import NotAllowed, NotSignedIn, TooMany
from service.ports import Access
from service.records import Role, Study, Token
from service.server.limits import Buckets, Rate

ASKING = Rate(burst=600, a_second=200)  # of one token
FAILING = Rate(burst=10, a_second=0.2)  # of one address, with tokens that open nothing
LONGEST = 200  # characters of a secret

_HOW = "send `Authorization: Bearer gf_...`; an admin makes tokens by `goodfit token create`"
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

    def _found(self, secret: str | None) -> Token | str:
        """The token, or what is wrong with the secret."""
        if not secret:
            return "a token is needed"
        if not secret.startswith(PREFIX) or len(secret) > LONGEST:
            return "this is no token of Goodfit's"
        token = self._access.token_of(token_digest(secret))
        if token is None:
            return "there is no such token"
        if token.revoked is not None:
            return f"token {token.id} was revoked"
        return token if token.valid(self._clock()) else f"token {token.id} has expired"


def _token(request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Token:
    doorman: Doorman = request.app.state.doorman
    address = request.client.host if request.client else "unknown"
    return doorman.token(credentials.credentials if credentials else None, address)


def _needs(role: Role) -> Callable[[Token], Token]:
    def check(token: Annotated[Token, Depends(_token)]) -> Token:
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
