"""`goodfit rerun`: a trial trained again, with what differs."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from goodfit.service.screen.live import say

if TYPE_CHECKING:
    from goodfit.service.app.rerunning import Difference, Rerun
    from goodfit.service.settings import Settings

SAID_EVERY = 2.0  # seconds between two lines on how far it is


def rerun_here(settings: Settings, name: str, number: int) -> Rerun:
    """Train a trial of a home again; says on standard error how far it is."""
    from goodfit.service import app
    from goodfit.service.app.rerunning import rerun
    from goodfit.service.queries.local import LocalSource

    with contextlib.closing(app.open_home(settings)) as store:
        study = store.study(name)
        trial = LocalSource(settings, store).trial(name, number)
        said = time.monotonic()

        def tell(done: int, of: int) -> None:
            nonlocal said
            if time.monotonic() - said >= SAID_EVERY:
                said = time.monotonic()
                say(f"trial {number} of study {name}: epoch {done} of {of}")

        say(f"trial {number} of study {name} is trained again, in a folder of its own")
        return rerun(settings, store, study, trial, tell)


def print_rerun(found: Rerun) -> None:
    """What came of it, in sentences."""
    from goodfit.service import app

    which = f"trial {found.trial} of study {found.study}"
    for note in found.notes:
        print(f"note: {note}")
    if found.first is None or found.largest is None:
        epochs, metrics = app.counted(found.epochs, "epoch"), app.counted(found.metrics, "metric")
        how = f"within {found.tolerance:g}, as it was trained together with others" if found.tolerance else "to the bit"
        print(f"{which}: the same {how}, {epochs} of {metrics}")
        return
    if found.failure is not None:
        print(f"{which}: this time the training failed after epoch {found.trained}: {found.failure}")
    print(f"{which}: differs from epoch {found.first.epoch} on, in {found.differing} of {found.epochs} epochs")
    print(f"  first    {_shown(found.first)}")
    if found.largest != found.first:
        print(f"  largest  {_shown(found.largest)}")


def _shown(one: Difference) -> str:
    recorded, rerun = ("missing" if value is None else repr(value) for value in (one.recorded, one.rerun))
    return f"epoch {one.epoch}, {one.metric}: {recorded} in the record, {rerun} now, {one.amount:.3g} apart"
