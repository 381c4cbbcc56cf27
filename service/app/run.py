"""A run of a study: the adapters built from settings and spec, and how it ended."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from goodfit.service import errors
from goodfit.service.app.code import own_code, pip_environment
from goodfit.service.app.homes import spec_here
from goodfit.service.app.inputs import inputs_of, settle_inputs
from goodfit.service.app.liveness import how_it_failed
from goodfit.service.app.logs import add_to_log
from goodfit.service.app.packing import pack_of
from goodfit.service.app.places import settle_place
from goodfit.service.app.preflight import Checked
from goodfit.service.app.provenance import note_run
from goodfit.service.app.quota import Quota
from goodfit.service.app.releasing import settle
from goodfit.service.app.retention import Keeping
from goodfit.service.app.tracker_process import CATCH_UP_SECONDS, tracking
from goodfit.service.extensions import EXECUTORS, SAMPLERS, added, make
from goodfit.service.ports import ALONE
from goodfit.service.records import Batch, Failure, Lease, Study, StudyState, Trial
from goodfit.service.settings import Settings, is_dead, owner, trial_within
from goodfit.trainers.environment import KEYS, PRIVATE, SERVICE, STORES

if TYPE_CHECKING:
    from goodfit.service.population import Rules
    from goodfit.service.ports import Allocator, Executor, Sampler, Search, Sharing, Store, Tracker
    from goodfit.service.progress import Progress
    from goodfit.service.ray_executor import Cluster
    from goodfit.service.runner import Runner, Terms
    from goodfit.service.scheduler import Plan
    from goodfit.service.spec import StudySpec
    from goodfit.trainers.code import Code
    from goodfit.trainers.messages import Assignment, DataSpec, Fork
    from goodfit.trainers.registry import Trainer


# What is waited for, one after the other.
RAY = "starting Ray"
WORKERS = "starting workers"
FIRST_EPOCH = "loading the trainer and the data, training the first epoch"


@dataclass(frozen=True, slots=True)
class Options:
    """How a study is run here."""

    executor: str = "ray"  # ray, local, or one that an installed package adds
    changed: bool = False  # it goes on though its data have changed
    watch: Callable[[Progress], None] | None = None
    on_runner: Callable[[Runner], None] = lambda _: None  # gets the runner, to interrupt it
    sharing: Callable[[], Sharing] = lambda: ALONE  # tells who shares the workers
    on_catch_up: Callable[[int], None] = lambda _: None  # gets how many trials MLflow is behind
    on_trouble: Callable[[str], None] = lambda _: None  # gets what keeps MLflow behind
    on_phase: Callable[[str | None], None] = lambda _: None  # gets what is waited for; None: the first epoch is there
    cluster: Cluster | None = None  # that was started ahead; None: one is started
    clock: Callable[[], float] = time.time
    ticks: Callable[[], float] = time.monotonic


def run_study(
    settings: Settings, checked: Checked, store: Store, study: Study, options: Options, lease: Lease | None = None
) -> Study:
    """Run a study to its end, or until it is interrupted.

    Args:
        settings: the home.
        checked: what `check` says of its spec.
        store: where it is.
        study: as the store has it.
        options: how it is run here.
        lease: the service's claim on it, handed over to this process unless it is its already; MLflow is waited
            for as long as it gets on then. None: this process acquires it, and waits as long as a user would.

    Raises:
        StudyHeld: another live process runs it.
        Fenced: the claim has passed, or the study went to another runner.
        Interrupted, StudyFailed, InputError: how it ended, other than well. All is saved.
    """
    with contextlib.ExitStack() as stack:
        held = _held(settings, store, study, options, lease)
        stack.callback(store.release, held)
        quota = Quota(settings, store, options.on_trouble, options.clock)
        study = store.study_by_id(study.id)
        _require_room(quota, store, held, study, options, served=lease is not None)
        study = settle_place(settings, store, held, study)
        checked = _as_kept(checked, study)
        code = own_code(checked.spec)
        study = _settled(settings, store, held, study, inputs_of(checked.spec, code), options, lease is not None)
        note_run(store, held, study, checked.spec, code, options.clock())
        patience = CATCH_UP_SECONDS if lease is None else math.inf
        tracker = stack.enter_context(
            tracking(settings, study, held.fence, options.on_catch_up, options.on_trouble, patience)
        )
        keeping = Keeping(settings, checked.spec, store, study, options.on_trouble, quota.look)
        stack.callback(keeping.close)
        stack.callback(store.release, held)  # before MLflow catches up: that needs no lease
        executor = stack.enter_context(_executor(settings, checked, options, code, served=lease is not None))
        runner = _build_runner(
            settings,
            checked.spec,
            checked.trainer,
            store,
            study,
            options,
            lease=held,
            tracker=tracker,
            executor=executor,
            keeping=keeping,
            quota=quota,
        )
        options.on_runner(runner)
        with _one_thread():
            ended = runner.run()
        if ended.state is StudyState.DONE:  # before MLflow hears of it, and whether it does or not
            settle(store, ended, options.clock())
            tracker.wake()
    _raise_unless_done(settings, store, ended, runner)
    return store.study_by_id(study.id)


def _one_thread() -> contextlib.AbstractContextManager[Any]:
    """While searches decide, have their linear algebra compute on one core.

    Their matrices are small: on cores that train, a second thread costs 70 times the time of one alone.
    """
    from threadpoolctl import threadpool_limits

    limits: contextlib.AbstractContextManager[Any] = threadpool_limits(limits=1)
    return limits


def _held(settings: Settings, store: Store, study: Study, options: Options, lease: Lease | None) -> Lease:
    """The study's lease, of this process from here on."""
    if lease is None:
        held = store.acquire(study.id, owner(), options.clock(), settings.lease_seconds, is_dead)
        store.ask_stop(study.id, False)
        return held
    # whoever put it into the queue took a stop back; one that came since is meant
    if lease.owner == owner():
        return lease
    return store.hand_over(lease, owner(), options.clock(), settings.lease_seconds)


