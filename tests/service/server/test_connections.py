"""Connections whose client is slow, driven without a socket."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from service.server import connections
from service.server.connections import HEAD_SECONDS, UNFINISHED, WRITE_SECONDS, Connection, most_connections

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
        made = [server.connect() for _ in range(900)]
        left = [transport for _, transport in made if not transport.aborted]
        assert len(left) == UNFINISHED
        assert not made[-1][1].aborted
        good, transport = server.connect()
        good.data_received(REQUEST)
        await settle()
        assert transport.written.endswith(b"ok")

    scene(play)


def test_of_too_many_connections_one_that_does_nothing_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "most", 3)

    async def play(server: Server) -> None:
        server.hold.clear()
        busy, under_way = server.connect()
        busy.data_received(REQUEST)
        server.hold.set()
        await settle()
        server.hold.clear()
        busy.data_received(REQUEST)
        server.hold.set()
        idle, resting = server.connect()
        idle.data_received(REQUEST)
        await settle()
        server.hold.clear()
        busy.data_received(REQUEST)
        server.connect()
        _, newest = server.connect()
        assert resting.aborted
        assert not under_way.aborted
        assert not newest.aborted
        server.hold.set()
        await settle()

    scene(play)


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
        ((1024, 524288), 4096, 4096 + connections.SPARE_FILES),
        ((1024, 1024), 768, None),
        ((80, 80), 40, None),
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
