"""Turns: of all work, of each token's, and who is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from goodfit.service.errors import TooMany
from goodfit.service.server.lanes import Lane, Limits


class Bench:
    """A lane, and work in it that lasts until it is ended by name."""

    def __init__(self, limits: Limits) -> None:
        self.lane = Lane(limits, "reports", retry=5)
        self.begun: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}

    def start(self, name: str, token: str) -> asyncio.Task[None]:
        self._ends[name] = asyncio.Event()

        async def work() -> None:
            async with self.lane.turn(token):
                self.begun.append(name)
                await self._ends[name].wait()

        return asyncio.create_task(work())

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await settle()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_tokens_take_turns_and_one_never_has_more_than_its_share() -> None:
    async def scene() -> None:
        bench = Bench(Limits(at_once=2, a_token=1, waiting=8))
        tasks = [bench.start(f"a{number}", "a") for number in range(4)]
        await settle()
        assert bench.begun == ["a0"], "the second place is not for the same token"
        tasks += [bench.start("b0", "b"), bench.start("b1", "b"), bench.start("c0", "c")]
        await settle()
        assert bench.begun == ["a0", "b0"]
        await bench.end("a0")
        assert bench.begun == ["a0", "b0", "a1"]
        await bench.end("b0")
        assert bench.begun[3:] == ["b1"]
        await bench.end("a1")
        assert bench.begun[4:] == ["c0"], "a has waited longer, and had its turn"
        for name in ("b1", "c0", "a2", "a3"):
            await bench.end(name)
        await asyncio.gather(*tasks)
        assert bench.lane.active == 0

    run(scene())


def test_a_long_queue_is_refused_at_once_and_others_are_not() -> None:
    async def scene() -> None:
        bench = Bench(Limits(at_once=2, a_token=1, waiting=2))
        tasks = [bench.start(f"a{number}", "a") for number in range(3)]
        await settle()
        with pytest.raises(TooMany, match="token a has too many reports already") as refused:
            await bench.start("a3", "a")
        assert refused.value.seconds == 5
        tasks.append(bench.start("b0", "b"))
        await settle()
        assert bench.begun == ["a0", "b0"]
        for name in ("a0", "a1", "a2", "b0"):
            await bench.end(name)
        await asyncio.gather(*tasks)

    run(scene())


def test_who_waits_too_long_or_leaves_gives_up_the_place() -> None:
    async def scene() -> None:
        bench = Bench(Limits(at_once=1, a_token=1, waiting=2, seconds=0.01))
        first = bench.start("a0", "a")
        await settle()
        with pytest.raises(TooMany, match="busy with other reports"):
            await bench.start("b0", "b")
        gone = bench.start("c0", "c")
        await settle()
        gone.cancel()
        await settle()
        await bench.end("a0")
        await first
        assert bench.begun == ["a0"]
        last = bench.start("d0", "d")
        await bench.end("d0")
        await last
        assert bench.lane.active == 0

    run(scene())


def test_a_turn_that_comes_as_its_owner_leaves_goes_to_the_next() -> None:
    async def scene() -> None:
        bench = Bench(Limits(at_once=1, a_token=1, waiting=2))
        first, gone, next_one = bench.start("a0", "a"), bench.start("b0", "b"), bench.start("c0", "c")
        await settle()
        bench._ends["a0"].set()
        await first
        gone.cancel()
        await settle()
        assert bench.begun == ["a0", "c0"]
        await bench.end("c0")
        await next_one
        assert bench.lane.active == 0

    run(scene())


def test_what_fails_frees_its_place() -> None:
    async def scene() -> None:
        lane = Lane(Limits(at_once=1, a_token=1, waiting=0), "reports", retry=5)
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                await lane.run("a", lambda: 1 // 0)
        assert await lane.run("a", lambda: 7) == 7

    run(scene())
