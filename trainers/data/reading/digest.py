"""A hash of data in memory: a DataFrame, or arrays by name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

READ = 512 * 2**20  # bytes of an array that are read; of a larger one an even choice of rows


def content_digest(found: Any) -> str:
    """The same for the same values in the same order; of anything else than a DataFrame and arrays, of its text."""
    digest = hashlib.blake2b(digest_size=4)
    if hasattr(found, "columns") and hasattr(found, "dtypes"):
        _add_frame(digest, found)
    else:
        arrays = found if isinstance(found, Mapping) else {"x": found}
        if isinstance(found, tuple):
            arrays = dict(enumerate(found))
        for name, values in arrays.items():
            digest.update(repr(name).encode("utf-8", "backslashreplace"))
            _add_array(digest, values)
    return digest.hexdigest()


def _add_frame(digest: Any, frame: Any) -> None:
    from pandas.util import hash_pandas_object

    for name in frame.columns:
        digest.update(repr(name).encode("utf-8", "backslashreplace"))
    digest.update(repr((frame.shape, [str(kind) for kind in frame.dtypes])).encode())
    try:
        hashes = hash_pandas_object(frame, index=False)
    except TypeError:  # cells that are lists, say
        hashes = hash_pandas_object(frame.astype(str), index=False)
    digest.update(hashes.to_numpy().tobytes())


def _add_array(digest: Any, values: Any) -> None:
    try:
        array = np.asarray(values)
    except ValueError:
        digest.update(repr(values).encode("utf-8", "backslashreplace"))
        return
    digest.update(repr((array.shape, array.dtype.str)).encode())
    step = max(1, -(-array.nbytes // READ))
    part = array[::step] if array.ndim else array
    if array.dtype == object:
        digest.update(repr(part.tolist()).encode("utf-8", "backslashreplace"))
    else:
        digest.update(np.ascontiguousarray(part).tobytes())
