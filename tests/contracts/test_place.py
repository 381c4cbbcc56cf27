"""The contract of places: a plain folder, fsspec's local and memory file systems, and a server that speaks S3."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from goodfit.trainers.artifacts.object_store import RemotePlace
from goodfit.trainers.artifacts.places import FolderPlace, Place, place_of
from goodfit.trainers.artifacts.sync import Keeper
from goodfit.trainers.errors import PlaceAway, UnknownPlace
from tests.s3 import s3_server


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture(params=["folder", "local", "memory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    unique = uuid.uuid4().hex
    match request.param:
        case "folder":
            return place_of(tmp_path / "kept")
        case "local":
            (tmp_path / "kept").mkdir()
            return RemotePlace(f"local://{tmp_path / 'kept'}")
        case "memory":
            return place_of(f"memory://{unique}")
    return place_of(f"{request.getfixturevalue('bucket')}/{unique}")


def file(tmp_path: Path, content: bytes = b"one", name: str = "made.bin") -> Path:
    made = tmp_path / name
    made.write_bytes(content)
    return made


def test_what_is_put_is_there_and_can_be_replaced(place: Place, tmp_path: Path) -> None:
    assert not place.exists("best.pt")
    assert place.read("best.pt") is None
    assert place.names() == []
    place.put(file(tmp_path), "best.pt")
    assert place.exists("best.pt")
    assert place.read("best.pt") == b"one"
    place.put(file(tmp_path, b"two"), "best.pt")
    assert place.read("best.pt") == b"two"


def test_a_file_is_read_piece_by_piece(place: Place, tmp_path: Path) -> None:
    assert place.piece("log.txt", 0, 4) == b""
    place.put(file(tmp_path, b"0123456789"), "log.txt")
    assert [place.piece("log.txt", start, 4) for start in (0, 4, 8, 10, 20)] == [b"0123", b"4567", b"89", b"", b""]


def test_files_lie_in_folders_and_are_listed_by_name(place: Place, tmp_path: Path) -> None:
    for name in ("log.txt", "artifacts/b/c.png", "artifacts/a.png"):
        place.put(file(tmp_path, name.encode()), name)
    assert place.names() == ["artifacts/a.png", "artifacts/b/c.png", "log.txt"]
    assert (place / "artifacts").names() == ["a.png", "b/c.png"]
    assert (place / "artifacts" / "b").read("c.png") == b"artifacts/b/c.png"
    assert not place.exists("artifacts")
    taken = tmp_path / "taken"
    place.take("log.txt", taken)
    assert taken.read_bytes() == b"log.txt"


def test_a_name_is_claimed_once(place: Place) -> None:
    place.check()
    assert place.claim("study.json", b"mine")
    assert not place.claim("study.json", b"yours")
    assert place.read("study.json") == b"mine"


def test_a_file_and_all_of_it_can_be_forgotten(place: Place, tmp_path: Path) -> None:
    place.drop("never.txt")
    place.remove()
    place.put(file(tmp_path), "a.txt")
    (place / "deep").put(file(tmp_path), "b.txt")
    place.drop("a.txt")
    assert place.names() == ["deep/b.txt"]
    place.remove()
    assert place.names() == []
    place.check()
    assert place.names() == []


def test_local_files_are_those_that_were_asked_for_and_are_there(place: Place, tmp_path: Path) -> None:
    place.put(file(tmp_path), "best.pt")
    with place.local("best.pt", "facts.json") as folder:
        assert (folder / "best.pt").read_bytes() == b"one"
        assert not (folder / "facts.json").exists()
        assert (folder == place.folder) == (place.folder is not None)
    assert folder.exists() == (place.folder is not None)


def test_a_uri_says_where_a_file_lies(place: Place) -> None:
    assert place.uri("best.pt").startswith(("file://", "local://", "memory://", "s3://"))
    assert place.uri("best.pt").endswith("/best.pt")
    assert (place / "x").uri() == place.uri("x")


def test_a_reader_never_sees_a_half(place: Place, tmp_path: Path) -> None:
    size = 2_000_000
    versions = [bytes([letter]) * size for letter in b"abc"]
    files = [file(tmp_path, version, f"{number}.bin") for number, version in enumerate(versions)]
    place.put(files[0], "last.pt")
    seen: list[bytes | None] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            seen.append(place.read("last.pt"))

    reader = threading.Thread(target=look)
    reader.start()
    for one in files * 3:
        place.put(one, "last.pt")
    over.set()
    reader.join()
    assert seen
    assert set(seen) <= set(versions)


def test_a_keeper_pushes_what_is_new_in_order_and_forgets_what_is_gone(place: Place, tmp_path: Path) -> None:
    put: list[str] = []

    class Watched(FolderPlace):
        def put(self, file: Path, name: str) -> None:
            put.append(name)
            place.put(file, name)

        def drop(self, name: str) -> None:
            put.append(f"-{name}")
            place.drop(name)

    scratch = tmp_path / "scratch"
    keeper = Keeper(scratch, Watched(tmp_path))
    for name in ("last.pt", "best.pt", "facts.json", "log.txt", "half.pt.7.part"):
        (scratch / name).write_text(name)
    (scratch / "fold-1").mkdir()
    (scratch / "fold-1" / "last.pt").write_text("fold")
    keeper.push()
    assert put == ["log.txt", "facts.json", "best.pt", "fold-1/last.pt", "last.pt"]
    put.clear()
    keeper.push()
    assert put == []
    (scratch / "last.pt").write_text("a longer one")
    (scratch / "fold-1" / "last.pt").unlink()
    keeper.push()
    assert put == ["last.pt", "-fold-1/last.pt"]
    other = tmp_path / "other"
    again = Keeper(other, place)
    again.pull()
    assert sorted(path.name for path in other.rglob("*") if path.is_file()) == [
        "best.pt",
        "facts.json",
        "last.pt",
        "log.txt",
    ]
    assert (other / "last.pt").read_text() == "a longer one"
    again.begin()
    assert place.names() == []


def test_a_log_is_kept_while_it_is_written(place: Place, tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "scratch", place)
    with keeper.following("log.txt", seconds=0.01):
        for text in ("one", "one, two"):
            (tmp_path / "scratch" / "log.txt").write_text(text)
            deadline = time.monotonic() + 120
            while place.read("log.txt") != text.encode() and time.monotonic() < deadline:
                time.sleep(0.01)
            assert place.read("log.txt") == text.encode()


def test_a_store_that_fails_is_tried_again_and_then_named(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    store = RemotePlace("memory://failing", waited.append)
    left = [3]

    def cat(path: str) -> bytes:
        left[0] -= 1
        if left[0] >= 0:
            raise OSError("reset by peer")
        return b"there"

    monkeypatch.setattr(store._files, "cat_file", cat)
    assert store.read("a") == b"there"
    assert waited == [0.5, 1.0, 2.0]
    left[0] = 100
    with pytest.raises(PlaceAway, match=r"^memory://failing does not answer: OSError: reset by peer$"):
        store.read("a")


def test_a_store_that_refuses_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    store = RemotePlace("memory://closed", waited.append)

    def refuse(path: str) -> bytes:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(store._files, "cat_file", refuse)
    with pytest.raises(PlaceAway, match=r"^memory://closed refuses: Access Denied; see its credentials$"):
        store.read("a")
    assert waited == []


def test_a_store_that_nobody_knows_is_refused() -> None:
    with pytest.raises(UnknownPlace, match=r"^ftpx://there: give a folder or s3://BUCKET/PREFIX"):
        place_of("ftpx://there")


def test_a_missing_library_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    def missing(url: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(
        UnknownPlace, match=r"^s3://b/p: the library for s3:// is not installed: pip install 'goodfit\[s3\]'$"
    ):
        place_of("s3://b/p")


def test_a_folder_needs_no_library(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys\nfrom pathlib import Path\nfrom goodfit.trainers.artifacts.places import place_of\n"
        f"place_of({str(tmp_path)!r}).put(Path(sys.executable), 'a')\nprint('fsspec' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
