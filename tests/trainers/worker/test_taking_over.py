"""A trial that goes on with the model of another, and one that is trained with one configuration after the other."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

import pytest

from goodfit.testing.attempts import Line, attempt
from goodfit.trainers import files
from goodfit.trainers.artifacts.places import place_of
from goodfit.trainers.files import read_checkpoint, read_json, replacing
from goodfit.trainers.messages import Fork, Outcome
from goodfit.trainers.worker import taking_over
from tests.s3 import s3_server
from tests.training import IRIS
from tests.zoo import named

LOSS = {"metric": "val/loss", "direction": "minimize"}
MLP: dict[str, Any] = {"trainer": "mlp", "data": IRIS, "epochs": 6, "checkpoint_epochs": 1, **LOSS}
FIRST = {"learning_rate": 0.05, "width": 8, "depth": 1, "optimizer": "sgd"}
LATER = {**FIRST, "learning_rate": 0.01, "momentum": 0.5}
LAST = {**FIRST, "learning_rate": 0.002, "weight_decay": 0.1}


def member(folder: Path, trial: int, params: dict[str, Any], **changes: Any) -> Line:
    """A member of a population that is compared after 2 and 4 epochs."""
    return attempt(folder / f"{trial}", trial=trial, params=params, snapshots=2, **{**MLP, **changes})


def population(folder: Path) -> Line:
    """Trial 1 takes over the model of trial 0 after epoch 2, and that of trial 2, which has done so, too, after 4."""
    member(folder, 0, FIRST, pause_at=2, pauses=True, seed=5)
    member(folder, 1, LAST, pause_at=2, pauses=True, seed=6)
    member(folder, 2, LATER, pause_at=4, pauses=True, seed=5, reported=2, fork=Fork(0, 2, folder / "0"))
    member(folder, 1, LAST, pause_at=4, pauses=True, seed=5, reported=2, fork=Fork(0, 2, folder / "0"))
    return member(folder, 1, LAST, seed=5, reported=4, fork=Fork(2, 4, folder / "2"))


def test_one_trial_with_the_same_schedule_has_the_curve_of_the_model_that_was_handed_on(tmp_path: Path) -> None:
    ended = population(tmp_path)
    assert ended.ended.outcome is Outcome.COMPLETE
    whole = attempt(tmp_path / "whole", seed=5, schedule=((1, FIRST), (3, LATER), (5, LAST)), **MLP)
    assert whole.ended.outcome is Outcome.COMPLETE
    assert [epoch for epoch, _ in whole.curve] == [1, 2, 3, 4, 5, 6]
    assert [report.final for report in whole.reports] == [False] * 5 + [True]
    assert ended.curve == whole.curve[4:]
    assert read_checkpoint(tmp_path / "1" / "last.pt")["curve"][0][1] == whole.curve[0][1]
    assert attempt(tmp_path / "plain", seed=5, params=FIRST, **MLP).curve != whole.curve


@pytest.mark.parametrize("stop", [1, 2, 3, 5])
def test_a_schedule_goes_on_wherever_its_worker_stopped(tmp_path: Path, stop: int) -> None:
    schedule = ((1, FIRST), (3, LATER), (5, LAST))
    whole = attempt(tmp_path / "whole", schedule=schedule, **MLP)
    first = attempt(tmp_path / "t", schedule=schedule, stop_after=stop, **MLP)
    assert first.ended.outcome is Outcome.STOPPED
    again = attempt(tmp_path / "t", schedule=schedule, attempt=2, reported=stop - 1, **MLP)
    assert first.curve[: stop - 1] + again.curve == whole.curve


def test_a_confirmation_with_a_schedule_is_scored_on_the_test_split(tmp_path: Path) -> None:
    ended = attempt(tmp_path, schedule=((1, FIRST), (3, LATER)), test=True, **MLP).ended
    assert ended.outcome is Outcome.COMPLETE
    assert set(ended.test or {}) == {"loss", "accuracy", "balanced_accuracy", "f1"}


@pytest.mark.parametrize("broken", [1, 2, 3])
def test_a_worker_that_dies_while_it_copies_leaves_it_to_the_next_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: int
) -> None:
    member(tmp_path, 0, FIRST, pause_at=2, pauses=True, seed=5)
    member(tmp_path, 1, LAST, pause_at=2, pauses=True, seed=6)
    taking: dict[str, Any] = {"seed": 5, "reported": 2, "fork": Fork(0, 2, tmp_path / "0")}
    whole = member(tmp_path, 2, LATER, **taking)
    real, calls = taking_over.copied, iter(range(1, 100))

    def dying(source: Path, target: Path) -> None:
        if next(calls) == broken:
            raise SystemExit("killed")
        real(source, target)

    monkeypatch.setattr(taking_over, "copied", dying)
    assert member(tmp_path, 1, LATER, **taking).ended.outcome is Outcome.ERROR
    monkeypatch.undo()
    assert member(tmp_path, 1, LATER, attempt=2, **taking).curve == whole.curve


def test_a_model_is_taken_over_once_and_the_next_attempt_goes_on_from_its_own_checkpoints(tmp_path: Path) -> None:
    whole = population(tmp_path / "whole")
    member(tmp_path, 0, FIRST, pause_at=2, pauses=True, seed=5)
    fork = Fork(0, 2, tmp_path / "0")
    first = member(tmp_path, 2, LATER, stop_after=3, seed=5, reported=2, fork=fork)
    shutil.rmtree(tmp_path / "0")
    again = member(tmp_path, 2, LATER, seed=5, reported=3, attempt=2, fork=fork)
    assert again.ended.outcome is Outcome.COMPLETE
    assert [epoch for epoch, _ in first.curve + again.curve] == [3, 4, 5, 6]
    assert read_json(tmp_path / "2" / "fork.json") == {"trial": 0, "epoch": 2}
    assert whole.curve != again.curve


def test_a_model_that_is_not_there_any_more_fails_the_trial_and_names_it(tmp_path: Path) -> None:
    ended = member(tmp_path, 1, LAST, reported=2, fork=Fork(0, 2, tmp_path / "0")).ended
    assert ended.outcome is Outcome.ERROR
    assert str(ended.message).startswith(
        "trial 0 has no checkpoint of epoch 2 any more, from which this one was to go on"
    )


@pytest.mark.parametrize("writes", range(7))
def test_wherever_a_member_dies_others_find_its_checkpoint_once_it_has_gone_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    left = iter(range(writes))

    def replacing_or_dying(path: Path) -> AbstractContextManager[IO[bytes]]:
        if next(left, None) is None:
            raise RuntimeError("killed")
        return replacing(path)

    with monkeypatch.context() as patched:
        patched.setattr(files, "replacing", replacing_or_dying)
        first = member(tmp_path, 0, FIRST, checkpoint_epochs=100, pause_at=2, pauses=True)
    assert first.ended.outcome is (Outcome.ERROR if writes < 6 else Outcome.STOPPED), first.ended.message
    member(tmp_path, 0, FIRST, attempt=2, checkpoint_epochs=100, pause_at=2, pauses=True)
    ended = member(tmp_path, 1, LAST, reported=2, fork=Fork(0, 2, tmp_path / "0")).ended
    assert ended.outcome is Outcome.COMPLETE, ended.message


def test_of_the_checkpoints_for_others_the_last_two_are_kept(tmp_path: Path) -> None:
    member(tmp_path, 0, FIRST, epochs=9)
    assert sorted(path.name for path in (tmp_path / "0").glob("at-*")) == ["at-00006", "at-00008"]
    assert read_checkpoint(tmp_path / "0" / "at-00006" / "last.pt")["epoch"] == 6


def test_a_trainer_that_keeps_no_checkpoint_is_refused_at_its_first_report(tmp_path: Path) -> None:
    ended = attempt(tmp_path, trainer=named("curve"), snapshots=2, **LOSS).ended
    assert ended.outcome is Outcome.UNUSABLE
    assert "it must call trial.restore(model, optimizer)" in str(ended.message)


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with s3_server() as url:
        yield url


def test_a_model_is_handed_on_through_an_object_store(tmp_path: Path, bucket: str) -> None:
    here = population(tmp_path / "here")
    unused = tmp_path / "unused"
    donor, own = f"{bucket}/trials/00000", f"{bucket}/trials/00001"
    member(unused, 0, FIRST, pause_at=2, pauses=True, seed=5, place=donor)
    member(unused, 1, LAST, pause_at=2, pauses=True, seed=6, place=own)
    taken = member(unused, 1, LATER, seed=5, reported=2, place=own, fork=Fork(0, 2, unused / "0", donor))
    assert taken.ended.outcome is Outcome.COMPLETE
    assert [epoch for epoch, _ in taken.curve] == [3, 4, 5, 6]
    whole = attempt(tmp_path / "whole", seed=5, schedule=((1, FIRST), (3, LATER)), **MLP)
    assert taken.curve == whole.curve[2:]
    assert {"fork.json", "at-00004/last.pt"} <= set(place_of(own).names())
    assert not unused.exists()
    assert here.ended.outcome is Outcome.COMPLETE
