"""What is said at once after a Ctrl-C."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from goodfit.service.errors import Interrupted

NOT_BEGUN = "no study was started: run the same command again"


@contextlib.contextmanager
def explained(how: str) -> Iterator[None]:
    """Say how to go on; ending what was started may take some seconds."""
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write(f"interrupted; {how}\n")
        raise Interrupted("interrupted") from None
