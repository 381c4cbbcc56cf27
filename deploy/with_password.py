"""Run a command with PGPASSWORD from a file: `python -m deploy.with_password COMMAND ...`, with PGPASSWORD_FILE=PATH.

MLflow takes its database's password from a URL or, like all that uses libpq, from the environment; not from a file.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str]) -> int:
    """Become the command; 2: no command, or the password cannot be read."""
    file = os.environ.get("PGPASSWORD_FILE")
    if not arguments or not file:
        sys.stderr.write("usage: with_password COMMAND [ARGUMENT ...], with PGPASSWORD_FILE=PATH\n")
        return 2
    try:
        password = Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        sys.stderr.write(f"the password cannot be read from {file}: {error.strerror}; `make .env` makes it\n")
        return 2
    os.environ["PGPASSWORD"] = password
    return os.execvp(arguments[0], list(arguments))  # noqa: S606 - no shell


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
