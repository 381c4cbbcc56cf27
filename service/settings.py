"""Where everything of a home lies, and who this process is. Names and paths are made here and nowhere else."""

from __future__ import annotations

import math
import os
import re
import shutil
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from goodfit.service import errors
from goodfit.trainers.environment import SERVICE, take

if TYPE_CHECKING:
    from goodfit.service.records import Study
    from goodfit.trainers.artifacts.places import Place

LEASE_SECONDS = 30.0  # a runner that has not been heard of for so long is replaced
LOG = "log.txt"  # of a trial: what its trainer printed, and the traceback it ended with
BY_HERE = "local"  # who does what is done on this machine
ARTIFACTS = "artifacts"  # of a trial: files that its trainer left for people


@dataclass(frozen=True, slots=True)
class Settings:
    """A home, and what the environment says beside it."""

    home: Path
    database: str | None = None  # GOODFIT_DATABASE, with the password from GOODFIT_DATABASE_PASSWORD_FILE
    ray_address: str | None = None  # RAY_ADDRESS
    mlflow_uri: str | None = None  # MLFLOW_TRACKING_URI
    artifacts: Path | str | None = None  # GOODFIT_ARTIFACTS: a folder, or the URL of an object store
    lease_seconds: float = LEASE_SECONDS  # GOODFIT_LEASE_SECONDS
    quota: int | None = None  # GOODFIT_QUOTA: bytes that the home may keep
    cache: int | None = None  # GOODFIT_CACHE: bytes that the cache of a node may keep; 0: there is none
    private: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)  # not for the code of studies

    @classmethod
    def from_environment(cls, home: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
        """The settings of the environment; `home` wins over GOODFIT_HOME, which wins over .goodfit here."""
        artifacts = environ.get("GOODFIT_ARTIFACTS")
        database, private = _database(environ), take(dict(environ), SERVICE)
        private.pop("GOODFIT_DATABASE_PASSWORD_FILE", None)
        if database is not None:
            private["GOODFIT_DATABASE"] = database  # whole: processes on other nodes have neither file nor PGPASSWORD
        return cls(
            home=_home(Path(environ.get("GOODFIT_HOME") or ".goodfit") if home is None else home),
            database=database,
            ray_address=environ.get("RAY_ADDRESS") or None,
            mlflow_uri=environ.get("MLFLOW_TRACKING_URI") or None,
            artifacts=_root(artifacts) if artifacts else None,
            lease_seconds=_seconds(environ, "GOODFIT_LEASE_SECONDS", LEASE_SECONDS),
            quota=_bytes(environ, "GOODFIT_QUOTA"),
            cache=0 if environ.get("GOODFIT_CACHE") == "0" else _bytes(environ, "GOODFIT_CACHE"),
            private=private,
        )

    def hint(self, words: str) -> str:
        """A command for the user to type: with its path and its home, where it is not found without."""
        usual = Path(os.environ.get("GOODFIT_HOME") or ".goodfit").expanduser().absolute()
        home = "" if self.home == usual else f" --home {self.home}"
        return f"`{_program()} {words}{home}`"

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.home / 'goodfit.db'}"

    @property
    def tracking_uri(self) -> str:
        return self.mlflow_uri or f"sqlite:///{self.home / 'mlflow.db'}"

    @property
    def mlflow_artifacts(self) -> Path | None:
        """Where MLflow keeps artifacts; None where its server decides."""
        return None if self.mlflow_uri else self.home / "mlartifacts"

    @property
    def log_folder(self) -> Path:
        return self.home / "logs"

    @property
    def cache_folder(self) -> Path:
        """What workers on this node have decoded and prepared of data; all of it can be made again."""
        return self.home / "cache"

    def given_folder(self, study: str) -> Path:
        """The function and the data that a study was given in Python."""
        return self.home / "given" / study

    def study_place(self, study: Study) -> Place:
        """Where a study's files are kept: a folder, or a prefix of an object store."""
        from goodfit.trainers.artifacts.places import place_of
        from goodfit.trainers.errors import UnknownPlace

        try:
            return place_of(self.artifacts or self.home / "studies") / (study.folder or study.name)
        except UnknownPlace as error:
            raise errors.InputError(f"GOODFIT_ARTIFACTS={error}") from error

    def trial_place(self, study: Study, trial: int) -> Place:
        """A trial's best.pt, last.pt, facts.json, log.txt, and its trainer's artifacts/ for people."""
        return trial_within(self.study_place(study), trial)

    def mirror_log(self, study: str) -> Path:
        return self.log_folder / f"{study}-mlflow.log"

    def runner_log(self, study: str) -> Path:
        """What the runners that the service starts have to say of a study."""
        return self.log_folder / f"{study}-runner.log"


