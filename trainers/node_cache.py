"""A cache of files on a node: made once, shared by all its processes, bounded. It knows nothing of what it keeps.

    FOLDER/KEY/           an entry; whoever uses it holds a shared lock on its file `meta`
    FOLDER/KEY.part/      an entry in the making; its maker holds a lock on KEY.making
    FOLDER/notes/         short results by name

An entry is made in a folder of its own and then renamed: it is there whole or not at all. The locks are the kernel's,
so a process that is killed leaves none. Where a new entry needs room, those that were used least recently go, unless
they are in use: on a network file system a file that another node removes is gone for whoever has mapped it. Nothing is
flushed to the disk: what a cut of the power leaves half written is found by its checksums, and made anew.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import mmap
import os
import shutil
import tempfile
import time
import weakref
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.trainers.files import replacing

META = "meta"  # of an entry: a line of JSON that its maker has written
RESERVED = "reserved"  # of an entry in the making: as long as the entry will be
SHARE = 0.5  # of the disk's free space, where no bound is given
LEFT_FREE = 2**30  # bytes of the disk that stay free, whatever the bound
NOTES = 1000  # short results that are kept
PATIENCE = 3600.0  # seconds that a process waits for the one that makes an entry
LOOK_SECONDS = 0.1  # between two looks whether it has been made
LOOKS = 20  # at an entry that another process has locked for a moment


Reserve = Callable[[int], None]  # gets the bytes that an entry will have; CacheProblem where there is no room


class CacheProblem(Exception):
    """Something cannot be kept in the cache; training goes on without. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class CacheSpec:
    """Where a home keeps its cache.

    Attributes:
        folder: of the cache, in the home.
        most: bytes that it may keep; 0: there is none; None: a share of the disk's free space.
    """

    folder: Path
    most: int | None = None

    def here(self) -> NodeCache | None:
        """The cache on this machine; where the home is not on it, one in the folder for temporary files."""
        if self.most == 0:
            return None
        if self.folder.parent.is_dir():
            return NodeCache(self.folder, self.most)
        return NodeCache(Path(tempfile.gettempdir(), f"goodfit-cache-{os.getuid()}"), self.most)


class Entry:
    """An entry in use: it stays as long as this object or something that it has mapped."""

    def __init__(self, folder: Path, handle: int) -> None:
        self.folder = folder
        self._closing = weakref.finalize(self, os.close, handle)

    def meta(self) -> Any:
        """What its maker has written of it; ValueError where that has been changed since."""
        return unsealed((self.folder / META).read_text(encoding="utf-8"))

    def mapped(self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...], *, own: bool = False) -> np.ndarray:
        """A file as an array in memory that all processes share.

        Args:
            name: of the file.
            dtype: of the array.
            shape: of the array.
            own: the array may be written: what is written is this process's own, and never reaches the file.

        Raises:
            ValueError: the file has another size.
        """
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        with (self.folder / name).open("rb") as file:
            if os.fstat(file.fileno()).st_size != size:
                raise ValueError(f"{self.folder / name} has not the size that it was written with")
            if not size:
                return np.empty(shape, dtype)
            area = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY if own else mmap.ACCESS_READ)
        weakref.finalize(area, _nothing, self)  # keeps the entry in use
        return np.frombuffer(area, dtype).reshape(shape)


def _nothing(_: Entry) -> None:
    """Does nothing; an entry is kept as the argument of a call that is still to come."""


@dataclass(frozen=True, slots=True)
class Use:
    """What a cache keeps: how many entries, their bytes, how many of these are not in use, and the bound."""

    folder: Path
    entries: int
    size: int
    unused: int
    most: int


