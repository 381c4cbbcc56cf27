"""The supervisor with a command that ends as it is told."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from goodfit.service.server import supervisor
from goodfit.service.server.supervisor import Supervisor


def until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def command(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


def test_what_ends_is_started_again_with_growing_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    found = Supervisor(command("raise SystemExit(3)"), "controller", say=said.append)
    pauses: list[float] = []

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        return len(pauses) == 9

    monkeypatch.setattr(found._ending, "wait", wait)
    found.start()
    found._thread.join(30)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert said[0] == "the controller ended (exit code 3); starting it again in 1 s"
    assert len(said) == 9, "one line a time"


def test_a_process_that_ran_for_long_is_started_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 10**6, 100))
    found = Supervisor(command(""), "controller", say=lambda _: None, clock=lambda: float(next(now)))
    pauses: list[float] = []
    monkeypatch.setattr(found._ending, "wait", lambda seconds: [pauses.append(seconds), len(pauses) == 4][1])
    found.start()
    found._thread.join(30)
    assert pauses == [1, 1, 1, 1]


def test_it_ends_with_the_server(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    code = f"import sys, pathlib; pathlib.Path({str(ready)!r}).touch(); sys.stdin.read(); sys.exit(0)"
    found = Supervisor(command(code), "controller", say=lambda _: None)
    found.start()
    until(ready.exists)
    assert found.pid is not None
    found.end()
    assert found.pid is None
    assert found.starts == 1
    assert not found._thread.is_alive()


def test_one_that_does_not_end_is_killed(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    code = (
        "import pathlib, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"pathlib.Path({str(ready)!r}).touch()\nwhile True: time.sleep(1)"
    )
    said: list[str] = []
    found = Supervisor(command(code), "controller", say=said.append)
    found.start()
    until(ready.exists)
    found.end(0.2)
    assert found.pid is None
    assert said == ["the controller does not end; killing it"]


def test_it_ends_while_it_waits_to_start_again() -> None:
    said: list[str] = []
    found = Supervisor(command("import os; os.kill(os.getpid(), 9)"), "controller", say=said.append)
    found.start()
    until(lambda: bool(said))
    found.end()
    assert "SIGKILL" in said[0]
    assert not found._thread.is_alive()


def test_the_process_sees_the_end_of_a_server_that_was_killed(tmp_path: Path) -> None:
    """Its standard input ends, whatever became of its parent."""
    ready, over = tmp_path / "ready", tmp_path / "over"
    child = (
        f"import sys, pathlib; pathlib.Path({str(ready)!r}).touch()\n"
        f"sys.stdin.read(); pathlib.Path({str(over)!r}).touch()"
    )
    parent = (
        "import sys, time\nfrom goodfit.service.server.supervisor import Supervisor\n"
        f"Supervisor([sys.executable, '-S', '-c', {child!r}], 'controller').start()\ntime.sleep(60)"
    )
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", parent], os.environ)
    until(ready.exists)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    until(over.exists)


def test_the_pauses_are_bounded() -> None:
    assert supervisor.FIRST_PAUSE <= supervisor.LONGEST_PAUSE <= 60
