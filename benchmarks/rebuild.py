"""How long a study of 1,000 trials takes to stand in Optuna again, from the store."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.figures import Figures, run
from goodfit.search_spaces.parameters import Float
from goodfit.search_spaces.space import Space
from goodfit.service.app import open_home
from goodfit.service.objective import Objective
from goodfit.service.records import Batch, Report, Study, Trial, TrialState
from goodfit.service.sampler import OptunaSampler
from goodfit.service.settings import Settings

TRIALS, EPOCHS = 1000, 20


@dataclass(frozen=True)
class Median:
    """As a study file says `pruning: {method: median}`."""

    method: str = "median"
    options: Mapping[str, Any] = field(default_factory=dict)


def main(figures: Figures) -> None:
    with tempfile.TemporaryDirectory(prefix="goodfit-bench-") as folder:
        store = open_home(Settings.from_environment(Path(folder)), create=True)
        study = store.add_study(Study("rebuild", {}, "0", 0.0))
        lease = store.acquire(study.id, "bench:1:1", 0.0, 1e9, lambda _: False)
        batch = Batch()
        for number in range(TRIALS):
            params = {f"p{index}": (number * (index + 1) % 97) / 97 for index in range(8)}
            batch.trials[number] = Trial(number, params, number, TrialState.COMPLETE, epochs=EPOCHS, value=params["p0"])
            batch.reports += [Report(number, epoch, {"val/loss": 1 / epoch}, 0.0) for epoch in range(1, EPOCHS + 1)]
        store.apply(lease, batch)
        begun = time.perf_counter()
        trials, reports = store.trials(study.id), store.reports(study.id)
        read = time.perf_counter() - begun
        sampler = OptunaSampler(
            name="rebuild",
            space=Space(tuple(Float(f"p{index}", 0.0, 1.0) for index in range(8))),
            method="bayesian",
            seed=0,
            try_defaults=False,
            defaults={},
            pruning=Median(),
            objective=Objective("val/loss", "minimize"),
            epochs=EPOCHS,
        )
        sampler.rebuild(trials, reports)
        whole = time.perf_counter() - begun
        figures.add("read from the store", read, "s")
        figures.add("in Optuna", whole, "s")
        print(f"  {TRIALS} trials x {EPOCHS} reports: read {read:.2f} s, in Optuna after {whole:.2f} s   (at most 2)")


if __name__ == "__main__":
    run("rebuild", main)
