"""What a card is made of, as plain values."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from goodfit.service.diagnosis.statistics import student_ppf
from goodfit.service.records import Trial
from goodfit.trainers.groups.names import SUMMARY

LEVEL = 0.95  # of an interval
GROUP_MARK = ":"  # in the name of a group's metric: tpr/sex:female
# Metrics within 0 and 1, where their values are, and those that are not negative.
SHARES = frozenset({"accuracy", "balanced_accuracy", "f1", *SUMMARY}) - {"calibration_gap"}
SIZES = frozenset({"calibration_gap", "rmse", "mae"})
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Score:
    """A metric of the model.

    Attributes:
        name: "accuracy".
        split: test, validation or train.
        value: of the test split the mean over seeds.
        low: of its interval (Student's t over the seeds, LEVEL); None where fewer than two seeds were trained.
        high: likewise.
        seeds: that it is the mean of; 0 where it was measured once, on rows that the search has seen.
    """

    name: str
    split: str
    value: float
    low: float | None = None
    high: float | None = None
    seeds: int = 0


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of the data: its name, its SHA-256 and its size."""

    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class DataFacts:
    """The data that a model was trained on.

    Attributes:
        name: of the built-in data set, or of the file or folder, without where that lies.
        built_in: whether Goodfit brings them.
        digest: that the study has kept of them.
        target: the column to predict.
        split: the section of the study file.
        files: as they lie here now; empty where there are none, or they are no longer those of the study.
        folder: whether it is a folder of files.
        report: of trainers.data.data_report; None where they cannot be read, or are no longer those of the study.
        problem: why so; empty where all is known.
        columns_readable: whether a table's columns can be read by their names, with commas between them.
    """

    name: str
    built_in: bool
    digest: str | None
    target: str | None
    split: Json
    files: Sequence[DataFile] = ()
    folder: bool = False
    report: Json | None = None
    problem: str = ""
    columns_readable: bool = False


@dataclass(frozen=True, slots=True)
class CardFacts:
    """All of it.

    Attributes:
        name: of the study.
        trainer: its name; a file's without where it lies.
        trial: whose model it is.
        metric: the objective; direction: maximize or minimize.
        confirmed: whether fresh seeds have confirmed it.
        verdict: of its fit; gap: between validation and training.
        params: its configuration.
        epochs: that it was trained for; size: its parameters, where they are known.
        scores: on each split.
        groups: see group_rows.
        sure: sentences on how far the result can be trusted.
        limits: what the diagnosis has found, and what is known of data and labels.
        data: None where the trainer brings its own.
        costs: seconds, trials and epochs of the study; training_seconds and joules of the model, None where that was
            not measured.
        origin: of the run that trained it: goodfit, python, git, code, machine, seeds, packages that matter.
        release: see app/releasing.py.
        audit_head: the last hash of the audit log.
        ended: when the study did, as a date.
        model_uri: in MLflow's registry.
    """

    name: str
    trainer: str
    trial: int
    metric: str
    direction: str
    confirmed: bool
    verdict: str | None
    gap: float | None
    params: Json
    epochs: int
    size: int | None
    scores: Sequence[Score]
    groups: Sequence[Json]
    sure: Sequence[str]
    limits: Sequence[str]
    data: DataFacts | None
    costs: Json
    origin: Json
    release: Json
    fingerprint: str = ""
    audit_head: str | None = None
    ended: str | None = None
    model_uri: str | None = None
    task: str | None = None
    kind: str | None = None
    notes: Sequence[str] = field(default_factory=tuple)


def scores_of(best: Trial, trials: Sequence[Trial], at_best: Mapping[str, float]) -> list[Score]:
    """The model's metrics on each split, those of the test split first, without those of single groups.

    Args:
        best: the trial.
        trials: those of its confirmation.
        at_best: what it reported at its best epoch.
    """
    tests = [one.test for one in trials if one.confirms == best.number and one.test is not None]
    found = []
    for name in dict.fromkeys(name for test in tests for name in test):
        values = [test[name] for test in tests if name in test]
        if GROUP_MARK not in name and all(map(math.isfinite, values)):
            found.append(_mean(name, values))
    for split, shown in (("val", "validation"), ("train", "train")):
        for metric, value in at_best.items():
            prefix, _, name = metric.partition("/")
            if prefix == split and name and GROUP_MARK not in name and math.isfinite(value):
                found.append(Score(name, shown, value))
    return found


def _mean(name: str, values: Sequence[float]) -> Score:
    mean, seeds = statistics.fmean(values), len(values)
    if seeds < 2:
        return Score(name, "test", mean, seeds=seeds)
    half = student_ppf((1 + LEVEL) / 2, seeds - 1) * statistics.stdev(values) / math.sqrt(seeds)
    lowest, highest = _bounds(name, values)
    return Score(name, "test", mean, max(lowest, mean - half), min(highest, mean + half), seeds)


def _bounds(name: str, values: Sequence[float]) -> tuple[float, float]:
    """What a metric cannot be beyond, as far as its name and values say: few seeds give intervals that are wider."""
    own = name.partition("/")[0]
    if own in SHARES and all(0 <= value <= 1 for value in values):
        return 0.0, 1.0
    return (0.0 if own in SIZES else -math.inf), math.inf


def group_rows(metrics: Mapping[str, float]) -> list[dict[str, Any]]:
    """The rates of single groups among metrics (`val/tpr/sex:female`), a row a group and split: group, split, rates."""
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for metric, value in metrics.items():
        split, _, rest = metric.partition("/")
        rate, _, group = rest.partition("/")
        if split in ("val", "test") and GROUP_MARK in group:
            rows.setdefault((split, group), {})[rate] = value
    return [{"split": split, "group": group, "rates": rates} for (split, group), rates in rows.items()]
