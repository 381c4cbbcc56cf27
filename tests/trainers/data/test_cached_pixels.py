"""The pixels of a folder in the node's cache: the same to the bit, decoded once, made anew when anything changes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from goodfit.testing.attempts import attempt
from goodfit.trainers.data import load
from goodfit.trainers.data.kinds.image_folder import headers, image_files
from goodfit.trainers.data.reading import images, node
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import AugmentSpec, DataSpec, Outcome
from goodfit.trainers.node_cache import CacheSpec
from tests.trainers.pictures import folder_of, paths_of, saved


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = folder_of(tmp_path / "photos")
    for path in made.rglob("*.png"):
        os.utime(path, ns=(10**18, 10**18))
    return made


@pytest.fixture(autouse=True)
def cache(node_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The cache's folder; every folder of images is large enough for it."""
    monkeypatch.setattr(images, "SMALL", 1)
    yield node_cache
    forget()


def forget() -> None:
    """As a new worker has it: nothing is in memory."""
    image_files.cache_clear()
    headers.cache_clear()


def entries(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if path.name not in ("notes", ".room"))


def test_a_second_worker_decodes_nothing_and_has_the_same_data_to_the_bit(
    folder: Path, cache: Path, decoded: list[Path]
) -> None:
    node.use(None)
    plain = load(DataSpec(str(folder)))
    alone = np.asarray(plain.train.x)
    forget()
    decoded.clear()
    node.use(CacheSpec(cache))
    for _ in range(2):
        data = load(DataSpec(str(folder)))
        assert data.preparation == plain.preparation
        assert np.array_equal(np.asarray(data.train.x), alone)
        assert data.train.x.files._kept is None
        forget()
    assert sorted(decoded) == sorted(folder.rglob("*.png")), "each once"
    assert len(entries(cache)) == 1
    assert node.notices() == []


def test_folders_with_the_same_images_share_them_and_a_changed_one_is_decoded_anew(
    folder: Path, cache: Path, decoded: list[Path]
) -> None:
    load(DataSpec(str(folder)))
    moved = folder.rename(folder.with_name("moved"))
    decoded.clear()
    data = load(DataSpec(str(moved)))
    assert decoded == []
    path = paths_of(data.train.x)[0]
    about = path.stat()
    saved(Image.fromarray(np.full((12, 12), 255, dtype=np.uint8)), path)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))  # as tools do that keep times
    image_files.cache_clear()
    after = load(DataSpec(str(moved)))
    assert (after.train.x[0] == after.train.x[0].max()).all()
    assert len(entries(cache)) == 2
    load(DataSpec(str(moved), size=6))
    assert len(entries(cache)) == 3, "of another size"


@pytest.mark.parametrize("harm", ["cut", "overwritten", "no meta", "meta", "empty"])
def test_a_damaged_entry_does_no_harm_and_is_made_anew(folder: Path, cache: Path, harm: str) -> None:
    whole = np.asarray(load(DataSpec(str(folder))).train.x)
    entry = cache / entries(cache)[0]
    forget()
    if harm == "cut":
        os.truncate(entry / "pixels", 100)
    elif harm == "overwritten":
        (entry / "pixels").write_bytes(bytes(40 * 144))
    elif harm == "no meta":
        (entry / "meta").unlink()
    elif harm == "meta":
        (entry / "meta").write_text("0 {}")
    else:
        (entry / "sums").write_bytes(b"")
    assert np.array_equal(np.asarray(load(DataSpec(str(folder))).train.x), whole)
    if harm == "overwritten":
        (said,) = node.notices()
        assert "was damaged; it is made anew" in said
    forget()
    assert np.array_equal(np.asarray(load(DataSpec(str(folder))).train.x), whole)
    assert len((cache / entries(cache)[0] / "pixels").read_bytes()) == 40 * 144
    assert node.notices() == []


def test_a_broken_image_is_named_and_nothing_is_kept(folder: Path, cache: Path) -> None:
    (folder / "left" / "003.png").write_bytes((folder / "left" / "003.png").read_bytes()[:90])
    with pytest.raises(DataProblem, match=r"003\.png is a broken image"):
        load(DataSpec(str(folder)))
    assert entries(cache) == []


def test_without_room_or_rights_training_goes_on_and_says_why(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = np.asarray(load(DataSpec(str(folder))).train.x)
    for spec, why in (
        (CacheSpec(cache, 100), r"0\.00 GB are more than the 0\.00 GB that .*cache may keep \(GOODFIT_CACHE\)"),
        (CacheSpec(cache.parent / "photos" / "left" / "000.png" / "cache"), "goodfit-cache"),
    ):
        monkeypatch.setattr("goodfit.trainers.node_cache.tempfile.gettempdir", lambda: "/dev/null")
        forget()
        node.use(CacheSpec(cache))
        node.cache().clear()  # type: ignore[union-attr]
        node.use(spec)
        assert np.array_equal(np.asarray(load(DataSpec(str(folder))).train.x), whole)
        (said,) = node.notices()
        assert said.startswith(f"the images of {folder} are not kept in the node's cache: ")
        assert said.endswith("; they are decoded anew in each epoch")
        assert re.search(why, said)


def test_a_small_folder_leaves_nothing_on_the_disk(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "SMALL", 40 * 2000)
    load(DataSpec(str(folder)))
    assert not cache.exists()


def test_curves_are_the_same_to_the_bit_cached_or_not_and_read_ahead_or_not(
    folder: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    augment = AugmentSpec(rotate=10, flip=True, crop=1, jitter=0.2, cutout=3, mixup=0.4)
    spec, params = DataSpec(str(folder), augment=augment), {"width": 4, "depth": 1, "batch_size": 8}
    curves = []
    for way in ("small", "cached", "inline", "decoded each time"):
        forget()
        node.use(CacheSpec(cache) if way in ("cached", "inline") else None)
        if way == "inline":
            monkeypatch.setattr("goodfit.trainers.training.loop.ahead", lambda make, items, *_: map(make, items))
            monkeypatch.setattr("goodfit.trainers.training.image_rows.ahead", lambda make, items, *_: map(make, items))
        if way == "decoded each time":
            monkeypatch.undo()
            monkeypatch.setattr(images, "MOST_KEPT", 0)
        line = attempt(tmp_path / way, data=spec, trainer="cnn", params=params, epochs=2)
        assert line.ended.outcome is Outcome.COMPLETE
        curves.append(line.curve)
    assert curves[1:] == curves[:-1]


def test_what_a_batch_needs_is_broken_only_when_it_is_read(folder: Path, tmp_path: Path) -> None:
    node.use(None)
    data = replace(DataSpec(str(folder)), scale="none")
    (folder / "left" / "003.png").write_bytes((folder / "left" / "003.png").read_bytes()[:90])
    line = attempt(tmp_path / "trial", data=data, trainer="cnn", params={"width": 4, "depth": 1, "batch_size": 4})
    assert line.ended.outcome is Outcome.UNUSABLE
    assert "003.png is a broken image" in str(line.ended.message)
