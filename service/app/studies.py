"""A study's place in the store: made, stopped, removed."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from goodfit.service import errors
from goodfit.service.app.earlier import warm_started
from goodfit.service.app.liveness import how_it_failed, is_held
from goodfit.service.app.places import remove_files
from goodfit.service.app.resumption import Reopening, reopen
from goodfit.service.app.room import lacks_room, nodes_of
from goodfit.service.records import Batch, Study, StudyState
from goodfit.service.settings import BY_HERE, Settings, is_dead, owner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from goodfit.service.ports import Store
    from goodfit.service.spec import StudySpec

STOPPING_SECONDS = 30.0  # for what is done here under a study's lease
REMOVING_SECONDS = 600.0


def new_study(settings: Settings, spec: StudySpec, store: Store, now: float, *, fresh: bool = False) -> Study:
    """The store's study for this spec, added if its name is free.

    Args:
        settings: the home, for what to type next.
        spec: what to search.
        store: where.
        now: seconds since the epoch.
        fresh: under a new name (name-2, name-3, ...) if it is taken.

    Raises:
        NameTaken: the name belongs to another spec that has trials; says what differs.
    """
    if not fresh:
        with contextlib.suppress(errors.UnknownStudy):
            there = store.study(spec.name)
            if spec.is_same(there.spec):
                return there
    spec = warm_started(spec, store, fresh=fresh)
    study = Study(spec.name, spec.to_dict(), spec.fingerprint(), now)

    def gives_way(taken: Study) -> bool:
        return _is_blank(store, taken, now)

    return _added(settings, store, spec, study, now, BY_HERE, fresh=fresh, gives_way=gives_way)


def forget_blank(store: Store, study: Study, now: float) -> None:
    """Free the name of a study that was refused before its first trial."""
    if _is_blank(store, study, now):
        _remove_blank(store, study, now, BY_HERE)


def _is_blank(store: Store, study: Study, now: float) -> bool:
    """Whether a study has no trials and nobody runs it: it was refused before it began."""
    return not is_held(store, study, now) and not store.tally(study.id).states


def _remove_blank(store: Store, study: Study, now: float, by: str) -> None:
    """Free the name of a study without trials; StudyHeld where somebody has begun to run it."""
    lease = store.acquire(study.id, owner(), now, STOPPING_SECONDS, is_dead)
    if store.tally(study.id).states:
        store.release(lease)
        raise errors.StudyHeld(f"study {study.name} has trials by now; try again")
    store.remove(lease, by)


def queue_study(
    settings: Settings, store: Store, spec: StudySpec, now: float, *, fresh: bool = False, **fields: Any
) -> Study:
    """A new study for the service to run.

    Args:
        settings: the home, for what to type next.
        store: where.
        spec: what to search.
        now: seconds since the epoch.
        fresh: under a new name (name-2, name-3, ...) if it is taken.
        fields: submitter and priority of the record; files that travel with it, by name.

    Raises:
        NameTaken: there is a study of that name, and it does not give way.
    """
    files = fields.pop("files", None)
    spec = warm_started(spec, store, fresh=fresh)
    study = Study(spec.name, spec.to_dict(), spec.fingerprint(), now, queued=now, **fields)

    def gives_way(taken: Study) -> bool:
        return taken.submitter == study.submitter and _cannot_run(settings, store, spec, taken, now)

    by = study.submitter or BY_HERE
    return _added(settings, store, spec, study, now, by, files=files, fresh=fresh, gives_way=gives_way)


def _added(
    settings: Settings,
    store: Store,
    spec: StudySpec,
    study: Study,
    now: float,
    by: str,
    *,
    fresh: bool,
    gives_way: Callable[[Study], bool],
    files: Mapping[str, str] | None = None,
) -> Study:
    """A new study in the store: the one place that decides about names.

    Args:
        settings: the home, for what to type next.
        store: where.
        spec: what to search.
        study: its record.
        now: seconds since the epoch.
        by: who adds it.
        fresh: where its name is taken, it gets the next free one: name-2, name-3, ...
        gives_way: whether a study that has the name is removed for this one; only ever one without trials.
        files: what travels with it.

    Raises:
        NameTaken: the name belongs to a study that does not give way.
    """
    number = 1
    while True:
        try:
            return store.add_study(study, files)
        except errors.NameTaken:
            if fresh:
                number += 1
                study = replace(study, name=f"{spec.name}-{number}")
                continue
            taken = store.study(spec.name)
            if not gives_way(taken):
                raise errors.NameTaken(_taken(settings, spec, taken)) from None
            _remove_blank(store, taken, now, by)


def _cannot_run(settings: Settings, store: Store, spec: StudySpec, taken: Study, now: float) -> bool:
    """Whether a study without trials leaves its name to one of another spec: it failed, or no node has room for it."""
    if not _is_blank(store, taken, now):
        return False
    if taken.state is StudyState.FAILED:
        return True
    waits = taken.state is StudyState.QUEUED and not spec.is_same(taken.spec)
    return waits and lacks_room(taken, lambda: nodes_of(settings))


def _taken(settings: Settings, spec: StudySpec, taken: Study) -> str:
    """What to do about a name that is there already."""
    resume, remove = settings.hint(f"resume {spec.name}"), settings.hint(f"rm {spec.name}")
    if spec.is_same(taken.spec):
        return f"study {spec.name} already exists and is {taken.state}: go on with it by {resume}, or give `--new`"
    differing = "; ".join(spec.differences(taken.spec))
    return (
        f"study {spec.name} already exists with another spec ({differing}): go on with it as it is by {resume}, "
        f"{_change_by(settings, spec, taken)}start a new search under another name with `--new` (in Python: new=True), "
        f"or remove it by {remove}"
    )


def _change_by(settings: Settings, spec: StudySpec, taken: Study) -> str:
    """How to give a study that is there what this spec has otherwise; empty where that cannot be."""
    from goodfit.service.spec import why_fixed

    changes = spec.changes(taken.spec)
    if not changes or any(why_fixed(key) is not None for key, *_ in changes):
        return ""
    given = " ".join(f"--set {key}={'null' if here == 'not set' else here}" for key, _, here in changes)
    return f"change it and go on by {settings.hint(f'resume {spec.name} {given}')}, "


def resume_study(
    store: Store,
    name: str,
    wanted: Reopening,
    now: float,
    hint: Callable[[str], str],
    by: str = BY_HERE,
    vet: Callable[[StudySpec], object] = lambda _: None,
) -> str:
    """Put a study back into the service's queue, with what is to change of it; says so.

    Raises:
        StudyHeld: it runs; IllegalChange: it has nothing left to do.
        StudyFileError: what is to change is wrong, or may not be changed.
    """
    study = store.study(name)
    if study.state is StudyState.QUEUED and study.queued is not None and not wanted:
        return f"study {name} is in the queue already"
    opened = reopen(store, name, wanted, now, by, hint, queue=True, vet=vet)
    said = "".join(f"; {line}" for line in opened.said)
    if opened.runs:
        return f"study {name} is in the queue{said}; {hint(f'watch {name}')} follows it"
    if opened.study.state is StudyState.FAILED:
        raise errors.StudyFailed(how_it_failed(opened.study, store.tally(study.id).states, hint))
    if not wanted:
        raise errors.IllegalChange(f"study {name} is done and has nothing left to do{said}")
    return f"study {name} is done and has nothing left to do{said}"


def stop_study(settings: Settings, store: Store, name: str, now: float, by: str = BY_HERE) -> str:
    """Ask whoever runs a study to save and stop, or stop it here where nobody does; says which."""
    study = store.study(name)
    if study.state in (StudyState.DONE, StudyState.FAILED, StudyState.STOPPED):
        return f"study {name} is {study.state}; nothing runs"
    store.ask_stop(study.id, True, by)
    if is_held(store, study, now):
        return f"asked study {name} to save its running trials and stop; go on with {settings.hint(f'resume {name}')}"
    lease = store.acquire(study.id, owner(), now, STOPPING_SECONDS, is_dead)
    try:
        running = study if study.state is not StudyState.RUNNING else study.to(StudyState.INTERRUPTED)
        store.apply(lease, Batch(study=running.to(StudyState.STOPPED, ended=now)))
    finally:
        store.release(lease)
    return f"study {name} is stopped; go on with {settings.hint(f'resume {name}')}"


def remove_study(settings: Settings, store: Store, name: str, now: float, by: str = BY_HERE) -> list[str]:
    """Take a study out: of MLflow, of the store, of the disk. Says what was left and why."""
    from goodfit.service.tracker import remove_study as remove_from_mlflow
    from goodfit.trainers.errors import PlaceAway

    study = store.study(name)
    lease = store.acquire(study.id, owner(), now, REMOVING_SECONDS, is_dead)
    said = []
    with contextlib.ExitStack() as failed:
        failed.callback(store.release, lease)
        try:
            remove_from_mlflow(settings.tracking_uri, study)
        except errors.TrackingError as error:
            said.append(f"its runs in MLflow were not removed: {error}")
        store.renew(lease, now, REMOVING_SECONDS)  # Fenced where MLflow took so long that another has it by now
        try:  # before its name is free for another study
            remove_files(settings, study)
        except (PlaceAway, OSError) as error:
            said.append(f"its files were not removed: {error}")
        store.remove(lease, by)
        failed.pop_all()
    if study.model_uri:
        said.append(f"its registered model {study.model_uri} was not removed: it may be in use")
    return [f"removed study {name}", *said]
