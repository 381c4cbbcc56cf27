"""What runs inside a runner that the service started, on whichever node: a study, or the mirror of one at rest."""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from goodfit.service import errors
from goodfit.service.app.homes import PATIENCE, open_home, spec_here
from goodfit.service.app.preflight import Checked, check
from goodfit.service.app.run import Options, run_study
from goodfit.service.app.tracker_process import catch_up
from goodfit.service.ports import ALONE, Claim, Sharing
from goodfit.service.records import FINISHED, Batch, Lease, Study, StudyState, TrialState
from goodfit.service.runner import RENEWALS
from goodfit.service.settings import Settings, is_dead, make_folder, owner
from goodfit.service.spec import StudySpec
from goodfit.trainers.environment import SERVICE, take
from goodfit.trainers.importing import leave_source_tree, use_packages_of
from goodfit.trainers.readable import readable

if TYPE_CHECKING:
    from goodfit.service.ports import Store

TURN_SECONDS = 60.0  # that a worker stays with a study, where there are fewer workers than equals
PREPARING_SECONDS = 900.0  # that a study's data and trainer may take to load


def serve_study(settings: Settings, study: Study, claim: Lease) -> None:
    """Take a study over from whoever claimed it, run it, and let MLflow catch up.

    How it ends stands in the store; what went wrong on the way, in the runner's log.
    """
    take(os.environ, SERVICE)  # before anything of the study is imported
    leave_source_tree()
    use_packages_of("the workers")
    say = _log_of(settings, study)
    with _logging_its_end(say), contextlib.closing(open_home(settings, create=True, patience=PATIENCE)) as store:
        try:
            lease = store.hand_over(claim, owner(), time.time(), settings.lease_seconds)
        except errors.Fenced:  # this start took too long, and another is under way
            return
        say(f"runs as {lease.owner}, fence {lease.fence}")
        try:
            _run(settings, store, store.study_by_id(study.id), lease, say)
        finally:
            store.release(lease)


def serve_mirror(settings: Settings, study: Study) -> None:
    """Send MLflow what it lacks of a study at rest."""
    take(os.environ, SERVICE)  # the mirror's process gets them apart from its environment
    say = _log_of(settings, study)
    with _logging_its_end(say), contextlib.closing(open_home(settings, create=True, patience=PATIENCE)) as store:
        catch_up(settings, store, store.study_by_id(study.id), lambda _: None, say, math.inf)


def _run(settings: Settings, store: Store, study: Study, lease: Lease, say: Callable[[str], None]) -> None:
    if study.state.at_rest:
        return
    with _renewing(settings, store, lease) as ready:
        try:
            checked: Checked = check(spec_here(store, study))
        except errors.InputError as error:
            say(str(error))
            _refuse(store, lease, study, str(error))
            return
        if not isinstance(settings.artifacts, Path | None):
            from goodfit.trainers.artifacts.object_store import use_keys

            use_keys(settings.private)
        options = Options(
            on_runner=lambda _: ready(), on_trouble=say, sharing=lambda: sharing(store, study.id, time.time())
        )
        run_study(settings, checked, store, study, options, lease=lease)


def sharing(store: Store, study_id: int, now: float) -> Sharing:
    """The studies of the service that share the cluster with one of them, and what each could use."""
    held = [
        study
        for study, lease in store.waiting()
        if study.id == study_id or (lease is not None and lease.until > now and not is_dead(lease.owner))
    ]
    counts = store.counts([study.id for study in held])
    claims = tuple(_claim(store, study, counts.get(study.id, {})) for study in held)
    return (
        Sharing(study_id, claims, int(now // TURN_SECONDS)) if any(one.study == study_id for one in claims) else ALONE
    )


def _claim(store: Store, study: Study, states: Mapping[str, int]) -> Claim:
    spec = StudySpec.from_dict(study.spec)
    left = _left(store, study, spec, states)
    parallel = None if spec.resources.parallel == "auto" else spec.resources.parallel
    useful = [number for number in (left, parallel) if number is not None]
    since = study.created if study.queued is None else study.queued
    return Claim(study.id, study.resources, study.priority, since, min(useful, default=None))


def _left(store: Store, study: Study, spec: StudySpec, states: Mapping[str, int]) -> int | None:
    """How many trials are still to be trained, those of the confirmation among them; None: there is no end of them."""
    planned = spec.planned_trials()
    if planned is None:
        return None
    unfinished = sum(states.get(str(state), 0) for state in (TrialState.QUEUED, TrialState.RUNNING, TrialState.PAUSED))
    left = max(0, planned - sum(states.values())) + unfinished
    if spec.confirm is None:
        return left
    again = [trial for trial in store.confirming(study.id) if trial.confirms is not None]
    expected = spec.confirm.top * spec.confirm.seeds if left or not again else 0
    return left + max(expected, sum(trial.state not in FINISHED for trial in again))


def _refuse(store: Store, lease: Lease, study: Study, message: str) -> None:
    """A study that cannot run as it is: its submitter has to do something."""
    state = StudyState.FAILED if study.state is StudyState.QUEUED else StudyState.INTERRUPTED
    store.apply(lease, Batch(study=study.to(state, message=message, ended=time.time())))


@contextlib.contextmanager
def _renewing(settings: Settings, store: Store, lease: Lease) -> Iterator[Callable[[], None]]:
    """Renew the lease while all is made ready, until what is yielded here is called; from then on the runner does."""
    ready = threading.Event()

    def renew() -> None:
        deadline = time.monotonic() + PREPARING_SECONDS
        while not ready.wait(settings.lease_seconds / RENEWALS) and time.monotonic() < deadline:
            try:
                store.renew(lease, time.time(), settings.lease_seconds)
            except errors.Fenced:
                return
            except errors.GoodfitError:  # the database is away for a moment
                continue

    thread = threading.Thread(target=renew, name="goodfit-lease", daemon=True)
    thread.start()

    def done() -> None:
        ready.set()
        thread.join()

    try:
        yield done
    finally:
        done()


@contextlib.contextmanager
def _logging_its_end(say: Callable[[str], None]) -> Iterator[None]:
    """Put into the log how it ended, other than well; nobody else listens."""
    try:
        yield
    except errors.GoodfitError as error:
        say(str(error))
    except BaseException:
        say(traceback.format_exc())
        raise


def _log_of(settings: Settings, study: Study) -> Callable[[str], None]:
    make_folder(settings.log_folder)
    path = settings.runner_log(study.name)

    def say(text: str) -> None:
        with path.open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {readable(text)}\n")

    return say