class NodeCache:
    """The cache in a folder.

    Args:
        folder: made where it is not there.
        most: bytes that it may keep; None: a share of the disk's free space.
    """

    def __init__(self, folder: Path, most: int | None = None) -> None:
        self.folder = folder
        self._most = most

    def entry(self, key: str, make: Callable[[Path, Reserve], None]) -> Entry:
        """An entry, which is made where it is not there; where another process makes it, that is waited for.

        Args:
            key: names what the entry holds.
            make: writes the files of the entry, `meta` by `sealed` among them, into a folder; before the first of
                them it says how many bytes they will have.

        Raises:
            CacheProblem: it cannot be kept.
            Exception: what `make` raises, OSErrors excepted.
        """
        try:
            if (found := self._find(key)) is not None:
                return found
            _make_own_folder(self.folder)
            with self._locked(self.folder / f"{key}.making", passing=True):
                if (found := self._find(key)) is None:
                    if not (self.folder / key / META).exists():
                        self.drop(key)  # a folder without it is none of an entry that was made to its end
                    self._make(key, make)
                    found = self._find(key)
            if found is None:
                raise CacheProblem(f"{self.folder / key} has gone again; is the disk full?")
            return found
        except OSError as error:
            raise CacheProblem(f"{error.filename or self.folder}: {error.strerror or error}") from error

    def remembered(self, name: str, make: Callable[[], Any]) -> Any:
        """A short result, plain JSON values: as it was kept, or made and kept, where that can be done."""
        path = self.folder / "notes" / name
        with contextlib.suppress(OSError, ValueError):
            found = unsealed(path.read_text(encoding="utf-8"))
            os.utime(path)
            return found
        made = make()
        with contextlib.suppress(OSError):
            _make_own_folder(self.folder)
            path.parent.mkdir(exist_ok=True)
            kept = sorted(path.parent.iterdir(), key=_last_used)
            for old in kept[: max(0, len(kept) + 1 - NOTES)]:
                old.unlink(missing_ok=True)
            with replacing(path) as file:
                file.write(sealed(made).encode())
        return made

    def drop(self, key: str) -> None:
        """Have a damaged entry made anew when it is needed next; whoever uses it may go on."""
        with contextlib.suppress(OSError):
            (self.folder / key).rename(self.folder / f"{key}.damaged-{os.getpid()}-{time.time_ns()}")

    def use(self) -> Use:
        """What is kept now; OSError where the folder cannot be read."""
        sizes = {key: self._size(key) for key in self._keys()}
        unused = sum(size for key, size in sizes.items() if not self._in_use(key))
        notes = self.folder / "notes"
        small = sum(_file_size(path) for path in notes.iterdir()) if notes.is_dir() else 0
        total = sum(sizes.values())
        entries = sum("." not in key for key in sizes)
        return Use(self.folder, entries, total + small, unused + small, self._bound(total) if self._exists() else 0)

    def clear(self) -> int:
        """Remove all that is not in use; how many bytes that were. OSError where it cannot be removed."""
        if not self._exists():
            return 0
        gone = 0
        with self._locked(self.folder / ".room"):
            for key in self._keys():
                size = self._size(key)
                gone += size if self._remove(key) else 0
        notes = self.folder / "notes"
        for note in notes.iterdir() if notes.is_dir() else ():
            gone += _file_size(note)
            note.unlink(missing_ok=True)
        return gone

    def _exists(self) -> bool:
        return self.folder.is_dir()

    def _find(self, key: str) -> Entry | None:
        folder = self.folder / key
        for _ in range(LOOKS):
            try:
                entry = Entry(folder, handle := os.open(folder / META, os.O_RDONLY))
            except (FileNotFoundError, NotADirectoryError):
                return None
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
                if os.fstat(handle).st_ino == (folder / META).stat().st_ino:
                    os.utime(folder)  # when it was used last
                    return entry
            except FileNotFoundError:
                return None
            except BlockingIOError:  # it is looked at, or being removed
                time.sleep(LOOK_SECONDS)
        return None

    def _make(self, key: str, make: Callable[[Path, Reserve], None]) -> None:
        part = self.folder / f"{key}.part"

        def reserve(size: int) -> None:
            with self._locked(self.folder / ".room"):
                self._make_room(size)
                with (part / RESERVED).open("wb") as file:
                    file.truncate(size)

        shutil.rmtree(part, ignore_errors=True)  # of a maker that was killed
        try:
            part.mkdir()
            make(part, reserve)
            (part / RESERVED).unlink()
            part.rename(self.folder / key)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _make_room(self, size: int) -> None:
        """Remove entries that are not in use until another one of this size is within the bound."""
        sizes = {key: self._size(key) for key in self._keys()}
        total = sum(sizes.values())
        most = self._bound(total)
        wanted, allowed = f"{size / 1e9:.2f} GB", f"{most / 1e9:.2f} GB"
        if size > most:
            raise CacheProblem(f"{wanted} are more than the {allowed} that {self.folder} may keep (GOODFIT_CACHE)")
        for key in sorted(sizes, key=lambda one: _last_used(self.folder / one)):
            if total + size <= most:
                return
            total -= sizes[key] if self._remove(key) else 0
        if total + size > most:
            raise CacheProblem(
                f"{wanted} beside what is in use are more than the {allowed} that {self.folder} may keep "
                "(GOODFIT_CACHE)"
            )

    def _bound(self, total: int) -> int:
        """Bytes that all entries may have, which have `total` now."""
        free = shutil.disk_usage(self.folder).free + total
        most = int(SHARE * free) if self._most is None else self._most
        return max(0, min(most, free - LEFT_FREE))

    def _keys(self) -> list[str]:
        """The names of all folders of entries: those that can be used, are being made, or are damaged."""
        if not self._exists():
            return []
        return [path.name for path in self.folder.iterdir() if path.name != "notes" and path.is_dir()]

    def _size(self, key: str) -> int:
        reserved = self.folder / key / RESERVED
        if reserved.exists():
            return _file_size(reserved)
        return sum(_file_size(path) for path in (self.folder / key).glob("*"))

    def _in_use(self, key: str) -> bool:
        return not self._remove(key, only_look=True)

    def _remove(self, key: str, *, only_look: bool = False) -> bool:
        """Remove an entry if nobody uses or makes it; whether that is so."""
        folder = self.folder / key
        held = self.folder / f"{key.removesuffix('.part')}.making" if key.endswith(".part") else folder / META
        try:
            with held.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not only_look:
                    shutil.rmtree(folder)
        except FileNotFoundError:  # nobody can use it
            if not only_look:
                shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            return False
        return True

    @contextlib.contextmanager
    def _locked(self, path: Path, *, passing: bool = False) -> Iterator[None]:
        """Hold a lock that one process can hold; `passing`: its file goes with it. CacheProblem after a long wait."""
        end = time.monotonic() + PATIENCE
        while True:
            with path.open("a+b") as file:
                while not _lock(file.fileno()):
                    if time.monotonic() > end:
                        raise CacheProblem(f"{path} has been held by another process for {PATIENCE / 60:.0f} minutes")
                    time.sleep(LOOK_SECONDS)
                if not (path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino):
                    continue  # whoever held it has removed it meanwhile
                try:
                    yield
                finally:
                    if passing:
                        path.unlink(missing_ok=True)
                return


def sealed(content: Any) -> str:
    """Plain JSON values as text with a checksum."""
    text = json.dumps(content)
    return f"{zlib.crc32(text.encode()):08x} {text}"


def unsealed(text: str) -> Any:
    """What `sealed` made a text of; ValueError where it has been changed since."""
    checksum, _, content = text.partition(" ")
    if checksum != f"{zlib.crc32(content.encode()):08x}":
        raise ValueError("its checksum is another")
    return json.loads(content)


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _make_own_folder(folder: Path) -> None:
    """Make the folder of a cache below one that is there, for this user alone; OSError where it is another's."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid() or folder.is_symlink():
        raise OSError(errno.EPERM, "it belongs to another user", str(folder))


def _last_used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _file_size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0
