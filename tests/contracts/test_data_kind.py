"""Goodfit's kinds of data held to their contract; what is special about each is in tests/trainers/data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from goodfit.testing import DataKindCase, DataKindContract
from goodfit.trainers.messages import DataSpec, TokenSpec
from tests.trainers.pictures import folder_of
from tests.trainers.tables import customers, spec_of

WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord")


def table(folder: Path) -> DataKindCase:
    spec = spec_of(folder, customers(120))
    return DataKindCase(spec, bad=[replace(spec, target="gone"), replace(spec, missing="error")])


def embedded_table(folder: Path) -> DataKindCase:
    spec = spec_of(folder, customers(120), encode="embedding", indicator=True)
    return DataKindCase(spec, bad=[replace(spec, target="gone")])


def arrays(folder: Path) -> DataKindCase:
    random = np.random.default_rng(0)
    np.savez(folder / "images.npz", x=random.normal(size=(40, 3, 6, 6)), y=random.normal(size=40))
    return DataKindCase(DataSpec(str(folder / "images.npz")), bad=[DataSpec(str(folder / "images.npz"), "gone")])


def images(folder: Path) -> DataKindCase:
    (folder / "empty").mkdir()
    spec = DataSpec(str(folder_of(folder / "photos")))
    return DataKindCase(spec, bad=[replace(spec, size=0), DataSpec(str(folder / "empty"))])


def series(folder: Path) -> DataKindCase:
    load = np.sin(np.arange(120.0))
    pd.DataFrame({"hour": np.arange(120), "load": load, "wind": load**2}).to_csv(folder / "load.csv", index=False)
    spec = DataSpec(str(folder / "load.csv"), "load", kind="series", time="hour", window=8, horizon=2)
    return DataKindCase(spec, bad=[replace(spec, target="gone"), replace(spec, window=None), replace(spec, window=90)])


def sequences(folder: Path) -> DataKindCase:
    random = np.random.default_rng(0)
    np.savez(folder / "walks.npz", x=random.normal(size=(60, 9, 2)).cumsum(axis=1), y=np.arange(60) % 3)
    spec = DataSpec(str(folder / "walks.npz"), kind="series")
    return DataKindCase(spec, bad=[replace(spec, window=4)])


def texts(folder: Path) -> DataKindCase:
    random = np.random.default_rng(0)
    lines = [" ".join(random.choice(WORDS, 5)) for _ in range(60)]
    pd.DataFrame({"line": lines, "label": ["odd", "even"] * 30}).to_csv(folder / "lines.csv", index=False)
    spec = DataSpec(str(folder / "lines.csv"), "label", text="line", tokens=TokenSpec(length=8))
    return DataKindCase(spec, bad=[replace(spec, text="gone"), replace(spec, tokens=TokenSpec("letter"))])


def pairs(folder: Path) -> DataKindCase:
    words = [f"{one} {other}" for one in WORDS for other in WORDS]
    frame = pd.DataFrame({"word": words, "turned": [word[::-1] for word in words]})
    frame.to_csv(folder / "words.csv", index=False)
    spec = DataSpec(str(folder / "words.csv"), "turned", kind="pairs", text="word", tokens=TokenSpec(length=16))
    return DataKindCase(spec, bad=[replace(spec, target=None), replace(spec, tokens=TokenSpec("word"))])


def corpus(folder: Path) -> DataKindCase:
    (folder / "text.txt").write_text(" ".join(WORDS * 40), encoding="utf-8")
    spec = DataSpec(str(folder / "text.txt"), tokens=TokenSpec(length=16))
    return DataKindCase(spec, bad=[replace(spec, tokens=TokenSpec("word")), replace(spec, source=f"{folder}/gone.txt")])


CASES = (table, embedded_table, arrays, images, series, sequences, texts, pairs, corpus)


class TestDataKinds(DataKindContract):
    @pytest.fixture(params=CASES, ids=lambda made: made.__name__)
    def case(self, request: pytest.FixtureRequest, tmp_path: Path) -> DataKindCase:
        made: Callable[[Path], DataKindCase] = request.param
        return made(tmp_path)
