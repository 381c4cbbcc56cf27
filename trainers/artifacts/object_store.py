"""A place at a URL: what fsspec reaches. It is imported for a URL alone; the store's own library is an extra."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from goodfit.retrying import backoff, retried
from goodfit.trainers.environment import KEYS, STORES
from goodfit.trainers.errors import PlaceAway, UnknownPlace

ATOMIC = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss")  # protocols: an object is there whole or not at all
PROBE = ".can-be-written"
TRIES = 5
PAUSE = 0.5  # seconds after a first failure; doubled with each

T = TypeVar("T")
_KEYS = dict(zip(("key", "secret", "token"), KEYS, strict=True))  # as s3fs calls them
_keys: dict[str, str] = {}


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

    def piece(self, name: str, offset: int, limit: int) -> bytes:
        def found() -> bytes:
            try:
                if offset >= self._files.size(self._at(name)):
                    return b""
                part: bytes = self._files.cat_file(self._at(name), start=offset, end=offset + limit)
                return part
            except FileNotFoundError:
                return b""

        return self._try(found)

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

    def claim(self, name: str, content: bytes) -> bool:
        if self.exists(name):
            return False
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            self.put(Path(file.name), name)
        return self.read(name) == content  # of two at once the later one has it

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
            try:
                self.put(Path(empty.name), PROBE)
            except FileNotFoundError as error:
                raise PlaceAway(f"{self._url}: there is no such bucket: {error}") from error
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
        pauses = islice(backoff(PAUSE), TRIES - 1)

        def pause(error: Exception) -> float | None:  # each store has errors of its own; the last one is raised
            return None if isinstance(error, (FileNotFoundError, PermissionError)) else next(pauses, None)

        try:
            return retried(act, pause, self._sleep)
        except FileNotFoundError:
            raise
        except PermissionError as error:
            raise PlaceAway(f"{self._url} refuses: {error}; see its credentials") from error
        except Exception as error:
            raise PlaceAway(f"{self._url} does not answer: {type(error).__name__}: {error}") from error


def use_keys(environ: Mapping[str, str]) -> None:
    """Use the keys of s3 that an environment has, and its place, where this process's own has none."""
    for name in STORES:
        if environ.get(name):
            os.environ.setdefault(name, environ[name])
    _keys.update({name: environ[variable] for name, variable in _KEYS.items() if environ.get(variable)})


def _opened(url: str) -> tuple[Any, str]:
    """A URL's file system, and the path in it."""
    import fsspec

    protocol = url.partition("://")[0]
    try:
        files, root = fsspec.core.url_to_fs(url, **(_keys if protocol in ("s3", "s3a") else {}))
    except ImportError as error:
        wanted = f"pip install 'goodfit[{protocol}]'" if protocol == "s3" else str(error)
        raise UnknownPlace(f"{url}: the library for {protocol}:// is not installed: {wanted}") from error
    except ValueError as error:
        raise UnknownPlace(f"{url}: give a folder or s3://BUCKET/PREFIX; {error}") from error
    return files, str(root).rstrip("/")
