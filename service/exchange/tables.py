"""A study's trials as rows of a file: CSV for people and spreadsheets, Parquet for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from goodfit.service.errors import InputError
from goodfit.service.queries.rows import spread_columns, trial_row
from goodfit.service.records import Trial

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - wide forms count too
_HEAD = ("trial", "state")
_TAIL = ("value", "verdict", "gap", "epochs", "best_epoch", "attempts", "started", "ended", "mlflow_run_id")
STUDY = "study"  # the first column of an export, by which it knows its file again


def to_csv(trials: Sequence[Trial], study: str | None = None) -> str:
    """One trial a line; each parameter is a column `params.NAME`. Texts are safe to open in a spreadsheet.

    Each further objective and each metric that a constraint is about is a column `metrics.NAME`.

    Args:
        trials: the rows.
        study: its name, as the first column; None: without.
    """
    return csv_of(_columns(trials, study))


def csv_of(columns: Mapping[str, Sequence[Any]]) -> str:
    """Columns by name as CSV, likewise."""
    lines = [_line([_cell(name) for name in columns])]
    lines += [_line([_cell(value) for value in row]) for row in zip(*columns.values(), strict=True)]
    return "".join(lines)


def write_csv(path: Path, trials: Sequence[Trial], study: str, *, force: bool) -> None:
    """Write the file; one that is there is replaced if it is an earlier export of this study."""
    if path.exists() and not force:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            first, second = next(csv.reader(file), []), next(csv.reader(file), [])
        if first[: len(_HEAD) + 1] != [STUDY, *_HEAD] or (second and second[0] != study):
            raise _foreign(path, study)
    _replace(path, to_csv(trials, study).encode("utf-8", "backslashreplace"))


def write_parquet(path: Path, trials: Sequence[Trial], study: str, *, force: bool) -> None:
    """Write the file; one that is there is replaced if it is an earlier export of this study."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    key = b"goodfit.study"
    if path.exists() and not force:
        try:
            known = (pq.read_schema(path).metadata or {}).get(key)
        except (pa.ArrowException, OSError):
            known = None
        if known != study.encode():
            raise _foreign(path, study)
    table = pa.table({name: _alike(values) for name, values in _columns(trials, study).items()})
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), key: study.encode()})
    stream = io.BytesIO()
    pq.write_table(table, stream)
    _replace(path, stream.getvalue())


def _columns(trials: Sequence[Trial], study: str | None) -> dict[str, list[Any]]:
    rows: list[dict[str, Any]] = [{**trial_row(trial)} for trial in trials]
    columns: dict[str, list[Any]] = {STUDY: [study] * len(rows)} if study else {}
    columns |= {name: [row[name] for row in rows] for name in _HEAD}
    columns |= spread_columns(trials)
    return columns | {name: [row[name] for row in rows] for name in _TAIL}


def _alike(values: list[Any]) -> list[Any]:
    """Values of one column, which has one type: numbers, booleans or texts; of several types their JSON."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float}:
        return [None if value is None else float(value) for value in values] if len(kinds) > 1 else values
    if kinds in ({bool}, {str}):
        return values
    return [None if value is None else json.dumps(value, ensure_ascii=False) for value in values]


def _replace(path: Path, content: bytes) -> None:
    from goodfit.trainers.files import replacing

    try:
        with replacing(path) as part:
            part.write(content)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; name another file") from error


def _foreign(path: Path, study: str) -> InputError:
    return InputError(f"{path} is there and is no export of study {study}; name another file, or replace it by --force")


def csv_line(cells: Sequence[Any]) -> str:
    """A line of values; texts are safe to open in a spreadsheet."""
    return _line([_cell(value) for value in cells])


def _line(cells: Sequence[Any]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\r\n").writerow(cells)  # of these characters, a cell that has one is quoted
    return stream.getvalue().removesuffix("\r\n") + "\n"


def _cell(value: Any) -> Any:
    """A value as a CSV's cell: a text that a spreadsheet would run as a formula begins with an apostrophe.

    Spreadsheets take the apostrophe for: what follows is text. Texts that are numbers, such as "-1", stay as they are.
    """
    if not isinstance(value, (str, list, tuple, dict)):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
