"""What a trial's trainer printed, and the traceback that it ended with, piece by piece."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from goodfit.service.records import Study
from goodfit.service.settings import LOG, Settings
from goodfit.trainers.errors import PlaceAway
from goodfit.trainers.files import make_folder
from goodfit.trainers.readable import readable

PIECE = 256 * 1024  # bytes at a time


@dataclass(frozen=True, slots=True)
class LogPiece:
    """A piece of a log; `next` is where to go on reading."""

    text: str
    next: int


def log_place(settings: Settings, study: Study, trial: int) -> str | None:
    """Where a trial's log lies; None where its trainer printed nothing and raised nothing."""
    place = settings.trial_place(study, trial)
    if not place.exists(LOG):
        return None
    return place.uri(LOG) if place.folder is None else str(place.folder / LOG)


def add_to_log(settings: Settings, study: Study, trial: int, text: str) -> None:
    """Write to the end of a trial's log; not where it cannot be kept, such as on a full disk."""
    text, place = readable(text), settings.trial_place(study, trial)
    with contextlib.suppress(OSError, PlaceAway):
        if place.folder is not None:
            make_folder(place.folder, settings.study_place(study).folder)
            with (place.folder / LOG).open("a", encoding="utf-8") as log:
                log.write(text)
            return
        with tempfile.NamedTemporaryFile() as whole:
            whole.write((place.read(LOG) or b"") + text.encode())
            whole.flush()
            place.put(Path(whole.name), LOG)


def read_log(settings: Settings, study: Study, trial: int, offset: int = 0, limit: int = PIECE) -> LogPiece:
    """A trial's log from a byte on; empty where there is nothing there yet."""
    found = settings.trial_place(study, trial).piece(LOG, offset, limit)
    if len(found) == limit:  # not in the middle of a character
        found = found[: len(found) - _torn(found)]
    return LogPiece(found.decode("utf-8", "replace"), offset + len(found))


def _torn(found: bytes) -> int:
    """How many bytes at the end are the beginning of a character whose rest is still to come."""
    for back in range(1, min(4, len(found)) + 1):
        byte = found[-back]
        if byte & 0xC0 == 0xC0:
            wanted = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return back if back < wanted else 0
        if byte & 0x80 == 0:
            return 0
    return 0
