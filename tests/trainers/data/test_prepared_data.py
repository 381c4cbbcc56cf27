"""Large data in one file are prepared once a node, and are to the bit what they are without the cache."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from goodfit.trainers.data import load, load_test
from goodfit.trainers.data.facts import Data, Split
from goodfit.trainers.data.kinds import prepared
from goodfit.trainers.data.kinds.kind import Kind
from goodfit.trainers.data.kinds.registry import KINDS
from goodfit.trainers.data.reading import node
from goodfit.trainers.data_specs import AugmentSpec, DataSpec, TokenSpec
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.node_cache import CacheSpec
from tests.trainers.tables import customers, spec_of


@pytest.fixture(autouse=True)
def cache(node_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache's folder; every file is large enough for it."""
    monkeypatch.setattr(prepared, "LARGE", 1)
    return node_cache


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds that have prepared data, from here on."""
    seen: list[str] = []
    for kind in KINDS.values():

        def counted(self: Kind, spec: object, load: object = type(kind).load) -> object:
            seen.append(self.name)
            return load(self, spec)  # type: ignore[operator]

        monkeypatch.setattr(type(kind), "load", counted)
    return seen


def entries(cache: Path) -> list[Path]:
    return sorted(path for path in cache.iterdir() if path.name not in ("notes", ".room"))


def assert_same(one: Split, other: Split) -> None:
    for field in fields(Split):
        first, second = getattr(one, field.name), getattr(other, field.name)
        assert (first is None) == (second is None)
        if first is not None:
            assert first.dtype == second.dtype
            assert np.array_equal(first, second)


def several(tmp_path: Path) -> list[DataSpec]:
    random = np.random.default_rng(0)
    table = spec_of(tmp_path, customers())
    words = ["good", "bad", "fine", "film", "plot", "long"]
    texts = [" ".join(random.choice(words, 6)) for _ in range(60)]
    pd.DataFrame({"review": texts, "label": random.integers(0, 2, 60)}).to_csv(tmp_path / "texts.csv", index=False)
    pd.DataFrame({"when": pd.date_range("2026-01-01", periods=90), "sold": random.random(90)}).to_csv(
        tmp_path / "series.csv", index=False
    )
    (tmp_path / "corpus.txt").write_text(" ".join(random.choice(words, 900)))
    return [
        table,
        replace(table, encode="embedding", scale="robust"),
        DataSpec(str(tmp_path / "texts.csv"), "label", text="review"),
        DataSpec(str(tmp_path / "series.csv"), "sold", kind="series", time="when", window=5, horizon=2),
        DataSpec(str(tmp_path / "corpus.txt"), tokens=TokenSpec(length=16)),
    ]


def test_a_second_worker_maps_what_the_first_has_prepared(tmp_path: Path, cache: Path, loads: list[str]) -> None:
    for spec in several(tmp_path):
        node.use(None)
        plain, test = load(spec), load_test(spec)
        node.use(CacheSpec(cache))
        loads.clear()
        for _ in range(2):
            data = load(spec)
            assert data.facts == plain.facts
            assert_same(data.train, plain.train)
            assert_same(data.validation, plain.validation)
            assert_same(load_test(spec), test)
        assert len(loads) == 1
    assert len(entries(cache)) == 5
    assert node.notices() == []


def test_what_a_trial_writes_reaches_no_other(tmp_path: Path, cache: Path) -> None:
    spec = spec_of(tmp_path, customers())
    one, other = load(spec), load(spec)
    before = other.train.x.copy()  # type: ignore[union-attr]
    one.train.x[...] = 7  # type: ignore[index]
    assert np.array_equal(other.train.x, before)
    assert np.array_equal(load(spec).train.x, before)


def test_a_changed_file_or_spec_is_prepared_anew(tmp_path: Path, cache: Path, loads: list[str]) -> None:
    spec = spec_of(tmp_path, customers())
    first = load(spec)
    load(replace(spec, keep=True, augment=AugmentSpec()))
    assert len(loads) == 1
    load(replace(spec, scale="none"))
    path = Path(spec.source)
    about = path.stat()
    path.write_text(path.read_text().replace("0", "1"))
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert not np.array_equal(load(spec).train.x, first.train.x)
    assert len(loads) == 3


@pytest.mark.parametrize("harm", ["cut", "overwritten", "gone"])
def test_a_damaged_entry_is_made_anew(tmp_path: Path, cache: Path, loads: list[str], harm: str) -> None:
    spec = spec_of(tmp_path, customers())
    before = load(spec).train.x.copy()  # type: ignore[union-attr]
    file = entries(cache)[0] / "train.x"
    content = file.read_bytes()
    if harm == "gone":
        file.unlink()
    else:
        file.write_bytes(content[:-4] if harm == "cut" else content[:-1] + bytes([content[-1] ^ 255]))
    for _ in range(2):
        assert np.array_equal(load(spec).train.x, before)
    assert len(loads) == 2


def test_what_is_not_of_use_again_or_small_is_not_kept(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(tmp_path, customers())
    load(replace(spec, reshuffle=True, validation_seed=3))
    load(DataSpec("iris"))
    monkeypatch.setattr(prepared, "LARGE", Path(spec.source).stat().st_size + 1)
    load(spec)
    assert not cache.exists()


def test_without_room_each_worker_prepares_its_own_once_and_says_so(
    tmp_path: Path, cache: Path, loads: list[str]
) -> None:
    spec = spec_of(tmp_path, customers())
    node.use(CacheSpec(cache, 10))
    data: Data = load(spec)
    assert (len(data.train) > 0, len(loads)) == (True, 1)
    (said,) = node.notices()
    assert said.startswith(f"the data of {spec.source} are not kept in the node's cache: 0.00 GB are more than")
    with pytest.raises(DataProblem):
        load(replace(spec, source=str(tmp_path / "none.csv")))
