"""Tables from .xlsx files: the first sheet, whose cells have types, so that only empty ones are gaps."""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from goodfit.trainers.data.reading.content import Content
from goodfit.trainers.data.reading.headers import LOOKED_AT, check_column, check_names
from goodfit.trainers.data.reading.raw import quoted
from goodfit.trainers.data.reading.table_format import GAPS, TableFormat
from goodfit.trainers.errors import DataProblem

if TYPE_CHECKING:
    import pandas as pd
    from openpyxl import Workbook


def read_excel(content: Content, ignore: Sequence[str], form: TableFormat) -> pd.DataFrame:
    """The first sheet of a workbook; words are gaps only where the study lists them.

    Raises:
        DataProblem: openpyxl is not installed, the file is no workbook, or its header is none.
    """
    import pandas as pd

    form.refuse(content.path, ("separator",))
    book = _opened(content)
    try:
        names, rows = _rows(content, book.worksheets[0].iter_rows(values_only=True), form)
    finally:
        book.close()
    for name in ignore:
        check_column(content.path, name, names, "data.ignore")
    gaps = {""} if form.gaps == GAPS else {"", *form.gaps}
    cells = ([None if cell in gaps else cell for cell in column] for column in zip(*rows, strict=True))
    columns = dict(zip(names, cells, strict=True)) if rows else {}
    return pd.DataFrame({name: column for name, column in columns.items() if name not in ignore})


def sheet_notes(content: Content) -> list[str]:
    """A sentence where a workbook has more sheets than the one that is read."""
    book = _opened(content)
    try:
        names = [str(sheet.title) for sheet in book.worksheets]
    finally:
        book.close()
    if len(names) == 1:
        return []
    return [
        f"of {len(names)} sheets the first is read, {quoted(names[0])}; to read another, save it as a file of its own"
    ]


def _opened(content: Content) -> Workbook:
    """A workbook, read a row at a time; formulas have the values that were saved with them."""
    try:
        from openpyxl import load_workbook
        from openpyxl.utils.exceptions import InvalidFileException
    except ImportError as error:
        raise DataProblem(
            f"{content.path}: .xlsx files need the package openpyxl: pip install 'goodfit[excel]', or save it as .csv"
        ) from error
    try:
        return load_workbook(content.seekable(), read_only=True, data_only=True)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise DataProblem(f"{content.path} is not an .xlsx workbook: {error}") from error


def _rows(
    content: Content, lines: Iterable[Sequence[Any]], form: TableFormat
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The names of the columns, and the rows below them; empty rows and columns at the end are left out."""
    rows = [tuple(line) for line in lines]
    rows = [row for row in rows if any(cell is not None for cell in row)]
    width = max((1 + max(place for place, cell in enumerate(row) if cell is not None) for row in rows), default=0)
    rows = [(*row, *[None] * width)[:width] for row in rows]
    if not rows:
        raise DataProblem(f"{content.path} is empty")
    if not form.header:
        return [f"x{place}" for place in range(width)], rows
    texts = [["" if cell is None else str(cell) for cell in row] for row in itertools.islice(rows, LOOKED_AT + 1)]
    check_names(content.path, texts[0], texts[1:])
    return texts[0], rows[1:]
