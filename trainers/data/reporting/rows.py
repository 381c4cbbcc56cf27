"""The report on rows that stand for themselves: of a table, of images in arrays, of texts."""

from __future__ import annotations

from typing import Any

from goodfit.trainers.data.reading.alterations import whole_target
from goodfit.trainers.data.reading.raw import Raw, encode_target, has_target, known_target
from goodfit.trainers.data.reporting.leakage import leaking_columns
from goodfit.trainers.data.reporting.parts import conflicts_of, duplicates_of, keys_of, notes_of, target_summary
from goodfit.trainers.data.split import Rows, split_rows
from goodfit.trainers.data_specs import TableSpec, TextSpec
from goodfit.trainers.errors import DataProblem


def rows_report(
    spec: TableSpec | TextSpec, raw: Raw, count: int, columns: list[dict[str, Any]], problem: str | None
) -> dict[str, Any]:
    """The report on rows that stand for themselves; `count` are read, and those of `raw` can be trained on."""
    if not has_target(raw.y).all():
        raw = known_target(raw, whole_target(spec))
    target, values = encode_target(raw, spec.task)
    try:
        rows: Rows | None = split_rows(values, target.classes, spec, raw.source, raw.split_by)
    except DataProblem:
        rows = None  # which is what `problem` says
    keys = keys_of(raw)
    leaking = leaking_columns(raw, values, target.task, rows) if rows is not None and raw.kind == "table" else []
    report: dict[str, Any] = {
        "source": raw.source,
        "kind": raw.kind,
        "task": target.task,
        "reason": target.reason,
        "rows": count,
        "columns": columns,
        "splits": {} if rows is None else {name: len(part) for name, part in rows._asdict().items()},
        "target": target_summary(spec.target, values, target.classes, rows),
        "duplicates": {} if rows is None else duplicates_of(keys, rows),
        "conflicts": conflicts_of(keys, values, target.classes),
        "giveaways": leaking,
        "problem": problem,
    }
    return {**report, "notes": notes_of(report)}
