"""The only place where adapters are built from settings: homes, stores, runs of a study.

`python -m service.app mirror ...` is the tracker's own process.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service import errors
from service.records import Batch, Lease, Study, StudyState, Trial
from service.settings import Settings, is_dead, make_folder, owner

if TYPE_CHECKING:
    from service.ports import Executor, Store, Tracker
    from service.runner import Progress, Runner
    from service.spec import StudySpec
    from service.store import SqlStore
    from service.tracker import Mirror, ModelExport
    from trainers.messages import Assignment
    from trainers.predictor import Predictor
    from trainers.registry import Trainer

CATCH_UP_SECONDS = 600.0  # how long the end of a run waits for MLflow while it gets on
AWAY_SECONDS = 10.0  # and while it does not
HURRY_SECONDS = 3.0  # and after a Ctrl-C, or a fault


def open_home(settings: Settings, *, create: bool = False) -> SqlStore:
    """The store of a home; HomeError when there is none and it is not to be made."""
    from service.store import open_store

    if settings.database is None:
        if create:
            make_folder(settings.home)
        elif not (settings.home / "goodfit.db").exists():
            raise errors.HomeError(
                f"no studies in {settings.home}: run one with `goodfit run FILE`, or name another home with --home"
            )
    return open_store(settings.database_url)


def spec_of(study: Study) -> StudySpec:
    """The spec that a study was made with."""
    from service.spec import StudySpec

    return StudySpec.from_dict(study.spec)


@dataclass(frozen=True, slots=True)
class Checked:
    """A study that can run: its spec, its trainer, and its data as far as they were looked at."""

    spec: StudySpec
    trainer: Trainer
    rows: Mapping[str, int] | None = None  # split -> rows, where the data were loaded


def check(spec: StudySpec) -> Checked:
    """Everything that can be known before training: the trainer imports, the data load and suit it.

    Raises:
        StudyFileError, TrainerError, DataError: what is wrong, all of InputError.
    """
    from service.spec import check_metric
    from trainers.data import DATASETS, load
    from trainers.errors import DataProblem, TrainersError
    from trainers.registry import resolve

    try:
        trainer = resolve(spec.trainer)
        data = spec.data_spec()
        if data is None:
            if trainer.kinds:
                raise errors.DataError(f"trainer {trainer.name} needs data: give `data: {{source: ...}}`")
            return Checked(spec, trainer)
        known = DATASETS.get(data.source)
        loaded = None if known else load(data)
    except DataProblem as error:
        raise errors.DataError(str(error)) from error
    except TrainersError as error:
        raise errors.TrainerError(str(error)) from error
    found = known or loaded
    if found is not None:
        _suits(trainer, data.source, found.kind, found.task)
        check_metric(spec, trainer, found.task)
    return Checked(spec, trainer, loaded.facts.rows if loaded else None)


def _suits(trainer: Trainer, source: str, kind: str, task: str) -> None:
    if trainer.kinds and kind not in trainer.kinds:
        raise errors.DataError(
            f"trainer {trainer.name} takes {' or '.join(sorted(trainer.kinds))} data, {source} is {kind} data"
        )
    if trainer.metrics is not None and task not in trainer.metrics:
        raise errors.DataError(
            f"trainer {trainer.name} does {' and '.join(sorted(trainer.metrics))}, {source} is for {task}"
        )


@dataclass(frozen=True, slots=True)
class Options:
    """How a study is run here."""

    executor: str = "ray"  # ray, local
    watch: Callable[[Progress], None] = lambda _: None
    on_runner: Callable[[Runner], None] = lambda _: None  # gets the runner, to interrupt it
    on_catch_up: Callable[[int], None] = lambda _: None  # gets how many trials MLflow is behind
    on_trouble: Callable[[str], None] = lambda _: None  # gets what keeps MLflow behind
    clock: Callable[[], float] = time.time


def new_study(settings: Settings, spec: StudySpec, store: Store, now: float, *, fresh: bool = False) -> Study:
    """The store's study for this spec, added if its name is free.

    Args:
        settings: the home, for what to type next.
        spec: what to search.
        store: where.
        now: seconds since the epoch.
        fresh: under a new name (name-2, name-3, ...) if it is taken.

    Raises:
        NameTaken: the name belongs to another spec; says what differs.
    """
    taken = {study.name: study for study in store.studies()}
    name = spec.name
    if fresh:
        number = 2
        while name in taken:
            name, number = f"{spec.name}-{number}", number + 1
    elif name in taken:
        if taken[name].fingerprint == spec.fingerprint():
            return taken[name]
        differing = "; ".join(spec.differences(taken[name].spec))
        raise errors.NameTaken(
            f"study {name} is there already with another spec ({differing}): go on with it by "
            f"{settings.hint(f'resume {name}')}, search anew under another name with `--new`, or remove it by {settings.hint(f'rm {name}')}"
        )
    return store.add_study(Study(name, spec.to_dict(), spec.fingerprint(), now))


def run_study(settings: Settings, checked: Checked, store: Store, study: Study, options: Options) -> Study:
    """Run a study to its end, or until it is interrupted.

    Raises:
        StudyHeld: another live process runs it.
        Interrupted, StudyFailed, InputError: how it ended, other than well. All is saved.
    """
    from service.runner import LEASE_SECONDS

    make_folder(settings.study_folder(study.name))
    with contextlib.ExitStack() as stack:
        lease = store.acquire(study.id, owner(), options.clock(), LEASE_SECONDS, is_dead)
        stack.callback(store.release, lease)
        store.ask_stop(study.id, False)
        tracker = stack.enter_context(_tracking(settings, study, options))
        stack.callback(store.release, lease)  # before MLflow catches up: that needs no lease
        executor = stack.enter_context(_executor(settings, checked, options))
        runner = _build_runner(
            settings,
            checked.spec,
            checked.trainer,
            store,
            study,
            options,
            lease=lease,
            tracker=tracker,
            executor=executor,
        )
        options.on_runner(runner)
        ended = runner.run()
    _raise_unless_done(settings, ended, runner)
    return store.study(study.name)


def _build_runner(
    settings: Settings,
    spec: StudySpec,
    trainer: Trainer,
    store: Store,
    study: Study,
    options: Options,
    *,
    lease: Lease,
    tracker: Tracker,
    executor: Executor,
) -> Runner:
    from service.runner import Limits, Runner

    return Runner(
        store=store,
        lease=lease,
        study=store.study(study.name),
        plan=plan_of(spec),
        limits=Limits(study=_seconds(spec.budget.minutes), trial=_seconds(spec.training.minutes)),
        sampler=_sampler(spec, trainer, study.name),
        executor=executor,
        tracker=tracker,
        assign=lambda trial: _assignment(settings, spec, study.name, trial),
        watch=options.watch,
        clock=options.clock,
    )


def plan_of(spec: StudySpec) -> Any:
    """What the scheduler needs of a study file."""
    from service.scheduler import Plan

    return Plan(
        metric=spec.objective.metric,
        direction=spec.objective.direction,
        epochs=spec.training.epochs,
        trials=spec.planned_trials(),
        target=spec.budget.target,
        prune=spec.pruning.method != "none",
        retries=spec.training.retries,
        seed=spec.search.seed,
    )


def _sampler(spec: StudySpec, trainer: Trainer, name: str) -> Any:
    from service.sampler import OptunaSampler

    return OptunaSampler(
        name=name,
        space=spec.space,
        method=spec.search.method,
        seed=spec.search.seed,
        try_defaults=spec.search.try_defaults,
        defaults=trainer.defaults(),
        pruning=spec.pruning,
        metric=spec.objective.metric,
        direction=spec.objective.direction,
        epochs=spec.training.epochs,
    )


@contextlib.contextmanager
def _executor(settings: Settings, checked: Checked, options: Options) -> Iterator[Executor]:
    """The workers, started; ended at the end."""
    from trainers.worker import Setup

    spec = checked.spec
    share = spec.resources
    setup = Setup(
        spec.trainer, spec.data_spec(), max(1, math.floor(share.cpus)), tuple(path for path in sys.path if path)
    )
    with contextlib.ExitStack() as stack:
        executor: Executor
        if options.executor == "local":
            from service.local_executor import LocalExecutor

            executor = LocalExecutor(setup, options.clock)
        else:
            from service.ray_executor import Cluster, RayExecutor, Share

            cluster = Cluster(settings.ray_address)
            stack.callback(cluster.close)
            parallel = None if share.parallel == "auto" else share.parallel
            executor = RayExecutor(cluster, setup, Share(share.cpus, share.gpus, parallel, spec.planned_trials()))
        stack.callback(executor.close)
        yield executor


def _assignment(settings: Settings, spec: StudySpec, study: str, trial: Trial) -> Assignment:
    from trainers.messages import Assignment

    return Assignment(
        study=study,
        trial=trial.number,
        attempt=trial.attempts,
        trainer=spec.trainer,
        params=trial.params,
        data=spec.data_spec(),
        seed=trial.seed,
        epochs=spec.training.epochs,
        metric=spec.objective.metric,
        direction=spec.objective.direction,
        folder=settings.trial_folder(study, trial.number),
        patience=spec.training.patience,
        checkpoint_epochs=spec.training.checkpoint_epochs,
        reported=trial.epochs,
    )


def _seconds(minutes: float | None) -> float | None:
    return None if minutes is None else minutes * 60.0


def _raise_unless_done(settings: Settings, ended: Study, runner: Runner) -> None:
    from service.scheduler import Reason

    message = ended.message or ""
    match ended.state:
        case StudyState.INTERRUPTED if runner.reason is Reason.NO_DISK:
            raise errors.GoodfitError(f"{message}; make room and go on with {settings.hint(f'resume {ended.name}')}")
        case StudyState.INTERRUPTED:
            raise errors.Interrupted(f"saved; go on with {settings.hint(f'resume {ended.name}')}")
        case StudyState.STOPPED:
            raise errors.Interrupted(f"{message}; go on with {settings.hint(f'resume {ended.name}')}")
        case StudyState.FAILED if runner.reason is Reason.UNUSABLE:
            raise errors.TrainerError(message)
        case StudyState.FAILED:
            raise errors.StudyFailed(f"{message}; see {settings.hint(f'trials {ended.name}')}")


@contextlib.contextmanager
def _tracking(settings: Settings, study: Study, options: Options) -> Iterator[Tracker]:
    """The study's tracker in a process of its own; at the end it catches up, unless the user is in a hurry."""
    from service.tracker import MlflowTracker

    make_folder(settings.log_folder)
    command = [sys.executable, "-m", "service.app", "mirror", "--home", str(settings.home), study.name]
    tracker = MlflowTracker(command, settings.mirror_log(study.name), away_seconds=AWAY_SECONDS)
    hurry = True
    try:
        yield tracker
        hurry = False
    finally:
        try:
            done = tracker.close(HURRY_SECONDS if hurry else CATCH_UP_SECONDS, options.on_catch_up)
        except KeyboardInterrupt:
            done = tracker.close(0)
        if not done:
            options.on_trouble(tracker.trouble() or f"{tracker.behind()} trials are not in MLflow yet")


