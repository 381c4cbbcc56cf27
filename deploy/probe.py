"""Health checks: `python -m deploy.probe http URL`, `python -m deploy.probe tcp HOST:PORT ...`; exit code 0 for yes."""

from __future__ import annotations

import http.client
import socket
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

SECONDS = 4.0


def answers_http(url: str, token: str | None = None) -> bool:
    """Whether a page is there: GET gives 2xx, with a bearer token if one is given."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=SECONDS)
    try:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connection.request("GET", parts._replace(scheme="", netloc="").geturl() or "/", headers=headers)
        return 200 <= connection.getresponse().status < 300
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def answers_tcp(host: str, port: int) -> bool:
    """Whether somebody listens."""
    try:
        with socket.create_connection((host, port), timeout=SECONDS):
            return True
    except OSError:
        return False


def main(arguments: Sequence[str]) -> int:
    """0: it answers; 1: it does not; 2: asked wrongly."""
    match list(arguments):
        case ["http", url] if url.startswith("http://"):
            return 0 if answers_http(url) else 1
        case ["tcp", *addresses] if addresses and all(at.rpartition(":")[2].isdigit() for at in addresses):
            parts = [at.rpartition(":") for at in addresses]
            return 0 if all(answers_tcp(host, int(port)) for host, _, port in parts) else 1
    sys.stderr.write("usage: probe http http://HOST:PORT/PATH | probe tcp HOST:PORT [HOST:PORT ...]\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
