"""Tables from .jsonl files: an object a line, its members the columns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodfit.trainers.data.reading.content import Content
from goodfit.trainers.data.reading.headers import check_column
from goodfit.trainers.errors import DataProblem

if TYPE_CHECKING:
    import pandas as pd


class _Twice(Exception):
    """A name that an object has twice, of which Python would keep the last."""


def read_jsonl(content: Content, ignore: Sequence[str]) -> pd.DataFrame:
    """One object a line."""
    import pandas as pd

    path, rows = content.path, []
    with content.text() as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                rows.append(_json_row(path, number, line))
    frame = pd.DataFrame(rows)
    for name in ignore:
        check_column(path, name, list(frame.columns), "data.ignore")
    return frame.drop(columns=list(ignore))


def _json_row(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line, object_pairs_hook=_members)
    except _Twice as error:
        raise DataProblem(f"{path}, line {number}: the name {error} stands there twice; rename one") from error
    except json.JSONDecodeError as error:
        raise DataProblem(f"{path}, line {number}: not JSON: {error.msg} (column {error.colno})") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, a list in a list in a list ...
        raise DataProblem(f"{path}, line {number}: no row of a table: {error}") from error
    if not isinstance(row, dict):
        raise DataProblem(f'{path}, line {number}: a row is an object such as {{"age": 41}}, not {line.strip()[:40]}')
    return row


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(next(name for name in names if names.count(name) > 1))
    return members