def catch_up(settings: Settings, store: Store, study: Study, options: Options) -> None:
    """Send MLflow what it has not heard of a study that nobody runs."""
    done = study.state is StudyState.DONE
    if store.unmirrored(study.id, 1) or study.mlflow_run_id is None or (done and study.champion is None):
        with _tracking(settings, study, options):
            pass


def stop_study(settings: Settings, store: Store, name: str, now: float) -> str:
    """Ask whoever runs a study to save and stop, or stop it here where nobody does; says which."""
    study = store.study(name)
    lease = store.holder(study.id)
    if study.state in (StudyState.DONE, StudyState.FAILED, StudyState.STOPPED):
        return f"study {name} is {study.state}; nothing runs"
    if lease is not None and lease.until >= now and not is_dead(lease.owner):
        store.ask_stop(study.id, True)
        return f"asked study {name} to save what is in flight and stop; go on with {settings.hint(f'resume {name}')}"
    lease = store.acquire(study.id, owner(), now, 30.0, is_dead)
    try:
        running = study if study.state is not StudyState.RUNNING else study.to(StudyState.INTERRUPTED)
        store.apply(lease, Batch(study=running.to(StudyState.STOPPED, ended=now)))
    finally:
        store.release(lease)
    return f"study {name} is stopped; go on with {settings.hint(f'resume {name}')}"


