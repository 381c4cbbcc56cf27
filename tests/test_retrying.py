"""What failed in a way that passes is done again, for a while."""

from __future__ import annotations

from itertools import islice

import pytest

from goodfit.retrying import backoff, retried


def test_pauses_double_up_to_the_longest_and_end_with_the_total() -> None:
    assert list(islice(backoff(0.5), 4)) == [0.5, 1, 2, 4]
    assert list(backoff(0.5, longest=2, total=5)) == [0.5, 1, 2, 2]
    assert list(backoff(1, total=0)) == []


def failing(*errors: Exception) -> tuple[list[float], object]:
    left = list(errors)
    pauses = backoff(1)
    slept: list[float] = []

    def act() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return slept, retried(act, lambda error: next(pauses) if isinstance(error, OSError) else None, slept.append)


def test_what_passes_is_done_again_after_a_pause() -> None:
    assert failing() == ([], "done")
    assert failing(OSError(), OSError()) == ([1, 2], "done")


def test_what_does_not_pass_is_raised_at_once() -> None:
    with pytest.raises(ValueError, match="for good"):
        failing(OSError(), ValueError("for good"), OSError())
