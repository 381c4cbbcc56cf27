"""Run a command on a host that is a node of the Ray cluster at RAY_ADDRESS: `python -m deploy.ray_node COMMAND ...`.

A Ray driver talks to the node on its own host, so a container that holds a driver joins the cluster as a
node that takes no work. The node ends when the cluster's head is lost and is started again, with growing
pauses, until the head is back; the command runs on meanwhile. The end of the command is the end of all.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 15.0
STEADY_SECONDS = 60.0  # a node that lived this long ended for a new reason: the pauses begin anew
LEAVE_SECONDS = 5.0
LOOK_SECONDS = 1.0
OBJECT_STORE_BYTES = 78_643_200  # the least that Ray takes


def node_command(address: str) -> list[str]:
    """What joins the cluster as a node without CPUs and GPUs, and stays."""
    return [
        "ray", "start", f"--address={address}", "--block", "--disable-usage-stats", "--num-cpus=0", "--num-gpus=0",
        "--labels=goodfit-role=service",
        f"--object-store-memory={OBJECT_STORE_BYTES}", "--dashboard-agent-listen-port=0",
    ]  # fmt: skip


class Keeper(threading.Thread):
    """Keeps a process running: starts it again whenever it ends, until told to leave."""

    def __init__(self, command: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(name="ray-node", daemon=True)
        self._command, self._clock = list(command), clock
        self._leaving = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self.pause = FIRST_PAUSE

    def run(self) -> None:
        while not self._leaving.is_set():
            started = self._clock()
            self._process = subprocess.Popen(self._command, start_new_session=True)  # noqa: S603 - our own command line
            code = self._process.wait()
            if self._leaving.is_set():
                return
            self.pause = FIRST_PAUSE if self._clock() - started >= STEADY_SECONDS else self.pause
            sys.stderr.write(f"the Ray node of this host ended (exit {code}); again in {self.pause:g} s\n")
            self._leaving.wait(self.pause)
            self.pause = min(self.pause * 2, LONGEST_PAUSE)

    def leave(self) -> None:
        """End the process and start it no more."""
        self._leaving.set()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(LEAVE_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)


def main(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> int:
    """Run the command beside a node of the cluster; its exit code."""
    if not arguments:
        sys.stderr.write("usage: ray_node COMMAND [ARGUMENT ...], with RAY_ADDRESS=HOST:PORT\n")
        return 2
    address = environ.get("RAY_ADDRESS", "")
    keeper = Keeper(node_command(address)) if address else None
    if keeper is not None:
        keeper.start()
    command = subprocess.Popen(list(arguments))  # noqa: S603 - the container's own command line

    def hand_on(signum: int, _frame: FrameType | None) -> None:
        command.send_signal(signum)

    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, hand_on)
    code = _ended(command)
    if keeper is not None:
        keeper.leave()
    return code if code >= 0 else 128 - code


def _ended(command: subprocess.Popen[bytes]) -> int:
    """Its exit code. It is looked for again and again: a signal may come to the keeper's thread, which ends no wait."""
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return command.wait(LOOK_SECONDS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
