"""Where a study's files are kept: a folder that all nodes see, or an object store at a URL.

A folder is read and written directly, with no copy. For an object store a worker trains in a scratch
folder and a Keeper pushes what it writes, as it writes it, so that another worker can go on elsewhere.
Either way a reader sees a file whole or not at all. Object stores are reached through fsspec, which
is imported only for a URL.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from trainers.errors import PlaceAway, UnknownPlace

LAST = ("facts.json", "best.pt", "last.pt")  # in this order: a checkpoint that is seen has all that it needs
ATOMIC = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory")  # protocols: an object is there whole or not
PROBE = ".can-be-written"
TRIES = 5
PAUSE = 0.5  # seconds after a first failure; doubled with each

T = TypeVar("T")


class Place(Protocol):
    """A folder of files by name, `a/b.txt` for one in a folder of it."""

    @property
    def folder(self) -> Path | None:
        """The folder itself, where it is one; None where files have to be fetched."""
        ...

    def __truediv__(self, part: str) -> Place: ...
    def uri(self, name: str = "") -> str:
        """Where a file lies, for people and for MLflow."""
        ...

    def exists(self, name: str) -> bool: ...
    def read(self, name: str) -> bytes | None:
        """A file's content; None where there is none."""
        ...

    def names(self) -> list[str]:
        """All files, sorted; those of folders in it too."""
        ...

    def put(self, file: Path, name: str) -> None:
        """Keep a copy of a file, whole or not at all."""
        ...

    def take(self, name: str, file: Path) -> None:
        """Write a kept file's content to a file here."""
        ...

    def drop(self, name: str) -> None:
        """Forget a file; nothing where there is none."""
        ...

    def remove(self) -> None:
        """Forget all of it."""
        ...

    def check(self) -> None:
        """Make sure that files can be kept here; PlaceAway, or the folder's OSError, when not."""
        ...

    def local(self, *names: str) -> contextlib.AbstractContextManager[Path]:
        """A folder with these files (those that there are) to read; a copy only where there must be one."""
        ...


class FolderPlace:
    """A plain folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path:
        return self._folder

    def __truediv__(self, part: str) -> FolderPlace:
        return FolderPlace(self._folder / part)

    def __repr__(self) -> str:
        return str(self._folder)

    def uri(self, name: str = "") -> str:
        return (self._folder / name).as_uri()

    def exists(self, name: str) -> bool:
        return (self._folder / name).is_file()

    def read(self, name: str) -> bytes | None:
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def names(self) -> list[str]:
        return files_of(self._folder)

    def put(self, file: Path, name: str) -> None:
        target = self._folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, suffix=".part", delete=False) as made:
            part = Path(made.name)
        try:
            shutil.copyfile(file, part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def take(self, name: str, file: Path) -> None:
        shutil.copyfile(self._folder / name, file)

    def drop(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def check(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def local(self, *names: str) -> Iterator[Path]:  # noqa: ARG002 - they are all here
        yield self._folder


class RemotePlace:
    """A prefix of an object store, whose puts are atomic, or a folder that only fsspec reaches.

    Args:
        url: s3://bucket/prefix, or what else fsspec takes.
        sleep: waits between tries.

    Raises:
        UnknownPlace: the store is not known here, or its library is not installed.
    """

    folder: None = None

    def __init__(self, url: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._url, self._sleep = url.rstrip("/"), sleep
        self._files, self._root = _opened(self._url)

    def __truediv__(self, part: str) -> RemotePlace:
        return RemotePlace(f"{self._url}/{part}", self._sleep)

    def __repr__(self) -> str:
        return self._url

    def uri(self, name: str = "") -> str:
        return f"{self._url}/{name}" if name else self._url

    def exists(self, name: str) -> bool:
        return self._try(lambda: bool(self._files.isfile(self._at(name))))

    def read(self, name: str) -> bytes | None:
        def content() -> bytes | None:
            try:
                found: bytes = self._files.cat_file(self._at(name))
                return found
            except FileNotFoundError:
                return None

        return self._try(content)

    def names(self) -> list[str]:
        def found() -> list[str]:
            self._files.invalidate_cache()
            paths = self._files.find(self._root)
            names = (str(path).removeprefix(f"{self._root}/") for path in paths)
            return sorted(name for name in names if not name.endswith(".part"))

        return self._try(found)

    def put(self, file: Path, name: str) -> None:
        target = self._at(name)
        self._try(lambda: self._put(file, target))

    def _put(self, file: Path, target: str) -> None:
        if self._url.partition("://")[0] in ATOMIC:
            self._files.put_file(str(file), target)
            return
        part = f"{target}.{uuid.uuid4().hex}.part"
        self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
        try:
            self._files.put_file(str(file), part)
            self._files.mv(part, target)
        except BaseException:
            with contextlib.suppress(Exception):
                self._files.rm_file(part)
            raise

    def take(self, name: str, file: Path) -> None:
        self._try(lambda: self._files.get_file(self._at(name), str(file)))

    def drop(self, name: str) -> None:
        def gone() -> None:
            with contextlib.suppress(FileNotFoundError):
                self._files.rm_file(self._at(name))

        self._try(gone)

    def remove(self) -> None:
        def gone() -> None:
            self._files.invalidate_cache()
            with contextlib.suppress(FileNotFoundError):
                self._files.rm(self._root, recursive=True)

        self._try(gone)

    def check(self) -> None:
        with tempfile.NamedTemporaryFile() as empty:
            self.put(Path(empty.name), PROBE)
        self.drop(PROBE)

    @contextlib.contextmanager
    def local(self, *names: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="goodfit-") as scratch:
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    self.take(name, Path(scratch, name))
            yield Path(scratch)

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _try(self, act: Callable[[], T]) -> T:
        """Do it, again after a pause where the store fails; what is not there is said at once."""
        for pause in [PAUSE * 2**number for number in range(TRIES - 1)]:
            try:
                return act()
            except FileNotFoundError:
                raise
            except PermissionError as error:
                raise PlaceAway(f"{self._url} refuses: {error}; see its credentials") from error
            except Exception:  # noqa: BLE001 - each store has errors of its own; the last try tells
                self._sleep(pause)
        try:
            return act()
        except FileNotFoundError:
            raise
        except Exception as error:
            raise PlaceAway(f"{self._url} does not answer: {type(error).__name__}: {error}") from error


def _opened(url: str) -> tuple[Any, str]:
    """A URL's file system, and the path in it."""
    import fsspec

    protocol = url.partition("://")[0]
    try:
        files, root = fsspec.core.url_to_fs(url)
    except ImportError as error:
        wanted = f"pip install 'goodfit[{protocol}]'" if protocol == "s3" else str(error)
        raise UnknownPlace(f"{url}: the library for {protocol}:// is not installed: {wanted}") from error
    except ValueError as error:
        raise UnknownPlace(f"{url}: a folder or s3://BUCKET/PREFIX, please; {error}") from error
    return files, str(root).rstrip("/")