def _as_kept(checked: Checked, study: Study) -> Checked:
    """With what earlier studies brought when the study was made."""
    if not checked.spec.search.warm_start:
        return checked
    kept = type(checked.spec).from_dict(study.spec).search.warm_start
    return replace(checked, spec=checked.spec.with_search(warm_start=kept))


def _require_room(quota: Quota, store: Store, lease: Lease, study: Study, options: Options, *, served: bool) -> None:
    """HomeError where the home is over its quota; a study of the service rests then."""
    try:
        quota.require()
    except errors.HomeError as error:
        if served:
            _let_rest(store, lease, study, str(error), options.clock())
        raise


def _let_rest(store: Store, lease: Lease, study: Study, message: str, now: float) -> None:
    """Take a study of the service out of its queue, until somebody has done what the message says."""
    state = StudyState.STOPPED if study.state is StudyState.QUEUED else StudyState.INTERRUPTED
    store.apply(lease, Batch(study=study.to(state, message=message, ended=now)))


def _settled(
    settings: Settings,
    store: Store,
    lease: Lease,
    study: Study,
    inputs: Mapping[str, Any],
    options: Options,
    served: bool,
) -> Study:
    """The study with what it is trained with from here on; one of the service rests where its data have changed."""
    hint = (lambda words: f"`goodfit {words}`") if served else settings.hint  # its user is elsewhere
    try:
        settle_inputs(hint, store, lease, study, inputs, accept=options.changed, say=options.on_trouble)
    except errors.DataError as error:
        if served:
            _let_rest(store, lease, study, str(error), options.clock())
        raise
    return store.study_by_id(study.id)


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
    keeping: Keeping,
    quota: Quota,
) -> Runner:
    from goodfit.service.runner import Runner

    terms = _terms(settings, spec, trainer, study)
    return Runner(
        store=store,
        lease=lease,
        study=store.study_by_id(study.id),
        plan=terms.plan,
        limits=terms.limits,
        sampler=terms.sampler,
        executor=executor,
        tracker=tracker,
        assign=terms.assign,
        terms=lambda kept: _terms(settings, spec_here(store, replace(study, spec=kept)), trainer, study),
        sharing=options.sharing,
        full=quota.exceeded,
        note=lambda trial: _note(settings, study, trial, keeping),
        watch=None if options.watch is None else _watching(options, options.watch, executor),
        clock=options.clock,
        ticks=options.ticks,
        lease_seconds=settings.lease_seconds,
    )


