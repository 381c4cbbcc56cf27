"""All rows of a study's data in one: their numbers, files and groups, with images left in their files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from goodfit.trainers.data import all_rows as module
from goodfit.trainers.data.all_rows import all_rows
from goodfit.trainers.data.reading.images import ImageFiles, Images
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec
from tests.trainers.pictures import folder_of


def test_images_beyond_memory_are_read_a_few_at_a_time_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path / "photos", count=20)
    copy = folder / "left" / "900.png"
    copy.write_bytes((folder / "left" / "003.png").read_bytes())
    at_once: list[int] = []
    pixels = ImageFiles.pixels

    def counted(self: ImageFiles, rows: np.ndarray) -> np.ndarray:
        at_once.append(len(rows))
        return pixels(self, rows)

    monkeypatch.setattr("goodfit.trainers.data.reading.images.MOST_KEPT", 0)
    monkeypatch.setattr(ImageFiles, "pixels", counted)
    monkeypatch.setattr(module, "BYTES_AT_ONCE", 4 * 12 * 12 * 3)
    rows = all_rows(DataSpec(str(folder), scale="none"))
    assert isinstance(rows.split.x, Images)
    assert max(at_once) == 3
    assert sorted(rows.numbers.tolist()) == list(range(41))
    assert rows.files[int(np.flatnonzero(rows.numbers == 20)[0])] == "left/900.png"
    places = [rows.files.index(name) for name in ("left/003.png", "left/900.png")]
    assert rows.keys[places[0]] == rows.keys[places[1]]
    assert len(np.unique(rows.keys)) == 40
    some = rows.data(np.arange(5), np.arange(5, 8))
    assert isinstance(some.train.x, Images)
    assert (len(some.train), len(some.validation)) == (5, 3)


def test_groups_stay_together_and_what_has_no_rows_is_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": np.arange(40.0), "who": np.repeat(range(20), 2), "y": np.repeat(["p", "q"], 20)})
    frame.loc[3, "a"] = -0.0
    frame.loc[4, "a"] = 0.0
    frame.to_csv(tmp_path / "rows.csv", index=False)
    rows = all_rows(DataSpec(str(tmp_path / "rows.csv"), "y", split_group="who"))
    assert rows.groups is not None
    assert (rows.groups == rows.numbers // 2).all()
    place = dict(zip(rows.numbers.tolist(), rows.keys.tolist(), strict=True))
    assert place[3] == place[4] != place[5]
    train = rows.take(np.flatnonzero(rows.part == 0))
    assert len(train) == (rows.part == 0).sum() == len(train.keys)
    for spec in (DataSpec("load_curve"), DataSpec("eeg"), DataSpec("dates")):
        with pytest.raises(DataProblem, match="judged"):
            all_rows(replace(spec, test=0.2))
