"""How much work is done at once, in all and of each token.

Requests that have to wait do so in the event loop, not in a thread; one that finds a long queue is refused at once.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from goodfit.service.errors import TooMany

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one kind of work is limited to.

    Attributes:
        at_once: pieces of work at the same time.
        a_token: of those, pieces of one token's.
        waiting: requests of one token that may wait; further ones are refused.
        seconds: how long one waits before it is refused.
    """

    at_once: int
    a_token: int
    waiting: int
    seconds: float = 30.0


class Lane:
    """The queue of one kind of work. Tokens take turns, whichever of them has more requests waiting.

    Args:
        limits: of the work.
        work: what it is, for messages.
        retry: seconds after which somebody who was refused may come again.
    """

    def __init__(self, limits: Limits, work: str, retry: int) -> None:
        self._limits, self._work, self._retry = limits, work, retry
        self._active: Counter[str] = Counter()
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._threads = CapacityLimiter(limits.at_once)

    @property
    def active(self) -> int:
        """How much is done now."""
        return self._active.total()

    async def run(self, token: str, work: Callable[[], T]) -> T:
        """What a piece of work returns, done in a thread of this lane's own when it is the token's turn.

        Raises:
            TooMany: too many requests of the token wait already, or this one waited too long.
        """
        async with self.turn(token):
            return await to_thread.run_sync(work, limiter=self._threads)

    @asynccontextmanager
    async def turn(self, token: str) -> AsyncIterator[None]:
        """A place in the lane for as long as the context lasts; TooMany as in `run`."""
        await self._enter(token)
        try:
            yield
        finally:
            self._leave(token)

    async def _enter(self, token: str) -> None:
        if token not in self._queues and self._has_room(token):
            self._active[token] += 1
            return
        queue = self._queues.setdefault(token, deque())
        if len(queue) >= self._limits.waiting:
            if not queue:
                del self._queues[token]
            own = f"token {token} has" if self._active[token] >= self._limits.a_token or queue else "there are"
            raise TooMany(f"{own} too many {self._work} already; try again later", self._retry)
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(place)
        try:
            await asyncio.wait({place}, timeout=self._limits.seconds)
        except BaseException:
            self._give_up(token, place)
            raise
        if not place.done():
            self._give_up(token, place)
            raise TooMany(f"the server is busy with other {self._work}; try again later", self._retry)

    def _has_room(self, token: str) -> bool:
        return self._active.total() < self._limits.at_once and self._active[token] < self._limits.a_token

    def _give_up(self, token: str, place: asyncio.Future[None]) -> None:
        if place.done():  # the turn came in the same moment
            self._leave(token)
            return
        self._queues[token].remove(place)
        if not self._queues[token]:
            del self._queues[token]

    def _leave(self, token: str) -> None:
        self._active[token] -= 1
        if not self._active[token]:
            del self._active[token]
        self._admit()

    def _admit(self) -> None:
        """Let in whoever may be: the token that was let in longest ago comes first."""
        while (token := next(filter(self._has_room, self._queues), None)) is not None:
            queue = self._queues.pop(token)
            queue.popleft().set_result(None)
            self._active[token] += 1
            if queue:
                self._queues[token] = queue  # at the end
