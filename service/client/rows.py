"""Records as rows for people and programs: the keys of `goodfit trials --json`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from goodfit.service.errors import InputError, did_you_mean
from goodfit.service.records import Failure, Trial, TrialState, Verdict

TRIAL_KEYS = (
    "trial", "state", "params", "value", "verdict", "gap", "epochs", "best_epoch", "attempts", "started", "ended",
    "mlflow_run_id",
)  # fmt: skip
LABELS = [str(one) for one in TrialState] + [f"FAILED({kind})" for kind in Failure]


def trial_row(trial: Trial) -> dict[str, Any]:
    """A trial as `goodfit trials --json` gives it."""
    return {
        "trial": trial.number,
        "state": trial.label,
        "params": dict(trial.params),
        "value": trial.value,
        "verdict": str(trial.verdict) if trial.verdict else None,
        "gap": trial.gap,
        "epochs": trial.epochs,
        "best_epoch": trial.best_epoch,
        "attempts": trial.attempts,
        "started": iso(trial.started),
        "ended": iso(trial.ended),
        "mlflow_run_id": trial.mlflow_run_id,
    }


def iso(seconds: float | None, precision: str = "milliseconds") -> str | None:
    """A time as ISO 8601 in UTC; the nearest that can be written, for one beyond the calendar's years 1 to 9999."""
    return None if seconds is None else moment(seconds).isoformat(timespec=precision)


def moment(seconds: float) -> datetime:
    """A time in UTC; the calendar's first or last for one beyond it."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.max.replace(tzinfo=UTC) if seconds > 0 else datetime.min.replace(tzinfo=UTC)


def labels_of(state: str) -> list[str]:
    """The labels of a state as users write it: `FAILED` is every kind of failure.

    Raises:
        InputError: there is none of that name; the nearest is suggested.
    """
    wanted = {label.lower(): label for label in LABELS}.get(state.lower())
    if wanted is None:
        raise InputError(f"state {state}: {did_you_mean(state.upper(), LABELS)}")
    return [label for label in LABELS if label == wanted or label.startswith(f"{wanted}(")]


def verdict_of(word: str) -> Verdict:
    """The verdict of that name; InputError suggests the nearest."""
    names = [str(one) for one in Verdict]
    if word.lower() not in names:
        raise InputError(f"verdict {word}: {did_you_mean(word.lower(), names)}")
    return Verdict(word.lower())