def remove_study(settings: Settings, store: Store, name: str, now: float) -> list[str]:
    """Take a study out: of MLflow, of the store, of the disk. Says what was left and why."""
    from service.tracker import remove_study as remove_from_mlflow

    study = store.study(name)
    lease = store.acquire(study.id, owner(), now, 600.0, is_dead)
    said = []
    try:
        remove_from_mlflow(settings.tracking_uri, study)
    except errors.TrackingError as error:
        said.append(f"its runs in MLflow are left: {error}")
    store.release(lease)
    store.remove(name)
    shutil.rmtree(settings.study_folder(name), ignore_errors=True)
    if study.model_uri:
        said.append(f"its registered model {study.model_uri} is left: it may be in use")
    return [f"removed study {name}", *said]


def mirror_of(settings: Settings, store: Store, study: Study) -> Mirror:
    """What pushes a study to MLflow."""
    from service.diagnosis.picture import learning_curve_svg
    from service.tracker import Mirror

    return Mirror(
        store,
        study.name,
        settings.tracking_uri,
        settings.mlflow_artifacts,
        draw=learning_curve_svg,
        export_model=lambda trial, folder: export_model(settings, study, trial, folder),
    )


def export_model(settings: Settings, study: Study, trial: Trial, folder: Path) -> ModelExport | Path | None:
    """A trial's model as MLflow is to keep it; its bare checkpoint where the trainer says not how to rebuild it."""
    from service.tracker import ModelExport
    from trainers.errors import BadTrainer
    from trainers.predictor import load_model as load
    from trainers.predictor import read_facts, save_model

    place = settings.trial_folder(study.name, trial.number)
    checkpoint = place / "best.pt"
    if not checkpoint.exists():
        return None
    try:
        save_model(folder, spec_of(study).trainer, trial.params, read_facts(place), checkpoint)
    except (BadTrainer, FileNotFoundError):
        return checkpoint
    predictor = load(folder)
    example = predictor.example()
    return ModelExport(folder, example, predictor.predict(example))


