"""The studies of a home, from its store."""

from __future__ import annotations

import operator
import shutil
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any

from goodfit.service import app
from goodfit.service.app import catalog
from goodfit.service.app.best import Best
from goodfit.service.app.explaining import Why
from goodfit.service.app.logs import LogPiece
from goodfit.service.errors import InputError, UnknownStudy
from goodfit.service.ports import Store, Tally
from goodfit.service.progress import Progress
from goodfit.service.queries.source import Kind, Listed
from goodfit.service.records import (
    AuditEntry,
    Decision,
    Report,
    Study,
    StudyRun,
    StudyState,
    Token,
    Trial,
    Verdict,
    Version,
)
from goodfit.service.settings import BY_HERE
from goodfit.trainers.readable import brief

if TYPE_CHECKING:
    import pandas as pd

    from goodfit.service.app.cards import Cards
    from goodfit.service.app.explanations import OnRow, Wanted
    from goodfit.service.app.quality import LabelCheck
    from goodfit.service.app.releasing import ReleaseFacts
    from goodfit.service.app.resumption import Reopening
    from goodfit.service.app.submission import Submission
    from goodfit.service.app.trail import Trail
    from goodfit.service.settings import Settings
    from goodfit.trainers.explaining.explanation import Explanation

LARGEST_TRIAL = 2**31 - 1  # that databases hold
LOOK_SECONDS = 0.5  # between two looks at a study that is watched

ALL: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "trainers": catalog.trainer_rows,
    "spaces": catalog.space_rows,
    "datasets": catalog.dataset_rows,
}
ONE: dict[str, Callable[[str], dict[str, Any]]] = {
    "trainers": catalog.trainer_facts,
    "spaces": catalog.space_facts,
    "datasets": catalog.dataset_facts,
}


