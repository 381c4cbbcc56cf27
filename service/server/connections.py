"""Connections that keep nobody out: limits of unfinished requests, and of answers that are not read.

What a request may do once its head has arrived is in admission.py.
"""

from __future__ import annotations

import asyncio
import resource
from collections import OrderedDict
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 15.0  # for a request's head, from its first byte or the connection's beginning
UNFINISHED = 128  # connections without a whole head; beyond, the oldest is closed
MOST = 4096  # connections, where the limit of open files allows as many
SPARE_FILES = 256  # for databases, logs and answers
WRITE_SECONDS = 30.0  # in each of which the reader of an answer has to take some of it
SLOWEST = 1024  # bytes a second


def most_connections() -> int:
    """How many connections may be open, by the limit of open files, which is raised as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return MOST
    return max(min(MOST, soft - SPARE_FILES), soft // 2)


class Connection(H11Protocol):
    """A connection of uvicorn's that is closed when its client is too slow, or when others need its place."""

    most: ClassVar[int] = MOST
    unfinished: ClassVar[OrderedDict[Connection, None]] = OrderedDict()  # without a whole head, oldest first
    idle: ClassVar[OrderedDict[Connection, None]] = OrderedDict()  # between two requests

    _head: asyncio.TimerHandle | None = None
    _flush: asyncio.TimerHandle | None = None
    _unread = 0  # bytes of the answer when it was last looked at

    def connection_made(self, transport: Any) -> None:
        """Somebody has connected."""
        super().connection_made(transport)
        self._expect_head()
        if len(self.unfinished) > UNFINISHED:
            next(iter(self.unfinished)).drop()
        elif len(self.connections) > self.most:
            next(iter(self.idle), next(iter(self.unfinished))).drop()

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
        self.transport.abort()

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect_head(self) -> None:
        self._forget()
        self.unfinished[self] = None
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
            self._flush = self.loop.call_later(WRITE_SECONDS, self._look_at_reader)

    def _look_at_reader(self) -> None:
        self._flush = None
        left = self.transport.get_write_buffer_size()
        if left and self._unread - left < SLOWEST * WRITE_SECONDS:
            self.drop()
        else:
            self._watch_reader()

    def _end_watch(self) -> None:
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
