"""The process that trains to judge data: it reads a job and writes JSON lines, one an epoch and one at the end.

python -m goodfit.service.app.quality_process JOB
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from goodfit.trainers.data.fingerprint import fingerprint
from goodfit.trainers.errors import DataProblem, TrainersError
from goodfit.trainers.messages import Assignment, DataSpec, Message
from goodfit.trainers.registry import resolve
from goodfit.trainers.worker.failures import describe
from goodfit.trainers.worker.growth_check import check_growth
from goodfit.trainers.worker.label_check import check_labels, shown_rows
from goodfit.trainers.worker.out_of_fold import Training
from goodfit.trainers.worker.worker import Setup, Worker

TABLE = "labels.npz"


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done.

    Attributes:
        setup: of the worker; its data are not loaded with it.
        assignment: the configuration that is trained.
        wanted: a key of DONE.
        folder: for its files and its result.
    """

    setup: Setup
    assignment: Assignment
    wanted: str
    folder: Path


class _NoChannel:
    """Nobody hears of a worker that is only set up."""

    def send(self, message: Message) -> None:
        """Nothing is sent."""

    def stop_asked(self, trial: int) -> bool:  # noqa: ARG002
        return False

    def may_go_on(self, trial: int, epoch: int) -> bool:  # noqa: ARG002
        return True


def main(path: Path) -> None:
    """Do a job, and say how it went."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer

    def say(line: Mapping[str, Any]) -> None:
        answers.write(f"{json.dumps(line)}\n")

    job: Job = pickle.loads(path.read_bytes())  # noqa: S301 - written by the process that started this one
    worker = Worker(_NoChannel(), time.time)
    worker.warm_up(job.setup)
    say(_done(job, worker.placed(job.assignment), say))
    answers.flush()
    os._exit(0)  # a thread that the trainer has left does not hold it


def _done(job: Job, assignment: Assignment, say: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
    """The last line: what was found, or why nothing was."""
    data, epochs = assignment.data, 0
    if data is None:
        return {"problem": "there are no data to judge"}
    try:

        def on_epoch() -> None:
            nonlocal epochs
            epochs += 1
            say({"epoch": epochs})

        training = Training(resolve(assignment.trainer), assignment, job.folder / "trained", on_epoch)
        return {"found": DONE[job.wanted](job, training, data), "data": _digest(data)}
    except DataProblem as error:
        return {"problem": str(error)}
    except TrainersError as error:
        return {"failure": str(error)}
    except MemoryError:
        return {"problem": "the data do not fit into memory"}
    except BaseException as error:  # noqa: BLE001 - whatever a trainer raises
        traceback.print_exc()
        return {"failure": describe(error)}


def _labels(job: Job, training: Training, data: DataSpec) -> dict[str, Any]:
    table, rows = check_labels(training, data)
    table.write(job.folder / TABLE)
    return {"shown": shown_rows(table, rows, data)}


def _growth(_job: Job, training: Training, data: DataSpec) -> dict[str, Any]:
    return check_growth(training, data)


def _digest(data: DataSpec) -> str | None:
    found = fingerprint(replace(data, folds=None, fold=None))
    return None if found is None else found.digest


DONE: Mapping[str, Callable[[Job, Training, DataSpec], dict[str, Any]]] = {"labels": _labels, "growth": _growth}

if __name__ == "__main__":
    main(Path(sys.argv[1]))
