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
            known = self.path == "/ready" or self.headers.get("Authorization") == "Bearer gf_token"
            self.send_response(200 if known else 503)
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
    assert probe.main(["tcp", f"127.0.0.1:{server}"]) == 0
    assert probe.answers_http(f"http://127.0.0.1:{server}/ready?limit=1", "gf_token")
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        port = unheard.getsockname()[1]
        assert probe.main(["tcp", f"127.0.0.1:{port}"]) == 1
        assert probe.main(["tcp", f"127.0.0.1:{server}", f"127.0.0.1:{port}"]) == 1
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
    assert process.wait(timeout=300) == 7
    call, end = (tmp_path / "calls").read_text().splitlines()
    assert call == " ".join(ray_node.node_command("head:6379")[1:])
    assert "--num-cpus=0" in call
    assert "--labels=goodfit-role=service" in call
    assert end == "ended"


def test_a_node_that_ends_is_started_again_while_the_command_goes_on(tmp_path: Path) -> None:
    process = start(fake_ray(tmp_path, "exit 1"), "/bin/sh", "-c", "sleep 600")
    calls = tmp_path / "calls"
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and not (calls.exists() and len(calls.read_text().splitlines()) >= 2):
        time.sleep(0.1)
    assert len(calls.read_text().splitlines()) >= 2
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=300) == 128 + signal.SIGTERM


def test_a_signal_that_comes_to_another_thread_is_handed_on() -> None:
    code = """
import signal, sys, threading, time
from deploy import ray_node

def send():
    time.sleep(0.5)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

threading.Thread(target=send, daemon=True).start()
sys.exit(ray_node.main(["/bin/sh", "-c", "sleep 600"], {}))
"""
    process = subprocess.Popen([sys.executable, "-c", code], env={"PYTHONPATH": str(plan.ROOT)})
    assert process.wait(timeout=300) == 128 + signal.SIGTERM


def test_a_command_gets_its_databases_password_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("sesame\n")
    command = [sys.executable, "-m", "deploy.with_password", "sh", "-c", 'echo "$PGPASSWORD"; exit 7']
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(plan.ROOT)}

    def run(name: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env={**environment, "PGPASSWORD_FILE": name}, capture_output=True, text=True)

    done = run(str(file))
    assert (done.returncode, done.stdout) == (7, "sesame\n")
    done = run(str(tmp_path / "absent"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be read" in done.stderr
    assert run("").stderr.startswith("usage: with_password COMMAND")
