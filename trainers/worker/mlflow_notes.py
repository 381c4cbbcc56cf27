"""What a trial has logged by calls of `mlflow`: kept as mlflow.json among its artifacts. Imports no MLflow."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goodfit.trainers.errors import Damaged
from goodfit.trainers.files import read_json, write_json

FILE, FOLDER = "mlflow.json", "mlflow"  # of a trial's artifacts


@dataclass(slots=True)
class Notes:
    """What a trial has logged, in all its attempts.

    Attributes:
        folder: gives the folder of the trial's artifacts, made if it is not there.
        points: (metric, step) -> (value, milliseconds since the epoch); the last of a step counts.
    """

    folder: Callable[[], Path]
    points: dict[tuple[str, int], tuple[float, int]] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    models: dict[str, Any] = field(default_factory=dict)

    def write(self) -> None:
        """Keep them; nothing where nothing was logged."""
        if not (self.points or self.params or self.tags):
            return
        points = [[name, step, value, at] for (name, step), (value, at) in self.points.items()]
        write_json(self.folder() / FILE, {"points": points, "params": self.params, "tags": self.tags})

    def go_on(self, file: Path) -> None:
        """Begin with what an earlier attempt kept; without it where that cannot be used."""
        with contextlib.suppress(Damaged, FileNotFoundError):
            points, self.params, self.tags = read_notes(file)
            self.points = {(name, step): (value, at) for name, step, value, at in points}


def read_notes(file: Path) -> tuple[list[tuple[str, int, float, int]], dict[str, str], dict[str, str]]:
    """The points (metric, step, value, milliseconds since the epoch), params and tags of a file of notes.

    Raises:
        Damaged: it is none.
        FileNotFoundError: there is none.
    """
    kept = read_json(file)
    try:
        points = [(str(name), int(step), float(value), int(at)) for name, step, value, at in kept["points"]]
        params, tags = ({str(name): str(text) for name, text in kept[kind].items()} for kind in ("params", "tags"))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise Damaged(f"{file} is damaged: {type(error).__name__}: {error}") from error
    return points, params, tags
