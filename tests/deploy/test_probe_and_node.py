"""Health probes, and a command beside a node of the Ray cluster."""

from __future__ import annotations

import http.server
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import plan, probe, ray_node


@pytest.fixture
def server() -> Iterator[int]:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/ready" else 503)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found.server_port
        found.shutdown()


def test_a_probe_says_what_answers(server: int) -> None:
    assert probe.main(["http", f"http://127.0.0.1:{server}/ready"]) == 0
    assert probe.main(["http", f"http://127.0.0.1:{server}/other"]) == 1
    assert probe.main(["tcp", "127.0.0.1", str(server)]) == 0
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        port = unheard.getsockname()[1]
        assert probe.main(["tcp", "127.0.0.1", str(port)]) == 1
        assert probe.main(["http", f"http://127.0.0.1:{port}/ready"]) == 1


def test_a_probe_that_is_asked_wrongly_says_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert probe.main(["file", "/etc/passwd"]) == 2
    assert capsys.readouterr().err.startswith("usage: probe")


def fake_ray(folder: Path, body: str) -> dict[str, str]:
    program = folder / "ray"
    program.write_text(f'#!/bin/sh\necho "$@" >> {folder / "calls"}\n{body}\n')
    program.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin", "RAY_ADDRESS": "head:6379", "PYTHONPATH": str(plan.ROOT)}


def start(environment: dict[str, str], *command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "deploy.ray_node", *command], env=environment)


def test_the_node_takes_no_work_and_ends_with_the_command(tmp_path: Path) -> None:
    environment = fake_ray(
        tmp_path, f"trap 'echo ended >> {tmp_path / 'calls'}; exit 0' TERM\nwhile :; do sleep 0.1; done"
    )
    process = start(
        environment, "/bin/sh", "-c", f"while [ ! -e {tmp_path / 'calls'} ]; do sleep 0.1; done; sleep 0.5; exit 7"
    )
    assert process.wait(timeout=60) == 7
    call, end = (tmp_path / "calls").read_text().splitlines()
    assert call == " ".join(ray_node.node_command("head:6379")[1:])
    assert "--num-cpus=0" in call
    assert "--labels=goodfit-role=service" in call
    assert end == "ended"


def test_a_node_that_ends_is_started_again_while_the_command_goes_on(tmp_path: Path) -> None:
    process = start(fake_ray(tmp_path, "exit 1"), "/bin/sh", "-c", "sleep 600")
    calls = tmp_path / "calls"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (calls.exists() and len(calls.read_text().splitlines()) >= 2):
        time.sleep(0.1)
    assert len(calls.read_text().splitlines()) >= 2
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 128 + signal.SIGTERM
