"""A model for the tracker's tests, as MLflow's pyfunc loads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class Doubler:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def predict(self, batch: Any, params: Any = None) -> Any:
        return batch * self.factor


def _load_pyfunc(path: str) -> Doubler:
    return Doubler(int((Path(path) / "factor.txt").read_text()))
