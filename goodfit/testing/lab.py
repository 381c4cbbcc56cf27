"""A store with one study in it, written as a runner writes it: for what reads a store, such as trackers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from goodfit.service.ports import Store
from goodfit.service.records import Batch, Report, Study, StudyState, Trial, TrialState, Verdict
from goodfit.service.store import open_store

SPEC = {
    "name": "digits",
    "trainer": "mlp",
    "data": {"source": "digits"},
    "space": {"learning_rate": {"type": "float", "low": 1e-4, "high": 1e-1}},
    "objective": {"metric": "val/accuracy", "direction": "maximize"},
    "search": {"method": "bayesian", "seed": 0},
    "budget": {"trials": 4, "minutes": None},
}
START = 1_700_000_000.0


class Lab:
    """A store with one running study, written as a runner would write it."""

    def __init__(self, folder: Path, name: str = "digits", created: float = START) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.store: Store = open_store(f"sqlite:///{folder / 'goodfit.db'}")
        self.name = name
        study = self.store.add_study(Study(name, {**SPEC, "name": name}, "f" * 12, created))
        self.lease = self.store.acquire(study.id, "test:1:1", START, 1e12, lambda owner: False)
        self.change(study.to(StudyState.RUNNING, started=START))

    @property
    def study(self) -> Study:
        return self.store.study(self.name)

    def trial(self, number: int) -> Trial:
        return next(trial for trial in self.store.trials(self.study.id) if trial.number == number)

    def change(self, study: Study) -> None:
        self.store.apply(self.lease, Batch(study=study))

    def end(self, state: StudyState = StudyState.DONE) -> None:
        self.change(self.study.to(state, ended=START + 1000))

    def queue(self, number: int, **params: Any) -> None:
        params = {"learning_rate": 0.1 / (number + 1), "optimizer": "adam", **params}
        self._keep(Trial(number, params, seed=number))

    def run(self, number: int, epochs: int = 0, **params: Any) -> None:
        """Start a trial, unless it runs, and let it report up to an epoch."""
        known = {trial.number for trial in self.store.trials(self.study.id)}
        if number not in known:
            self.queue(number, **params)
        trial = self.trial(number)
        if trial.state is TrialState.QUEUED:
            trial = trial.to(TrialState.RUNNING, attempts=trial.attempts + 1, started=START + number)
        reports = [
            Report(number, epoch, curve(number, epoch), START + number + epoch) for epoch in range(1, epochs + 1)
        ]
        self._keep(replace(trial, epochs=max(epochs, trial.epochs)), reports)

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        trial = replace(self.trial(number), epochs=epoch)
        self._keep(trial, [Report(number, epoch, metrics, START + number + epoch)])

    def finish(self, number: int, epochs: int = 3, state: TrialState = TrialState.COMPLETE, **changes: Any) -> None:
        """Run a trial to its end."""
        self.run(number, epochs)
        last = curve(number, epochs)["val/accuracy"] if epochs else None
        values: dict[str, Any] = {
            "value": last,
            "last_value": last,
            "best_epoch": epochs or None,
            "gap": 0.1 if epochs else None,
            "verdict": Verdict.OVERFIT if epochs else Verdict.UNFINISHED,
            "diagnosis": {"verdict": "overfit", "reason": "for a test"},
            "ended": START + number + epochs + 0.5,
        }
        self._keep(self.trial(number).to(state, **values | changes))

    def behind(self) -> int:
        return len(self.store.unmirrored(self.study.id, 1000))

    def _keep(self, trial: Trial, reports: Sequence[Report] = ()) -> None:
        self.store.apply(self.lease, Batch(trials={trial.number: trial}, reports=list(reports)))


def curve(number: int, epoch: int) -> dict[str, float]:
    """Accuracy grows with the trial's number and the epoch."""
    accuracy = 0.5 + 0.02 * epoch + 0.01 * number
    return {
        "train/loss": 1.0 / epoch,
        "val/loss": 1.2 / epoch,
        "train/accuracy": accuracy + 0.1,
        "val/accuracy": accuracy,
    }