def trial_within(study: Place, trial: int) -> Place:
    """A trial's place within that of its study."""
    return study / f"trials/{trial:05d}"


def _database(environ: Mapping[str, str]) -> str | None:
    """The database's URL; with the password from a file if one is named, as for containers with secrets."""
    url, file = environ.get("GOODFIT_DATABASE") or None, environ.get("GOODFIT_DATABASE_PASSWORD_FILE")
    password = environ.get("PGPASSWORD")  # libpq's, which would not find it in the processes of the service
    if url is None or url.startswith("sqlite:"):
        return url
    parts = urlsplit(url)
    if file:
        try:
            password = Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise errors.InputError(
                f"GOODFIT_DATABASE_PASSWORD_FILE={file} cannot be read: {error.strerror}"
            ) from error
    elif not password or parts.password or "@" not in parts.netloc:
        return url
    user, _, place = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.partition(':')[0]}:{quote(password, safe='')}@{place}").geturl()


def _root(text: str) -> Path | str:
    """An artifact root as it is typed: a folder, or a URL."""
    return text.rstrip("/") if "://" in text else Path(text).expanduser().absolute()


def _program() -> str:
    """How this `goodfit` is called: by its name, or by its path where the name finds none or another."""
    ours = Path(sys.executable).with_name("goodfit")
    found = shutil.which("goodfit")
    if not ours.exists() or (found is not None and Path(found) == ours):
        return "goodfit"
    return str(ours.relative_to(Path.cwd())) if ours.is_relative_to(Path.cwd()) else str(ours)


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    """A positive number of seconds from the environment."""
    text = environ.get(name) or str(default)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise errors.InputError(f"{name}={text}: give a positive number of seconds, such as {default:g}")
    return seconds


def _bytes(environ: Mapping[str, str], name: str) -> int | None:
    """A size from the environment, such as 20GB; None where it is not set."""
    text = environ.get(name)
    if not text:
        return None
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kKMGT]?)(i?)B?\s*", text)
    if found is None or not float(found[1]):
        raise errors.InputError(f"{name}={text}: give a size, such as 20GB, 500MB or 1.5TB")
    power = " KMGT".index(found[2].upper() or " ")
    return int(float(found[1]) * (1024 if found[3] else 1000) ** power)


def _home(folder: Path) -> Path:
    """The folder of a home; HomeError for what cannot be one's name."""
    try:
        found = folder.expanduser().absolute()
        os.fspath(found).encode("utf-8")  # half a character is none
        there = next(place for place in (found, *found.parents) if place.exists())  # an OSError of too long a name
    except PermissionError:  # what may not be looked at is said when it is opened
        return found
    except (OSError, ValueError, RuntimeError) as error:
        raise errors.HomeError(f"the home {str(folder)!r} cannot be a folder: {error}") from error
    if "\0" in str(found):
        raise errors.HomeError(f"the home {str(folder)!r} cannot be a folder: it has a null character")
    if not there.is_dir():
        lies = "is" if there == found else f"lies in {there}, which is"
        raise errors.HomeError(f"the home {found} {lies} a file, and not a folder; choose another with --home")
    return found


def make_folder(folder: Path) -> None:
    """Make a folder that can be written; HomeError says which could not and why."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise errors.HomeError(
            f"cannot make the folder {folder}: {error.strerror}; choose another with --home"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise errors.HomeError(f"cannot write in {folder}; choose another home with --home, or fix its permissions")


def owner() -> str:
    """This process, as leases name it: host, process id, and when it started."""
    return f"{socket.gethostname()}:{os.getpid()}:{_process_start(os.getpid())}"


def is_dead(owner_name: str) -> bool:
    """Whether an owner of a lease was a process of this host that is gone."""
    host, pid, start = owner_name.rsplit(":", 2)
    return host == socket.gethostname() and _process_start(int(pid)) != start


def _process_start(pid: int) -> str:
    """When a process started, in clock ticks since boot; empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return ""
    try:  # no /proc: all that can be known is whether it is there
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    return "running"
