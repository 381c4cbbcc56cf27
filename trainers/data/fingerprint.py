"""Whether the data of a study are still the same: a hash of what is in its files, or of what its function returned.

It is bounded in time: of data beyond WHOLE bytes an even sample of blocks is read with the size of every file, of
folders with more than OPENED files an even choice of them with the names and sizes of all.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goodfit.trainers.data.datasets.tables import DATASETS
from goodfit.trainers.data.datasets.tables import VERSION as BUILTIN_VERSION
from goodfit.trainers.data.reading.functions import is_function, returned_digest
from goodfit.trainers.data.reading.pixels import SUFFIXES
from goodfit.trainers.messages import DataSpec

WHOLE = 512 * 2**20  # bytes that are read at most
BLOCK = 2**20
OPENED = 20_000
NAMED = 200  # files of which each has a digest of its own in a fingerprint


_Stated = tuple[str, Path, int, int, int]  # name, path, size, when it was written, its number on the disk


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What data are.

    Attributes:
        digest: the same for the same data.
        files: the digest of each file by name; empty where they are more than NAMED.
        count: how many files they are; 0 of data that are no files.
    """

    digest: str
    files: Mapping[str, str] = field(default_factory=dict)
    count: int = 0


def fingerprint(spec: DataSpec) -> Fingerprint | None:
    """What the data of a study are now; None where they are not there."""
    if is_function(spec.source):
        return Fingerprint(returned_digest(spec.source))
    if spec.is_added and not Path(spec.source).exists():
        return Fingerprint(_hashed(f"{spec.kind}: {spec.source}".encode()))
    if spec.source in DATASETS and not spec.is_added:
        return Fingerprint(_hashed(f"built in: {spec.source} {BUILTIN_VERSION}".encode()))
    try:
        return _fingerprint(_all_stated(spec))
    except OSError:
        return None


def stated(spec: DataSpec) -> str | None:
    """Another text wherever data may be others, by the sizes and times of their files, of which none is read.

    None of data of which only a look inside can say it: those of a function, and those that are not there.
    """
    if is_function(spec.source) or (spec.is_added and not Path(spec.source).exists()):
        return None
    if spec.source in DATASETS and not spec.is_added:
        return f"built in: {BUILTIN_VERSION}, {spec}"
    try:
        files = hashlib.blake2b(repr(_all_stated(spec)).encode(), digest_size=16).hexdigest()
        return f"{files}, {spec}"
    except OSError:
        return None


def _all_stated(spec: DataSpec) -> tuple[_Stated, ...]:
    places = [Path(spec.source), *([Path(spec.augment.synonyms)] if spec.augment.synonyms else [])]
    suffixes = ("",) if spec.is_added else SUFFIXES  # what an added kind reads is not known here
    return tuple(one for place in places for one in _stated(place, suffixes))


def _stated(place: Path, suffixes: tuple[str, ...]) -> list[_Stated]:
    """The files of a source, by name; of a folder those that are trained on, by the ends of their names."""
    if not place.is_dir():
        return [_stat(place.name, place)]
    found = []
    for folder, folders, files in os.walk(place, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            if not name.startswith(".") and name.lower().endswith(suffixes):
                path = Path(folder, name)
                found.append(_stat(path.relative_to(place.parent).as_posix(), path))
    return sorted(found)


def _stat(name: str, path: Path) -> _Stated:
    about = path.stat()
    return name, path, about.st_size, about.st_mtime_ns, about.st_ino


@functools.lru_cache(maxsize=4)
def _fingerprint(files: tuple[_Stated, ...]) -> Fingerprint:
    """The fingerprint of files; read anew only when one of them was written."""
    total = sum(size for _, _, size, _, _ in files)
    step = max(1, -(-len(files) // OPENED))
    share = min(1.0, WHOLE / total * step) if total else 1.0
    digests = {
        name: _of_file(path, size, share) if index % step == 0 else str(size)
        for index, (name, path, size, _, _) in enumerate(files)
    }
    whole = _hashed(repr(sorted(digests.items())).encode())
    return Fingerprint(whole, digests if len(files) <= NAMED else {}, len(files))


def _of_file(path: Path, size: int, share: float) -> str:
    """A hash of a file's size and content; of a share of it, of blocks that lie evenly from its start to its end."""
    digest = hashlib.blake2b(str(size).encode(), digest_size=8)
    with path.open("rb") as file:
        if share >= 1:
            for block in iter(lambda: file.read(BLOCK), b""):
                digest.update(block)
        else:
            block_size = min(BLOCK, max(1, int(size * share) // 2))
            blocks = max(2, int(size * share) // block_size)
            for index in range(blocks):
                file.seek((size - block_size) * index // (blocks - 1))
                digest.update(file.read(block_size))
    return digest.hexdigest()


def _hashed(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=4).hexdigest()


def to_dict(found: Fingerprint) -> dict[str, Any]:
    """Plain JSON values."""
    return {"digest": found.digest, "files": dict(found.files), "count": found.count}
