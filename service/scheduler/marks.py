"""The marks of trials: digests of the code and the data that trained them, which may change between two attempts."""

from __future__ import annotations

from goodfit.service.records import Trial
from goodfit.trainers.messages import Ended


def marks_at_start(trial: Trial, code: str | None, data: str | None) -> dict[str, str | None]:
    """The marks of a trial whose next attempt starts with this code and these data."""
    begun = trial.epochs > 0  # else nothing of earlier attempts is left in it
    return {
        "code": _joined(trial.code if begun else None, code),
        "data": _joined(trial.data if begun else None, data),
    }


def data_at_end(trial: Trial, ended: Ended, data: str | None) -> str | None:
    """The data's mark after an attempt whose worker may have loaded others than those at the run's start."""
    if ended.data is None or ended.data == data:
        return trial.data
    before = [digest for digest in (trial.data or "").split("+") if digest and digest != data]
    return _joined("+".join(before), ended.data)


def _joined(before: str | None, now: str | None) -> str | None:
    """The digests of all attempts, each once, in the order in which they came."""
    known = [one for part in (before, now) if part for one in part.split("+")]
    return "+".join(dict.fromkeys(known)) or None
