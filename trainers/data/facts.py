"""What a trainer gets to see of the data: Split, Data, and the Facts that outlive them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.trainers.data.augmenting.variations import VariedTexts
from goodfit.trainers.data.preparing.preparation import Preparation
from goodfit.trainers.data.reading.cells import Cells
from goodfit.trainers.data.reading.images import Images
from goodfit.trainers.errors import Damaged, DataProblem
from goodfit.trainers.files import read_json, write_json
from goodfit.trainers.groups.facts import Groups
from goodfit.trainers.groups.metrics import group_metrics
from goodfit.trainers.messages import AugmentSpec


@dataclass(frozen=True, slots=True)
class Split:
    """Rows of one split, ready to train on.

    Attributes:
        x: float32; tables (rows, features), images (rows, channels, height, width). Of texts token ids,
            int64 (rows, length), 0 where a row is filled up. Of a folder of images it is Images, which reads
            a row when it is asked for; np.asarray(x) reads them all.
        y: int64 class indices, or float32 targets in units of the training split's standard deviation;
            forecasts (rows, horizon); of running text the ids one token on, (rows, length);
            of pairs the target's ids and its end, (rows, length + 1).
        codes: int64 (rows, columns) where a table's text columns are to be embedded: 0 for a category
            that training had no row of, then one code a category; `facts.cardinalities` counts them.
        groups: int64 (rows,), the group of each row, a place in `facts.groups.cells`, where the study compares groups.
        weights: float32 (rows,), what each training row counts for, where labels that are likely wrong count for less.
    """

    x: np.ndarray | Images
    y: np.ndarray
    codes: np.ndarray | None = None
    groups: np.ndarray | None = None
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.y)


def test_rows(source: str, test: Split | None) -> Split:
    """The test split; DataProblem where there is none, or no row in it."""
    if test is None or not len(test):
        raise DataProblem(f"{source}: no rows were kept for testing; give `split: {{test: 0.2}}`")
    return test


def joined(x: np.ndarray, codes: np.ndarray | None) -> np.ndarray:
    """What a model takes: the inputs, and the codes as further columns; float32 has whole numbers to 16 million."""
    return x if codes is None else np.concatenate([x, codes.astype(np.float32)], axis=1)


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is needed to rebuild a model, and to predict from raw rows later.

    Attributes:
        task: "classification", "regression", "forecasting", "language-modelling" or "translation".
        kind: "table", "image", "series", "text", "corpus" or "pairs".
        input_shape: of one row: (features,), (channels, height, width) or (steps, features).
        classes: their names in the order of their indices; empty for regression.
        features: the columns of a table in their order; empty for images.
        rows: split -> how many rows it has.
        horizon: steps that a forecast looks ahead; 0 for other tasks.
        period: steps of a season, where the series has one.
        cells: how the values of a table were read, which is how rows to predict are read.
        reason: why the task is this one, and how to have the other where that may be meant.
        groups: whose results are compared, where the study has `fairness:`.
    """

    name: str
    task: str
    kind: str
    input_shape: tuple[int, ...]
    classes: tuple[str, ...]
    features: tuple[str, ...]
    rows: Mapping[str, int]
    preparation: Preparation
    horizon: int = 0
    period: int | None = None
    cells: Cells = field(default_factory=Cells)
    reason: str = ""
    groups: Groups | None = None

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """How many codes each column of `Split.codes` has; empty where there are none."""
        return self.preparation.cardinalities

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a table's inputs, by name; empty for other data."""
        return self.preparation.columns(self.features) if self.kind == "table" else ()

    @property
    def inputs(self) -> int:
        """How many numbers one row has."""
        return math.prod(self.input_shape)

    @property
    def outputs(self) -> int:
        """How many numbers a model gives for a row, or one token of running text: a class, a step, a token, or one."""
        if self.task == "language-modelling" and self.preparation.tokens is not None:
            return self.preparation.tokens.size
        return len(self.classes) or self.horizon or 1

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, the inverse of from_dict."""
        return {**dataclasses.asdict(self), "rows": dict(self.rows)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Facts:
        lists = {name: tuple(values[name]) for name in ("input_shape", "classes", "features")}
        cells = {"cells": Cells.from_dict(values["cells"])} if "cells" in values else {}  # not of earlier versions
        groups = {"groups": Groups.from_dict(values["groups"])} if values.get("groups") else {}
        preparation = Preparation.from_dict(values["preparation"])
        return cls(**{**values, **lists, **cells, **groups, "preparation": preparation})

    def write(self, path: Path) -> None:
        """Keep the facts as JSON; whole or not at all."""
        write_json(path, self.to_dict(), indent=1)

    @classmethod
    def read(cls, path: Path) -> Facts:
        """The facts that were kept; Damaged where the file has been cut off or overwritten."""
        try:
            return cls.from_dict(read_json(path))
        except (KeyError, TypeError) as error:
            raise Damaged(f"{path} is damaged: {error} is missing or wrong in it") from error


@dataclass(frozen=True, slots=True)
class Data:
    """The training and validation splits of a study, and the facts about them.

    The test split is not reachable from here, so no trainer can tune on it by mistake.

    Attributes:
        augment: how the training rows are to be varied in each epoch.
        texts: the training texts, where those are to be varied.
    """

    train: Split
    validation: Split
    facts: Facts
    augment: AugmentSpec = field(default_factory=AugmentSpec)
    texts: VariedTexts | None = None

    def group_metrics(self, split: str, predicted: Any, scores: Any = None) -> dict[str, float]:
        """Metrics by group of a split's predictions, for `trial.report`; empty where the study compares no groups.

        Args:
            split: "train", whose differences alone are given, or "validation".
            predicted: the class index of each row.
            scores: the predicted probability of the positive class; None: calibration is left out.
        """
        part = {"train": self.train, "validation": self.validation}[split]
        groups, codes = self.facts.groups, part.groups
        if groups is None or codes is None:
            return {}
        given = np.full(len(part), np.nan) if scores is None else np.asarray(scores, dtype=np.float64)
        chosen = np.asarray(predicted)
        return group_metrics(chosen, part.y, given, codes, groups, by_group=split == "validation")

    @property
    def name(self) -> str:
        return self.facts.name

    @property
    def task(self) -> str:
        return self.facts.task

    @property
    def kind(self) -> str:
        return self.facts.kind

    @property
    def classes(self) -> tuple[str, ...]:
        return self.facts.classes

    @property
    def features(self) -> tuple[str, ...]:
        return self.facts.features

    @property
    def preparation(self) -> Preparation:
        return self.facts.preparation
