"""A worker in a thread of its own: what it is told, and when it says what was sent."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from goodfit.testing.executors import assignment
from goodfit.trainers.messages import Ended, Message, Outcome, Pack, Reported
from goodfit.trainers.training.packing.hub import FIRST, Hub
from goodfit.trainers.worker import host as hosting
from goodfit.trainers.worker.host import Host
from goodfit.trainers.worker.worker import Setup

LONG = 600.0  # seconds that no test waits


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """One that says nothing before a turn of its trials is over, however long that takes."""
    monkeypatch.setattr(hosting, "LINGER", LONG)
    made = Host(Setup(assignment(tmp_path, "curve").trainer, None), capture=False)
    yield made
    made.abandon()


def launch(folder: Path, trainer: str, number: int = 0, **changes: Any) -> tuple[str, tuple[Any, ...]]:
    return "launch", (Pack((assignment(folder, trainer, number, **changes),)),)


def epochs(messages: list[Message]) -> list[int]:
    return [message.epoch for message in messages if isinstance(message, Reported)]


def test_a_trial_that_is_told_with_the_question_is_answered_whole(host: Host, tmp_path: Path) -> None:
    messages = host.poll(LONG, [launch(tmp_path, "curve")])
    assert epochs(messages) == [1, 2, 3, 4, 5]
    assert messages[-1] == Ended(0, 1, Outcome.COMPLETE)


def test_where_a_trial_waits_for_an_answer_it_is_said_at_once(host: Host, tmp_path: Path) -> None:
    assert epochs(host.poll(LONG, [launch(tmp_path, "curve", pause_at=2)])) == [1, 2]
    assert epochs(host.poll(LONG, [("go_on", (0, 3))])) == [3]
    messages = host.poll(LONG, [("go_on", (0, None))])
    assert epochs(messages) == [4, 5]
    assert messages[-1] == Ended(0, 1, Outcome.COMPLETE)


def test_what_all_trials_come_to_in_a_turn_is_said_at_once(host: Host, tmp_path: Path) -> None:
    numbers = range(4)
    packs = [launch(tmp_path, "curve", number, pause_at=2) for number in numbers]
    assert epochs(host.poll(LONG, packs)) == [1, 2] * 4
    messages = host.poll(LONG, [("go_on", (number, None)) for number in numbers])
    assert [message.trial for message in messages if isinstance(message, Ended)] == [*numbers]
    assert len(messages) == 4 * (3 + 1)


def test_words_are_heard_in_their_order(host: Host, tmp_path: Path) -> None:
    words = [launch(tmp_path, "slow", epochs=1000), ("stop", (0,))]
    assert host.poll(LONG, words)[-1] == Ended(0, 1, Outcome.STOPPED)


def test_a_report_is_not_kept_back_for_long_while_a_turn_lasts(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosting, "LINGER", 0.01)
    assert epochs(host.poll(LONG, [launch(tmp_path, "endless")])), "this one never ends"


def test_nothing_is_said_where_nothing_was_sent(host: Host) -> None:
    assert host.poll(0.0) == []


def test_another_process_tells_and_hears_it_pickled(host: Host, tmp_path: Path) -> None:
    messages, room = pickle.loads(host.answer(LONG, pickle.dumps([launch(tmp_path, "curve")])))
    assert room == FIRST
    assert epochs(messages) == [1, 2, 3, 4, 5]
    assert messages[-1] == Ended(0, 1, Outcome.COMPLETE)


def test_it_says_at_once_that_it_wins_from_more_trials(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Hub, "room", 7)
    assert pickle.loads(host.answer(LONG, pickle.dumps([launch(tmp_path, "curve", pause_at=0)]))) == ([], 7)


def test_whoever_asks_a_worker_whose_own_thread_has_failed_is_told(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no other way to say that its trials go on no more."""
    monkeypatch.setattr(host._worker.hub, "take_turns", lambda: 1 / 0)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="the worker failed: ZeroDivisionError: division by zero"):
            host.poll(LONG, [launch(tmp_path, "curve")])
