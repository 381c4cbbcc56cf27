"""Where a study's files are kept: a folder that all nodes see, or an object store at a URL.

A folder is read and written directly, with no copy. For an object store a worker trains in a scratch
folder and a Keeper pushes what it writes, as it writes it, so that another worker can go on elsewhere.
Either way a reader sees a file whole or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from goodfit.trainers.files import replacing

# What a file system says that has no hard links.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EACCES})


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

    def piece(self, name: str, offset: int, limit: int) -> bytes:
        """At most so many bytes of a file from there on; none where there are none."""
        ...

    def names(self) -> list[str]:
        """All files, sorted; those of folders in it too."""
        ...

    def put(self, file: Path, name: str) -> None:
        """Keep a copy of a file, whole or not at all."""
        ...

    def claim(self, name: str, content: bytes) -> bool:
        """Keep a file unless there is one of that name; whether there was none."""
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

    def piece(self, name: str, offset: int, limit: int) -> bytes:
        try:
            with (self._folder / name).open("rb") as file:
                file.seek(offset)
                return file.read(limit)
        except FileNotFoundError:
            return b""

    def names(self) -> list[str]:
        return files_of(self._folder)

    def put(self, file: Path, name: str) -> None:
        target = self._folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with file.open("rb") as source, replacing(target) as copy:
            shutil.copyfileobj(source, copy)

    def claim(self, name: str, content: bytes) -> bool:
        target = self._folder / name
        if target.exists():
            return False
        part = target.with_name(f"{name}.{uuid.uuid4().hex}.part")
        try:
            with replacing(part) as file:
                file.write(content)
            _link(part, target)
        except FileExistsError:
            return False
        finally:
            part.unlink(missing_ok=True)
        return True

    def take(self, name: str, file: Path) -> None:
        shutil.copyfile(self._folder / name, file)

    def drop(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)

    def remove(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._folder)

    def check(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def local(self, *names: str) -> Iterator[Path]:  # noqa: ARG002 - they are all here
        yield self._folder


def _link(file: Path, target: Path) -> None:
    """Give a file a second name: the target is there whole or not at all, and of two claims one gets it."""
    try:
        os.link(file, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with target.open("xb") as copy:
            copy.write(file.read_bytes())


def place_of(root: str | Path) -> Place:
    """The place at a folder, or at a URL.

    Raises:
        UnknownPlace: no such kind of store, or its library is not installed.
    """
    text = str(root)
    if text.startswith("file://"):
        return FolderPlace(Path(text.removeprefix("file://")))
    if "://" not in text:
        return FolderPlace(Path(root))
    from goodfit.trainers.artifacts.object_store import RemotePlace

    return RemotePlace(text)


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
