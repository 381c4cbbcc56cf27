"""`python -m deploy.secret_file .env.example .env`: the example with new passwords, readable by its owner alone."""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

BYTES = 24


def fill(example: str, new: Callable[[], str]) -> str:
    """Each setting without a value gets a new one; what has a value or is a comment stays."""
    return re.sub(r"(?m)^([A-Z][A-Z0-9_]*)=$", lambda found: f"{found[1]}={new()}", example)


def write(path: Path, text: str) -> None:
    """Make a file that only its owner reads; FileExistsError rather than change one."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def main(arguments: Sequence[str]) -> int:
    """Write the file, unless it is there."""
    example, target = (Path(argument) for argument in arguments)
    if target.exists():
        return 0
    write(target, fill(example.read_text(encoding="utf-8"), lambda: secrets.token_hex(BYTES)))
    sys.stderr.write(f"{target} has new passwords now: keep it, the databases need them from now on\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
