"""The studies of examples/, shortened and run in this process: all of Goodfit but the command line, Ray and MLflow.

Those three take seconds to start, and test_main_job.py runs a study through all of them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.examples import EXAMPLES as EXAMPLES
from benchmarks.examples import figures
from goodfit import connect
from goodfit.service import app
from goodfit.service.client import StudyHandle
from goodfit.service.settings import Settings
from goodfit.service.spec import read
from goodfit.trainers.data import load_sealed
from goodfit.trainers.registry import resolve
from goodfit.trainers.worker.baseline import trivial_scores
from tests.running import NoTracker


@contextlib.contextmanager
def no_mirror(*_: Any) -> Iterator[NoTracker]:
    yield NoTracker()


def searched(example: str, home: Path, *changes: str) -> StudyHandle:
    """The study of an example with the changes of `--set`, run to its end: all trials were trained."""
    spec = read(EXAMPLES / f"{example}.yaml", changes)
    settings = Settings(home)
    store = app.open_home(settings, create=True)
    study = app.new_study(settings, spec, store, time.time())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("goodfit.service.app.run.tracking", no_mirror)
        app.run_study(settings, app.check(spec), store, study, app.Options(executor="local"))
    handle = connect(home)[study.name]
    assert handle.state == "DONE"
    best = handle.best()
    assert best.value == handle.curve(best.trial)[spec.objective.metric].iloc[best.best_epoch - 1]
    assert len(handle.records()) == spec.planned_trials()
    assert {str(trial.state) for trial in handle.records()} <= {"COMPLETE", "PRUNED"}
    return handle


def unseen(study: StudyHandle) -> tuple[dict[str, float], dict[str, float]]:
    """The winner's metrics on the test split, and those there of a model that looks at no input."""
    data = study.spec.data_spec(study.best().params)
    assert data is not None
    trivial = trivial_scores(resolve(study.spec.trainer), load_sealed(data))
    return dict(figures(study)), {name.removeprefix("val/"): value for name, value in trivial.items()}
