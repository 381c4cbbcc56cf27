"""The report on splits that are not alike and on rows that are far from all others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from goodfit.trainers.data import data_report
from goodfit.trainers.messages import DataSpec


def test_a_split_that_is_not_like_training_is_told_with_the_column(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"a": random.uniform(0, 1, 900), "b": random.uniform(0, 1, 900), "y": np.tile([0, 1], 450)})
    frame["part"] = np.repeat(["train", "validation", "test"], 300)
    frame.loc[600:, "b"] += 0.7
    frame.loc[5, "a"] = 3
    frame.to_csv(tmp_path / "rows.csv", index=False)
    report = data_report(DataSpec(str(tmp_path / "rows.csv"), "y", split_column="part"))
    assert report["drift"]["test"]["columns"][0] == "b"
    assert report["drift"]["test"]["auc"] > 0.8
    assert report["drift"]["validation"]["p"] > 0.01
    assert report["outliers"] == 1
    said = [note for note in report["notes"] if "not like" in note or "far from" in note]
    assert said[0].startswith("the test rows are not like the training rows: a classifier tells them apart")
    assert "most by b, a" in said[0]
    assert said[1] == "1 row is far from all others in training: look whether what is far belongs to the data"
    assert len(said) == 2
