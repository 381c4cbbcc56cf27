"""What a process that runs a study leaves of its machine to the trials."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
from threadpoolctl import threadpool_info, threadpool_limits

from goodfit.service import app
from goodfit.service.sampler.auto.search import AutoSearch, Step
from goodfit.service.settings import Settings
from goodfit.service.spec import read
from tests.shortened import no_mirror

STUDY = """
name: threads
trainer: mlp
data: {source: iris}
space: {learning_rate: {type: float, low: 1e-4, high: 1e-1, log: true}}
objective: {metric: val/loss, direction: minimize}
training: {epochs: 1}
budget: {trials: 3}
"""


def threads() -> list[int]:
    scipy.linalg.cholesky(np.eye(2))  # its library is loaded
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_a_search_decides_on_one_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    decide = AutoSearch.decide

    def watched(search: AutoSearch, index: int, workers: int) -> Step:
        seen.extend(threads())
        return decide(search, index, workers)

    monkeypatch.setattr(AutoSearch, "decide", watched)
    monkeypatch.setattr("goodfit.service.app.run.tracking", no_mirror)
    (tmp_path / "study.yaml").write_text(STUDY)
    spec, settings = read(tmp_path / "study.yaml"), Settings(tmp_path / "home")
    store = app.open_home(settings, create=True)
    with threadpool_limits(limits=2, user_api="blas"):
        study = app.new_study(settings, spec, store, time.time())
        app.run_study(settings, app.check(spec), store, study, app.Options(executor="local"))
        assert set(threads()) == {2}  # as it was
    assert set(seen) == {1}
