"""Queries on a home: what `from service import connect` gives, and what the command line prints.

study = connect()["digits-cnn"]
study.best().params
study.trials()
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from service import app
from service.diagnosis.confirmation import Confirmed, best_first, candidates_of
from service.errors import GoodfitError, InputError, UnknownStudy
from service.records import Report, Study, StudyState, Trial
from service.settings import LOG, Settings, is_dead

if TYPE_CHECKING:
    import optuna
    import pandas as pd

    from service.ports import Store
    from service.spec import StudySpec
    from trainers.predictor import Predictor


@dataclass(frozen=True, slots=True)
class Best:
    """One of the best configurations of a study.

    Attributes:
        trial: the trial's number.
        value: the objective at its best epoch, the one whose checkpoint is kept.
        params: the configuration.
        verdict: good_fit, overfit, underfit, diverged or unfinished.
        gap: how much worse validation is than training at the best epoch, in the objective's
            unit; None where training does not report it.
        epochs: how many were trained.
        best_epoch: which of them was best.
        test: the confirmation on the test split: mean, std and seeds; None where none ran. Of a
            trainer that brings its own data, the objective itself on the fresh seeds.
        mlflow_run_id: its run in MLflow; None until MLflow has caught up.
        model_uri: the champion's registered model, or where the checkpoint of another lies.
    """

    trial: int
    value: float
    params: Mapping[str, Any]
    verdict: str | None
    gap: float | None
    epochs: int
    best_epoch: int
    test: Mapping[str, float | None] | None
    mlflow_run_id: str | None
    model_uri: str | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, in the order of `goodfit best --json`."""
        return asdict(self)


class StudyHandle:
    """One study of a home. Everything is read anew at each call."""

    def __init__(self, settings: Settings, store: Store, name: str) -> None:
        self._settings, self._store, self.name = settings, store, name

    def __repr__(self) -> str:
        return f"<study {self.name} {self.state}>"

    @property
    def record(self) -> Study:
        """The study as the store has it."""
        return self._store.study(self.name)

    @property
    def spec(self) -> StudySpec:
        """The study file, as it was validated."""
        return app.spec_of(self.record)

    @property
    def state(self) -> str:
        """Where it is in its life; RUNNING only while a live process runs it."""
        return str(live_state(self._store, self.record, time.time()))

    @property
    def mlflow_uri(self) -> str:
        """The tracking URI where its runs are, for mlflow.set_tracking_uri."""
        return self._settings.tracking_uri

    def records(self) -> list[Trial]:
        """The trials of the search as the store has them, by number."""
        return [trial for trial in self._store.trials(self.record.id) if trial.confirms is None]

    def confirmations(self) -> list[Trial]:
        """The trials that trained the best configurations again, on fresh seeds."""
        return [trial for trial in self._store.trials(self.record.id) if trial.confirms is not None]

    @overload
    def best(self, k: None = None) -> Best: ...
    @overload
    def best(self, k: int) -> list[Best]: ...
    def best(self, k: int | None = None) -> Best | list[Best]:
        """The best configuration, or a list of the best `k`; trials that were trained to their end.

        Where the best were confirmed, the confirmed winner comes first, whatever its own value.

        Raises:
            GoodfitError: without `k`, while no trial is complete.
        """
        study = self.record
        objective = app.spec_of(study).objective
        trials = self._store.trials(study.id)
        order = best_first(trials, objective.metric, objective.direction)
        tests = {
            candidate.trial: Confirmed.of(candidate.judged) for candidate in candidates_of(trials, objective.metric)
        }
        if k is not None:
            return [self._best(study, trial, tests.get(trial.number)) for trial in order[:k]]
        if not order:
            raise GoodfitError(f"study {self.name} has no complete trial yet; see `goodfit trials {self.name}`")
        return self._best(study, order[0], tests.get(order[0].number))

    def _best(self, study: Study, trial: Trial, test: Confirmed | None) -> Best:
        place = self._settings.trial_place(study.name, trial.number)
        uri = place.uri("best.pt") if place.exists("best.pt") else None
        return Best(
            trial=trial.number,
            value=trial.value if trial.value is not None else math.nan,
            params=dict(trial.params),
            verdict=str(trial.verdict) if trial.verdict else None,
            gap=trial.gap,
            epochs=trial.epochs,
            best_epoch=trial.best_epoch or 0,
            test=None if test is None else asdict(test),
            mlflow_run_id=trial.mlflow_run_id,
            model_uri=study.model_uri if study.champion == trial.number and study.model_uri else uri,
        )

    def log(self, trial: int) -> str | None:
        """Where the trial's log lies; None where its trainer printed nothing and raised nothing."""
        place = self._settings.trial_place(self.name, trial)
        if not place.exists(LOG):
            return None
        return place.uri(LOG) if place.folder is None else str(place.folder / LOG)

    def trials(self) -> pd.DataFrame:
        """All trials, one a row: the keys of `goodfit trials --json` as columns."""
        import pandas as pd

        frame = pd.DataFrame([trial_row(trial) for trial in self.records()], columns=list(TRIAL_KEYS))
        for column in ("started", "ended"):
            frame[column] = pd.to_datetime(frame[column], utc=True)
        return frame

    def reports(self, trial: int) -> list[Report]:
        """One trial's curve as the store has it; InputError for a trial that is not there."""
        numbers = [record.number for record in self.records()]
        if trial not in numbers:
            known = f"0 to {numbers[-1]}" if numbers else "none yet"
            raise InputError(f"study {self.name} has no trial {trial}; it has {known}")
        return self._store.reports(self.record.id, trial)

    def curve(self, trial: int) -> pd.DataFrame:
        """One trial's curve: epoch, then each metric (train/loss, val/loss, ...)."""
        import pandas as pd

        return pd.DataFrame([{"epoch": report.epoch, **report.metrics} for report in self.reports(trial)])

    def to_optuna(self) -> optuna.Study:
        """A real optuna.Study in memory, for every plot and importance that Optuna has."""
        from service.sampler import to_optuna_study

        study = self.record
        spec = app.spec_of(study)
        return to_optuna_study(
            name=study.name,
            space=spec.space,
            metric=spec.objective.metric,
            direction=spec.objective.direction,
            trials=self._store.trials(study.id),
            reports=self._store.reports(study.id),
        )

    def verdicts(self) -> dict[str, int]:
        """How many trials have each verdict."""
        return dict(Counter(str(record.verdict) for record in self.records() if record.verdict))

    def diagnosis(self, trial: int | None = None) -> Mapping[str, Any]:
        """What is known of the study, or what the curve of one of its trials says; plain JSON values.

        Of a study: winner (of a confirmation, with the reason), optimism, noise, importances and
        directions for score and gap, findings (what is amiss, with numbers and an edit of the study
        file), verdicts. Of a trial: verdict, severity, confidence, reason, advice and the evidence.
        """
        if trial is not None:
            self.reports(trial)
            return dict(self.records()[trial].diagnosis or {})
        return {"study": self.name, **app.diagnose_of(self._settings, self._store, self.record).to_dict()}

    def report_html(self) -> str:
        """The study as one HTML page that needs nothing but a browser."""
        study = self.record
        return app.report_of(
            self._settings, self._store, replace(study, state=live_state(self._store, study, time.time()))
        )

    def report(self, path: str | Path | None = None) -> Path:
        """Write the page to a file, NAME.html in the current folder unless named; one that is there is replaced.

        Raises:
            InputError: the file cannot be written there.
        """
        file = Path(f"{self.name}.html" if path is None else path)
        page = self.report_html()
        try:
            file.write_text(page, encoding="utf-8")
        except OSError as error:
            raise InputError(f"cannot write the report to {file}: {error.strerror}; name another file") from error
        return file

    def model(self) -> Predictor:
        """The best model, loaded: `.predict(rows)` takes rows as they were in the data.

        Raises:
            GoodfitError: no complete trial, or a trainer whose model cannot be rebuilt.
        """
        best = self.best()
        return app.load_model(self._settings, self.record, self.records()[best.trial])


