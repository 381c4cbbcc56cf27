"""A study that is run from Python again, with another function, and beside another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from goodfit.service import app
from goodfit.service.client import connect, running
from goodfit.service.client.run import _Given, run
from goodfit.service.errors import DataError, HomeError, InputError, TrainerError
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


def test_a_keyword_that_does_not_exist_is_answered_by_the_one_that_does(tmp_path: Path) -> None:
    given = {"objective": "val/loss", "space": {"rate": [1, 2]}, "home": tmp_path / "home"}
    for key, meant in (("trial", "trials"), ("targt", "target"), ("epoch", "epochs")):
        with pytest.raises(InputError, match=f"{key}: goodfit.run has no such keyword; did you mean {meant}\\?"):
            run(typed(before), **given, **{key: 3})
    with pytest.raises(InputError, match="serch: unknown key; did you mean search"):
        run(typed(before), **given, serch={})
    with pytest.raises(InputError, match="trainer: is the first argument"):
        run(typed(before), **given, trainer="mlp")


def test_what_is_wrong_names_what_was_given_and_not_the_files_of_it(tmp_path: Path) -> None:
    given = {"space": {"width": [4]}, "objective": "val/loss", "home": tmp_path / "home", "executor": "local"}
    frame = pd.DataFrame({"a": range(9), "y": [None] * 9})
    with pytest.raises(DataError, match=r"^data: 9 of 9 rows have no value of the target y"):
        run("mlp", name="table", data=frame, target="y", **given)

    def odd(trial: object) -> Iterator[None]:
        yield

    with pytest.raises(InputError, match=r"trainer: odd is a generator, and would not run"):
        run(odd, name="function", **given)


@pytest.mark.parametrize(
    ("objective", "told"),
    [
        ("val/los", r"objective\.direction: is missing; .*; did you mean the metric val/loss\?"),
        ("val/acuracy", r"did you mean the metric val/accuracy\?"),
        ("val/score_of_mine", r"or maximize \(an accuracy, a score\)\n"),
        ("val/", r"objective\.metric: val/ names no metric; write val/loss, for example"),
        (None, r"objective: is missing"),
        (3, r"objective: is 3, not a section with keys"),
    ],
)
def test_an_objective_of_no_known_direction_is_asked_for(tmp_path: Path, objective: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        run("mlp", space={"width": [4]}, objective=objective, home=tmp_path / "home")


def test_what_cannot_be_kept_in_the_home_is_said(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "given").touch()
    with pytest.raises(HomeError, match=r"what study mine is given cannot be kept in .*/given/mine: "):
        run(typed(before), name="mine", objective="val/loss", home=home)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"space": {1: [2, 3]}}, "space: 1 is no name of a parameter"),
        ({"name": "x" * 300}, "is not a study's name"),
        ({"name": 3}, "name=3: is 3, not a text"),
        ({"executor": "rya"}, "executor='rya': did you mean ray"),
    ],
)
def test_what_is_no_name_is_said(tmp_path: Path, given: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        run("mlp", **{"objective": "val/loss", "home": tmp_path / "home", **given})


@pytest.mark.parametrize("home", ["a\0b", "x" * 300, "~nobody-of-this-name/x", "file", "file/x"])
def test_what_cannot_be_a_home_is_said(tmp_path: Path, home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    for look in (lambda: connect(home), lambda: run("mlp", objective="val/loss", home=home)):
        with pytest.raises(
            HomeError,
            match=r"the home .* (cannot be a folder|is a file, and not a folder|lies in .*/file, which is a file)",
        ):
            look()


def test_two_numbers_are_no_range_unless_they_are_written_as_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"space.rate: \(0.1, 1\) .* write goodfit.float\(0.1, 1\)"):
        run(typed(before), space={"rate": (0.1, 1)}, objective="val/loss", trials=1, home=tmp_path)
