"""A study's place in the store: made, stopped, removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service import errors
from service.records import Batch, Study, StudyState
from service.settings import Settings, is_dead, owner

if TYPE_CHECKING:
    from service.ports import Store
    from service.spec import StudySpec

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
    taken = {study.name: study for study in store.studies()}
    name = spec.name
    if fresh:
        number = 2
        while name in taken:
            name, number = f"{spec.name}-{number}", number + 1
    elif name in taken:
        if taken[name].fingerprint == spec.fingerprint():
            return taken[name]
        if _is_blank(store, taken[name], now):
            store.remove(name)
            return store.add_study(Study(name, spec.to_dict(), spec.fingerprint(), now))
        differing = "; ".join(spec.differences(taken[name].spec))
        resume, remove = settings.hint(f"resume {name}"), settings.hint(f"rm {name}")
        raise errors.NameTaken(
            f"study {name} is there already with another spec ({differing}): go on with it by {resume}, "
            f"search anew under another name with `--new`, or remove it by {remove}"
        )
    return store.add_study(Study(name, spec.to_dict(), spec.fingerprint(), now))


def _is_blank(store: Store, study: Study, now: float) -> bool:
    """Whether a study has no trials and nobody runs it: it was refused before it began."""
    lease = store.holder(study.id)
    held = lease is not None and lease.until >= now and not is_dead(lease.owner)
    return not held and not store.trials(study.id)


def stop_study(settings: Settings, store: Store, name: str, now: float) -> str:
    """Ask whoever runs a study to save and stop, or stop it here where nobody does; says which."""
    study = store.study(name)
    lease = store.holder(study.id)
    if study.state in (StudyState.DONE, StudyState.FAILED, StudyState.STOPPED):
        return f"study {name} is {study.state}; nothing runs"
    if lease is not None and lease.until >= now and not is_dead(lease.owner):
        store.ask_stop(study.id, True)
        return f"asked study {name} to save what is in flight and stop; go on with {settings.hint(f'resume {name}')}"
    lease = store.acquire(study.id, owner(), now, STOPPING_SECONDS, is_dead)
    try:
        running = study if study.state is not StudyState.RUNNING else study.to(StudyState.INTERRUPTED)
        store.apply(lease, Batch(study=running.to(StudyState.STOPPED, ended=now)))
    finally:
        store.release(lease)
    return f"study {name} is stopped; go on with {settings.hint(f'resume {name}')}"


def remove_study(settings: Settings, store: Store, name: str, now: float) -> list[str]:
    """Take a study out: of MLflow, of the store, of the disk. Says what was left and why."""
    from service.tracker import remove_study as remove_from_mlflow
    from trainers.errors import PlaceAway

    study = store.study(name)
    lease = store.acquire(study.id, owner(), now, REMOVING_SECONDS, is_dead)
    said = []
    try:
        remove_from_mlflow(settings.tracking_uri, study)
    except errors.TrackingError as error:
        said.append(f"its runs in MLflow are left: {error}")
    store.release(lease)
    store.remove(name)
    try:
        settings.study_place(name).remove()
    except PlaceAway as error:
        said.append(f"its files are left: {error}")
    if study.model_uri:
        said.append(f"its registered model {study.model_uri} is left: it may be in use")
    return [f"removed study {name}", *said]