def _terms(settings: Settings, spec: StudySpec, trainer: Trainer, study: Study) -> Terms:
    """What a spec, the study's first one or an edited one, says to its runner."""
    from goodfit.service.runner import Limits, Terms

    return Terms(
        plan=plan_of(spec, study.inputs or {}),
        limits=Limits(study=_seconds(spec.budget.minutes), trial=_seconds(spec.training.minutes)),
        sampler=_sampler(spec, trainer, study.name),
        assign=lambda trial: assignment_of(settings, spec, study, trial),
    )


def _watching(options: Options, watch: Callable[[Progress], None], executor: Executor) -> Callable[[Progress], None]:
    """The watcher, which is also told what is waited for until the first epoch of this run."""
    epochs: dict[int, int] = {}  # trial -> how many it had when it was first seen
    phase: str | None = RAY

    def look(progress: Progress) -> None:
        nonlocal phase
        if phase is not None:
            begun = progress.settled or any(
                trial.epochs > epochs.setdefault(trial.number, trial.epochs) for trial in progress.running
            )
            up = any(trial.number not in executor.pending for trial in progress.running)
            now = None if begun else FIRST_EPOCH if up else WORKERS
            if now != phase:
                phase = now
                options.on_phase(phase)
        watch(progress)

    return look


def _note(settings: Settings, study: Study, trial: Trial, keeping: Keeping) -> None:
    """Let the checkpoints of a trial that has ended go, and give a failure that no worker saw a line in its log."""
    keeping.note(trial)
    if trial.failure in (Failure.NAN, Failure.LOST, Failure.TIMEOUT):
        add_to_log(settings, study, trial.number, f"--- {trial.label}: {trial.message}\n")


def plan_of(spec: StudySpec, inputs: Mapping[str, Any] | None = None) -> Plan:
    """What the scheduler needs of a study file, and of what its trials are trained with."""
    from goodfit.service.scheduler import Plan

    inputs = inputs or {}

    return Plan(
        objective=spec.goal,
        epochs=spec.reports,
        folds=spec.folds is not None,
        last_counts=spec.last_counts,
        open_space=spec.open_space,
        trials=spec.planned_trials(),
        epoch_budget=spec.budget.epochs,
        target=spec.budget.target,
        prune=spec.prunes,
        pauses=spec.pauses or spec.search.trains_population,
        population=spec.search.trains_population,
        retries=spec.training.retries,
        failures=spec.budget.failures,
        stop_on_overfit=spec.training.stop_on == "overfit",
        confirm=None if spec.confirm is None else (spec.confirm.top, spec.confirm.seeds),
        contrast=spec.contrast,
        seed=spec.search.seed,
        trial_seed=spec.training.seed,
        code=(inputs.get("code") or {}).get("digest"),
        data=(inputs.get("data") or {}).get("digest"),
    )


def _sampler(spec: StudySpec, trainer: Trainer, name: str) -> Sampler | Allocator:
    from goodfit.service.spec import written

    return sampler_for(spec, name, {**trainer.defaults(), **written(spec.sections)})


