"""Which rows of the source are in which split, by their numbers there: for checks of users' own.

The first row is 0. A kind of data says so by a method `split_raw`, which its `load` uses, too.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from goodfit.trainers.data.datasets.tables import is_path
from goodfit.trainers.data.kinds.registry import KINDS, kind_of
from goodfit.trainers.data.kinds.table import Table
from goodfit.trainers.data.kinds.text import Text
from goodfit.trainers.data.reading.content import content_of
from goodfit.trainers.data.reading.files import read_frame
from goodfit.trainers.data.reading.formats import TABLES
from goodfit.trainers.data.reading.functions import is_function
from goodfit.trainers.data.reading.raw import Raw
from goodfit.trainers.data.reading.table_format import TableFormat
from goodfit.trainers.data_specs import DataSpec
from goodfit.trainers.errors import DataProblem

if TYPE_CHECKING:
    import pandas as pd

TARGET = "target"  # the column of what is to be predicted, of data that are no table


def split_frame(spec: DataSpec, part: str) -> pd.DataFrame:
    """The rows of a split, indexed by their numbers: of a table its columns as read, else what a model is given.

    Of images there is the target alone.

    Args:
        spec: of the data; with the fold and the seed of the trial whose rows they are.
        part: train, validation or test.

    Raises:
        DataProblem: the data cannot be read, or are of a kind whose splits are no rows of a source.
    """
    kind = kind_of(spec)
    if not isinstance(kind, Table | Text):
        raise DataProblem(
            f"{spec.source}: rows are given of tables, arrays and texts, and these are {kind.name} data; their splits "
            "are in trial.data of a trainer"
        )
    raw, rows = kind.split_raw(kind.spec_type.of(spec))  # type: ignore[arg-type]
    chosen: np.ndarray = getattr(rows, part)
    return _frame(spec, raw).iloc[chosen]


def source_frame(spec: DataSpec) -> pd.DataFrame | None:
    """All rows of the source as read, as split_frame has them; None of data of other kinds."""
    kind = kind_of(spec)
    if not isinstance(kind, Table | Text):
        return None
    raw, _ = kind.split_raw(kind.spec_type.of(spec))  # type: ignore[arg-type]
    return _frame(spec, raw)


def _frame(spec: DataSpec, raw: Raw) -> pd.DataFrame:
    frame = _table(spec)
    return _columns(raw) if frame is None else frame


def _table(spec: DataSpec) -> pd.DataFrame | None:
    """The table that the data are read from; None where they are none."""
    import pandas as pd

    path = Path(spec.source)
    if not is_path(spec.source) or (not is_function(spec.source) and content_of(path).suffix not in TABLES):
        return None
    try:
        frame = read_frame(path, (), TableFormat.of(KINDS["table"].spec_type.of(spec)))
    except DataProblem:
        if is_function(spec.source):  # it returns arrays
            return None
        raise
    return frame.set_axis([str(name) for name in frame.columns], axis="columns").set_axis(pd.RangeIndex(len(frame)))


def _columns(raw: Raw) -> pd.DataFrame:
    """What there is of data that are no table."""
    import pandas as pd

    held = {} if raw.x.ndim > 2 else _features(raw)
    names = np.asarray(raw.classes, dtype=object)
    y = names[raw.y] if len(names) and raw.y.dtype.kind in "iu" else raw.y
    return pd.DataFrame({**held, TARGET: y})


def _features(raw: Raw) -> dict[str, np.ndarray]:
    if raw.x.ndim == 1:
        return {raw.features[0]: raw.x}
    names = raw.numeric or tuple(f"x{place}" for place in range(raw.x.shape[1]))
    return {name: raw.x[:, place] for place, name in enumerate(names)}
