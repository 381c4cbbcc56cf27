"""The state of a git repository: its commit, its branch, and what is not committed. No remote, no network, no shell.

Nothing that a repository configures is run: no external diff, no text conversion, no file system monitor. Of a
repository of another user only the commit and the branch are read. Every call is bounded in time and in what it
gives; a repository that cannot be read is described by a sentence in `problem`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 4.0  # for all calls of git together
DIFF_BYTES = 256 * 1024
LIST_BYTES = 64 * 1024
UNTRACKED = 50  # files and folders that are named
# What a repository may be in the middle of, by what git keeps in its folder meanwhile.
_UNDER_WAY = {
    "MERGE_HEAD": "merge",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "BISECT_LOG": "bisect",
}
_QUIET = ("-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "--no-optional-locks")


@dataclass(frozen=True, slots=True)
class Said:
    """What a call of git came to.

    Attributes:
        code: its exit status; None where it was ended for its time.
        text: what it wrote, up to a limit.
        cut: whether there was more.
        error: the last line that it wrote to standard error.
    """

    code: int | None
    text: str
    cut: bool = False
    error: str = ""


def repository_of(folder: Path) -> Path | None:
    """The folder of the working tree that a folder lies in; None where it lies in none."""
    with contextlib.suppress(OSError):
        return next((place for place in (folder, *folder.parents) if (place / ".git").exists()), None)
    return None


def git_facts(folder: Path, clock: Callable[[], float] = time.monotonic) -> dict[str, Any] | None:
    """The state of the repository that a folder lies in; None where it lies in none.

    Returns:
        commit (None: there is none yet), branch (None: HEAD is detached), dirty (None: not known), under_way (merge,
        rebase, ... or None), diff (against the commit, of tracked files), diff_cut, untracked (names), and problem:
        why some of it is missing, or None.
    """
    top = repository_of(folder.absolute())
    if top is None:
        return None
    found: dict[str, Any] = {"commit": None, "branch": None, "dirty": None, "under_way": None}
    found |= {"diff": "", "diff_cut": False, "untracked": [], "problem": None}
    try:
        return found | _read(_Git(top, clock() + SECONDS, clock))
    except FileNotFoundError:
        return found | {"problem": "git is not installed"}
    except OSError as error:
        return found | {"problem": f"git cannot be run: {error.strerror or error}"}


def _read(git: _Git) -> dict[str, Any]:
    place = git("rev-parse", "--absolute-git-dir")
    foreign = "dubious ownership" in place.error or "unsafe repository" in place.error
    if foreign:
        git = _Git(git.top, git.until, git.clock, ("-c", f"safe.directory={git.top}"))
        place = git("rev-parse", "--absolute-git-dir")
    if place.code != 0:
        return {"problem": _problem(place)}
    head, branch = git("rev-parse", "--verify", "-q", "HEAD"), git("symbolic-ref", "-q", "--short", "HEAD")
    found: dict[str, Any] = {
        "commit": head.text.strip() or None,
        "branch": branch.text.strip() or None,
        "under_way": _under_way(Path(place.text.strip())),
    }
    if foreign:
        whose = "the repository belongs to another user, so what is not committed was not looked at"
        return found | {"problem": f"{whose} (git's safe.directory allows it)"}
    return found | _uncommitted(git, born=found["commit"] is not None)


def _uncommitted(git: _Git, *, born: bool) -> dict[str, Any]:
    """What differs from the commit; before the first one, what is to be in it."""
    status = git("status", "--porcelain=v1", "-z", limit=LIST_BYTES)
    if status.code != 0 and not status.cut:
        return {"problem": _problem(status)}
    lines = status.text.split("\0")
    found: dict[str, Any] = {
        "dirty": bool(status.text),
        "untracked": [line[3:] for line in lines if line.startswith("?? ")][:UNTRACKED],
    }
    if all(line.startswith("?? ") for line in lines if line):
        return found
    diff = git("diff", "--no-color", "--no-ext-diff", "--no-textconv", "HEAD" if born else "--cached", limit=DIFF_BYTES)
    if diff.code != 0 and not diff.cut:
        return found | {"problem": _problem(diff)}
    return found | {"diff": diff.text, "diff_cut": diff.cut}


def _under_way(folder: Path) -> str | None:
    return next((word for name, word in _UNDER_WAY.items() if (folder / name).exists()), None)


def _problem(said: Said) -> str:
    if said.code is None:
        return f"git did not answer within {SECONDS:.0f} s"
    return f"git refuses: {said.error or f'exit code {said.code}'}"


@dataclass(frozen=True, slots=True)
class _Git:
    """Calls git in a repository, until a time."""

    top: Path
    until: float
    clock: Callable[[], float]
    options: tuple[str, ...] = ()

    def __call__(self, *arguments: str, limit: int = 4096) -> Said:
        left = self.until - self.clock()
        if left <= 0:
            return Said(None, "")
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(  # noqa: S603 - fixed words and a folder
                ["git", *_QUIET, *self.options, "-C", str(self.top), *arguments],  # noqa: S607 - the user's own git
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=_environment(os.environ),
                start_new_session=True,
            )
            late = threading.Event()

            def give_up() -> None:
                late.set()
                _end(process)

            timer = threading.Timer(left, give_up)
            timer.start()
            try:
                with process:
                    written = b"" if process.stdout is None else process.stdout.read(limit + 1)
                    if len(written) > limit:
                        _end(process)
            finally:
                timer.cancel()
            errors.seek(0)
            last = (errors.read(4096).decode(errors="replace").strip().splitlines() or [""])[0]
        text = written[:limit].decode(errors="replace")
        return Said(None if late.is_set() else process.returncode, text, len(written) > limit, last)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End git and what it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _environment(present: Mapping[str, str]) -> dict[str, str]:
    """Without what would send git to another repository, as in a hook, or have it ask somebody."""
    kept = {name: value for name, value in present.items() if not name.startswith("GIT_")}
    return {**kept, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_PAGER": "cat"}