def sampler_for(spec: StudySpec, name: str, defaults: Mapping[str, Any]) -> Sampler | Allocator:
    """The sampler of a study; InputError where it is to come from an installed package that is not there."""
    from goodfit.service.sampler import sampler_of

    search: Search | None = None
    if spec.search.method in added(SAMPLERS):
        known = {"seed": spec.search.seed, "direction": spec.objective.direction}
        search = make(SAMPLERS, spec.search.method, spec.space, **{**spec.search.options, **known})
    sampler = sampler_of(spec, name, defaults, search)
    return _population(spec, sampler) if spec.search.trains_population else sampler


def _population(spec: StudySpec, sampler: Sampler | Allocator) -> Allocator:
    """The members of a population, the first configuration of each from a sampler."""
    from goodfit.service.population import PopulationAllocator

    epochs, rules = spec.training.epochs, rules_of(spec)
    population, interval = _sizes(spec)
    return PopulationAllocator(cast("Sampler", sampler), rules, epochs=epochs, population=population, interval=interval)


def rules_of(spec: StudySpec) -> Rules:
    """How the members of a study's population change."""
    from goodfit.service.population import Rules

    search, (_, interval) = spec.search, _sizes(spec)
    return Rules(spec.space, spec.goal, search.perturb, search.method, interval, search.seed)


def _sizes(spec: StudySpec) -> tuple[int, int]:
    """A population's members, and the epochs between two comparisons; see spec/population.py."""
    if spec.search.population is None or spec.search.interval is None:
        raise errors.InputError(f"study {spec.name}: search.population and search.interval are missing")
    return spec.search.population, spec.search.interval


@contextlib.contextmanager
def cluster_ahead(settings: Settings, executor: str) -> Iterator[Cluster | None]:
    """The cluster for a study that is about to run, starting while all else is made ready; None where it needs none."""
    if executor != "ray":
        yield None
        return
    from goodfit.service.ray_executor import Cluster

    with contextlib.closing(Cluster(settings.ray_address)) as cluster:
        yield cluster


@contextlib.contextmanager
def _executor(
    settings: Settings, checked: Checked, options: Options, code: Code | None, *, served: bool
) -> Iterator[Executor]:
    """The workers, started; ended at the end."""
    from goodfit.trainers.node_cache import CacheSpec
    from goodfit.trainers.worker.worker import Setup

    spec = checked.spec
    share = spec.resources
    paths = tuple(path for path in sys.path if path)
    setup = Setup(
        spec.trainer,
        spec.data_spec(),
        max(1, math.floor(share.cpus)),
        share.gpus,
        paths,
        code=code,
        elsewhere=served or settings.ray_address is not None,
        withheld=SERVICE if served else PRIVATE,
        keys=_keys(settings),
        cache=CacheSpec(settings.cache_folder, settings.cache),
    )
    pack = pack_of(checked)
    with contextlib.ExitStack() as stack:
        executor: Executor
        if options.executor == "local":
            from goodfit.service.local_executor import LocalExecutor

            executor = LocalExecutor(setup, options.clock, pack or 1)
        elif options.executor != "ray":
            executor = make(EXECUTORS, options.executor, setup, share)
        else:
            from goodfit.service.ray_executor import Cluster, RayExecutor, WorkerResources

            cluster = options.cluster or Cluster(settings.ray_address)
            stack.callback(cluster.close)
            options.on_phase(RAY)
            parallel = None if share.parallel == "auto" else share.parallel
            most = spec.planned_trials()
            # The service's runner has them already, and its workers with it; here they are checked to be installed.
            packages = spec.requirements if settings.ray_address is not None and not served else ()
            share_of_one = WorkerResources(share.cpus, share.gpus, share.custom, parallel, most, pack)
            sharing = options.sharing()
            executor = RayExecutor(cluster, setup, share_of_one, sharing, runtime_env=pip_environment(packages))
        stack.callback(executor.close)
        yield executor


def _keys(settings: Settings) -> dict[str, str]:
    """What workers need for the object store, its keys and where it is; nothing where files are kept in a folder."""
    if settings.artifacts is None or isinstance(settings.artifacts, Path):
        return {}
    known = {**os.environ, **settings.private}
    return {name: known[name] for name in (*KEYS, *STORES) if name in known}