def load_model(settings: Settings, study: Study, trial: Trial) -> Predictor:
    """A trial's model at its best epoch, ready to predict; TrainerError where it cannot be rebuilt."""
    from trainers.errors import TrainersError
    from trainers.predictor import load_model as load
    from trainers.predictor import read_facts, save_model

    place = settings.trial_folder(study.name, trial.number)
    if not (place / "best.pt").exists():
        raise errors.TrainerError(
            f"trial {trial.number} of {study.name} kept no checkpoint: its trainer registered none"
        )
    if not (place / "facts.json").exists():
        raise errors.TrainerError(
            f"study {study.name} names no data, so its model's weights alone are kept: {place / 'best.pt'}"
        )
    with tempfile.TemporaryDirectory(prefix="goodfit-") as folder:
        try:
            save_model(Path(folder), spec_of(study).trainer, trial.params, read_facts(place), place / "best.pt")
            return load(Path(folder))
        except TrainersError as error:
            raise errors.TrainerError(f"{error}; its weights are in {place / 'best.pt'}") from error


def main(arguments: list[str] | None = None) -> None:
    """The entry of the tracker's process."""
    parser = argparse.ArgumentParser(prog="service.app")
    parser.add_argument("command", choices=["mirror"])
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("study")
    options = parser.parse_args(arguments)
    from service.tracker import run_mirror

    settings = Settings.from_environment(options.home)
    store = open_home(settings)
    run_mirror(mirror_of(settings, store, store.study(options.study)), settings.mirror_lock(options.study))


if __name__ == "__main__":
    main()
