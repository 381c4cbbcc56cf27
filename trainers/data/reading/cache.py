"""A source that stays read between the trials of a study that each split or prepare it in their own way."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from goodfit.trainers.data.reading.functions import function_file, is_function
from goodfit.trainers.data.reading.raw import Raw
from goodfit.trainers.data_specs import RowSpec, TableSpec

# What counts only once a source has been read.
_LATER = ("scale", "missing", "indicator", "encode", "balance", "augment", "fold", "validation_seed", "labels")
S = TypeVar("S", bound=RowSpec)


def read_cached(read: Callable[[S], Raw], spec: S) -> Raw:
    """What `read` makes of a spec; the last source is kept where the next trial will need it again.

    Nothing may change what comes back: it is the next trial's, too.
    """
    if not (spec.keep or spec.reshuffle or spec.folds is not None):
        return read(spec)
    later: dict[str, Any] = {one.name: one.default for one in fields(spec) if one.name in _LATER}
    if isinstance(spec, TableSpec):
        later["fairness"] = spec.fairness.columns_only
    return _cached(read, replace(spec, **later, keep=True), _changed(spec))


@functools.lru_cache(maxsize=1)
def _cached(read: Callable[[S], Raw], spec: S, _changed: int | None) -> Raw:
    return read(spec)


def forget() -> None:
    """Keep no source any longer."""
    _cached.cache_clear()


def _changed(spec: RowSpec) -> int | None:
    """When the file was last written, so that a changed one is read again; None of built-in data."""
    path = function_file(spec.source) if is_function(spec.source) else Path(spec.source)
    return path.stat().st_mtime_ns if path.exists() else None
