"""Whether data are still the same: files, folders, what functions return, built-in sets."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from goodfit.trainers.data import fingerprint as module
from goodfit.trainers.data.fingerprint import fingerprint
from goodfit.trainers.data.reading.digest import content_digest
from goodfit.trainers.data.reading.functions import _digests
from goodfit.trainers.messages import AugmentSpec, DataSpec


def digest(spec: DataSpec) -> str:
    found = fingerprint(spec)
    assert found is not None
    return found.digest


def test_a_file_has_the_digest_of_its_content_alone(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "d.csv").write_text("x,y\n1,2\n")
    os.utime(tmp_path / "b" / "d.csv", (1, 1))
    one, two = (DataSpec(str(tmp_path / name / "d.csv")) for name in ("a", "b"))
    assert digest(one) == digest(two)
    (tmp_path / "b" / "d.csv").write_text("x,y\n1,3\n")
    assert digest(one) != digest(two)
    assert list(fingerprint(one).files) == ["d.csv"]  # type: ignore[union-attr]


def test_a_folder_of_images_changes_with_each_of_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    for name in ("cat/1.png", "dog/1.png", ".hidden/x", "cat/.hidden"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    spec = DataSpec(str(folder))
    seen = [digest(spec)]
    (folder / "cat/.hidden").write_bytes(b"other")
    (folder / "README.txt").write_text("not trained on")
    assert digest(spec) == seen[0]
    (folder / "dog/1.png").write_bytes(b"dog/2.png")
    seen.append(digest(spec))
    (folder / "dog/1.png").rename(folder / "cat/2.png")
    seen.append(digest(spec))
    (folder / "cat/3.png").write_bytes(b"")
    seen.append(digest(spec))
    assert len(set(seen)) == 4
    assert sorted(fingerprint(spec).files) == ["pictures/cat/1.png", "pictures/cat/2.png", "pictures/cat/3.png"]  # type: ignore[union-attr]


def test_large_data_are_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WHOLE", 4096)
    monkeypatch.setattr(module, "BLOCK", 512)
    file = tmp_path / "d.csv"
    content = bytearray(os.urandom(100_000))
    file.write_bytes(content)
    seen = [digest(DataSpec(str(file)))]
    for change in (lambda: content.extend(b"more"), lambda: content.insert(0, 1), lambda: content.__setitem__(-1, 7)):
        change()
        file.write_bytes(content)
        seen.append(digest(DataSpec(str(file))))
    assert len(set(seen)) == 4


def test_of_many_files_some_are_opened_and_all_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OPENED", 3)
    monkeypatch.setattr(module, "NAMED", 5)
    for number in range(10):
        (tmp_path / f"{number}.png").write_text(str(number))
    spec = DataSpec(str(tmp_path))
    before = fingerprint(spec)
    assert before is not None
    assert (before.files, before.count) == ({}, 10)
    (tmp_path / "9.png").write_text("longer")
    assert digest(spec) != before.digest


def test_a_thesaurus_is_of_the_data(tmp_path: Path) -> None:
    texts, words = tmp_path / "t.csv", tmp_path / "words.txt"
    texts.write_text("text,y\na,0\nb,1\n")
    spec = DataSpec(str(texts), augment=AugmentSpec(synonyms=str(words)))
    words.write_text("big, large")
    before = digest(spec)
    words.write_text("big, huge")
    assert digest(spec) != before
    assert digest(replace(spec, augment=AugmentSpec())) not in (before, digest(spec))


def test_a_function_has_the_digest_of_what_it_returns(tmp_path: Path) -> None:
    source, file = f"{tmp_path}/prep.py:load", tmp_path / "prep.py"
    seen: list[str] = []
    for row in (1, 2):
        file.write_text(
            f"import pandas\ndef load():\n    return pandas.DataFrame({{'x': [{row}, 5], 'y': ['a', 'b']}})"
        )
        os.utime(file, (row, row))
        _digests.clear()
        seen.append(digest(DataSpec(source)))
    assert len(set(seen)) == 2


def test_built_in_data_have_the_digest_of_their_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest(DataSpec("iris"))
    assert before != digest(DataSpec("digits"))
    monkeypatch.setattr(module, "BUILTIN_VERSION", 99)
    assert digest(DataSpec("iris")) != before


def test_data_that_are_gone_have_none(tmp_path: Path) -> None:
    assert fingerprint(DataSpec(str(tmp_path / "none.csv"))) is None


def test_values_in_memory_have_the_digest_of_their_content() -> None:
    import numpy as np
    import pandas as pd

    frame = pd.DataFrame({"x": [1.0, 2.0], "t": ["a", "b"], "cells": [[1], [2]]})
    arrays = {"x": np.eye(2), "y": np.array(["a", "b"], dtype=object)}
    found = [
        frame,
        frame.iloc[::-1],
        frame.rename(columns={"x": "z"}),
        frame.astype({"x": "float32"}),
        arrays,
        {**arrays, "x": np.eye(2).T * 2},
        (np.eye(2), np.array([0, 1])),
        (np.eye(2), np.array([1, 0])),
        {"x": [[1], [1, 2]]},
    ]
    digests = [content_digest(one) for one in found]
    assert len(set(digests)) == len(found)
    assert content_digest(frame.copy()) == digests[0]
