"""The cache of a node: made once, bounded, whole or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from goodfit.trainers import node_cache
from goodfit.trainers.node_cache import META, CacheProblem, CacheSpec, Entry, NodeCache, Reserve, sealed

BYTES = np.dtype(np.uint8)
Make = Callable[[Path, Reserve], None]


@pytest.fixture
def cache(tmp_path: Path) -> NodeCache:
    return NodeCache(tmp_path / "cache", 1000)


def of(value: int, size: int = 300) -> Make:
    """Makes an entry of so many equal bytes."""

    def make(folder: Path, reserve: Reserve) -> None:
        reserve(size)
        (folder / "bytes").write_bytes(bytes([value]) * size)
        (folder / META).write_text(sealed(value))

    return make


def unmade(_: Path, __: Reserve) -> None:
    raise AssertionError("it is there already")


def mapped(entry: Entry, size: int = 300, *, own: bool = False) -> np.ndarray:
    return entry.mapped("bytes", BYTES, (size,), own=own)


def test_an_entry_is_made_once_and_found_by_its_key(cache: NodeCache) -> None:
    first = cache.entry("a", of(1))
    again = NodeCache(cache.folder, 1000).entry("a", unmade)
    assert (first.meta(), again.meta()) == (1, 1)
    assert mapped(again).tolist() == [1] * 300
    assert sorted(path.name for path in cache.folder.iterdir()) == [".room", "a"]


def test_an_array_of_ones_own_can_be_written_and_reaches_no_file(cache: NodeCache) -> None:
    own, shared = mapped(cache.entry("a", of(1)), own=True), mapped(cache.entry("a", unmade))
    own += 5
    assert (own[0], shared[0]) == (6, 1)
    assert not shared.flags.writeable


def test_what_was_used_least_recently_goes_and_what_is_in_use_stays(cache: NodeCache) -> None:
    kept = mapped(cache.entry("a", of(1)))  # in use by what it has mapped
    for age, key in enumerate("bc"):
        cache.entry(key, of(2))
        os.utime(cache.folder / key, (age, age))
    os.utime(cache.folder / "a", (0, 0))
    cache.entry("d", of(4))
    assert sorted(path.name for path in cache.folder.iterdir()) == [".room", "a", "c", "d"]
    assert kept.tolist() == [1] * 300
    assert cache.use().unused < cache.use().size <= 1000
    del kept
    assert cache.clear() > 900
    assert cache.use().entries == 0


def test_what_is_larger_than_the_bound_or_finds_no_room_beside_what_is_in_use_is_refused(cache: NodeCache) -> None:
    with pytest.raises(CacheProblem, match=r"more than the 0\.00 GB that .*cache may keep \(GOODFIT_CACHE\)"):
        cache.entry("a", of(0, 1001))
    used = cache.entry("a", of(1)), cache.entry("b", of(1)), cache.entry("c", of(1))
    with pytest.raises(CacheProblem, match="beside what is in use"):
        cache.entry("d", of(0))
    assert [one.meta() for one in used] == [1, 1, 1]


def test_without_a_bound_half_of_what_is_free_is_used_and_some_left(
    cache: NodeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.entry("a", of(1))
    kept, left = cache.use().size, node_cache.LEFT_FREE
    monkeypatch.setattr(node_cache.shutil, "disk_usage", lambda _: SimpleNamespace(free=3 * left - kept))
    assert NodeCache(cache.folder).use().most == 3 * left // 2
    assert NodeCache(cache.folder, 10**18).use().most == 2 * left


def test_a_maker_that_fails_leaves_nothing(cache: NodeCache) -> None:
    def full(folder: Path, _: Reserve) -> None:
        (folder / "bytes").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device", str(folder / "bytes"))

    with pytest.raises(CacheProblem, match=r"a\.part/bytes: No space left on device"):
        cache.entry("a", full)
    assert list(cache.folder.iterdir()) == []
    assert cache.entry("a", of(2)).meta() == 2


def test_a_folder_that_cannot_be_written_is_a_problem_of_the_cache(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CacheProblem, match=r"Not a directory|File exists"):
        NodeCache(tmp_path / "file").entry("a", unmade)
    with pytest.raises(CacheProblem, match="No such file"):
        NodeCache(tmp_path / "gone" / "cache").entry("a", unmade)


def test_two_that_need_the_same_make_it_once(cache: NodeCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_cache, "LOOK_SECONDS", 0.001)
    begun, go_on, found = threading.Event(), threading.Event(), []

    def slow(folder: Path, reserve: Reserve) -> None:
        begun.set()
        go_on.wait(10)
        of(3)(folder, reserve)

    def second() -> None:
        found.append(NodeCache(cache.folder, 1000).entry("a", unmade))

    first = threading.Thread(target=lambda: found.append(cache.entry("a", slow)))
    other = threading.Thread(target=second)
    first.start()
    begun.wait(10)
    other.start()
    go_on.set()
    first.join()
    other.join()
    assert [one.meta() for one in found] == [3, 3]


def test_a_killed_maker_holds_up_nobody_and_its_half_goes(cache: NodeCache) -> None:
    code = (
        "import os, sys; from pathlib import Path; from goodfit.trainers.node_cache import NodeCache\n"
        "def make(folder, _):\n    (folder / 'bytes').write_bytes(b'half'); os.kill(os.getpid(), 9)\n"
        "NodeCache(Path(sys.argv[1]), 1000).entry('a', make)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(cache.folder)], check=False)
    assert killed.returncode == -9
    assert (cache.folder / "a.part" / "bytes").exists()
    assert cache.entry("a", of(2)).meta() == 2
    assert sorted(path.name for path in cache.folder.iterdir()) == [".room", "a"]


def test_what_has_been_damaged_is_found_and_made_anew(cache: NodeCache) -> None:
    entry = cache.entry("a", of(1))
    (entry.folder / META).write_text("cut")
    with pytest.raises(ValueError, match="checksum"):
        entry.meta()
    with (entry.folder / "bytes").open("r+b") as file:
        file.truncate(200)
    with pytest.raises(ValueError, match="size"):
        mapped(entry)
    cache.drop("a")
    assert cache.entry("a", of(2)).meta() == 2, "though another process uses the damaged one"


def test_short_results_are_remembered_until_they_are_damaged(cache: NodeCache) -> None:
    made: list[int] = []

    def make() -> list[int]:
        made.append(len(made))
        return list(made)

    assert [cache.remembered("x", make) for _ in range(2)] == [[0], [0]]
    (cache.folder / "notes" / "x").write_text("123")
    assert cache.remembered("x", make) == [0, 1]
    (cache.folder / "notes" / "x").unlink()
    cache.folder.joinpath("notes").rmdir()
    cache.folder.joinpath("notes").touch()  # where nothing can be kept
    assert cache.remembered("x", make) == [0, 1, 2]


def test_where_the_cache_of_a_home_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_cache.tempfile, "gettempdir", lambda: str(tmp_path / "tmp"))
    assert CacheSpec(tmp_path / "cache", 0).here() is None
    assert CacheSpec(tmp_path / "cache").here().folder == tmp_path / "cache"  # type: ignore[union-attr]
    elsewhere = CacheSpec(tmp_path / "no-home" / "cache").here()
    assert elsewhere is not None
    assert elsewhere.folder == tmp_path / "tmp" / f"goodfit-cache-{os.getuid()}"
