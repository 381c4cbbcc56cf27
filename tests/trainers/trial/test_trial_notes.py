"""What a trainer notes about its trial: what is taken, what is refused, what comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from goodfit.testing.attempts import Line, attempt, handle
from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.messages import Noted, Outcome
from goodfit.trainers.trial.notes import LENGTH, MOST

TRAINER = (
    "class State:\n    def state_dict(self):\n        return {}\n"
    "    def load_state_dict(self, state):\n        pass\n\n"
    "def train(trial):\n    trial.restore(State())\n    for epoch in trial.epochs():\n"
    "        trial.note('seen', epoch)\n        trial.report(val={'accuracy': 0.5})\n"
)


def noted(line: Line) -> dict[str, Any]:
    return {key: value for one in line.messages if isinstance(one, Noted) for key, value in one.notes.items()}


def test_texts_and_numbers_are_sent_in_plain_types_and_once_where_they_stay(tmp_path: Path) -> None:
    line = Line()
    trial = handle(tmp_path, line)
    for _ in range(2):
        trial.note("about", "two\nlines")
        trial.note("auc", np.float32(0.5))
        trial.note("rows", np.array([7]))
        trial.note("calibrated", True)
    assert noted(line) == {"about": "two\nlines", "auc": 0.5, "rows": 7, "calibrated": True}
    assert [type(value) for value in noted(line).values()] == [str, float, int, bool]
    assert len(line.messages) == 4


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("", 1, "key of a note is a text of 1 to 100"),
        (7, 1, "key of a note.*got 7"),
        ("k" * 101, 1, "key of a note"),
        ("a\x1b[31m", 1, "printable"),
        ("table", {"a": 1}, "note 'table' is a dict.*text or a number"),
        ("none", None, "NoneType"),
        ("many", np.zeros(3), "ndarray"),
        ("long", "x" * (LENGTH + 1), f"{LENGTH + 1} characters, and a note at most {LENGTH}"),
        ("huge", 2**63, "64 bits"),
    ],
)
def test_a_key_or_a_value_that_cannot_be_kept_says_what_can(tmp_path: Path, key: Any, value: Any, told: str) -> None:
    line = Line()
    with pytest.raises(BadTrainer, match=told):
        handle(tmp_path, line).note(key, value)
    assert not line.messages


def test_a_trial_keeps_so_many_notes_those_of_earlier_attempts_included(tmp_path: Path) -> None:
    trial = handle(tmp_path, Line(), notes={f"n{i}": i for i in range(MOST)})
    trial.note("n0", "changed")
    with pytest.raises(BadTrainer, match=f"at most {MOST} notes"):
        trial.note("new", 1)


def test_what_the_store_has_not_got_of_an_earlier_attempt_is_sent_again(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(TRAINER)
    first = attempt(tmp_path / "t", trainer=f"{tmp_path}/own.py:train", stop_after=2)
    assert noted(first) == {"seen": 2}
    again = attempt(tmp_path / "t", trainer=f"{tmp_path}/own.py:train", attempt=2, reported=1, notes={"seen": 1})
    sent = [one.notes for one in again.messages if isinstance(one, Noted)]
    assert (again.ended.outcome, sent) == (Outcome.COMPLETE, [{"seen": 2}, {"seen": 3}])
