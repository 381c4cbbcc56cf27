"""Whether anybody runs a study, how its run ended where it did not end well, and when its lease is free."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from goodfit.service.records import Study, StudyState
from goodfit.service.settings import is_dead

if TYPE_CHECKING:
    from goodfit.service.ports import Records, Studies

RELEASE_SECONDS = 10.0  # that the runner of a study at rest may take to end its workers and release the lease
RELEASE_PAUSE = 0.2  # between two looks at that lease


def live_state(store: Studies, study: Study, now: float) -> StudyState:
    """A study's state, told from the lease: what has not ended with nobody running it was interrupted.

    That may have been before its first trial, while its record still says QUEUED. A study of the service stays as it
    is: the service gives it another runner.
    """
    if study.state not in (StudyState.QUEUED, StudyState.RUNNING) or study.queued is not None:
        return study.state
    return study.state if is_held(store, study, now) else StudyState.INTERRUPTED


def is_held(store: Studies, study: Study, now: float) -> bool:
    """Whether somebody who is alive, as far as can be told, holds the study."""
    lease = store.holder(study.id)
    return lease is not None and lease.until >= now and not is_dead(lease.owner)


def until_released(store: Studies, name: str, clock: Callable[[], float]) -> Iterator[float]:
    """Wait for the lease of a study at rest, which its runner still holds while it ends its workers.

    Whoever calls sleeps for each pause. Whatever takes the lease afterwards refuses where it is still held.

    Args:
        store: where the study is.
        name: of the study.
        clock: seconds since the epoch.

    Yields:
        Seconds to pause before the next look, for RELEASE_SECONDS at most; nothing where the study is not at rest or
        its lease is free.
    """
    for _ in range(round(RELEASE_SECONDS / RELEASE_PAUSE)):
        study = store.study(name)
        if not study.state.at_rest or not is_held(store, study, clock()):
            return
        yield RELEASE_PAUSE


def how_it_was_lost(store: Records, study: Study, now: float) -> str | None:
    """That the process which ran a study here ended without saving, and what may be why; None where it did not."""
    if study.state is not StudyState.RUNNING or live_state(store, study, now) is not StudyState.INTERRUPTED:
        return None
    lost = store.page_of_trials(study.id, labels=("RUNNING",), limit=3, parts=())
    at = f" while it trained trial {lost[0].number}" if len(lost) == 1 else ""
    return (
        f"the process that ran study {study.name} ended{at} without saving: it was killed, or a trainer ended it "
        "(os._exit, a crash of a library). With --executor local trainers run in the command's own process; without "
        "it, in processes of theirs"
    )


def how_it_failed(study: Study, states: Mapping[str, int], hint: Callable[[str], str]) -> str:
    """That a study failed, why, and how to go on with it.

    Args:
        study: FAILED.
        states: how many of its trials are in which state, by Trial.label.
        hint: how people type a command.
    """
    failed = sum(count for label, count in states.items() if label.startswith("FAILED"))
    if failed:
        go_on = f"once the cause is fixed, {hint(f'resume {study.name} --retry-failed')} trains what failed again"
    else:
        go_on = f"once the cause is fixed, go on with {hint(f'resume {study.name}')}"
    return f"study {study.name} failed: {study.message}; {go_on}; see {hint(f'trials {study.name}')}"
