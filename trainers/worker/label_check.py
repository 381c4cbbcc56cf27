"""Labels checked by training: out-of-fold predictions of one configuration, and what they say of each label."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from goodfit.trainers.data.all_rows import PARTS, AllRows, all_rows
from goodfit.trainers.data.label_table import LabelTable
from goodfit.trainers.data.quality.folds import fold_of_rows, lone_classes
from goodfit.trainers.data.row_numbers import source_frame
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec
from goodfit.trainers.readable import readable
from goodfit.trainers.worker.out_of_fold import Training, out_of_fold, require_build

if TYPE_CHECKING:
    import pandas as pd

FOLDS = 5  # as the literature has it (Northcutt, Jiang and Chuang, 2021)
MOST_SHOWN = 40  # rows that are shown as they are
MOST_COLUMNS = 12  # of a table
MOST_CHARACTERS = 200  # of a text or a value
SIDE = 96  # pixels of a picture's longer side, at most


def check_labels(training: Training, spec: DataSpec, seed: int = 0) -> tuple[LabelTable, AllRows]:
    """Judge the labels of all rows.

    Args:
        training: of one fold.
        spec: of the data.
        seed: of the folds.

    Raises:
        DataProblem: the data cannot be loaded, or their labels not be judged.
        BadTrainer: the trainer's models cannot be asked.
        Stopped: it was asked to stop.
    """
    require_build(training.trainer)
    rows = all_rows(spec)
    return judged_rows(training, rows, spec.source, seed), rows


def judged_rows(training: Training, rows: AllRows, source: str, seed: int) -> LabelTable:
    """As check_labels, of rows that were loaded; DataProblem where they all belong together."""
    y = rows.split.y
    classes = len(rows.facts.classes)
    together = [rows.keys] if rows.groups is None else [rows.keys, rows.groups]
    fold = fold_of_rows(together, y if classes else None, FOLDS, seed)
    if not fold.any():
        raise DataProblem(
            f"{source}: all rows have the same inputs or are in one group of split.group, so no model can learn from "
            "some of them to judge the labels of the others; give rows that differ, or leave split.group out"
        )
    alone = lone_classes(y, fold, classes) if classes else np.zeros(len(rows), dtype=bool)
    return LabelTable.of(source, rows, out_of_fold(training, rows, fold), alone)


def shown_rows(table: LabelTable, rows: AllRows, spec: DataSpec) -> list[dict[str, Any]]:
    """The rows whose labels are the likeliest wrong, as people look at them: plain JSON values.

    Returns:
        row, split, score, given, predicted; and file, values (by column) or picture (a PNG in base64) as far as there
        are such.
    """
    order = [place for place in table.judged.ranking() if table.judged.is_issue[place]][:MOST_SHOWN]
    if not order:
        return []
    chosen = np.array(order)
    given, predicted = (table.labels(one[chosen]) for one in (table.given, table.judged.predicted))
    views = _views(rows, spec, chosen)
    return [
        {
            "row": int(table.numbers[place]),
            "split": PARTS[int(table.part[place])],
            "score": float(f"{table.judged.score[place]:.3g}"),
            "given": _short(given[number]),
            "predicted": _short(predicted[number]),
            **({"file": readable(table.files[place])} if table.files else {}),
            **views[number],
        }
        for number, place in enumerate(order)
    ]


def _views(rows: AllRows, spec: DataSpec, chosen: np.ndarray) -> list[dict[str, Any]]:
    if rows.facts.kind == "image":
        return [{"picture": picture} for picture in pictures(np.asarray(rows.split.x[chosen]), rows)]
    frame = source_frame(spec)
    if frame is None:
        return [{} for _ in chosen]
    return [_values(frame, number) for number in rows.numbers[chosen].tolist()]


def _values(frame: pd.DataFrame, number: int) -> dict[str, Any]:
    row = frame.iloc[number]
    return {"values": {readable(str(name)): _short(row[name]) for name in list(frame.columns)[:MOST_COLUMNS]}}


def _short(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return readable(text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…")


def pictures(x: np.ndarray, rows: AllRows) -> list[str]:
    """Prepared images (rows, channels, height, width) as PNG files in base64, of the range that they have together."""
    from PIL import Image

    prepared = rows.facts.preparation
    shift, divide = (np.asarray(one, dtype=np.float64).reshape(-1, 1, 1) for one in (prepared.shift, prepared.divide))
    pixels = x * divide + shift
    shown = pixels[:, :3] if pixels.shape[1] >= 3 else pixels[:, :1]
    step = max(1, -(-max(shown.shape[2:]) // SIDE))
    shown = shown[:, :, ::step, ::step]
    low, high = float(shown.min()), float(shown.max())
    scaled = np.rint((shown - low) / ((high - low) or 1.0) * 255).astype(np.uint8).transpose(0, 2, 3, 1)
    found = []
    for one in scaled:
        file = io.BytesIO()
        Image.fromarray(one.squeeze(-1) if one.shape[-1] == 1 else one).save(file, "png", optimize=True)
        found.append(base64.b64encode(file.getvalue()).decode())
    return found
