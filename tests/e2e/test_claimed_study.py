"""A study that the service has claimed: its runner takes the claim over, and nobody else may."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from goodfit.service import app
from goodfit.service.errors import Fenced
from goodfit.service.records import Study, StudyState
from goodfit.service.settings import Settings
from goodfit.service.spec import read
from tests import zoo
from tests.e2e.cli import Home
from tests.tracking import empty_mlflow

pytestmark = pytest.mark.e2e

CLAIM_SECONDS = 60.0


def test_a_runner_takes_over_the_services_claim_and_stays_until_mlflow_has_it_all(tmp_path: Path) -> None:
    home = Home(tmp_path)
    spec = read(home.study("claimed", trainer=zoo.named("curve"), budget={"trials": 2}, training={"epochs": 2}), [])
    settings = Settings(home.path, lease_seconds=5.0)
    store = app.open_home(settings, create=True)
    shutil.copy(empty_mlflow(), settings.home / "mlflow.db")
    now = time.time()
    study = store.add_study(Study(spec.name, spec.to_dict(), spec.fingerprint(), now, queued=now))
    claim = store.acquire(study.id, "controller:1:1", now, CLAIM_SECONDS, lambda _owner: False)
    checked, asked = app.check(spec), []
    options = app.Options(executor="local", watch=asked.append)
    assert app.run_study(settings, checked, store, study, options, claim).state is StudyState.DONE
    assert store.fence(study.id) == claim.fence + 1
    assert store.holder(study.id) is None
    assert store.unmirrored(study.id, 1) == []
    assert store.study(spec.name).champion is not None or store.study(spec.name).mlflow_run_id is not None
    with pytest.raises(Fenced):
        app.run_study(settings, checked, store, study, options, claim)