class LocalSource:
    """The Source of a home folder and the database that belongs to it.

    Args:
        settings: the home.
        store: its store; None: there is none yet, and nothing in it. It is made when a study is submitted.
        clock: gives the time.
        sleep: waits between two looks.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store | None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings, self._store = settings, store
        self._clock, self._sleep = clock, sleep

    @property
    def store(self) -> Store:
        """The store; UnknownStudy where there is none yet."""
        self._look_again()
        if self._store is None:
            raise UnknownStudy(f"no studies in {self.settings.home}: run one with `goodfit run FILE`")
        return self._store

    def _look_again(self) -> None:
        """Open a home that has been made since."""
        if self._store is None and app.is_made(self.settings):
            self._store = app.open_home(self.settings)

    @property
    def place(self) -> str:
        return str(self.settings.home)

    @property
    def mlflow_uri(self) -> str:
        return self.settings.tracking_uri

    def hint(self, words: str) -> str:
        return self.settings.hint(words)

    def page(
        self, *, states: Sequence[StudyState] = (), submitter: str | None = None, limit: int = 100, offset: int = 0
    ) -> list[Listed]:
        self._look_again()
        if self._store is None:
            return []
        found = self.store.page_of_studies(states=states, submitter=submitter, limit=limit, offset=offset)
        counts = self.store.counts([study.id for study in found]) if found else {}
        now = self._clock()
        return [self._listed(study, now, Tally(counts.get(study.id, {}))) for study in found]

    def study(self, name: str) -> Listed:
        study = self.store.study(name)
        return self._listed(study, self._clock(), self.store.tally(study.id))

    def _listed(self, study: Study, now: float, tally: Tally) -> Listed:
        return Listed(study, app.live_state(self.store, study, now), tally, study.planned_trials)

    def trials(
        self,
        name: str,
        *,
        labels: Sequence[str] = (),
        verdict: Verdict | None = None,
        after: int = -1,
        limit: int = 100,
        parts: Collection[str] | None = None,
    ) -> list[Trial]:
        study = self.store.study(name)
        return self.store.page_of_trials(
            study.id, labels=labels, verdict=verdict, after=after, limit=limit, parts=parts
        )

    def trial(self, name: str, number: int) -> Trial:
        return self._trial(self.store.study(name), number)

    def _trial(self, study: Study, number: int) -> Trial:
        # A data frame's number is numpy's; one that a database cannot hold is no trial's.
        whole = operator.index(number) if hasattr(number, "__index__") and not isinstance(number, bool) else -1
        found = self.store.trial(study.id, whole) if 0 <= whole <= LARGEST_TRIAL else None
        if found is None:
            count = sum(self.store.tally(study.id).states.values()) + len(self.confirmations(study.name))
            known = f"it has 0 to {count - 1}" if count else "it has none yet"
            raise InputError(f"study {study.name} has no trial {brief(number)}; {known}")
        return found

    def confirmations(self, name: str) -> list[Trial]:
        return [trial for trial in self.store.confirming(self.store.study(name).id) if trial.confirms is not None]

    def curve(self, name: str, number: int) -> list[Report]:
        study = self.store.study(name)
        return self.store.reports(study.id, self._trial(study, number).number)

    def reports(self, name: str, *, after: int = -1, trials: int = 100) -> list[Report]:
        return self.store.page_of_reports(self.store.study(name).id, after=after, trials=trials)

    def why(self, name: str, number: int) -> Why:
        study = self.store.study(name)
        return app.why_of(self.store, study, self._trial(study, number))

    def decisions(self, name: str, *, after: int = -1, limit: int = 100) -> list[Decision]:
        return self.store.page_of_decisions(self.store.study(name).id, after=after, limit=limit)

    def versions(self, name: str) -> list[Version]:
        return self.store.versions(self.store.study(name).id)

    def runs(self, name: str) -> list[StudyRun]:
        return self.store.runs(self.store.study(name).id)

    def best(self, name: str, k: int, *, pareto: bool = False) -> list[Best]:
        return app.best_of(self.settings, self.store, self.store.study(name), k, pareto=pareto)

    def diagnosis(self, name: str) -> Mapping[str, Any]:
        return {"study": name, **app.diagnose_of(self.settings, self.store, self.store.study(name)).to_dict()}

    def report_html(self, name: str) -> str:
        found = self.study(name)
        return app.report_of(self.settings, self.store, replace(found.study, state=found.state))

    def log_place(self, name: str, number: int) -> str | None:
        return app.log_place(self.settings, self.store.study(name), number)

    def log(self, name: str, number: int, offset: int = 0) -> LogPiece:
        study = self.store.study(name)
        return app.read_log(self.settings, study, self._trial(study, number).number, offset)

    def model(self, name: str, number: int, *, trust: bool) -> Any:  # noqa: ARG002 - all here is the user's own
        study = self.store.study(name)
        return app.load_model(self.settings, self.store, study, self._trial(study, number))

    def explain(self, name: str, number: int, wanted: Wanted, on_row: OnRow, *, trust: bool) -> Explanation:  # noqa: ARG002
        study = self.store.study(name)
        return app.explain_trial(self.settings, self.store, study, self._trial(study, number), wanted, on_row)

    def rows(self, name: str, part: str, trial: int | None, fold: int | None) -> pd.DataFrame:
        study = self.store.study(name)
        found = None if trial is None else self._trial(study, trial)
        return app.rows_of(self.settings, self.store, study, part, found, fold)

    def label_issues(self, name: str, trial: int | None, on_epoch: Callable[[int, int], None]) -> pd.DataFrame:
        return self.check_labels(name, trial, on_epoch).table.frame()

    def check_labels(self, name: str, trial: int | None, on_epoch: Callable[[int, int], None]) -> LabelCheck:
        """As label_issues, with the rows to look at; the gates of the study go by what its best configuration finds."""
        study = self.store.study(name)
        found = None if trial is None else self._trial(study, trial)
        check = app.labels_of_study(self.settings, self.store, study, found, on_epoch)
        if trial is None:
            app.note_labels(self.store, study, check, BY_HERE, self._clock())
            for trouble in self._follow(name):
                warnings.warn(trouble, stacklevel=2)
        return check

    def _follow(self, name: str) -> list[str]:
        """Let MLflow's registry follow what was decided of a study that is done; says what keeps it from that."""
        then = f"{self.hint(f'resume {name}')} takes it up once that is mended"
        return [f"{one}; {then}" for one in app.follow(self.settings, self.store, name)]

    def growth(self, name: str, on_epoch: Callable[[int, int], None]) -> dict[str, Any]:
        return app.growth_of_study(self.settings, self.store, self.store.study(name), on_epoch)

    def checkpoint(self, name: str, number: int, file: IO[bytes]) -> None:
        study = self.store.study(name)
        with app.open_checkpoint(self.settings, study, self._trial(study, number)) as kept:
            shutil.copyfileobj(kept, file)

    def watch(self, name: str) -> Iterator[Progress]:
        watcher = app.Watcher(self.store, name)
        before = None
        while True:
            progress = watcher.look(self._clock())
            if progress != before:
                yield progress
            if progress.over:
                return
            before = progress
            self._sleep(LOOK_SECONDS)

    def nodes(self) -> Sequence[Mapping[str, float]]:
        return app.nodes_of(self.settings)

    def submit(self, submission: Submission) -> Study:
        from goodfit.service.queries.reading import read_here

        spec = read_here(submission)
        if self._store is None:
            self._store = app.open_home(self.settings, create=True)
        return app.queue_study(
            self.settings,
            self.store,
            spec,
            self._clock(),
            fresh=submission.fresh,
            priority=submission.priority,
        )

    def stop(self, name: str) -> str:
        return app.stop_study(self.settings, self.store, name, self._clock())

    def edit(self, name: str, overrides: Sequence[str]) -> list[str]:
        said = app.edit(self.store, name, overrides, self._clock(), BY_HERE, self.hint)
        return [*said, *self._follow(name)]

    def annotate(self, name: str, note: str | None, tags: Mapping[str, str]) -> list[str]:
        return app.annotate(self.settings, self.store, name, note, tags)

    def release(self, name: str) -> ReleaseFacts:
        return app.release_facts(self.store, self.store.study(name))

    def decide(self, name: str, action: str, by: str | None, note: str | None) -> list[str]:
        said = app.decide(self.store, name, action, BY_HERE if by is None else by, note, self._clock())
        return [*said, *self._follow(name)]

    def cards(self, name: str) -> Cards:
        return app.cards_of(self.settings, self.store, self.store.study(name))

    def trail(self, name: str) -> Trail:
        return app.trail_of(self.settings, self.store, name)

    def resume(self, name: str, wanted: Reopening) -> str:
        self._await_release(name)
        return app.resume_study(self.store, name, wanted, self._clock(), self.hint)

    def remove(self, name: str) -> list[str]:
        self._await_release(name)
        return app.remove_study(self.settings, self.store, name, self._clock())

    def _await_release(self, name: str) -> None:
        for pause in app.until_released(self.store, name, self._clock):
            self._sleep(pause)

    def catalog(self, kind: Kind) -> list[dict[str, Any]]:
        return ALL[kind]()

    def described(self, kind: Kind, name: str) -> dict[str, Any]:
        return ONE[kind](name)

    def make_token(self, name: str, role: str, expires: str | None) -> tuple[Token, str]:
        now = self._clock()
        return app.make_token(self.store.access, name=name, role=role, now=now, by="local", expires=expires)

    def tokens(self) -> list[Token]:
        return self.store.access.tokens()

    def revoke(self, token_id: str) -> Token:
        return self.store.access.revoke(token_id, self._clock(), "local")

    def audit(self, *, subject: str | None = None, limit: int = 100, offset: int = 0) -> list[AuditEntry]:
        return self.store.access.audit(subject=subject, limit=limit, offset=offset)
