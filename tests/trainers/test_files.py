"""Files that are there whole or not at all, and what a failing file system means."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from goodfit.trainers import files
from goodfit.trainers.errors import Damaged, PlaceAway
from goodfit.trainers.files import (
    make_folder,
    names_together,
    os_error,
    probe,
    read_checkpoint,
    read_json,
    replacing,
    until_there,
    write_checkpoint,
    write_json,
)
from tests.training import needs_full_disk


class FullAfter:
    """A file on a disk that has room for so many bytes."""

    def __init__(self, file: Any, room: int, number: int) -> None:
        self._file, self._room, self._number = file, room, number

    def write(self, content: Any) -> int:
        self._room -= len(content)
        if self._room < 0:
            raise OSError(self._number, os.strerror(self._number))
        return int(self._file.write(content))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("room", [0, 100, 10_000, 200_000])
def test_what_torch_hides_is_raised_and_the_old_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int, number: int
) -> None:
    import contextlib

    write_checkpoint(tmp_path / "last.pt", {"epoch": 1})
    real = files.replacing

    @contextlib.contextmanager
    def full(path: Path) -> Iterator[Any]:
        with real(path) as file:
            yield FullAfter(file, room, number)

    monkeypatch.setattr(files, "replacing", full)
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        write_checkpoint(tmp_path / "last.pt", {"weights": [torch.zeros(40_000), torch.zeros(40_000)]})
    assert caught.value.errno == number
    assert read_checkpoint(tmp_path / "last.pt") == {"epoch": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]


def test_a_file_is_flushed_to_the_disk_before_it_takes_its_name(tmp_path: Path, disk_order: list[str]) -> None:
    write_json(tmp_path / "fold.json", {"best": 1})
    assert disk_order == ["flush fold.json", "name fold.json", f"flush {tmp_path.name}"]
    assert read_json(tmp_path / "fold.json") == {"best": 1}


def test_files_that_take_their_names_together_are_flushed_each_and_their_folders_once(
    tmp_path: Path, disk_order: list[str]
) -> None:
    with names_together():
        write_json(tmp_path / "a.json", 1)
        write_json(tmp_path / "b.json", 2)
    write_json(tmp_path / "c.json", 3)
    folder = f"flush {tmp_path.name}"
    together = ["flush a.json", "name a.json", "flush b.json", "name b.json", folder]
    assert disk_order == [*together, "flush c.json", "name c.json", folder]


def test_nothing_is_flushed_where_no_file_has_taken_its_name(disk_order: list[str]) -> None:
    with names_together():
        pass
    assert disk_order == []


def test_a_folder_that_cannot_be_flushed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = os.fsync

    def fail(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").readlink() == tmp_path:
            raise OSError(errno.EIO, "Input/output error")
        sync(handle)

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output error") as caught, names_together():
        write_json(tmp_path / "a.json", 1)
    assert caught.value.filename == str(tmp_path)


def test_a_file_system_that_cannot_flush_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_handle: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse)
    write_json(tmp_path / "a.json", 1)
    assert read_json(tmp_path / "a.json") == 1


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", "old")

    def interrupted() -> None:
        with replacing(tmp_path / "a.json") as file:
            file.write(b'"half')
            assert read_json(tmp_path / "a.json") == "old"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert read_json(tmp_path / "a.json") == "old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("damage", ["empty", "short", "shorter", "changed", "text"])
def test_a_damaged_checkpoint_is_noticed(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "last.pt"
    write_checkpoint(path, {"weights": torch.arange(1000.0)})
    whole = path.read_bytes()
    middle = len(whole) // 3
    content = {
        "empty": b"",
        "short": whole[:-10],
        "shorter": whole[:middle],
        "changed": whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :],
        "text": b"not found",
    }[damage]
    path.write_bytes(content)
    with pytest.raises(Damaged, match=r"last\.pt"):
        read_checkpoint(path)


def test_a_checkpoint_that_is_not_there_is_not_damaged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_checkpoint(tmp_path / "last.pt")


@pytest.mark.parametrize("content", [b"", b'{"best": 1', b"\xff\xfe\x00"])
def test_damaged_json_is_noticed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "fold.json").write_bytes(content)
    with pytest.raises(Damaged, match=r"fold\.json is damaged"):
        read_json(tmp_path / "fold.json")


@pytest.mark.parametrize("number", [errno.EROFS, errno.EIO, errno.ESTALE, errno.ENOENT, errno.EACCES])
def test_a_folder_that_is_away_is_waited_for(number: int) -> None:
    pauses: list[float] = []

    def act() -> str:
        if len(pauses) < 5:
            raise OSError(number, os.strerror(number))
        return "there"

    assert until_there(act, pauses.append) == "there"
    assert pauses == [0.25, 0.5, 1.0, 2.0, 4.0]


@pytest.mark.parametrize("error", [OSError(errno.ESTALE, "Stale file handle"), PlaceAway("s3://b does not answer")])
def test_a_folder_that_stays_away_is_named_in_the_end(error: Exception) -> None:
    pauses: list[float] = []

    def act() -> None:
        raise error

    with pytest.raises(PlaceAway, match=r"Stale file handle|s3://b does not answer"):
        until_there(act, pauses.append)
    assert files.PATIENCE <= sum(pauses) <= files.PATIENCE + files.LONGEST_PAUSE


def test_nobody_waits_for_a_full_disk() -> None:
    def act() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        until_there(act, lambda _: pytest.fail("waited"))


def test_the_error_behind_an_error_is_found() -> None:
    hiding, hidden = RuntimeError("unexpected pos 64 vs 0"), OSError(errno.EDQUOT, "Disk quota exceeded")
    hiding.__context__ = hidden
    assert os_error(hiding) is hidden
    assert os_error(ValueError("no room")) is None
    assert os_error(FileNotFoundError(errno.ENOENT, "gone")) is None


def test_a_folder_is_not_made_where_its_root_is_gone(tmp_path: Path) -> None:
    make_folder(tmp_path / "free" / "fold-1", None)
    with pytest.raises(FileNotFoundError):
        make_folder(tmp_path / "study" / "trials" / "00001", tmp_path / "study")
    (tmp_path / "study").mkdir()
    make_folder(tmp_path / "study" / "trials" / "00001", tmp_path / "study")
    assert (tmp_path / "study" / "trials" / "00001").is_dir()


@needs_full_disk
def test_a_probe_finds_a_full_disk_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.training import fill_disk

    probe(tmp_path, None)
    fill_disk(monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        probe(tmp_path, None)
    assert list(tmp_path.iterdir()) == []
