"""Training rows whose labels are likely wrong, left out or counted for less: `data: {labels: drop|reweigh}`.

They are judged within the training split alone, by the trainer's defaults, trained on some of its rows to predict the
others: no row of validation or test has a part in it, and none is treated. What was found is kept in the study's folder
for other workers and attempts; it depends on the data, the trainer and the defaults alone.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from goodfit.trainers.data.all_rows import AllRows, all_rows, taken
from goodfit.trainers.data.facts import Data
from goodfit.trainers.data.label_table import LabelTable
from goodfit.trainers.errors import Damaged
from goodfit.trainers.files import make_folder, write_json
from goodfit.trainers.messages import Assignment, DataSpec
from goodfit.trainers.worker.label_check import judged_rows, shown_rows
from goodfit.trainers.worker.out_of_fold import Training, require_build

if TYPE_CHECKING:
    from pathlib import Path

KEEP, DROP, REWEIGH = "keep", "drop", "reweigh"
FOLDER = "quality"  # in a study's folder
FACTS = "treated.json"  # for people: what was found of the training rows
FORMAT = 1
MOST_KEPT = 16  # tables in memory: one a fold, or one a preparation that is searched


class Suspects:
    """What was found of the training rows, by their data."""

    def __init__(self) -> None:
        self._kept: dict[str, LabelTable] = {}

    def of(self, training: Training, spec: DataSpec, digest: str) -> LabelTable:
        """Judge the labels of the training rows; in memory, or in the study's folder, where that was done before.

        Args:
            training: its assignment says the defaults that judge; its folder is for their files.
            spec: of the data.
            digest: of what they hold.

        Raises:
            DataProblem: the labels of such data cannot be judged; BadTrainer: the trainer's models cannot be asked.
            Stopped: it was asked to stop.
        """
        own = training.assignment
        judging = replace(own, params=own.judging, seed=spec.seed, schedule=(), until=None)
        spec = replace(spec, labels=KEEP)
        key = _key(judging, spec, digest)
        if key not in self._kept:
            while len(self._kept) >= MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = _found(replace(training, assignment=judging), spec, key)
        return self._kept[key]


def _found(training: Training, spec: DataSpec, key: str) -> LabelTable:
    root = training.assignment.root
    file = None if root is None else root / FOLDER / f"train-{key}.npz"
    if file is not None and file.exists():
        try:
            return LabelTable.read(file)
        except Damaged:
            file.unlink(missing_ok=True)  # a disk that was full: it is made again
    require_build(training.trainer)
    rows = all_rows(spec)
    train = rows.take(np.flatnonzero(rows.part == 0))
    try:
        table = judged_rows(training, train, spec.source, spec.seed)
    finally:
        shutil.rmtree(training.folder, ignore_errors=True)
    if file is not None and root is not None:
        make_folder(file.parent, root)
        table.write(file)
        _write_facts(file.parent, table, train, spec)
    return table


def _write_facts(folder: Path, table: LabelTable, rows: AllRows, spec: DataSpec) -> None:
    facts = {
        "format": FORMAT,
        "of": "train",
        "trial": None,
        "data": None,
        **table.summary(),
        "shown": shown_rows(table, rows, spec),
    }
    write_json(folder / FACTS, facts)


def _key(judging: Assignment, spec: DataSpec, digest: str) -> str:
    """The same for the same data, trainer and defaults."""
    what = repr((spec, digest, judging.trainer, sorted(judging.params.items()), judging.epochs, judging.metric))
    return hashlib.blake2b(what.encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()


def treated(data: Data, found: LabelTable, labels: str) -> Data:
    """The data with suspect training rows left out, or counted by their label score."""
    suspect = found.judged.is_issue
    if labels == REWEIGH:
        weights = np.where(suspect, found.judged.score, 1.0).astype(np.float32)
        return replace(data, train=replace(data.train, weights=weights))
    kept = np.flatnonzero(~suspect | _last_of_class(data, found))
    facts = replace(data.facts, rows={**data.facts.rows, "train": len(kept)})
    texts = data.texts and replace(data.texts, texts=[data.texts.texts[place] for place in kept.tolist()])
    return replace(data, train=taken(data.train, kept), facts=facts, texts=texts)


def _last_of_class(data: Data, found: LabelTable) -> np.ndarray:
    """The row with the best score of each class of which all are suspect: training needs a row of each."""
    last = np.zeros(len(data.train), dtype=bool)
    if data.task == "classification":
        for place in range(len(data.classes)):
            rows = np.flatnonzero(data.train.y == place)
            if len(rows) and found.judged.is_issue[rows].all():
                last[rows[found.judged.score[rows].argmax()]] = True
    return last
