"""Code and data that change between two runs of a study: refused, or noted and said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from goodfit.service.app.inputs import inputs_of, settle_inputs
from goodfit.service.app.run import Options, _settled
from goodfit.service.diagnosis.health.inputs import mixed_inputs, ranges
from goodfit.service.errors import DataError
from goodfit.service.records import Batch, Study, Trial, TrialState
from goodfit.service.settings import Settings
from goodfit.service.spec import from_mapping
from goodfit.service.store import open_store
from goodfit.service.store.sql import SqlStore
from goodfit.trainers.code import Code

COMPLETE = Trial(0, {}, 1, state=TrialState.COMPLETE, value=0.5)


def made(code: dict[str, str], data: dict[str, str]) -> dict[str, Any]:
    def part(files: dict[str, str]) -> dict[str, Any]:
        return {"digest": repr(sorted(files.items())), "files": files, "count": len(files)}

    return {"format": 1, "code": part(code) if code else None, "data": part(data)}


class Scene:
    """A study in a store, and what is said of it when it goes on."""

    def __init__(self, folder: Path, *trials: Trial) -> None:
        self.folder = folder
        self.store: SqlStore = open_store(f"sqlite:///{folder / 'goodfit.db'}")
        self.study = self.store.add_study(Study("s", {}, "f", 1.0))
        self.lease = self.store.acquire(self.study.id, "a:1:1", 0.0, 30.0, lambda _: True)
        self.store.apply(self.lease, Batch(trials={trial.number: trial for trial in trials}))
        self.said: list[str] = []

    def settle(self, found: dict[str, Any], *, accept: bool = False) -> None:
        study = self.store.study("s")
        settle_inputs(
            Settings(self.folder).hint, self.store, self.lease, study, found, accept=accept, say=self.said.append
        )

    @property
    def inputs(self) -> Any:
        return self.store.study("s").inputs


BEFORE = made({"tune.py": "1", "shapes.py": "1"}, {"d.csv": "1"})


def test_a_study_that_goes_on_as_it_was_says_nothing(tmp_path: Path) -> None:
    scene = Scene(tmp_path, COMPLETE)
    scene.settle(BEFORE)
    scene.settle(BEFORE)
    assert (scene.inputs, scene.said) == (BEFORE, [])


def test_data_that_have_changed_are_refused_with_the_file_and_the_way_on(tmp_path: Path) -> None:
    scene = Scene(tmp_path, COMPLETE)
    scene.settle(BEFORE)
    with pytest.raises(DataError, match=r"data of study s have changed .*: d\.csv was edited; .*resume s --changed"):
        scene.settle(made({}, {"d.csv": "2"}))
    assert scene.inputs == BEFORE


def test_changed_data_that_are_meant_are_noted_and_said(tmp_path: Path) -> None:
    scene = Scene(tmp_path, COMPLETE)
    scene.settle(BEFORE)
    after = made({"tune.py": "1", "shapes.py": "1"}, {"d.csv": "1", "e.csv": "1"})
    scene.settle(after, accept=True)
    assert scene.inputs == after
    (said,) = scene.said
    assert "e.csv is new" in said
    assert "cannot be compared" in said


@pytest.mark.parametrize("served", [True, False])
def test_a_study_of_the_service_rests_where_its_data_have_changed(tmp_path: Path, served: bool) -> None:
    scene, after = Scene(tmp_path, COMPLETE), made({}, {"d.csv": "2"})
    scene.settle(BEFORE)

    def settled(**options: Any) -> Study:
        study = scene.store.study("s")
        return _settled(Settings(tmp_path), scene.store, scene.lease, study, after, Options(**options), served)

    with pytest.raises(DataError, match="--changed"):
        settled()
    study = scene.store.study("s")
    assert study.state == ("STOPPED" if served else "QUEUED")
    assert ("d.csv was edited" in (study.message or "")) == served
    assert settled(changed=True).inputs == after


def test_changed_code_is_used_and_said(tmp_path: Path) -> None:
    scene = Scene(tmp_path, COMPLETE)
    scene.settle(BEFORE)
    scene.settle(made({"tune.py": "1", "shapes.py": "2"}, {"d.csv": "1"}))
    scene.settle(made({"tune.py": "1"}, {"d.csv": "1"}))
    assert "shapes.py was edited" in scene.said[0]
    assert "shapes.py is gone" in scene.said[1]


@pytest.mark.parametrize("state", [TrialState.FAILED, TrialState.CANCELLED, None])
def test_where_no_trial_came_to_anything_nothing_is_refused(tmp_path: Path, state: TrialState | None) -> None:
    scene = Scene(tmp_path, *([Trial(0, {}, 1, state=state)] if state else []))
    scene.settle(BEFORE)
    scene.settle(made({}, {"d.csv": "2"}))
    assert scene.said == []


def test_a_study_from_before_is_noted_as_it_is_now(tmp_path: Path) -> None:
    scene = Scene(tmp_path, COMPLETE)
    assert scene.inputs is None
    scene.settle(BEFORE)
    assert scene.inputs == BEFORE


def test_of_many_files_how_many_they_were_is_said(tmp_path: Path) -> None:
    def many(count: int) -> dict[str, Any]:
        return {"format": 1, "code": None, "data": {"digest": str(count), "files": {}, "count": count}}

    scene = Scene(tmp_path, COMPLETE)
    scene.settle(many(1000))
    with pytest.raises(DataError, match="1,001 files, 1,000 before"):
        scene.settle(many(1001))


def test_a_study_is_trained_with_its_own_code_and_its_data(tmp_path: Path) -> None:
    (tmp_path / "tune.py").write_text("def train(trial): ...")
    (tmp_path / "d.csv").write_text("x,y\n" + "1,2\n2,3\n" * 20)
    values = {
        "name": "s", "trainer": "tune.py:train", "data": {"source": "d.csv", "target": "y"},
        "space": {"learning_rate": [0.1, 0.01]}, "search": {"method": "grid"},
        "objective": {"metric": "val/loss", "direction": "minimize"}, "training": {"epochs": 1},
    }  # fmt: skip
    found = inputs_of(from_mapping(values, tmp_path), Code(str(tmp_path), {"tune.py": b"1"}))
    assert list(found["code"]["files"]) == ["tune.py"]
    assert list(found["data"]["files"]) == ["d.csv"]
    plain = inputs_of(from_mapping({**values, "trainer": "mlp", "data": {"source": "diabetes"}}, tmp_path), None)
    assert plain["code"] is None
    assert plain["data"]["files"] == {}


def trained(number: int, data: str | None, code: str | None = None, **more: Any) -> Trial:
    return Trial(number, {}, 1, **{"state": TrialState.COMPLETE, **more}, data=data, code=code)


def test_trials_of_different_data_are_said_not_to_be_comparable() -> None:
    trials = [*(trained(number, "d1", "c1") for number in range(4)), trained(4, "d1+d2", "c1")]
    trials += [trained(5, "d2", "c2"), trained(7, "d2", "c2", confirms=0), trained(8, "d3", state=TrialState.FAILED)]
    data, code = mixed_inputs(trials)
    assert data.severity == "serious"
    assert "trials 0-3 had d1, trial 4 had d1 and then d2, trials 5, 7 had d2" in data.text
    assert "cannot be compared" in data.text
    assert (code.code, code.severity) == ("mixed_code", "warning")
    assert "trials 0-4 had c1, trials 5, 7 had c2" in code.text


def test_trials_of_the_same_data_are_not_spoken_of() -> None:
    assert list(mixed_inputs([trained(0, "d1"), trained(1, "d1"), trained(2, None)])) == []
    assert list(mixed_inputs([])) == []


def test_numbers_in_a_row_are_a_range() -> None:
    assert ranges([0, 1, 2, 5, 7, 8]) == "0-2, 5, 7-8"
