"""A study that is run from Python again, with another function, and beside another."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from goodfit.service import app
from goodfit.service.client import running
from goodfit.service.client.run import _Given, run
from goodfit.service.errors import InputError, TrainerError
from goodfit.service.ports.store import Tally
from goodfit.service.records import StudyState
from goodfit.service.settings import Settings
from goodfit.service.store import SqlStore
from goodfit.trainers.registry import resolve

VALUES = {
    "space": {"rate": [1, 2]},
    "objective": {"metric": "val/loss", "direction": "minimize"},
    "training": {"epochs": 2},
    "budget": {"trials": 2},
    "data": None,
}


def before(trial: Any) -> None:
    trial.report(val={"loss": 1.0})


def after(trial: Any) -> None:
    trial.report(val={"loss": 2.0})


def typed(function: Callable[..., None]) -> Callable[..., None]:
    """As in a notebook, of no module."""
    return lambda trial: function(trial)


@pytest.mark.parametrize(
    ("states", "refused"), [({"COMPLETE": 1, "FAILED(error)": 1}, True), ({"FAILED(error)": 2}, False)]
)
def test_a_function_that_has_changed_takes_no_place_of_one_that_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, states: dict[str, int], refused: bool
) -> None:
    settings = Settings(home=tmp_path / "home")
    spec = _Given(settings, typed(before), VALUES, "mine").spec(new=False)
    begun = app.new_study(settings, spec, app.open_home(settings), time.time())
    monkeypatch.setattr(SqlStore, "tally", lambda *_: Tally(states, {}))
    assert _Given(settings, typed(before), VALUES, "mine").spec(new=False).name == "mine"
    other = _Given(settings, typed(after), VALUES, "mine")
    if refused:
        with pytest.raises(TrainerError, match="the function of study mine has changed since it was begun"):
            other.spec(new=False)
        assert other.spec(new=True).name == "mine-2"
    else:
        monkeypatch.setattr(SqlStore, "study", lambda _, name: replace(begun, name=name, state=StudyState.FAILED))
        assert other.spec(new=False).name == "mine"
        assert other.is_mended
        given, losses = resolve(f"{settings.given_folder('mine') / 'train.py'}:train"), []
        given.train(SimpleNamespace(report=lambda val: losses.append(val["loss"])))  # type: ignore[arg-type]
        assert losses == [2.0], "the function as it is now is imported"


def test_a_process_runs_one_study_at_a_time(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    spec = _Given(settings, typed(before), VALUES, "mine").spec(new=False)
    with running._alone(), pytest.raises(InputError, match="another study is running in this process"):
        running.start(settings, spec, None, executor="local")  # type: ignore[arg-type]
    assert running._RUNNING.acquire(blocking=False)
    running._RUNNING.release()


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        run(typed(before), space={"rate": [1, 2]}, objective="val/score_of_mine", trials=0, epohs=3, home=tmp_path)
    assert all(key in str(raised.value) for key in ("objective.direction", "budget.trials", "epohs"))


def test_two_numbers_are_no_range_unless_they_are_written_as_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"space.rate: \(0.1, 1\) .* write goodfit.float\(0.1, 1\)"):
        run(typed(before), space={"rate": (0.1, 1)}, objective="val/loss", trials=1, home=tmp_path)
