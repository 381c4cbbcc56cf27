"""A study that runs in this process, from its spec to its end, with Ctrl-C that saves."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from types import FrameType
from typing import TYPE_CHECKING

from goodfit.service import app
from goodfit.service.errors import InputError, Interrupted, StudyFailed
from goodfit.service.records import Study, StudyState
from goodfit.service.screen.interrupted import NOT_BEGUN, explained
from goodfit.service.screen.live import CatchingUp, Scale
from goodfit.service.screen.words import trainer_text
from goodfit.service.settings import BY_HERE
from goodfit.service.signals import heeding

if TYPE_CHECKING:
    from goodfit.service.ports import Store
    from goodfit.service.progress import TrialProgress
    from goodfit.service.runner import Runner
    from goodfit.service.screen.shown import Screen
    from goodfit.service.settings import Settings
    from goodfit.service.spec import StudySpec

_RUNNING = threading.Lock()  # held while a study runs in this process


@dataclass(frozen=True, slots=True)
class Ran:
    """A study that has run here.

    Attributes:
        name: of the study.
        notes: what was said of it before it began.
    """

    name: str
    notes: Sequence[str] = ()


def start(
    settings: Settings,
    spec: StudySpec,
    screen: Screen,
    *,
    fresh: bool = False,
    retry_failed: bool = False,
    executor: str = "ray",
) -> Ran:
    """Run a study here; one that was begun goes on.

    Args:
        settings: the home.
        spec: what to search.
        screen: where people look.
        fresh: under a new name (name-2, name-3, ...) if it is taken.
        retry_failed: of one that was begun, train the failed trials again.
        executor: ray, local, or one that an installed package adds.

    Raises:
        Interrupted: by Ctrl-C; what was trained is saved.
        InputError, StudyFailed: it cannot run, or has failed.
    """
    with _alone(), app.cluster_ahead(settings, executor) as cluster, explained(NOT_BEGUN):
        with screen.waiting_for("checking the trainer and the data"):
            checked = app.check(spec)
        store = app.open_home(settings, create=True, patience=app.PATIENCE)
        study = app.new_study(settings, spec, store, time.time(), fresh=fresh)
        options = app.Options(executor, cluster=cluster)
        if study.state is StudyState.QUEUED:
            with screen.waiting_for("connecting to Ray") if settings.ray_address else nullcontext():
                notes = app.notes_of(spec, None if cluster is None else app.room_of(settings, cluster))
            for note in notes:
                screen.say(f"note: {note}")
            try:
                _run(settings, store, study, checked, options, screen)
            except InputError:
                app.forget_blank(store, study, time.time())
                raise
            return Ran(study.name, notes)
        if study.state is StudyState.DONE:
            screen.say(f"study {study.name} is already done; start a new search with `--new` (in Python: new=True)")
        _go_on(settings, store, study, app.Reopening(retry_failed=retry_failed), options, screen)
        return Ran(study.name)


def go_on(settings: Settings, name: str, wanted: app.Reopening, screen: Screen, *, executor: str = "ray") -> Ran:
    """Go on with a study here, with what is to change of it; also what MLflow has still to hear of a finished one."""
    store = app.open_home(settings, patience=app.PATIENCE)
    study = store.study(name)
    how = f"go on with {settings.hint(f'resume {name}')}"
    with _alone(), app.cluster_ahead(settings, executor) as cluster, explained(how):
        options = app.Options(executor, changed=wanted.changed, cluster=cluster)
        _go_on(settings, store, study, wanted, options, screen)
    return Ran(name)


def resume_here(settings: Settings, name: str, wanted: app.Reopening) -> str:
    """Go on with a study in Python; says how it is then, also after Ctrl-C, which saves. SIGTERM is raised."""
    from goodfit.service.screen.shown import screen_here

    try:
        go_on(settings, name, wanted, screen_here())
    except Interrupted as error:
        if not error.by_user:
            raise
        return f"study {name}: {error}"
    return f"study {name} is {app.open_home(settings).study(name).state}"


def _go_on(
    settings: Settings, store: Store, study: Study, wanted: app.Reopening, options: app.Options, screen: Screen
) -> None:
    """Go on with a study that was begun; say so where it has nothing left to do."""
    from goodfit.service.spec import look_for_modules

    checked: list[app.Checked] = []

    def vet(spec: StudySpec) -> None:
        look_for_modules(spec.modules)
        with screen.waiting_for("checking the trainer and the data"):
            checked.append(app.check(spec))

    if study.state is StudyState.FAILED:
        screen.say(f"study {study.name} has failed: {study.message}")
    if lost := app.how_it_was_lost(store, study, time.time()):
        screen.say(lost)
    for pause in app.until_released(store, study.name, time.time):
        time.sleep(pause)
    opened = app.reopen(store, study.name, wanted, time.time(), BY_HERE, settings.hint, queue=False, vet=vet)
    for line in opened.said:
        screen.say(line)
    if opened.runs:
        _run(settings, store, opened.study, checked[0], options, screen)
        return
    if options.cluster is not None:
        options.cluster.close()
    if study.state is StudyState.FAILED:
        raise StudyFailed(app.how_it_failed(opened.study, store.tally(study.id).states, settings.hint))
    screen.say(f"study {study.name} is done; nothing to resume")
    app.catch_up(settings, store, study, CatchingUp(), screen.say)


def _run(
    settings: Settings, store: Store, study: Study, checked: app.Checked, options: app.Options, screen: Screen
) -> None:
    screen.say(_opening(checked.spec, study, settings))

    def log(trial: TrialProgress) -> str | None:
        return app.log_place(settings, store.study_by_id(study.id), trial.number)

    with _interruptible() as runners:
        unit = "fold" if checked.spec.folds else "epoch"
        view = screen.view(Scale(checked.spec.objective.metric, checked.spec.reports, unit), log)
        watched = replace(
            options,
            watch=view,
            on_phase=view.phase,
            on_runner=runners.append,
            on_catch_up=CatchingUp(view.close),
            on_trouble=screen.say,
        )
        try:
            with explained(f"go on with {settings.hint(f'resume {study.name}')}"):
                app.run_study(settings, checked, store, study, watched)
        finally:
            view.close()


def _opening(spec: StudySpec, study: Study, settings: Settings) -> str:
    trials = spec.planned_trials()
    budget = [app.counted(trials, "trial")] if trials else []
    budget += [f"{spec.budget.epochs:,} epochs in all"] if spec.budget.epochs else []
    budget += [f"{spec.budget.minutes:g} minutes"] if spec.budget.minutes else []
    budget += [f"until {spec.objective.metric} {spec.budget.target:g}"] if spec.budget.target is not None else []
    return (
        f"study {study.name}: {trainer_text(spec.trainer)} by {spec.search.method} search, "
        f"pruning {spec.pruning.method}, {', '.join(budget)} of {_length(spec)}; home {settings.home}"
    )


def _length(spec: StudySpec) -> str:
    """How long a trial trains at most."""
    epochs = app.counted(spec.training.epochs, "epoch")
    return f"{spec.folds} folds of {epochs}" if spec.folds else epochs


@contextmanager
def _alone() -> Iterator[None]:
    """No other study in this process meanwhile: they would share its random numbers, and its connection to Ray."""
    if not _RUNNING.acquire(blocking=False):
        raise InputError(
            "another study is running in this process: wait until it has ended, or run this one in a process of its own"
        )
    try:
        yield
    finally:
        _RUNNING.release()


@contextmanager
def _interruptible() -> Iterator[list[Runner]]:
    """While the runner in the list runs, Ctrl-C (or SIGTERM, SIGHUP) asks it to save; before and after it is an error.

    The second is for trials that do not end, the third for a database that is away. In a thread other than the
    main one no signal can be taken, and none is.

    Raises:
        Interrupted: with `by_user`, whether Ctrl-C alone did it.
    """
    runners: list[Runner] = []
    left, seen = [2], set[int]()

    def handle(number: int, _frame: FrameType | None) -> None:
        seen.add(number)
        if not runners or runners[0].over or not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        runners[0].interrupt()

    taking = heeding(handle) if threading.current_thread() is threading.main_thread() else nullcontext()
    with taking:
        try:
            yield runners
        except Interrupted as error:
            error.by_user = seen <= {signal.SIGINT}
            raise
