"""The file .env: read as Docker Compose reads it, checked, and made with the passwords that go with it.

    python -m deploy.dotenv make                  make .env, and secrets/ with new passwords, if they are missing
    python -m deploy.dotenv value NAME DEFAULT    what Compose puts in place of ${NAME:-DEFAULT}

Needs nothing but Python itself: `make up` runs it with the system's.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

EXAMPLE, FILE, COMPOSE = Path(".env.example"), Path(".env"), Path("docker-compose.yml")
FOLDER = Path("secrets")
# Secret -> the setting that it was in an .env of Goodfit 0.1.0.
SECRETS: Mapping[str, str | None] = {
    "postgres_password": None,
    "goodfit_database_password": "POSTGRES_PASSWORD",
    "mlflow_database_password": "MLFLOW_DB_PASSWORD",
    "ray_auth_token": "RAY_AUTH_TOKEN",
}
RENAMED = {"GOODFIT_ARTIFACTS": "ARTIFACTS_ROOT", "GOODFIT_LEASE_SECONDS": "LEASE_SECONDS"}
BYTES = 24

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*[=:]\s*(.*)")
_QUOTED = re.compile(r"""(?P<quote>["'])(?P<text>.*?)(?<!\\)(?P=quote)""")


class DotenvError(Exception):
    """The file is not used as it is; says which line or setting, and what to do."""


def parse(text: str) -> dict[str, str]:
    """The settings of a file, as Compose reads them.

    A quoted value ends with its quote; another ends where a space and a `#` begin a comment, or with the line.
    Variables within values are left as they are.

    Raises:
        DotenvError: a line that is no setting.
    """
    found = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        setting = _LINE.fullmatch(line)
        if setting is None:
            raise DotenvError(f"{FILE}, line {number}: {line.strip()!r} is no NAME=value")
        name, rest = setting.groups()
        quoted = _QUOTED.match(rest)
        found[name] = quoted["text"] if quoted else rest.split(" #", 1)[0].rstrip()
    return found


def value(name: str, default: str, settings: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """What Compose puts in place of ${name:-default}: a variable of the shell comes before .env."""
    return environ.get(name) or settings.get(name) or default


def unknown(settings: Mapping[str, str], compose: str) -> list[str]:
    """The settings that docker-compose.yml does not have: misspelled, or for a file beside it."""
    known = {*re.findall(r"\$\{(\w+)", compose), *SECRETS.values()}
    return [name for name in settings if name not in known and not name.startswith("COMPOSE_")]


def write(path: Path, text: str, mode: int) -> None:
    """Make a file; FileExistsError rather than change one."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(text)
    path.chmod(mode)


def make_secrets(folder: Path, known: Mapping[str, str], new: Callable[[], str]) -> list[str]:
    """Make each secret that is missing, with the value that is known already or a new one; the names of the new ones.

    The folder keeps others out. The files can be read by all, because a container reads them as another user than
    the one who made them (Compose mounts them with the rights that they have here).
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    made = []
    for name, old in SECRETS.items():
        if not (folder / name).exists():
            write(folder / name, known.get(old or "") or new(), 0o444)
            made.append(name)
    return made


def _make() -> int:
    if not FILE.exists():
        write(FILE, EXAMPLE.read_text(encoding="utf-8"), 0o600)
    settings = parse(FILE.read_text(encoding="utf-8"))
    if renamed := [f"{FILE}: {name} is called {RENAMED[name]} now; rename it" for name in settings if name in RENAMED]:
        raise DotenvError("\n".join(renamed))
    for name in unknown(settings, COMPOSE.read_text(encoding="utf-8")):
        sys.stderr.write(f"{FILE}: {name} is not a setting of {COMPOSE}; {EXAMPLE} lists them\n")
    if made := make_secrets(FOLDER, settings, lambda: secrets.token_hex(BYTES)):
        sys.stderr.write(f"made {FOLDER}/: {', '.join(made)}. Keep them: the databases need them from now on\n")
    if old := [name for name in SECRETS.values() if name in settings]:
        sys.stderr.write(f"{', '.join(map(str, old))} in {FILE}: not read any more, {FOLDER}/ has it; take it out\n")
    if "DATA_FOLDER" not in settings:
        Path("data").mkdir(exist_ok=True)  # by its user; the engine would make it as root
    return 0


def main(arguments: Sequence[str]) -> int:
    """0: done; 2: .env is wrong, or the arguments are."""
    try:
        match list(arguments):
            case ["make"]:
                return _make()
            case ["value", name, default]:
                settings = parse(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
                print(value(name, default, settings, os.environ))
                return 0
    except DotenvError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stderr.write("usage: dotenv make | dotenv value NAME DEFAULT\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
