"""`run` and `resume`: a study from its file to its best configuration, with Ctrl-C that saves."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from goodfit.service import app
from goodfit.service.app.studies import BY_HERE
from goodfit.service.cli.base import NOT_BEGUN, explained, print_json
from goodfit.service.cli.check import counted
from goodfit.service.cli.diagnose import print_health
from goodfit.service.cli.tables import best_facts, print_best
from goodfit.service.client import Studies
from goodfit.service.errors import InputError, StudyFailed
from goodfit.service.queries.local import LocalSource
from goodfit.service.records import Study, StudyState
from goodfit.service.screen.live import CatchingUp, Live, Plain, Scale, say, waiting_for
from goodfit.service.settings import Settings
from goodfit.service.signals import heeding

if TYPE_CHECKING:
    from rich.console import Console

    from goodfit.service.progress import TrialProgress
    from goodfit.service.runner import Runner
    from goodfit.service.spec import StudySpec


def run_file(
    settings: Settings, file: Path, overrides: Sequence[str], *, fresh: bool, executor: str, as_json: bool
) -> None:
    """`goodfit run`."""
    from goodfit.service.spec import read

    spec = read(file, overrides)
    with app.cluster_ahead(settings, executor) as cluster, explained(NOT_BEGUN):
        with waiting_for("checking the trainer and the data"):
            checked = app.check(spec)
        store = app.open_home(settings, create=True, patience=app.PATIENCE)
        study = app.new_study(settings, spec, store, time.time(), fresh=fresh)
        options = app.Options(executor, cluster=cluster)
        if study.state is StudyState.QUEUED:
            with waiting_for("connecting to Ray") if settings.ray_address else nullcontext():
                notes = app.notes_of(spec, None if cluster is None else app.room_of(settings, cluster))
            for note in notes:
                say(f"note: {note}")
            try:
                _run(settings, store, study, checked, options, as_json=as_json, notes=notes)
            except InputError:
                app.forget_blank(store, study, time.time())
                raise
            return
        if study.state is StudyState.DONE:
            say(f"study {study.name} is already done; start a new search with `--new`")
        _go_on(settings, store, study, app.Reopening(), options, as_json=as_json)


def resume_study(settings: Settings, name: str, wanted: app.Reopening, *, executor: str, as_json: bool) -> None:
    """`goodfit resume`: also what MLflow has still to hear of a finished study."""
    store = app.open_home(settings, patience=app.PATIENCE)
    study = store.study(name)
    how = f"go on with {settings.hint(f'resume {name}')}"
    with app.cluster_ahead(settings, executor) as cluster, explained(how):
        options = app.Options(executor, changed=wanted.changed, cluster=cluster)
        _go_on(settings, store, study, wanted, options, as_json=as_json)


def _go_on(
    settings: Settings, store: Any, study: Study, wanted: app.Reopening, options: app.Options, *, as_json: bool
) -> None:
    """Go on with a study that was begun, with what is to change of it; say so where it has nothing left to do."""
    from goodfit.service.spec import look_for_modules

    checked: list[app.Checked] = []

    def vet(spec: StudySpec) -> None:
        look_for_modules(spec.modules)
        with waiting_for("checking the trainer and the data"):
            checked.append(app.check(spec))

    if study.state is StudyState.FAILED:
        say(f"study {study.name} has failed: {study.message}")
    if lost := app.how_it_was_lost(store, study, time.time()):
        say(lost)
    for pause in app.until_released(store, study.name, time.time):
        time.sleep(pause)
    opened = app.reopen(store, study.name, wanted, time.time(), BY_HERE, settings.hint, queue=False, vet=vet)
    for line in opened.said:
        say(line)
    if opened.runs:
        _run(settings, store, opened.study, checked[0], options, as_json=as_json)
        return
    if options.cluster is not None:
        options.cluster.close()
    if study.state is StudyState.FAILED:
        raise StudyFailed(app.how_it_failed(opened.study, store.tally(study.id).states, settings.hint))
    say(f"study {study.name} is done; nothing to resume")
    app.catch_up(settings, store, study, CatchingUp(), say)
    _answer(settings, study.name, as_json=as_json)


def _run(
    settings: Settings,
    store: Any,
    study: Study,
    checked: app.Checked,
    options: app.Options,
    *,
    as_json: bool,
    notes: Sequence[str] = (),
) -> None:
    say(_opening(checked.spec, study, settings))
    console = _console()
    view_type = Live if console.is_terminal else Plain

    def log(trial: TrialProgress) -> str | None:
        return app.log_place(settings, store.study_by_id(study.id), trial.number)

    with _interruptible() as interrupt:
        unit = "fold" if checked.spec.folds else "epoch"
        view = view_type(Scale(checked.spec.objective.metric, checked.spec.reports, unit), log, console)
        watched = replace(
            options,
            watch=view,
            on_phase=view.phase,
            on_runner=interrupt.append,
            on_catch_up=CatchingUp(view.close),
            on_trouble=say,
        )
        try:
            with explained(f"go on with {settings.hint(f'resume {study.name}')}"):
                app.run_study(settings, checked, store, study, watched)
        finally:
            view.close()
    _answer(settings, study.name, as_json=as_json, notes=notes)


def _opening(spec: StudySpec, study: Study, settings: Settings) -> str:
    trials = spec.planned_trials()
    budget = [counted(trials, "trial")] if trials else []
    budget += [f"{spec.budget.epochs:,} epochs in all"] if spec.budget.epochs else []
    budget += [f"{spec.budget.minutes:g} minutes"] if spec.budget.minutes else []
    budget += [f"until {spec.objective.metric} {spec.budget.target:g}"] if spec.budget.target is not None else []
    return (
        f"study {study.name}: {spec.trainer} by {spec.search.method} search, pruning {spec.pruning.method}, "
        f"{', '.join(budget)} of {_length(spec)}; home {settings.home}"
    )


def _length(spec: StudySpec) -> str:
    """How long a trial trains at most."""
    epochs = counted(spec.training.epochs, "epoch")
    return f"{spec.folds} folds of {epochs}" if spec.folds else epochs


@contextmanager
def _interruptible() -> Iterator[list[Runner]]:
    """While the runner in the list runs, Ctrl-C (or SIGTERM, SIGHUP) asks it to save; before and after it is an error.

    The second is for trials that do not end, the third for a database that is away.
    """
    runners: list[Runner] = []
    left = [2]

    def handle(_number: int, _frame: FrameType | None) -> None:
        if not runners or runners[0].over or not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        runners[0].interrupt()

    with heeding(handle):
        yield runners


def _answer(settings: Settings, name: str, *, as_json: bool, notes: Sequence[str] = ()) -> None:
    """The best configurations, and where to look further; as JSON with what was noted of the study at its start."""
    study = Studies(LocalSource(settings, app.open_home(settings)))[name]
    facts = best_facts(study, 5)
    if as_json:
        print_json({**facts, "notes": list(notes)})
        return
    if study.record.message:
        say(f"study {name} ended before its budget: {study.record.message}")
    print_best(study, facts)
    print_health(study.diagnosis(), settings.hint(f"diagnose {name}"))
    print(f"  see the runs in the MLflow UI: {settings.hint('ui')}")


def _console() -> Console:
    from goodfit.service.screen.console import SafeConsole

    return SafeConsole(stderr=True)
