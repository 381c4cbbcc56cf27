"""The base of kinds of data that are read into one array of inputs and one of targets; Goodfit does the rest."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.trainers.data.facts import Data, Facts, Split
from goodfit.trainers.data.kinds.kind import Kind, Loaded
from goodfit.trainers.data.preparing.preparation import Preparation
from goodfit.trainers.data.reading.cache import read_cached
from goodfit.trainers.data.reading.content import data_name
from goodfit.trainers.data.reading.raw import Raw, check_values, complete_rows, encode_target
from goodfit.trainers.data.split import Rows, numbered, split_rows
from goodfit.trainers.data_specs import ArraySpec
from goodfit.trainers.errors import DataProblem


class ArrayKind(Kind[ArraySpec]):
    """Data that `read` makes arrays of: they are split, filled and scaled, reported on and predicted from as all are.

    The last axis of the inputs holds the features, which are scaled each by itself; of inputs with four axes the second
    does, as of images.
    """

    spec_type = ArraySpec
    searched = ("scale", "missing", "balance")

    @abstractmethod
    def read(self, source: str, **options: Any) -> tuple[np.ndarray, np.ndarray]:
        """The data of a study.

        Args:
            source: as the study writes it; the absolute path where it is a file or a folder.
            options: `data: {options: {...}}`; one that `read` does not take is refused.

        Returns:
            The inputs, numbers (rows, ...) of 2 to 4 axes, NaN where a value is missing; and one target a row: text,
            integers or booleans for classes, floats for a regression.

        Raises:
            DataProblem: what is wrong with them, and what to do. Any other exception is shown with its type.
        """

    def load(self, spec: ArraySpec) -> Loaded:
        raw = read_cached(self._raw, spec)
        check_values(raw.x, (), spec.missing, raw.source)
        dropped = 0
        if spec.missing == "drop":
            whole = complete_rows(raw)
            dropped, raw = len(raw.y) - len(whole), raw.take(whole)
        target, values = encode_target(replace(raw, kind="table"), spec.task)  # whole numbers are classes as in tables
        rows = split_rows(values, target.classes, spec, raw.source)
        preparation = Preparation.fit(steps(raw.x[rows.train]), values[rows.train], target, spec, raw)
        train, validation, test = (
            Split(preparation.inputs(raw.x[index]), preparation.targets(values[index])) for index in rows
        )
        counts = {name: len(index) for name, index in rows._asdict().items()}
        facts = Facts(
            name=raw.name,
            task=target.task,
            kind=self.name,
            input_shape=train.x.shape[1:],
            classes=target.classes,
            features=(),
            rows={**counts, "dropped": dropped} if dropped else counts,
            preparation=preparation,
            reason=target.reason,
        )
        return Data(train, validation, facts), test

    def row_numbers(self, spec: ArraySpec) -> Rows:
        raw = read_cached(self._raw, spec)
        whole = complete_rows(raw) if spec.missing == "drop" else None
        known = raw if whole is None else raw.take(whole)
        target, values = encode_target(replace(known, kind="table"), spec.task)
        return numbered(split_rows(values, target.classes, spec, raw.source), whole)

    def _raw(self, spec: ArraySpec) -> Raw:
        """What was read, as numbers; DataProblem where it is none."""
        x, y = (np.asarray(part) for part in self.read(spec.source, **spec.options))
        if not 2 <= x.ndim <= 4 or x.dtype.kind not in "fiub":
            raise DataProblem(f"{spec.source}: inputs are numbers of 2 to 4 axes, not {x.dtype} of shape {x.shape}")
        if y.shape != x.shape[:1]:
            raise DataProblem(f"{spec.source}: {len(x)} rows need as many targets, and the targets are {y.shape}")
        floats = x if x.dtype == np.float32 else x.astype(np.float64)
        return Raw(spec.source, data_name(Path(spec.source)), self.name, floats, y)


def steps(x: np.ndarray) -> np.ndarray:
    """All steps of all sequences as rows; tables and images as they are."""
    return x.reshape(-1, x.shape[2]) if x.ndim == 3 else x
