"""All rows of a study's data in one, prepared as its trainers take them, with their numbers in the source.

For what judges rows one by one, whichever split they are in. What is prepared was fitted on the training split alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from goodfit.trainers.data.facts import Data, Facts, Split
from goodfit.trainers.data.kinds.image_folder import ImageFolder
from goodfit.trainers.data.kinds.registry import kind_of, load_kind
from goodfit.trainers.data.kinds.table import Table
from goodfit.trainers.data.kinds.text import Text
from goodfit.trainers.data.reading.cache import forget
from goodfit.trainers.data.reading.image_folders import list_folder
from goodfit.trainers.data.reading.images import Images
from goodfit.trainers.data_specs import AugmentSpec, DataSpec
from goodfit.trainers.errors import DataProblem

PARTS = ("train", "validation", "test")
TASKS = ("classification", "regression")
BYTES_AT_ONCE = 64 * 2**20  # of inputs that are read to compare rows


@dataclass(frozen=True, slots=True)
class AllRows:
    """The rows of all splits, those that train first.

    Attributes:
        split: inputs and targets.
        facts: about the data.
        augment: how training rows are to be varied.
        numbers: of each row in the source, the first is 0.
        part: of each row the number of its split in PARTS.
        keys: a number for each row that rows with equal inputs share.
        groups: what `split: {group: ...}` keeps together; None without it.
        files: of a folder of images the path of each row from the folder; empty otherwise.
    """

    split: Split
    facts: Facts
    augment: AugmentSpec
    numbers: np.ndarray
    part: np.ndarray
    keys: np.ndarray
    groups: np.ndarray | None
    files: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.split)

    def data(self, train: np.ndarray, validation: np.ndarray) -> Data:
        """Some of the rows as data to train on, and others to validate; by places."""
        facts = replace(self.facts, rows={"train": len(train), "validation": len(validation), "test": 0})
        return Data(taken(self.split, train), taken(self.split, validation), facts, augment=self.augment)

    def take(self, places: np.ndarray) -> AllRows:
        """These rows alone."""
        return replace(
            self,
            split=taken(self.split, places),
            numbers=self.numbers[places],
            part=self.part[places],
            keys=self.keys[places],
            groups=None if self.groups is None else self.groups[places],
            files=tuple(self.files[place] for place in places) if self.files else (),
        )


def all_rows(spec: DataSpec) -> AllRows:
    """Load the rows of all splits.

    Args:
        spec: of the data, with the fold and the seed of a trial whose splits are meant.

    Raises:
        DataProblem: the data cannot be loaded, are of a kind whose splits are no rows, or have no label a row.
    """
    spec = replace(spec, keep=True)  # it is read once, for its rows and for their numbers
    kind = kind_of(spec)
    own = kind.spec_type.of(spec)
    try:
        data, test = load_kind(spec)
        if data.task not in TASKS:
            raise DataProblem(
                f"{spec.source}: labels are judged of classes and of numbers, and these are for {data.task}"
            )
        numbers = kind.row_numbers(own)
        groups = _groups(spec, np.concatenate(numbers))
    finally:
        forget()
    splits = (data.train, data.validation, test)
    files = [name for _, name, _, _ in list_folder(Path(spec.source)).files] if isinstance(kind, ImageFolder) else []
    order = np.concatenate(numbers)
    split = together(splits)
    return AllRows(
        split,
        data.facts,
        spec.augment,
        order,
        np.repeat(np.arange(3), [len(part) for part in splits]),
        keys_of_inputs(split),
        groups,
        tuple(files[row] for row in order) if files else (),
    )


def _groups(spec: DataSpec, order: np.ndarray) -> np.ndarray | None:
    kind = kind_of(spec)
    if spec.split_group is None or not isinstance(kind, Table | Text):
        return None
    raw, _ = kind.split_raw(kind.spec_type.of(spec))  # type: ignore[arg-type]
    return None if raw.split_by is None else raw.split_by[order]


def together(splits: tuple[Split, ...]) -> Split:
    """The rows of several splits as one; images stay in their files."""
    y = np.concatenate([one.y for one in splits])
    first = splits[0].x
    if isinstance(first, Images):
        return Split(
            replace(first, rows=np.concatenate([one.x.rows for one in splits if isinstance(one.x, Images)])), y
        )
    codes = [one.codes for one in splits if one.codes is not None]
    groups = [one.groups for one in splits if one.groups is not None]
    return Split(
        np.concatenate([np.asarray(one.x) for one in splits]),
        y,
        np.concatenate(codes) if codes else None,
        np.concatenate(groups) if groups else None,
    )


def taken(split: Split, rows: np.ndarray) -> Split:
    """These rows of a split, by places."""
    x = split.x.take(rows) if isinstance(split.x, Images) else split.x[rows]
    others = {one.name: getattr(split, one.name) for one in fields(split) if one.name not in ("x", "y")}
    return Split(x, split.y[rows], **{name: None if part is None else part[rows] for name, part in others.items()})


def keys_of_inputs(split: Split) -> np.ndarray:
    """A number for each row that rows with equal inputs share; a few rows are read at a time."""
    each = max(1, int(np.prod(split.x.shape[1:])) * 4)
    step = max(1, BYTES_AT_ONCE // each)
    keys = np.empty(len(split), dtype=np.uint64)
    for start in range(0, len(split), step):
        rows = np.asarray(split.x[start : start + step])
        rows = np.ascontiguousarray(rows).reshape(len(rows), -1) + rows.dtype.type(0)  # -0.0 becomes 0.0
        for place, row in enumerate(rows, start):
            keys[place] = _key(row.tobytes() if split.codes is None else row.tobytes() + split.codes[place].tobytes())
    return keys


def _key(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")
