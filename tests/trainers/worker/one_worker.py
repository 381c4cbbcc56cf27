"""One worker, and the trials of a trainer that is written for a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from goodfit.testing.attempts import Line, assign, clock
from goodfit.trainers.messages import Ended, Pack
from goodfit.trainers.training.packing.hub import Hub
from goodfit.trainers.worker.isolation import Isolation, start_thread
from goodfit.trainers.worker.worker import Worker

HEAD = "import os, sys, builtins\nimport numpy as np, torch\n"
LOOP = """
    for epoch in trial.epochs():
        trial.report(train={'loss': 1.0}, val={'accuracy': 0.5})
"""


class Trials:
    """One worker, and its trials of one trainer after each other; what each found is in `found`."""

    def __init__(self, folder: Path, text: str, **changes: Any) -> None:
        self.file = folder / "theirs.py"
        self.file.write_text(text)
        self.line = Line()
        self.worker = Worker(self.line, clock(), capture=False)
        self.folder, self.changes = folder, changes

    def run(self, number: int) -> Ended:
        assignment = assign(
            self.folder / f"t{number}", trial=number, trainer=f"{self.file}:train", epochs=1, **self.changes
        )
        self.worker.run(Pack((assignment,)))
        ended = self.line.messages[-1]
        assert isinstance(ended, Ended)
        assert str(ended.outcome) == "complete", ended.message
        return ended

    def notes(self) -> list[str]:
        return (self.folder / "notes.txt").read_text().splitlines()


def note(folder: Path, expression: str) -> str:
    """A line of a trainer that notes what it finds."""
    return f"    with open({str(folder / 'notes.txt')!r}, 'a') as file: file.write(repr({expression}) + '\\n')\n"


def alone(isolation: Isolation, work: Callable[[], None]) -> None:
    """Do a trial's work as a worker does it."""
    hub = Hub(start_thread)
    hub.start(work, lambda: isolation.begin("mlp"), lambda: isolation.end("mlp"))
    hub.take_turns()
