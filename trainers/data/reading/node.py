"""The cache of this node as the data of this process's worker use it, and the names of what they keep there.

What is kept is named by the content of the files that it is made of. Their bytes are read once; after that their
sizes, numbers and times say that they are the same, as git has it: a file that has just been written is read again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from goodfit.trainers.ahead import ahead, usable_cpus
from goodfit.trainers.node_cache import CacheProblem, CacheSpec, NodeCache

BLOCK = 2**20
JUST_WRITTEN = 2.0  # seconds: file systems may give two writings within this the same time
FILES_AT_ONCE = 64  # whose content a thread reads in one go

_current: NodeCache | None = None
_notices: list[str] = []


def use(spec: CacheSpec | None) -> None:
    """Keep what is decoded and prepared here from now on; None: nowhere."""
    global _current
    _current = None if spec is None else spec.here()
    _notices.clear()


def cache() -> NodeCache | None:
    """Where to keep what is decoded and prepared; None: nowhere."""
    return _current


def note(text: str) -> None:
    """Have users know what the cache could not do for them; each text once."""
    if text not in _notices:
        _notices.append(text)


def notices() -> list[str]:
    """What has been noted since the last call."""
    found = list(_notices)
    _notices.clear()
    return found


def not_kept(what: str, problem: CacheProblem, instead: str) -> None:
    """Note that something is not kept in the cache."""
    note(f"{what} not kept in the node's cache: {problem}; {instead}")


def name_of(*parts: str | bytes) -> str:
    """A name for what is made of these, whose order counts."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.hexdigest()


def content_of(found: NodeCache, files: Sequence[Path]) -> str:
    """A digest of what is in files, in their order; OSError where one cannot be read."""
    stated = state_of(files)
    newest = max((max(changed, written) for _, _, _, written, changed in stated), default=0)
    if newest / 1e9 > time.time() - JUST_WRITTEN:
        return _digest(files)
    return str(found.remembered(name_of("content", repr(stated)), lambda: _digest(files)))


State = list[tuple[str, int, int, int, int]]


def state_of(files: Iterable[Path]) -> State:
    """Path, size, number on the disk, and when it was written and changed, of each file."""
    found = []
    for path in files:
        about = path.stat()
        found.append((str(path), about.st_size, about.st_ino, about.st_mtime_ns, about.st_ctime_ns))
    return found


def _digest(files: Sequence[Path]) -> str:
    parts = [files[start : start + FILES_AT_ONCE] for start in range(0, len(files), FILES_AT_ONCE)]
    threads = usable_cpus()
    return name_of(*(digest for some in ahead(_digests, parts, threads, 4 * threads) for digest in some))


def _digests(files: Sequence[Path]) -> list[bytes]:
    return [_of_file(path) for path in files]


def _of_file(path: Path) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        for block in iter(lambda: file.read(BLOCK), b""):
            digest.update(block)
    return digest.digest()
