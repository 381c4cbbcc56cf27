"""A source that several trials prepare in their own ways is read once."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import goodfit.trainers.data.kinds.table as table_kind
from goodfit.trainers.data import load
from goodfit.trainers.data.reading.cache import _cached
from goodfit.trainers.data.reading.raw import Raw
from goodfit.trainers.messages import AugmentSpec, DataSpec
from tests.trainers.tables import customers, spec_of


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is read, from here on."""
    _cached.cache_clear()
    seen: list[str] = []
    read = table_kind.read_raw

    def counted(spec: DataSpec) -> Raw:
        seen.append(spec.source)
        return read(spec)

    monkeypatch.setattr(table_kind, "read_raw", counted)
    return seen


def test_trials_that_prepare_their_data_differently_read_them_once(tmp_path: Path, reads: list[str]) -> None:
    spec = spec_of(tmp_path, customers())
    whole = load(spec)
    one = load(replace(spec, keep=True))
    other = load(replace(spec, keep=True, scale="none", missing="mean", balance="weights"))
    again = load(replace(spec, keep=True))
    assert len(reads) == 2
    assert np.array_equal(one.train.x, whole.train.x)
    assert np.array_equal(again.train.x, one.train.x)
    assert not np.array_equal(other.train.x, one.train.x)
    assert np.array_equal(other.train.y, one.train.y)


def test_a_kept_source_is_read_anew_when_it_has_changed(tmp_path: Path, reads: list[str]) -> None:
    spec = spec_of(tmp_path, customers(), keep=True)
    load(spec)
    os.utime(spec.source, ns=(1, 1))
    load(spec)
    assert len(reads) == 2


def test_what_only_varies_or_prepares_is_not_read_for(reads: list[str]) -> None:
    load(DataSpec("digits", keep=True))
    load(DataSpec("digits", keep=True, scale="none"))
    load(DataSpec("digits", keep=True, augment=AugmentSpec(rotate=5)))
    assert reads == ["digits"]
    load(DataSpec("digits"))
    load(DataSpec("digits"))
    assert reads == ["digits"] * 3
