"""`goodfit serve` as a process: where it listens, how it ends, what it refuses."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2

from goodfit.service import app
from goodfit.service.records import Study
from goodfit.service.settings import Settings
from tests.e2e.cli import Command, Home
from tests.serving import spec_of

SECONDS = 60.0


def served(folder: Path, *words: str, environment: dict[str, str] | None = None) -> Command:
    return Home(folder, environment).start("serve", *words)


def url_of(process: Command) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"at (http://\S+)", line)
    assert found, (line, process.stderr and process.stderr.read())
    return found[1]


def test_the_api_ends_in_order_with_a_watcher_connected(tmp_path: Path) -> None:
    process = served(tmp_path, "--no-controller", "--port", "0")
    try:
        url = url_of(process)
        store = app.open_home(Settings(tmp_path / "home"))
        secret = app.make_token(store.access, name="ann", role="admin", now=time.time(), by="test")[1]
        spec = spec_of("waiting")
        store.add_study(Study("waiting", spec.to_dict(), spec.fingerprint(), 1.0, queued=1.0))
        headers = {"Authorization": f"Bearer {secret}"}
        assert httpx2.get(f"{url}/health").json() == {"status": "alive"}
        with httpx2.stream("GET", f"{url}/v1/studies/waiting/events", headers=headers, timeout=SECONDS) as answer:
            lines = answer.iter_lines()
            assert next(lines).startswith("data: ")
            process.send_signal(signal.SIGTERM)
            assert "".join(lines) == ""
        assert process.wait(SECONDS) == 0
    finally:
        process.kill()
        _, told = process.communicate()
    assert told == "", "nothing to say of an end in order"


def test_a_server_without_its_database_says_why_and_ends(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"postgresql://goodfit:sesame@127.0.0.1:{port}/goodfit"
    for words in ((), ("--no-api",), ("--no-controller",)):
        process = served(tmp_path, *words, "--port", "0", environment={"GOODFIT_DATABASE": url})
        out, told = process.communicate(timeout=SECONDS)
        assert process.returncode == 2
        assert out == ""
        assert "cannot be reached" in told
        assert told.count("\n") == 1
        assert "sesame" not in told


def test_an_address_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = served(tmp_path, "--no-controller", "--port", str(port))
        _, told = process.communicate(timeout=SECONDS)
    assert process.returncode == 2
    assert f"port {port}" in told


def test_nothing_to_serve_is_said(tmp_path: Path) -> None:
    process = served(tmp_path, "--no-controller", "--no-api")
    assert "nothing to serve" in process.communicate(timeout=SECONDS)[1]
    assert process.returncode == 2


def test_the_controller_ends_with_the_server(tmp_path: Path) -> None:
    ready, over = tmp_path / "ready", tmp_path / "over"
    child = (
        f"import signal, sys, pathlib; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"pathlib.Path({str(ready)!r}).touch(); sys.stdin.read(); pathlib.Path({str(over)!r}).touch()"
    )
    code = (
        "import sys\nfrom pathlib import Path\nfrom goodfit.service.server.serve import Serving, serve\n"
        "from goodfit.service.settings import Settings\n"
        f"serve(Settings(Path({str(tmp_path / 'home')!r})), Serving(api=False), [sys.executable, '-c', {child!r}])"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + SECONDS
    while not ready.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 0
    assert over.exists()
