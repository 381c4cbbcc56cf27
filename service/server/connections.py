"""Connections that keep nobody out: limits of unfinished requests, and of answers that are not read.

What a request may do once its head has arrived is in admission.py.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 15.0  # for a request's head, from its first byte or the connection's beginning
UNFINISHED = 128  # connections without a whole head; beyond, the oldest is closed if it is late
MOST = 4096  # connections, where the limit of open files allows as many
FEWEST = 8  # connections, however few files may be open
FILES = 2  # of a connection: itself, and a file that it is sent
SPARE_FILES = 64  # for the database, logs, and whatever an answer is made from
PATIENCE_SECONDS = 1.0  # after which a head is late
BACKLOG = 2048  # connections that the system keeps waiting
FULL_SECONDS = 0.02  # until it is looked again whether there is a place
WRITE_SECONDS = 30.0  # in each of which the reader of an answer has to take some of it
SLOWEST = 1024  # bytes a second

_LOG = logging.getLogger(__name__)


def most_connections() -> int:
    """How many connections may be open, by the limit of open files, which is raised as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES * MOST + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return MOST
    return max(min(MOST, (soft - SPARE_FILES) // FILES), FEWEST)


class Connection(H11Protocol):
    """A connection of uvicorn's that is closed when its client is too slow, or when others need its place."""

    most: ClassVar[int] = MOST
    unfinished: ClassVar[OrderedDict[Connection, None]] = OrderedDict()  # without a whole head, oldest first
    idle: ClassVar[OrderedDict[Connection, None]] = OrderedDict()  # between two requests
    slow: ClassVar[OrderedDict[Connection, None]] = OrderedDict()  # that have an answer to read

    since = 0.0  # seconds of the loop's clock, at which a head was begun to be waited for
    _head: asyncio.TimerHandle | None = None
    _flush: asyncio.TimerHandle | None = None
    _unread = 0  # bytes of the answer when it was last looked at

    def connection_made(self, transport: Any) -> None:
        """Somebody has connected."""
        super().connection_made(transport)
        self._expect_head()
        if len(self.unfinished) > UNFINISHED:
            self._drop_first(self._late())

    @classmethod
    def make_room(cls) -> None:
        """Close a connection that does nothing, or whose client is slow, for one that waits for its place."""
        cls._drop_first(chain(cls.idle, cls.slow, cls._late()))

    @classmethod
    def _late(cls) -> Iterator[Connection]:
        return (one for one in cls.unfinished if one.loop.time() - one.since >= PATIENCE_SECONDS)

    @staticmethod
    def _drop_first(among: Iterator[Connection]) -> None:
        found = next(among, None)
        if found is not None:
            found.drop()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._forget()
        self._end_watch()

    def data_received(self, data: bytes) -> None:
        """Some of a request has come."""
        super().data_received(data)
        if self._answering():
            self._forget()
        elif self in self.idle:
            self._expect_head()

    def on_response_complete(self) -> None:
        """An answer was written, to the transport at least."""
        super().on_response_complete()
        if self._answering():  # the client had sent its next request already
            return
        if self.transport.is_closing():
            self._watch_reader()
        else:
            self._forget()
            self.idle[self] = None

    def timeout_keep_alive_handler(self) -> None:
        """No further request has come."""
        super().timeout_keep_alive_handler()
        self._watch_reader()

    def pause_writing(self) -> None:
        """The client has not read what was written for it."""
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        """It has read most of it."""
        super().resume_writing()
        self._end_watch()

    def drop(self) -> None:
        """Close the connection, whatever it is doing."""
        self._forget()
        self._end_watch()
        self.transport.abort()

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect_head(self) -> None:
        self._forget()
        self.unfinished[self] = None
        self.since = self.loop.time()
        self._head = self.loop.call_later(HEAD_SECONDS, self.drop)

    def _forget(self) -> None:
        self.unfinished.pop(self, None)
        self.idle.pop(self, None)
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _watch_reader(self) -> None:
        if self._flush is not None:
            return
        self._unread = self.transport.get_write_buffer_size()
        if self._unread:
            self.slow.setdefault(self)
            self._flush = self.loop.call_later(WRITE_SECONDS, self._look_at_reader)

    def _look_at_reader(self) -> None:
        self._flush = None
        left = self.transport.get_write_buffer_size()
        if left and self._unread - left < SLOWEST * WRITE_SECONDS:
            self.drop()
        else:
            self._watch_reader()

    def _end_watch(self) -> None:
        self.slow.pop(self, None)
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None


class Entrance:
    """Accepts connections one by one while there is room; the others wait in the system's queue, with no file open.

    asyncio's own servers accept as many at once as may wait, and count none.

    Args:
        listening: a socket that listens.
        make: makes the protocol of a connection.
        open_now: how many connections there are.
    """

    def __init__(
        self, listening: socket.socket, make: Callable[[], asyncio.Protocol], open_now: Callable[[], int]
    ) -> None:
        self._listening, self._make, self._open_now = listening, make, open_now
        self._loop = asyncio.get_running_loop()
        self._coming: set[asyncio.Task[Any]] = set()
        self._waiting: asyncio.TimerHandle | None = None
        listening.setblocking(False)
        self._watch()

    def close(self) -> None:
        """Accept no more; whoever waits is refused."""
        if self._waiting is not None:
            self._waiting.cancel()
        self._loop.remove_reader(self._listening)
        self._listening.close()

    def _watch(self) -> None:
        self._waiting = None
        self._loop.add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        if self._open_now() + len(self._coming) >= Connection.most:
            Connection.make_room()
            self._pause()
            return
        try:
            accepted, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):  # it has gone already
            return
        except OSError as error:  # no file is free
            _LOG.warning("cannot accept a connection: %s", error.strerror or error)
            self._pause(1.0)
            return
        accepted.setblocking(False)
        coming = self._loop.create_task(self._loop.connect_accepted_socket(self._make, accepted))
        self._coming.add(coming)
        coming.add_done_callback(self._came)

    def _came(self, coming: asyncio.Task[Any]) -> None:
        self._coming.discard(coming)
        if not coming.cancelled() and (error := coming.exception()) is not None:
            _LOG.warning("a connection was lost: %s", error)

    def _pause(self, seconds: float = FULL_SECONDS) -> None:
        self._loop.remove_reader(self._listening)
        self._waiting = self._loop.call_later(seconds, self._watch)
