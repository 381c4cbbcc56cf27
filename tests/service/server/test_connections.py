"""Connections whose client is slow, driven without a socket."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from goodfit.service.server import connections
from goodfit.service.server.connections import (
    FULL_SECONDS,
    HEAD_SECONDS,
    PATIENCE_SECONDS,
    UNFINISHED,
    WRITE_SECONDS,
    Connection,
    Entrance,
    most_connections,
)

REQUEST = b"GET /health HTTP/1.1\r\nHost: test\r\n\r\n"


class Timer:
    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at, self.call, self.cancelled = at, call, False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """Time that goes on when it is told to; tasks that are run by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, call: Callable[[], None]) -> Timer:
        self.timers.append(Timer(self.now + seconds, call))
        return self.timers[-1]

    def create_task(self, work: Any, **_: Any) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work)

    def go(self, seconds: float) -> None:
        self.now += seconds
        for timer in [one for one in self.timers if one.at <= self.now]:
            self.timers.remove(timer)
            if not timer.cancelled:
                timer.call()


class Transport:
    def __init__(self) -> None:
        self.written = b""
        self.unread = 0
        self.closing = self.aborted = False

    def get_extra_info(self, _name: str) -> None:
        return None

    def write(self, data: bytes) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.unread

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


class Server:
    """Makes connections; `answer` is the body that every request gets."""

    def __init__(self) -> None:
        self.loop, self.state = Loop(), ServerState()
        self.hold = asyncio.Event()
        self.hold.set()
        self.config = Config(
            self._app, interface="asgi3", ws="none", lifespan="off", timeout_keep_alive=30, log_level="error"
        )

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        await self.hold.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    def connect(self) -> tuple[Connection, Transport]:
        made, transport = Connection(self.config, self.state, {}, self.loop), Transport()  # type: ignore[arg-type]
        made.connection_made(transport)
        return made, transport


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    yield
    Connection.unfinished.clear()
    Connection.idle.clear()
    Connection.slow.clear()


def scene(play: Callable[[Server], Any]) -> None:
    async def played() -> None:
        await play(Server())

    asyncio.run(played())


def test_a_head_that_does_not_come_ends_the_connection() -> None:
    async def play(server: Server) -> None:
        _, silent = server.connect()
        dripping, transport = server.connect()
        server.loop.go(HEAD_SECONDS - 1)
        dripping.data_received(b"GET /health HTTP/1.1\r\n")
        assert not silent.aborted
        server.loop.go(2)
        assert silent.aborted
        assert transport.aborted, "a byte now and then is no head"

    scene(play)


def test_a_request_under_way_is_left_alone_and_an_idle_connection_is_closed() -> None:
    async def play(server: Server) -> None:
        server.hold.clear()
        one, transport = server.connect()
        one.data_received(REQUEST)
        server.loop.go(1000)
        assert not transport.closing
        server.hold.set()
        await settle()
        assert transport.written.endswith(b"ok")
        assert one in Connection.idle
        one.data_received(REQUEST[:10])
        assert one in Connection.unfinished
        server.loop.go(HEAD_SECONDS - 1)
        one.data_received(REQUEST[10:])
        await settle()
        assert transport.written.count(b"ok") == 2
        server.loop.go(31)
        assert transport.closing
        assert not transport.aborted

    scene(play)


def test_of_too_many_unfinished_requests_the_oldest_goes_first() -> None:
    async def play(server: Server) -> None:
        made = []
        for _ in range(900):
            made.append(server.connect())
            server.loop.go(2 * PATIENCE_SECONDS / UNFINISHED)
        left = [transport for _, transport in made if not transport.aborted]
        assert len(left) == UNFINISHED
        assert not made[-1][1].aborted
        good, transport = server.connect()
        good.data_received(REQUEST)
        await settle()
        assert transport.written.endswith(b"ok")

    scene(play)


def test_many_who_come_at_once_are_not_late() -> None:
    async def play(server: Server) -> None:
        made = [server.connect() for _ in range(3 * UNFINISHED)]
        for one, _ in made:
            one.data_received(REQUEST)
        await settle()
        assert all(transport.written.endswith(b"ok") for _, transport in made)

    scene(play)


def test_whoever_does_nothing_makes_room_first_then_whoever_reads_slowly_then_who_is_late_with_a_head() -> None:
    async def play(server: Server) -> None:
        _, late = server.connect()
        server.loop.go(PATIENCE_SECONDS)
        _, newest = server.connect()
        slow, reading = server.connect()
        idle, resting = server.connect()
        for one in (slow, idle):
            one.data_received(REQUEST)
            await settle()
        server.hold.clear()
        slow.data_received(REQUEST)
        reading.unread = 500_000
        slow.pause_writing()
        for transport in (resting, reading, late):
            assert not transport.closing
            Connection.make_room()
            assert transport.closing
        Connection.make_room()
        assert not newest.aborted
        slow.resume_writing()
        server.hold.set()
        await settle()

    scene(play)


def test_whoever_finds_no_room_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "most", 2)

    async def play() -> None:
        taken: list[asyncio.Transport] = []

        class Taken(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                assert isinstance(transport, asyncio.Transport)
                taken.append(transport)

        with socket.create_server(("127.0.0.1", 0)) as listening, contextlib.ExitStack() as clients:
            entrance = Entrance(listening, Taken, lambda: sum(not one.is_closing() for one in taken))
            for _ in range(5):
                clients.enter_context(socket.create_connection(listening.getsockname()))
            async with asyncio.timeout(30):
                while len(taken) < 2:
                    await asyncio.sleep(0.001)
                await asyncio.sleep(3 * FULL_SECONDS)
                assert len(taken) == 2
                for index in range(5):
                    while len(taken) <= index:
                        await asyncio.sleep(0.001)
                    taken[index].abort()
            entrance.close()

    asyncio.run(play())


def test_an_answer_that_nobody_reads_ends_the_connection_and_a_slow_reader_may_go_on() -> None:
    async def play(server: Server) -> None:
        stalled, transport = server.connect()
        stalled.data_received(REQUEST)
        await settle()
        transport.unread = 500_000
        stalled.pause_writing()
        server.loop.go(WRITE_SECONDS)
        assert transport.aborted
        slow, patient = server.connect()
        slow.data_received(REQUEST)
        await settle()
        patient.unread = 500_000
        slow.pause_writing()
        for _ in range(5):
            patient.unread -= 90_000
            server.loop.go(WRITE_SECONDS)
        patient.unread = 0
        slow.resume_writing()
        assert not patient.aborted

    scene(play)


def test_a_connection_that_is_closed_does_not_wait_for_its_reader() -> None:
    async def play(server: Server) -> None:
        one, transport = server.connect()
        transport.unread = 5_000
        one.data_received(REQUEST)
        await settle()
        server.loop.go(31)
        assert transport.closing
        server.loop.go(WRITE_SECONDS)
        assert transport.aborted
        one.connection_lost(None)
        assert one not in Connection.idle

    scene(play)


@pytest.mark.parametrize(
    ("limits", "most", "raised"),
    [
        ((1024, 524288), 4096, 2 * 4096 + connections.SPARE_FILES),
        ((1024, 1024), 480, None),
        ((256, 256), 96, None),
        ((80, 80), 8, None),
        ((20, 20), 8, None),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), 4096, None),
    ],
)
def test_as_many_connections_as_there_may_be_open_files(
    limits: tuple[int, int], most: int, raised: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, wanted: found.append(wanted))
    assert most_connections() == most
    assert [soft for soft, _ in found if soft != limits[0]] == ([] if raised is None else [raised])
