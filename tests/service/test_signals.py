"""The signals that end a process in order."""

from __future__ import annotations

import os
import pty
import signal
from collections.abc import Iterator

import pytest

from goodfit.service.signals import heeding

ALL = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in ALL}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ALL)
def test_each_is_heard_and_its_own_handler_comes_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    heard: list[int] = []
    with heeding(lambda number, _: heard.append(number)):
        signal.raise_signal(number)
    assert heard == [number]
    assert signal.getsignal(number) is before


def test_a_sighup_that_nohup_has_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    heard: list[int] = []
    with heeding(lambda number, _: heard.append(number)):
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)
    assert heard == [signal.SIGTERM]


def test_what_is_said_to_a_terminal_that_has_closed_is_no_error() -> None:
    kept = os.dup(2)
    ours, theirs = pty.openpty()
    try:
        os.dup2(theirs, 2)
        os.close(theirs)
        with heeding(lambda *_: None):
            os.close(ours)
            with pytest.raises(OSError, match="Input/output"):
                os.write(2, b"lost")
            signal.raise_signal(signal.SIGHUP)
            assert os.write(2, b"to nobody") == 9
    finally:
        os.dup2(kept, 2)
        os.close(kept)