class Studies(Mapping[str, StudyHandle]):
    """The studies of a home, by name; newest first."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings, self.store = settings, store

    def __getitem__(self, name: str) -> StudyHandle:
        self.store.study(name)
        return StudyHandle(self.settings, self.store, name)

    def __iter__(self) -> Iterator[str]:
        return iter([study.name for study in self.store.studies()])

    def __len__(self) -> int:
        return len(self.store.studies())

    def __contains__(self, name: object) -> bool:
        try:
            self.store.study(str(name))
        except UnknownStudy:
            return False
        return True

    def __repr__(self) -> str:
        return f"<studies of {self.settings.home}: {', '.join(self) or 'none'}>"


def connect(home: str | Path | None = None) -> Studies:
    """The studies of a home folder: GOODFIT_HOME or .goodfit here, unless named.

    Raises:
        HomeError: there is no home at that place.
    """
    if home is not None and "://" in str(home):
        raise InputError(f"{home}: a server is not there yet; give a home folder")
    settings = Settings.from_environment(Path(home) if home else None)
    return Studies(settings, app.open_home(settings))


TRIAL_KEYS = (
    "trial", "state", "params", "value", "verdict", "gap", "epochs", "best_epoch", "attempts", "started", "ended",
    "mlflow_run_id",
)  # fmt: skip


def trial_row(trial: Trial) -> dict[str, Any]:
    """A trial as `goodfit trials --json` gives it."""
    return {
        "trial": trial.number,
        "state": trial.label,
        "params": dict(trial.params),
        "value": trial.value,
        "verdict": str(trial.verdict) if trial.verdict else None,
        "gap": trial.gap,
        "epochs": trial.epochs,
        "best_epoch": trial.best_epoch,
        "attempts": trial.attempts,
        "started": iso(trial.started),
        "ended": iso(trial.ended),
        "mlflow_run_id": trial.mlflow_run_id,
    }


def iso(seconds: float | None) -> str | None:
    """A time as ISO 8601 in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def live_state(store: Store, study: Study, now: float) -> StudyState:
    """A study's state, told from the lease: what says RUNNING with nobody running it was interrupted."""
    if study.state is not StudyState.RUNNING:
        return study.state
    lease = store.holder(study.id)
    held = lease is not None and lease.until >= now and not is_dead(lease.owner)
    return StudyState.RUNNING if held else StudyState.INTERRUPTED
