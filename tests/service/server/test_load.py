"""Requests that would keep others out: many heavy ones, bodies of strangers, streams without end."""

from __future__ import annotations

import asyncio
import gc
import json
import tempfile
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import IO, Any

import pytest

from goodfit.service.errors import TooMany
from goodfit.service.records import StudyState
from goodfit.service.server import events, system
from goodfit.service.server import request_bodies as bodies
from goodfit.service.server.admission import address
from goodfit.service.server.downloads import Download, File
from goodfit.service.server.lanes import Lane
from goodfit.service.server.state import DOWNLOADS, HEAVY, QUICK, STREAMS, streams
from tests.serving import NOW, Answer, Place, asgi_scope, filled, never

SIZE = 1 << 20  # bytes of a download
Receive = Callable[[], Awaitable[Any]]
REPORT = "/v1/studies/digits/report"


def open_file() -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever sends it closes it
    file.write(b"x" * SIZE)
    return file


@pytest.fixture
def at(tmp_path: Path) -> Place:
    return filled(tmp_path)


async def answered(at: Place, path: str, secret: str, receive: Receive = never, **options: Any) -> Answer:
    answer = Answer()
    await at.app(asgi_scope(path, secret, **options), receive, answer.take)
    return answer


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not done():
            await asyncio.sleep(0.005)


