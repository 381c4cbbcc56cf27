"""The signals that end a process in order: Ctrl-C, SIGTERM, and SIGHUP, which comes when its terminal closes."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType

Handle = Callable[[int, FrameType | None], object]
_STREAMS = (0, 1, 2)


def heed(handle: Handle) -> Callable[[], None]:
    """Have these signals handled from now on.

    A SIGHUP that is ignored already stays so: whoever started the process by `nohup` wants it to go on.

    Returns:
        Gives the handlers before them back.
    """
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    numbers = (signal.SIGINT, signal.SIGTERM, *(() if ignored else (signal.SIGHUP,)))
    terminals = [stream for stream in _STREAMS if os.isatty(stream)]

    def handled(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            _leave(terminals)
        handle(number, frame)

    before = {number: signal.signal(number, handled) for number in numbers}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    return restore


@contextlib.contextmanager
def heeding(handle: Handle) -> Iterator[None]:
    """As `heed`, for a while."""
    restore = heed(handle)
    try:
        yield
    finally:
        restore()


def _leave(terminals: list[int]) -> None:
    """Send to nowhere what was for a terminal that is gone: writing to it would be an error, in the midst of saving."""
    for stream in terminals:
        if not os.isatty(stream):
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, stream)
            os.close(null)