def assignment_of(settings: Settings, spec: StudySpec, study: Study, trial: Trial) -> Assignment:
    """What a worker gets to train a trial."""
    from goodfit.service.app.quality import judging_params
    from goodfit.service.spec import for_trainer
    from goodfit.trainers.messages import Assignment

    root = settings.study_place(study)
    place = trial_within(root, trial.number)
    return Assignment(
        study=study.name,
        trial=trial.number,
        attempt=trial.attempts,
        trainer=spec.trainer,
        params=for_trainer({**(trial.proposed or {}), **trial.params}),
        open_space=spec.open_space,
        data=_data_of(spec, trial),
        seed=trial.seed,
        epochs=spec.training.epochs,
        metric=spec.objective.metric,
        direction=spec.objective.direction,
        folder=place.folder or Path(f"{trial.number:05d}"),  # of an object store: the worker has a scratch folder
        place=place.uri() if place.folder is None else None,
        root=root.folder,
        patience=spec.training.patience,
        checkpoint_epochs=spec.training.checkpoint_epochs,
        reported=trial.epochs,
        pause_at=trial.until,
        began=trial.began,
        wanted=spec.goal.wanted,
        more_objectives=tuple((one.metric, one.direction) for one in spec.goal.others),
        notes=trial.notes or {},
        test=trial.confirms is not None and spec.data is not None,
        schedule=_schedule(spec, trial),
        fork=_fork(settings, study, trial),
        snapshots=spec.search.interval if trial.confirms is None else None,
        judging=judging_params(spec),
    )


def _schedule(spec: StudySpec, trial: Trial) -> tuple[tuple[int, dict[str, Any]], ...]:
    """What a trial is trained with one after the other: as the study says, or as another went through it."""
    from goodfit.service.spec import for_trainer, stretches

    if trial.confirms is not None and trial.schedule is not None:
        return tuple((one.epoch, for_trainer(one.params)) for one in trial.stretches)
    if not spec.schedule:
        return ()
    return tuple((epoch, for_trainer(params)) for epoch, params in stretches(spec.schedule, trial.params))


def _fork(settings: Settings, study: Study, trial: Trial) -> Fork | None:
    """Whose model a member of a population has taken over, the last time."""
    from goodfit.trainers.messages import Fork

    if trial.origin is None:
        return None
    *_, before, own = trial.stretches
    place = settings.trial_place(study, before.trial)
    kept = place.folder or Path(f"{before.trial:05d}")
    return Fork(before.trial, own.epoch - 1, kept, place.uri() if place.folder is None else None)


def _data_of(spec: StudySpec, trial: Trial) -> DataSpec | None:
    """The study's data with what the trial's parameters change; with its validation split where each has its own."""
    data = spec.data_spec(trial.params)
    return replace(data, validation_seed=trial.seed) if data is not None and data.reshuffle else data


def _seconds(minutes: float | None) -> float | None:
    return None if minutes is None else minutes * 60.0


def _raise_unless_done(settings: Settings, store: Store, ended: Study, runner: Runner) -> None:
    from goodfit.service.scheduler import Reason

    message = ended.message or ""
    match ended.state:
        case StudyState.INTERRUPTED if runner.reason is Reason.NO_DISK:
            resume = settings.hint(f"resume {ended.name}")
            raise errors.GoodfitError(f"{message}; everything is saved: once that is fixed, go on with {resume}")
        case StudyState.INTERRUPTED:
            raise errors.Interrupted(f"saved; go on with {settings.hint(f'resume {ended.name}')}")
        case StudyState.STOPPED:
            raise errors.Interrupted(f"{message}; go on with {settings.hint(f'resume {ended.name}')}")
        case StudyState.FAILED if runner.reason is Reason.UNUSABLE:
            raise errors.TrainerError(message)
        case StudyState.FAILED:
            raise errors.StudyFailed(how_it_failed(ended, store.tally(ended.id).states, settings.hint))
