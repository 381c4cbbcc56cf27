"""The table of the formats of data files, by suffix. A new format is a reader and one row.

It says how a file's content is read, whatever it is compressed by (content.py) and whatever its columns mean
(files.py).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_READING = "goodfit.trainers.data.reading"


@dataclass(frozen=True, slots=True)
class Format:
    """A format of files.

    Attributes:
        suffix: of its files.
        reader: of a table the module and name of a function (content, ignored columns, TableFormat) -> data frame, or
            of a `typed` one (content, ignored columns) -> data frame; None of a format without columns.
        text: it is UTF-8, and a byte order mark says where it is UTF-16 or UTF-32.
        separator: between the values of a line; empty where it has none.
        typed: its values have types of their own, so that keys on how they are written do not go with it.
        arrays: it has named arrays.
    """

    suffix: str
    reader: str | None = None
    text: bool = False
    separator: str = ""
    typed: bool = False
    arrays: bool = False

    def read(self, content: Any, ignore: Sequence[str], form: Any) -> Any:
        """The columns of a table as a data frame; DataProblem says what is wrong with it."""
        if self.reader is None:
            raise TypeError(f"{self.suffix} files have no columns")
        module, name = self.reader.split(":")
        reader: Callable[..., Any] = getattr(importlib.import_module(f"{_READING}.{module}"), name)
        if not self.typed:
            return reader(content, ignore, form)
        form.refuse(content.path)
        return reader(content, ignore)


FORMATS: Mapping[str, Format] = {
    one.suffix: one
    for one in (
        Format(".csv", "tables:read_separated", text=True, separator=","),
        Format(".tsv", "tables:read_separated", text=True, separator="\t"),
        Format(".parquet", "tables:read_parquet", typed=True),
        Format(".jsonl", "jsonl:read_jsonl", text=True, typed=True),
        Format(".npy", "npy:read_npy", typed=True),
        Format(".xlsx", "excel:read_excel"),
        Format(".npz", arrays=True),
        Format(".txt", text=True),  # running text: see kinds/corpus.py
    )
}
TABLES = tuple(suffix for suffix, one in FORMATS.items() if one.reader is not None)
ARRAYS = tuple(suffix for suffix, one in FORMATS.items() if one.arrays)
LATER = {".ts": "time series file"}  # formats that a later version will read, and what such a file is called
