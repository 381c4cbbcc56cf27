"""Files that are there whole or not at all, and what a failing file system means for a trial.

Whatever a reader or a later attempt relies on is written here and nowhere else: to a file beside it, flushed
to the disk, then renamed. Torch is imported only where a checkpoint is read or written.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import stat
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any, TypeVar

from goodfit.retrying import backoff, retried
from goodfit.trainers.errors import Damaged, PlaceAway

PATIENCE = 60.0  # seconds that a trial waits for a folder that is away
FIRST_PAUSE = 0.25  # seconds between two tries; doubled with each, up to LONGEST_PAUSE
LONGEST_PAUSE = 4.0
PROBE_BYTES = 256 * 1024  # a disk with less room than this is full

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# A disk that fails, a network folder whose server is away, a file system that was remounted read-only.
AWAY = frozenset(
    {errno.EIO, errno.ESTALE, errno.EROFS, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH}
    | {errno.ENODEV, errno.ENXIO, errno.ESHUTDOWN}
)
# Of a folder that Goodfit itself made, these say the same.
AWAY_HERE = AWAY | {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM}
_NO_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP})  # what a file system says that cannot flush

T = TypeVar("T")
_renamed_in: ContextVar[set[Path] | None] = ContextVar("renamed_in", default=None)  # folders that are flushed later


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes the place of `path` at the end: the old one or the new one is there, never a half."""
    part = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            _sync(file.fileno())
        _move(part, path)
        if (later := _renamed_in.get()) is None:
            _sync_folder(path.parent)
        else:
            later.add(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink()
        if isinstance(error, OSError) and error.filename is None:  # of a write, which knows no name
            error.filename = str(path)
        raise


@contextlib.contextmanager
def names_together() -> Iterator[None]:
    """Within it files take their names without a flush of their folder each; each folder is flushed once, at the end.

    For files whose names may reach the disk in any order; a file that is written after it does so after them.
    """
    folders: set[Path] = set()
    token = _renamed_in.set(folders)
    try:
        yield
    finally:
        _renamed_in.reset(token)
    for folder in folders:
        try:
            _sync_folder(folder)
        except OSError as error:
            error.filename = error.filename or str(folder)
            raise


def _move(part: Path, path: Path) -> None:
    """Rename, also onto a folder that somebody has put in the file's place."""
    try:
        part.replace(path)
    except IsADirectoryError:
        shutil.rmtree(path)
        part.replace(path)


def copied(source: Path, target: Path) -> None:
    """Copy a file; the copy is there whole or not at all."""
    with source.open("rb") as kept, replacing(target) as copy:
        shutil.copyfileobj(kept, copy)


def write_json(path: Path, content: Any, indent: int | None = None) -> None:
    """Plain values as JSON; whole or not at all."""
    with replacing(path) as file:
        file.write(json.dumps(content, indent=indent).encode())


def write_text(path: Path, text: str) -> None:
    """A text, whole or not at all."""
    with replacing(path) as file:
        file.write(text.encode(errors="backslashreplace"))


def write_checkpoint(path: Path, content: Any) -> None:
    """torch.save, whole or not at all; a full disk is the OSError that it is, which torch's zip writer hides."""
    import torch

    with replacing(path) as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:
            raise os_error(error) or error from None


def read_checkpoint(path: Path) -> Any:
    """What write_checkpoint wrote, on the CPU.

    Raises:
        Damaged: the file is cut off or overwritten, in its content too, which torch would not notice; or unreadable.
        FileNotFoundError: there is none.
    """
    import torch

    try:
        require_file(path)
        _require_whole(path)
        return torch.load(path, weights_only=True, map_location="cpu")
    except (Damaged, FileNotFoundError, MemoryError):
        raise
    except OSError as error:
        if error.errno in AWAY_HERE:
            raise
        raise Damaged(f"{path} is damaged: {error}") from error
    except Exception as error:  # torch, pickle and zipfile have many ways to say it
        raise Damaged(f"{path} cannot be loaded: {_first_line(error)}") from error


def read_json(path: Path) -> Any:
    """What write_json wrote.

    Raises:
        Damaged: the file is cut off or overwritten, or cannot be read.
        FileNotFoundError: there is none.
    """
    require_file(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise Damaged(f"{path} is damaged: {error}") from error


def require_file(path: Path) -> None:
    """Make sure that there is a file that can be read, before it is opened.

    Raises:
        Damaged: something else is in its place, or its rights forbid it.
        FileNotFoundError: there is nothing.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if not path.is_symlink():
            raise
        raise Damaged(f"{path} is a link to a file that is not there") from None
    if not stat.S_ISREG(mode):
        raise Damaged(f"{path} is not a file")
    if not os.access(path, os.R_OK):  # not the folder's rights: those do for stat
        raise Damaged(f"{path} cannot be read: its permissions do not allow it")


def make_folder(folder: Path, root: Path | None) -> None:
    """Make a folder below one that has to be there: where that is gone, its disk is.

    Args:
        folder: the one to make.
        root: the one that is never made here; None: any may be.
    """
    if root is None:
        folder.mkdir(parents=True, exist_ok=True)
        return
    depth = len(folder.relative_to(root).parts)
    for part in reversed([folder, *folder.parents][:depth]):
        part.mkdir(exist_ok=True)


def probe(folder: Path, root: Path | None) -> None:
    """Make sure that files can be written in a folder; the OSError where they cannot."""
    make_folder(folder, root)
    file = folder / "probe"
    with replacing(file) as writing:
        writing.write(bytes(PROBE_BYTES))
    file.unlink()


def until_there(act: Callable[[], T], sleep: Callable[[float], None] = time.sleep) -> T:
    """Do something in a folder of ours; where that is away, again until it is back.

    Raises:
        PlaceAway: it did not come back in time.
        OSError: another one, such as a full disk, for which nobody waits.
    """
    pauses = backoff(FIRST_PAUSE, LONGEST_PAUSE, PATIENCE)
    try:
        return retried(act, lambda error: next(pauses, None) if _says_away(error) else None, sleep)
    except OSError as error:
        if not _says_away(error):
            raise
        waited = sum(backoff(FIRST_PAUSE, LONGEST_PAUSE, PATIENCE))
        raise PlaceAway(f"files cannot be kept, after a wait of {waited:.0f} s: {error}") from error


def _says_away(error: Exception) -> bool:
    return isinstance(error, PlaceAway) or (isinstance(error, OSError) and error.errno in AWAY_HERE)


def os_error(error: BaseException) -> OSError | None:
    """The file system's own error behind another one, which a library raised in its place."""
    found: BaseException | None = error
    seen: set[int] = set()
    while found is not None and id(found) not in seen:
        if isinstance(found, OSError) and found.errno in FULL | AWAY:
            return found
        seen.add(id(found))
        found = found.__cause__ or found.__context__
    return None


def _require_whole(path: Path) -> None:
    with zipfile.ZipFile(path) as parts:
        if (bad := parts.testzip()) is not None:
            raise Damaged(f"{path} is damaged: {bad} in it has changed since it was written")


def _sync(handle: int) -> None:
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def _sync_folder(folder: Path) -> None:
    """Let the renaming itself survive a cut of the power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        _sync(handle)
    finally:
        os.close(handle)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
