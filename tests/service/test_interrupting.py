"""What a signal means for a study that runs in this process."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from goodfit.service.client.running import _interruptible
from goodfit.service.errors import Interrupted


class Runner:
    over = False
    asked = 0

    def interrupt(self) -> None:
        self.asked += 1


def runs_while(runner: Any, signals: list[int]) -> None:
    """A runner that saves, and is interrupted by these signals meanwhile."""
    with _interruptible() as runners:
        runners.append(runner)
        for number in signals:
            signal.raise_signal(number)
        raise Interrupted("saved")


@pytest.mark.parametrize(
    ("signals", "by_user"),
    [([signal.SIGINT], True), ([signal.SIGTERM], False), ([signal.SIGINT, signal.SIGTERM], False)],
)
def test_ctrl_c_is_the_users_and_sigterm_is_for_the_whole_program(signals: list[int], by_user: bool) -> None:
    runner = Runner()
    with pytest.raises(Interrupted) as raised:
        runs_while(runner, signals)
    assert runner.asked == len(signals)
    assert raised.value.by_user is by_user


def test_the_third_ctrl_c_does_not_wait() -> None:
    runner = Runner()
    with pytest.raises(KeyboardInterrupt):
        runs_while(runner, [signal.SIGINT] * 3)
    assert runner.asked == 2
