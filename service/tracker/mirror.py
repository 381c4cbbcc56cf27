"""Pushes a study from the store to MLflow: what is missing, and each thing once.

The store says which trials are ahead of what was confirmed. A crash may fall between MLflow's
write and our confirmation, so whoever starts, or comes back after a failed call, looks first at
what MLflow has. Nothing here decides when to push (process.py) or what is shown (content.py).
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from goodfit.service.diagnosis.front import front_of
from goodfit.service.errors import GoodfitError, TrackingError
from goodfit.service.objective import Objective
from goodfit.service.ports import Mirrored, Records
from goodfit.service.records import FINISHED, Report, Study, StudyRun, StudyState, Trial, TrialState
from goodfit.service.release import Standing
from goodfit.service.tracker import content
from goodfit.service.tracker.champion import ExportModel, assign, publish, uri_of
from goodfit.service.tracker.datasets import datasets_of
from goodfit.service.tracker.experiment import (
    Connect,
    Experiment,
    connect,
    error_code,
    find_or_make,
    one_line,
    refusals_told,
)
from goodfit.service.tracker.origin import origin_files, study_origin, trial_origin
from goodfit.service.tracker.run import MirroredRun
from goodfit.service.tracker.transaction import Rows, is_server, one_transaction
from goodfit.service.tracker.view import show_view
from goodfit.trainers.readable import json_text

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

MOST_AHEAD = 100_000  # trials asked of the store at once
TOGETHER = 50  # trials in one transaction: it keeps other writers out for an eighth of a second, for half of long ones
AT_ONCE = 4  # trials at the same time over HTTP, where most of their time is spent in waiting
TRIES = 2  # of a trial that MLflow refuses; then the others go on without it
PAGE = 1000  # runs a page when listing an experiment

Draw = Callable[[Sequence[Report], Objective, Mapping[str, Any] | None, str], str]
Artifacts = Callable[[Trial], Path | None]
Describe = Callable[[], Mapping[str, Any] | None]
Conclude = Callable[[Study], Mapping[str, str]]
Release = Callable[[Study], Standing | None]
Head = Callable[[Study], str | None]
CONCLUDED = frozenset({StudyState.DONE, StudyState.FAILED, StudyState.STOPPED})


def _no_artifacts(_trial: Trial) -> None:
    """For trials that leave no files of their own."""


def _nothing() -> None:
    """For studies of whose data nothing is known."""


def _at_once(_study: Study) -> None:
    """For studies of which nothing is decided: the best model is released as it is."""


def _no_head(_study: Study) -> None:
    """For studies whose log has no hashes."""


def _no_conclusion(_study: Study) -> Mapping[str, str]:
    """For studies whose end needs no files."""
    return {}


@dataclass
class _Session:
    """What is known to be in MLflow; forgotten after any failure, and then looked up again."""

    client: MlflowClient
    experiment: Experiment
    study_run: MirroredRun
    run_ids: dict[int, str]  # of trials
    renewed: bool  # the store knows of another experiment, or of none
    backlog: dict[int, Trial]  # confirmed elsewhere, missing here
    finished: dict[int, Trial]
    runs: Sequence[StudyRun]  # of the study: this process is of the last one
    described: bool = False
    data: Mapping[str, Any] | None = None  # the report on the study's data, once it is described
    concluded: tuple[float | None, int] | None = None  # the end, and the decisions, that the last conclusion tells of
    head: str | None = None  # the last hash of the audit log that the study's run has been given
    open_runs: dict[int, MirroredRun] = field(default_factory=dict)  # of trials that will have more
    datasets: set[tuple[str, str]] = field(default_factory=set)  # that the experiment has


@dataclass(frozen=True, slots=True)
class _Pushed:
    """A trial whose run is up to date, and the curve that it has."""

    trial: Trial
    run: MirroredRun
    reports: Sequence[Report]

    @property
    def epoch(self) -> int:
        """The last that the run has."""
        return max((report.epoch for report in self.reports), default=0)


class MirrorStore(Records, Mirrored, Protocol):
    """What a mirror needs of the store."""


class Mirror:
    """One study in MLflow.

    Args:
        store: the truth.
        study: its id.
        tracking_uri: MLflow's database or server.
        artifact_root: where artifacts go; None where MLflow's server decides.
        draw: (reports, objective, diagnosis, title) -> the learning curve as SVG.
        export_model: the best trial and an empty folder -> the model, its bare checkpoint, or None.
        artifacts: a finished trial -> the folder of files that its trainer left, if there is one.
        describe: the report on the study's data, where it has any; asked for once a trial has finished, since it
            may take seconds.
        conclude: an ended study -> the files that tell of all of it, such as its report; asked for once an
            end. After a Ctrl-C it is not: the user is in a hurry then, and it takes a second or two.
        release: a study that is done -> which of its models is released, decided by now; None: the best.
        head: the last hash of a study's audit log, to be kept apart from it.
        connect: opens MLflow's client.
    """

    def __init__(
        self,
        store: MirrorStore,
        study: int,
        tracking_uri: str,
        artifact_root: Path | None,
        *,
        draw: Draw,
        export_model: ExportModel,
        artifacts: Artifacts = _no_artifacts,
        describe: Describe = _nothing,
        conclude: Conclude = _no_conclusion,
        release: Release = _at_once,
        head: Head = _no_head,
        connect: Connect = connect,
    ) -> None:
        self._store, self._study = store, study
        self._uri, self._artifact_root = tracking_uri, artifact_root
        self._draw, self._export_model, self._artifacts, self._connect = draw, export_model, artifacts, connect
        self._describe, self._conclude, self._release, self._head = describe, conclude, release, head
        self._session: _Session | None = None
        self._tries: Counter[int] = Counter()
        self._refused: dict[int, str] = {}

    @property
    def refused(self) -> Mapping[int, str]:
        """Trials that MLflow does not take, and why; they stay behind until the next start."""
        return {number: text for number, text in self._refused.items() if self._tries[number] >= TRIES}

    def sync(self, limit: int = TOGETHER) -> int:
        """Push at most `limit` trials and the study's summary.

        Returns:
            How many trials are still behind, refused ones among them.

        Raises:
            TrackingError: MLflow is away or refused; nothing is lost, the next call goes on.
        """
        with self._known_only_while_all_goes_well() as session:
            study = self._store.study_by_id(self._study)
            ahead = self._ahead(session, study)
            session.finished.update({trial.number: trial for trial in ahead if trial.state in FINISHED})
            turn = [trial for trial in ahead if self._tries[trial.number] < TRIES][:limit]
            self._describe_once(session)
            confirmed: dict[int, tuple[str, int, str]] = {}
            for one in self._pushed(session, study, turn):
                confirmed[one.trial.number] = (one.run.id, one.epoch, one.trial.mark)
            self._push_study(session, study)
            self._store.note_mirrored(study.id, confirmed)
            for number in confirmed:
                session.backlog.pop(number, None)
            if session.renewed and session.backlog.keys() <= self.refused.keys():
                self._confirm_place(session, study)
            return len(ahead) - len(confirmed)

    def forget(self) -> None:
        """Know nothing of what MLflow has any more: another mirror may have written since."""
        self._session = None

    def close_study(self) -> None:
        """Once a study has ended: its final summary and report, and if it is done its best model. Idempotent.

        Raises:
            TrackingError: MLflow is away or refused, or the model cannot be exported.
        """
        with self._known_only_while_all_goes_well() as session:
            study = self._store.study_by_id(self._study)
            self._push_study(session, study)
            if any(trial.number not in self.refused for trial in self._ahead(session, study)):
                return  # the last trials ended after the last sync: the next one comes before the winner is known
            stands = self._release(study) if study.state is StudyState.DONE else None
            if study.state.at_rest and (head := self._head(study)) not in (None, session.head):
                session.study_run.log([], {}, {content.AUDIT: head})
                session.head = head
            end = (study.ended, 0 if stands is None else stands.number)
            if study.state in CONCLUDED and end != session.concluded:
                if files := self._conclude(study):
                    session.study_run.attach(files)
                session.concluded = end
            best = content.best_of(session.finished.values(), study.objective)
            if study.state is StudyState.DONE and best is not None:
                self._publish(session, study, stands or Standing(study.registered, best.number, newest=best.number))

    def _publish(self, session: _Session, study: Study, stands: Standing) -> None:
        """Register the best model, and give the aliases to those that the study's decisions have them for.

        The decision is in the store before: whoever is cut short here, or finds MLflow away, does it again.
        """
        newest = stands.newest
        if newest is None or (newest == study.champion and stands.number <= study.registered):
            return
        wanted = dict.fromkeys(one for one in (newest, stands.champion, stands.candidate) if one is not None)
        places = (session.experiment, session.study_run.id, self._export_model)
        versions = {
            number: publish(session.client, study, session.finished[number], *places)
            for number in wanted
            if number in session.finished
        }
        assign(session.client, study, session.experiment, stands, versions)
        session.study_run.log([], {}, content.release_tags(stands, newest))
        uri = uri_of(versions.get(newest))
        self._store.note_study_mirrored(study.id, model_uri=uri, champion=newest, registered=stands.number)

    @contextlib.contextmanager
    def _known_only_while_all_goes_well(self) -> Iterator[_Session]:
        session, self._session = self._session, None
        try:
            with refusals_told(self._uri):
                session = session or self._open()
                yield session
        except GoodfitError as error:
            raise TrackingError(str(error)) from error
        self._session = session

    def _open(self) -> _Session:
        """Find or make the experiment and the study's run, and learn which trials have runs."""
        study = self._store.study_by_id(self._study)
        client = self._connect(self._uri)
        experiment = find_or_make(client, study, self._artifact_root)
        show_view(client, experiment.id, study)
        trials = {trial.number: trial for trial in self._store.trials(study.id)}
        study_run_id, run_ids = (None, {}) if experiment.fresh else _listed(client, experiment.id, study, trials)
        if study_run_id is None:
            start = content.milliseconds(study.started or study.created)
            study_run = MirroredRun.make(client, experiment.id, study.name, start, content.study_tags(study, None))
        else:
            study_run = MirroredRun.adopt(client, study_run_id)
        study_run.log([], content.study_params(study), {})
        runs = self._store.runs(study.id)
        origin = origin_files(runs, self._store.sources(study.id) if runs else {})
        study_run.attach({"study.json": content.study_json(study), **origin})
        renewed = (study.mlflow_experiment_id, study.mlflow_run_id) != (experiment.id, study_run.id)
        session = _Session(
            client=client,
            experiment=experiment,
            study_run=study_run,
            run_ids=run_ids,
            renewed=renewed,
            backlog={
                n: t for n, t in trials.items() if renewed and t.mlflow_run_id and run_ids.get(n) != t.mlflow_run_id
            },
            finished={number: trial for number, trial in trials.items() if trial.state in FINISHED},
            runs=runs,
        )
        if renewed and not session.backlog:
            self._confirm_place(session, study)
        return session

    def _confirm_place(self, session: _Session, study: Study) -> None:
        """Note where the study is in MLflow; a model that was registered elsewhere is to be registered here."""
        columns = {"mlflow_experiment_id": session.experiment.id, "mlflow_run_id": session.study_run.id}
        forget = {"champion": None, "model_uri": None} if study.champion is not None else {}
        self._store.note_study_mirrored(study.id, **columns, **forget)
        session.renewed = False

    def _ahead(self, session: _Session, study: Study) -> list[Trial]:
        """The trials to push; one that waits for its first worker is not shown yet."""
        ahead = {trial.number: trial for trial in self._store.unmirrored(study.id, MOST_AHEAD)}
        waiting = [n for n, t in ahead.items() if t.state is TrialState.QUEUED and n not in session.run_ids]
        for number in waiting:
            del ahead[number]
        return list((session.backlog | ahead).values())

    def _pushed(self, session: _Session, study: Study, trials: Sequence[Trial]) -> list[_Pushed]:
        """Bring some trials' runs up to date: in one transaction of a database, side by side on a server."""
        if is_server(self._uri):

            def push(trial: Trial) -> _Pushed:
                return self._attach(study, self._push(session, study, trial))

            # Two runs that bring the same new dataset at once are a duplicate key to MLflow's database.
            alone = {trial.number for trial in trials if self._brings_data(session, study, trial)}
            first = [push(trial) for trial in trials if trial.number in alone]
            rest = [trial for trial in trials if trial.number not in alone]
            with ThreadPoolExecutor(AT_ONCE) as threads:  # which ends when all have, whichever of them failed
                return [*first, *threads.map(push, rest)]
        with one_transaction(self._uri) as rows:
            pushed = [self._push(session, study, trial, rows) for trial in trials]
        return [self._attach(study, one) for one in pushed]

    def _brings_data(self, session: _Session, study: Study, trial: Trial) -> bool:
        """Whether its run is the first of the experiment with its datasets; they are known from here on."""
        if not session.described:
            return False
        places = {dataset.place for dataset in datasets_of(study, trial, session.data)}
        new = not places <= session.datasets
        session.datasets |= places
        return new

    def _push(self, session: _Session, study: Study, trial: Trial, rows: Rows | None = None) -> _Pushed:
        """Bring one trial's run up to date, but for its files."""
        try:
            return self._brought_up(session, study, trial, rows)
        except Exception as error:
            if error_code(error) == "INVALID_PARAMETER_VALUE":
                self._tries[trial.number] += 1
                self._refused[trial.number] = one_line(error)
            raise

    def _brought_up(self, session: _Session, study: Study, trial: Trial, rows: Rows | None) -> _Pushed:
        objective = study.objective
        reports = self._store.reports(study.id, trial.number)
        tags = content.trial_tags(study, trial) | trial_origin(study, trial, session.runs)
        ended = trial.state in FINISHED
        status = content.trial_status(trial), content.milliseconds(content.ended(trial)) if ended else None
        run = self._run(session, study, trial, tags, status, rows)
        if rows is not None:  # one transaction, in which MLflow reads all metrics of a run whose status it sets
            run.set_status(*status)
        run.log(content.trial_points(trial, reports, objective), content.params(trial.params), tags, rows)
        if session.described:
            run.log_inputs(datasets_of(study, trial, session.data), rows)
        run.set_status(*status)
        session.run_ids[trial.number] = run.id
        if ended:
            session.open_runs.pop(trial.number, None)
        else:
            session.open_runs[trial.number] = run
        return _Pushed(trial, run, reports)

    def _attach(self, study: Study, pushed: _Pushed) -> _Pushed:
        """Keep a finished trial's files with its run: outside of the transaction, for the run must be there first."""
        trial, reports = pushed.trial, pushed.reports
        if trial.state not in FINISHED:
            return pushed
        files = {"diagnosis.json": content.diagnosis_json(trial), **content.schedule_json(trial)}
        if reports:
            objective, title = study.objective, f"{study.name}, trial {trial.number}"
            files["learning_curve.svg"] = self._draw(reports, objective, trial.diagnosis, title)
        pushed.run.attach(files)
        if (folder := self._artifacts(trial)) is not None:
            pushed.run.log(*content.logged_by_trainer(folder))
            pushed.run.attach_folder(folder)
        return pushed

    def _run(
        self,
        session: _Session,
        study: Study,
        trial: Trial,
        tags: Mapping[str, str],
        status: tuple[str, int | None],
        rows: Rows | None,
    ) -> MirroredRun:
        """The trial's run: one that is there, else a new one. One from before the trial was trained anew is deleted."""
        found = session.open_runs.get(trial.number)
        if found is None and trial.number in session.run_ids:
            found = MirroredRun.adopt(session.client, session.run_ids[trial.number])
        if found is not None and content.tells_of(found.tags, trial):
            return found
        if found is not None:
            session.client.delete_run(found.id)
        start = content.milliseconds(content.started(trial, study))
        tags = {**tags, "mlflow.parentRunId": session.study_run.id}
        place = session.experiment.id, content.trial_name(trial), start, tags
        if rows is None:
            return MirroredRun.make(session.client, *place)
        return MirroredRun.write(session.client, rows, *place, *status)

    def _push_study(self, session: _Session, study: Study) -> None:
        objective = study.objective
        trials = session.finished.values()
        best = content.best_of(trials, objective)
        front = front_of(list(trials), objective, study.front_box) if objective.others else None
        points = content.study_points(trials, objective)
        if front is not None and study.state is StudyState.DONE:
            points += content.front_points(front, trials)
        tags = content.study_tags(study, best, front) | study_origin(study, session.runs)
        session.study_run.log(points, {}, tags)
        if session.described:
            session.study_run.log_inputs(datasets_of(study, None, session.data))
        end = content.milliseconds(study.ended) if study.ended is not None else None
        session.study_run.set_status(content.study_status(study), end)

    def _describe_once(self, session: _Session) -> None:
        """Look at the data once a trial has finished, before its run says what it was trained on."""
        if session.finished and not session.described:
            session.data = self._describe()
            if session.data is not None:
                session.study_run.attach({"data.json": json_text(session.data)})
            session.described = True