def place_of(root: str | Path) -> Place:
    """The place at a folder, or at a URL.

    Raises:
        UnknownPlace: no such kind of store, or its library is not installed.
    """
    text = str(root)
    if text.startswith("file://"):
        return FolderPlace(Path(text.removeprefix("file://")))
    return RemotePlace(text) if "://" in text else FolderPlace(Path(root))


def files_of(folder: Path) -> list[str]:
    """The files of a folder and those below it, by their names from there; not those that are being written."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".part")
    return sorted(path.relative_to(folder).as_posix() for path in found)


def fetch(place: Place, folder: Path, names: Sequence[str]) -> None:
    """Copy kept files into a folder, under their names."""
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        place.take(name, file)


class Keeper:
    """Keeps a scratch folder's files at a place.

    Args:
        scratch: where a worker writes; made if it is not there.
        place: where they are kept.
    """

    def __init__(self, scratch: Path, place: Place) -> None:
        self._scratch, self._place = scratch, place
        self._kept: dict[str, tuple[int, int]] = {}
        scratch.mkdir(parents=True, exist_ok=True)

    def begin(self) -> None:
        """Nothing is kept from now on: what lies there is of another study that had the name."""
        self._place.remove()

    def pull(self) -> None:
        """Fetch all that an earlier attempt kept."""
        names = self._place.names()
        fetch(self._place, self._scratch, names)
        self._kept = {name: _version(self._scratch / name) for name in names}

    def push(self) -> None:
        """Keep what is new or has changed, checkpoints last, and forget what is gone."""
        found = files_of(self._scratch)
        for name in sorted(found, key=_rank):
            version = _version(self._scratch / name)
            if self._kept.get(name) != version:
                self._place.put(self._scratch / name, name)
                self._kept[name] = version
        for name in sorted(set(self._kept) - set(found)):
            self._place.drop(name)
            del self._kept[name]


def _rank(name: str) -> tuple[int, str]:
    last: Sequence[str] = LAST
    own = name.rpartition("/")[2]
    return (last.index(own) + 1 if own in last else 0, name)


def _version(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_mtime_ns, found.st_size
