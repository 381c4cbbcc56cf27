"""A trial trained again from its record: the same to the bit, or what differs, or why it cannot be."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from goodfit.service import app
from goodfit.service.app.rerunning import Difference, Rerun, differences, measured, rerun
from goodfit.service.errors import DataError, InputError
from goodfit.service.records import Batch, Study, Trial, TrialState
from goodfit.service.settings import Settings
from goodfit.service.spec import from_mapping
from goodfit.service.store import open_store
from goodfit.service.store.sql import SqlStore
from tests.shortened import no_mirror

TRAINER = """
import random
from helper import scale

def train(trial):
    rows = len(trial.data.train)
    for epoch in trial.epochs():
        loss = scale(trial.config["lr"]) / epoch + random.random()
        trial.report(train={"loss": loss + rows}, val={"loss": loss})
"""
HELPER = "def scale(x):\n    return 2 * x\n"
ROWS = "a,y\n" + "".join(f"{i},{i % 3}\n" for i in range(40))


class Scene:
    """A home with a study of two trials, whose second one was pruned."""

    def __init__(self, folder: Path, **split: int) -> None:
        self.folder = folder
        self.tune, self.helper, self.data = (folder / name for name in ("tune.py", "helper.py", "rows.csv"))
        self.tune.write_text(TRAINER)
        self.helper.write_text(HELPER)
        self.data.write_text(ROWS)
        self.settings = Settings(folder / "home")
        self.store: Any = app.open_home(self.settings, create=True)
        spec = from_mapping(
            {
                "name": "s",
                "trainer": "tune.py:train",
                "data": {"source": "rows.csv", "target": "y", "task": "regression", "split": split},
                "space": {"lr": {"type": "float", "low": 0.1, "high": 1.0}},
                "objective": {"metric": "val/loss", "direction": "minimize"},
                "search": {"method": "random"},
                "pruning": {"method": "none"},
                "training": {"epochs": 4},
                "budget": {"trials": 2},
            },
            folder,
        )
        study = app.new_study(self.settings, spec, self.store, time.time())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("goodfit.service.app.run.tracking", no_mirror)
            app.run_study(self.settings, app.check(spec), self.store, study, app.Options(executor="local"))
        self.prune(1, 2)

    @property
    def study(self) -> Study:
        return self.store.study("s")

    def prune(self, number: int, epoch: int) -> None:
        """Have a trial end at an epoch, as if others had done better there."""
        trial = self.store.trial(self.study.id, number)
        curve = self.store.reports(self.study.id, number)[:epoch]
        lease = self.store.acquire(self.study.id, "t:1:1", time.time(), 30.0, lambda _: True)
        pruned = replace(trial, state=TrialState.PRUNED, epochs=epoch, prune_at=epoch)
        self.store.apply(lease, Batch(trials={number: pruned}, curves={number: curve}))
        self.store.release(lease)

    def rerun(self, number: int) -> Rerun:
        trial = self.store.trial(self.study.id, number)
        return rerun(self.settings, self.store, self.study, trial)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Any:
    scene = Scene(tmp_path_factory.mktemp("scene"))
    yield scene
    scene.store.close()


def test_a_trial_is_the_same_to_the_bit_and_the_study_stays_as_it_is(scene: Scene) -> None:
    before = scene.store.trials(scene.study.id), sorted(scene.settings.home.rglob("*"))
    found = scene.rerun(0)
    assert found.to_dict() == {
        "study": "s",
        "trial": 0,
        "same": True,
        "epochs": 4,
        "trained": 4,
        "metrics": 2,
        "first": None,
        "largest": None,
        "differing": 0,
        "failure": None,
        "tolerance": 0.0,
        "notes": [],
    }
    assert (scene.store.trials(scene.study.id), sorted(scene.settings.home.rglob("*"))) == before


def test_a_pruned_trial_is_trained_to_where_it_was_pruned_with_the_code_of_the_record(scene: Scene) -> None:
    scene.helper.write_text("def scale(x):\n    return 3 * x\n")
    try:
        found = scene.rerun(1)
    finally:
        scene.helper.write_text(HELPER)
    assert (found.same, found.epochs, found.trained) == (True, 2, 2)
    (note,) = found.notes
    assert note == "the code has changed since (helper.py was edited); the code of the record is used"


def test_a_trial_with_folds_is_the_same_fold_by_fold(tmp_path: Path) -> None:
    scene = Scene(tmp_path, folds=3)
    whole, pruned = scene.rerun(0), scene.rerun(1)
    assert [(one.same, one.epochs, one.trained) for one in (whole, pruned)] == [(True, 3, 3), (True, 2, 2)]
    assert {"val/loss", "fold/val/loss"} <= scene.store.reports(scene.study.id, 0)[0].metrics.keys()
    scene.store.close()


def test_a_trainer_that_does_not_repeat_itself_is_named_by_its_first_difference(scene: Scene) -> None:
    recorded = scene.store.reports(scene.study.id, 0)
    lease = scene.store.acquire(scene.study.id, "t:1:1", time.time(), 30.0, lambda _: True)
    value = recorded[2].metrics["val/loss"]
    forged = [
        replace(one, metrics={**one.metrics, "val/loss": math.nextafter(value, 9)}) if one.epoch == 3 else one
        for one in recorded
    ]
    scene.store.apply(lease, Batch(curves={0: forged}))
    try:
        found = scene.rerun(0)
    finally:
        scene.store.apply(lease, Batch(curves={0: recorded}))
        scene.store.release(lease)
    assert not found.same
    assert found.first == Difference(3, "val/loss", math.nextafter(value, 9), value)
    assert found.first.amount == pytest.approx(0, abs=1e-15)
    assert found.differing == 1


def test_data_that_have_changed_are_refused_with_the_file(scene: Scene) -> None:
    scene.data.write_text(ROWS.replace("5,2", "5,1"))
    try:
        with pytest.raises(DataError, match=r"since trial 0 was trained: rows\.csv was edited; put them back"):
            scene.rerun(0)
        scene.data.unlink()
        with pytest.raises(DataError, match=r"rows\.csv is not there"):
            scene.rerun(0)
    finally:
        scene.data.write_text(ROWS)


def test_a_trial_that_was_never_trained_has_nothing_to_compare(tmp_path: Path) -> None:
    store: SqlStore = open_store(f"sqlite:///{tmp_path / 'goodfit.db'}")
    study = store.add_study(Study("s", {}, "f", 1.0))
    trial = Trial(3, {}, 1, state=TrialState.CANCELLED, message="the budget was spent")
    with pytest.raises(InputError, match=r"trial 3 of study s is CANCELLED and was never trained .*\(the budget"):
        rerun(Settings(tmp_path), store, study, trial)
    store.close()


def test_curves_are_compared_to_the_bit_and_nan_is_nan() -> None:
    nan = math.nan
    assert differences({1: {"a": nan, "b": 1.0}}, {1: {"a": nan, "b": 1.0}}, "a") == []
    found = differences({1: {"a": 1.0, "z": 2.0}, 2: {"a": 1.0}}, {1: {"a": 1.5, "z": 2.5}, 3: {"a": 1.0}}, "z")
    assert found == [
        Difference(1, "z", 2.0, 2.5),
        Difference(1, "a", 1.0, 1.5),
        Difference(2, "a", 1.0, None),
        Difference(3, "a", None, 1.0),
    ]
    assert [one.amount for one in found] == [0.5, 0.5, math.inf, math.inf]


def test_what_a_training_costs_is_not_compared() -> None:
    assert measured({"val/loss": 1.0, "epoch_seconds": 3.0, "params_millions": 0.1}) == {"val/loss": 1.0}
