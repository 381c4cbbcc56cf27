"""Tokens: how one is made, and what of its secret is kept."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING

from goodfit.service.errors import InputError, did_you_mean
from goodfit.service.records import Role, Token

if TYPE_CHECKING:
    from goodfit.service.ports import Access

PREFIX = "gf_"
DAY = 86400.0
_NAME = re.compile(r"[\w.@+-]{1,100}")
_LIFE = re.compile(r"([0-9]{1,6})([hdwy])")
_SECONDS = {"h": 3600.0, "d": DAY, "w": 7 * DAY, "y": 365 * DAY}
LONGEST_YEARS = 100


def make_token(
    access: Access, *, name: str, role: str, now: float, by: str, expires: str | None = None
) -> tuple[Token, str]:
    """A new token and its secret, which nobody can tell again.

    Args:
        access: where it is kept.
        name: whose it is.
        role: viewer, submitter or admin.
        now: seconds since the epoch.
        by: who makes it.
        expires: after how long, "90d"; None: never.

    Raises:
        InputError: a name, a role or a time that is none.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} is not a valid token name: 1 to 100 letters, digits, - _ . @ or +")
    if role not in list(Role):
        raise InputError(f"there is no role {role!r}; {did_you_mean(role, [str(one) for one in Role])}")
    secret = PREFIX + secrets.token_urlsafe(32)
    until = None if expires is None else now + seconds_of(expires)
    token = Token(secrets.token_hex(6), name, Role(role), now, by, until)
    access.add_token(token, token_digest(secret))
    return token, secret


def token_digest(secret: str) -> str:
    """What is kept of a secret of 256 random bits: SHA-256 is slow enough for those."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def seconds_of(life: str) -> float:
    """90d, 12h, 8w or 1y in seconds; InputError for another text, for 0, and for more than LONGEST_YEARS."""
    found = _LIFE.fullmatch(life.strip())
    if found is None:
        raise InputError(f"{life!r} is not a duration; write 90d, 12h, 8w or 1y")
    seconds = int(found[1]) * _SECONDS[found[2]]
    if not 0 < seconds <= LONGEST_YEARS * _SECONDS["y"]:
        raise InputError(f"a token cannot expire after {life}: write 1h to {LONGEST_YEARS}y, or leave the expiry out")
    return seconds