def _listed(
    client: MlflowClient, experiment_id: str, study: Study, trials: Mapping[int, Trial]
) -> tuple[str | None, dict[int, str]]:
    """The study's run and its trials' runs that an experiment has; doubles are deleted."""
    found: dict[int | None, list[Run]] = {}
    for run in _runs(client, experiment_id):
        if "goodfit.study" in run.data.tags:
            found.setdefault(content.number_in(run.data.tags), []).append(run)
    chosen = {}
    for place, runs in found.items():
        runs.sort(key=_rank(study, None if place is None else trials.get(place)))
        chosen[place] = runs[0].info.run_id
        for double in runs[1:]:
            if double.info.lifecycle_stage == "active":
                client.delete_run(double.info.run_id)
    return chosen.pop(None, None), {number: run_id for number, run_id in chosen.items() if number is not None}


def _rank(study: Study, trial: Trial | None) -> Callable[[Run], tuple[bool, bool, bool, str]]:
    """First the run that is there, has the trial's curve and is known to the store; else any, but always the same."""
    known = study.mlflow_run_id if trial is None else trial.mlflow_run_id

    def rank(run: Run) -> tuple[bool, bool, bool, str]:
        other = trial is not None and not content.tells_of(run.data.tags, trial)
        return run.info.lifecycle_stage != "active", other, run.info.run_id != known, run.info.run_id

    return rank


def _runs(client: MlflowClient, experiment_id: str) -> Iterator[Run]:
    from mlflow.entities import ViewType

    token: str | None = None
    while True:
        page = client.search_runs([experiment_id], run_view_type=ViewType.ALL, max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