def test_reports_of_one_token_keep_nobody_out(at: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = threading.Event()
    made: Counter[str] = Counter()
    real = at.app.state.shared.source.report_html

    def slow(name: str) -> str:
        made["begun"] += 1
        ready.wait(30)
        return str(real(name))

    monkeypatch.setattr(at.app.state.shared.source, "report_html", slow)

    async def scene() -> None:
        greedy, other = at.token("viewer", "greedy"), at.token("viewer", "other")
        refused: list[Answer] = []

        async def ask() -> Answer:
            answer = await answered(at, REPORT, greedy)
            if answer.status != 200:
                refused.append(answer)
            return answer

        asked = [asyncio.create_task(ask()) for _ in range(100)]
        over = 100 - HEAVY.a_token - HEAVY.waiting
        await until(lambda: len(refused) == over)
        assert {answer.status for answer in refused} == {429}
        assert {answer.headers["retry-after"] for answer in refused} <= {"1", "5"}
        assert made["begun"] == HEAVY.a_token
        for path in ("/health", "/ready", "/metrics", "/docs"):
            assert (await answered(at, path, "")).status == 200
        assert (await answered(at, "/v1/studies/digits/best", greedy)).status == 200
        assert (await answered(at, "/v1/studies/digits/trials", other)).status == 200
        their_report = asyncio.create_task(answered(at, REPORT, other))
        await until(lambda: made["begun"] == HEAVY.a_token + 1)
        ready.set()
        assert (await their_report).status == 200
        statuses = Counter(answer.status for answer in await asyncio.gather(*asked))
        assert statuses == {200: HEAVY.a_token + HEAVY.waiting, 429: over}

    asyncio.run(scene())


def test_the_server_says_that_it_lives_while_its_database_hangs(at: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    back = threading.Event()
    monkeypatch.setattr(system, "PROBE_SECONDS", 0.02)
    monkeypatch.setattr(at.store, "census", lambda: back.wait(30))

    async def scene() -> None:
        try:
            for _ in range(8):
                assert (await answered(at, "/health", "")).status == 200
                assert (await answered(at, "/ready", "")).status == 503
                metrics = await answered(at, "/metrics", "")
                assert b"goodfit_database_up 0.0" in metrics.body
                assert b"goodfit_http_requests_total" in metrics.body
        finally:
            back.set()

    asyncio.run(scene())


@pytest.mark.parametrize("secret", ["", "gf_wrong"])
@pytest.mark.parametrize(
    ("headers", "closes"),
    [
        ({"content_length": "1000"}, False),
        ({"content_length": "1000000"}, True),
        ({"transfer_encoding": "chunked"}, True),
    ],
)
def test_no_body_of_a_stranger_is_read(at: Place, secret: str, headers: dict[str, str], closes: bool) -> None:
    async def unwanted() -> Any:
        raise AssertionError("the body was read")

    async def scene() -> None:
        for path in ("/v1/studies", "/v1/tokens", "/v1/nothing", "/health", "/docs", "/nothing"):
            answer = await answered(at, path, secret, unwanted, method="POST", **headers)
            assert answer.status == (401 if path.startswith("/v1/") else 404 if path == "/nothing" else 405)
            if answer.status == 401:
                assert (answer.headers.get("connection") == "close") == closes

    asyncio.run(scene())


def test_a_body_has_a_deadline_and_a_size(at: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = at.token("submitter")

    async def dripping() -> Any:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def flooding() -> Any:
        return {"type": "http.request", "body": b"x" * 100_000, "more_body": True}

    async def scene() -> None:
        for receive, status in ((never, 408), (dripping, 408), (flooding, 413)):
            limit = bodies.BodyLimit(at.app, seconds=0.02 if status == 408 else 30)
            answer = Answer()
            await limit(asgi_scope("/v1/studies", secret, "POST"), receive, answer.take)
            assert (answer.status, answer.headers["connection"]) == (status, "close")
            assert json.loads(answer.body)["error"] == "InputError"

    asyncio.run(scene())


def test_a_slow_reader_keeps_no_other_request_waiting(at: Place) -> None:
    secret = at.token("viewer")

    async def scene() -> None:
        read = asyncio.Event()
        begun = 0

        async def slow(message: Any) -> None:
            nonlocal begun
            begun += message["type"] == "http.response.start"
            await read.wait()

        readers = [
            asyncio.create_task(at.app(asgi_scope("/v1/studies/digits", secret), never, slow)) for _ in range(100)
        ]
        await until(lambda: begun == 100)
        assert (await answered(at, REPORT, secret)).status == 200
        read.set()
        await asyncio.gather(*readers)

    asyncio.run(scene())


def test_streams_of_one_token_leave_room_for_others_and_end_with_it(at: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LOOK_SECONDS", 0.01)
    at.study("waiting", queued=NOW)
    path = "/v1/studies/waiting/events"
    greedy, other, short = at.token("viewer", "greedy"), at.token("viewer", "other"), at.token("viewer", "short", "1h")

    async def scene() -> None:
        found = [asyncio.create_task(answered(at, path, greedy)) for _ in range(STREAMS.a_token)]
        await until(lambda: at.app.state.shared.watching.active == STREAMS.a_token)
        refused = await answered(at, path, greedy)
        assert (refused.status, refused.headers["retry-after"]) == (429, "10")
        assert (await answered(at, "/v1/studies/waiting", greedy)).status == 200
        others = [asyncio.create_task(answered(at, path, secret)) for secret in (other, short)]
        await until(lambda: at.app.state.shared.watching.active == STREAMS.a_token + 2)
        revoked = next(token for token in at.access.tokens() if token.name == "greedy")
        at.access.revoke(revoked.id, NOW, "test")
        for answer in await asyncio.gather(*found):
            assert answer.status == 200
            assert b"event: error" in answer.body
            assert b"was revoked" in answer.body
        at.clock.now += 3601
        assert b"has expired" in (await others[1]).body
        study = at.store.study("waiting")
        at.write(study, [], [], StudyState.DONE)
        assert b"event: error" not in (await others[0]).body
        assert at.app.state.shared.watching.active == 0

    asyncio.run(scene())


def test_a_client_that_leaves_a_download_leaves_no_handle(at: Place) -> None:
    left = open_file()
    reading = asyncio.Event()

    async def make() -> File:
        return File(left, "model.zip", "application/zip")

    async def leaves() -> Any:
        await reading.wait()
        return {"type": "http.disconnect"}

    async def stalls(_message: Any) -> None:
        reading.set()
        await asyncio.Event().wait()

    async def scene() -> None:
        lane = Lane(DOWNLOADS, "downloads", retry=5)
        task = asyncio.create_task(Download(lane, "greedy", make)(asgi_scope("/", ""), leaves, stalls))
        await task
        assert left.closed
        assert lane.active == 0

    gc.disable()
    try:
        asyncio.run(scene())
    finally:
        gc.enable()


def test_downloads_that_nobody_reads_keep_no_other_token_out() -> None:
    files: list[IO[bytes]] = []

    async def make() -> File:
        files.append(open_file())
        return File(files[-1], "model.zip", "application/zip")

    async def stalls(_message: Any) -> None:
        await asyncio.Event().wait()

    async def scene() -> None:
        lane = Lane(DOWNLOADS, "downloads", retry=5)
        begun = [
            asyncio.create_task(Download(lane, "greedy", make)(asgi_scope("/", ""), never, stalls)) for _ in range(100)
        ]
        await until(lambda: lane.active == DOWNLOADS.a_token)
        refused = [task for task in begun if task.done() and isinstance(task.exception(), TooMany)]
        assert len(refused) == 100 - DOWNLOADS.a_token - DOWNLOADS.waiting
        answer = Answer()
        await Download(lane, "other", make)(asgi_scope("/", ""), never, answer.take)
        assert len(answer.body) == SIZE
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
        assert all(file.closed for file in files)

    asyncio.run(scene())


def test_quick_requests_of_one_token_leave_threads_for_others(at: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = threading.Event()
    monkeypatch.setattr(at.store, "studies", lambda *_, **__: ready.wait(30) and [])

    async def scene() -> None:
        greedy, other = at.token("viewer", "greedy"), at.token("viewer", "other")
        asked = [asyncio.create_task(answered(at, "/v1/studies", greedy)) for _ in range(40)]
        await until(lambda: at.app.state.shared.quick.active == QUICK.a_token)
        assert (await answered(at, "/v1/studies/digits/trials", other)).status == 200
        ready.set()
        await asyncio.gather(*asked)

    asyncio.run(scene())


def test_streams_leave_places_where_there_are_few_connections() -> None:
    assert streams(4096) == STREAMS
    assert (streams(8).at_once, streams(8).a_token) == (4, 2)
    assert streams(1).at_once == 1


@pytest.mark.parametrize(
    "given",
    [
        {f"k{index}": 1 for index in range(50_000)},
        {"spec": "name: a", "set": [1] * 50_000},
        {"spec": "name: a", "files": {str(index): 1 for index in range(50_000)}},
    ],
)
def test_a_body_of_thousands_of_wrong_entries_gets_one_short_answer(at: Place, given: dict[str, Any]) -> None:
    answer = at.http(role="submitter").post("/v1/studies", json=given)
    assert answer.status_code == 422
    assert "50000 entries; at most 200" in answer.json()["message"].replace("50002", "50000")
    assert len(answer.content) < 2000


def test_of_many_problems_of_a_request_some_are_written_out(at: Place) -> None:
    answer = at.http(role="submitter").post("/v1/studies", json={"spec": "name: a", **{f"k{i}": 1 for i in range(100)}})
    assert answer.status_code == 422
    assert answer.json()["message"].endswith("; and 80 more")


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("test", "test"),
    ],
)
def test_failures_are_counted_by_address(host: str, counted: str) -> None:
    assert address({"client": (host, 1)}) == counted
    assert address({}) == "unknown"
