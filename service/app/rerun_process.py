"""The process in which a trial is trained again: it reads a job and writes JSON lines, one an epoch and one at the end.

python -m goodfit.service.app.rerun_process JOB
"""

from __future__ import annotations

import json
import os
import pickle
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from goodfit.trainers.messages import Ended, Message, Pack, Reported
from goodfit.trainers.worker.worker import Worker

Say = Callable[[dict[str, Any]], None]


class Stopping:
    """A channel that tells of each epoch, and asks the trial to stop after its last one."""

    def __init__(self, last: int | None, say: Say) -> None:
        self._last, self._say = last, say
        self._epoch = 0
        self.ended: Ended | None = None

    def send(self, message: Message) -> None:
        if isinstance(message, Reported):
            self._epoch = message.epoch
            self._say({"epoch": message.epoch, "metrics": dict(message.metrics)})
        elif isinstance(message, Ended):
            self.ended = message

    def stop_asked(self, trial: int) -> bool:  # noqa: ARG002 - there is one
        return self._last is not None and self._epoch >= self._last

    def may_go_on(self, trial: int, epoch: int) -> bool:  # noqa: ARG002
        return not self.stop_asked(trial)


def main(job: Path) -> None:
    """Train the trial of a job, and say how it went."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer

    def say(line: dict[str, Any]) -> None:
        answers.write(f"{json.dumps(line)}\n")

    setup, assignment, last = pickle.loads(job.read_bytes())  # noqa: S301 - written by the process that started this one
    channel = Stopping(last, say)
    worker = Worker(channel)
    worker.warm_up(setup)
    worker.run(Pack((replace(assignment),)))
    found = channel.ended
    if found is not None:
        say({"outcome": str(found.outcome), "message": found.message, "data": found.data, "value": found.value})
    answers.flush()
    os._exit(0)  # a thread that the trainer has left does not hold it


if __name__ == "__main__":
    main(Path(sys.argv[1]))
