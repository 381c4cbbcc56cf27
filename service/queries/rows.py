"""Records as rows for people and programs: the keys of `goodfit trials --json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typing_extensions import TypedDict  # typing's, on Python 3.11, is refused by pydantic

from goodfit.service.errors import InputError, did_you_mean
from goodfit.service.json_values import Number, Values, iso
from goodfit.service.records import Failure, Trial, TrialState, Verdict

TRIAL_KEYS = (
    "trial", "state", "params", "value", "verdict", "gap", "epochs", "best_epoch", "attempts", "started", "ended",
    "mlflow_run_id", "notes",
)  # fmt: skip
LABELS = [str(one) for one in TrialState] + [f"FAILED({kind})" for kind in Failure]


class TrialRow(TypedDict):
    """A trial as `goodfit trials --json` gives it."""

    trial: int
    state: str
    params: Values
    value: Number | None
    verdict: str | None
    gap: Number | None
    epochs: int
    best_epoch: int | None
    attempts: int
    started: str | None
    ended: str | None
    mlflow_run_id: str | None
    notes: Values


def trial_row(trial: Trial) -> TrialRow:
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
        "notes": dict(trial.notes or {}),
    }


def spread_columns(trials: Sequence[Trial]) -> dict[str, list[Any]]:
    """A column `params.NAME` for each parameter, `metrics.NAME` for each further objective and bounded metric.

    And `notes.NAME` for each note.
    """
    found: dict[str, list[Any]] = {}
    for prefix, values in (
        ("params", [trial.params for trial in trials]),
        ("metrics", [trial.measured or {} for trial in trials]),
        ("notes", [trial.notes or {} for trial in trials]),
    ):
        names = dict.fromkeys(name for one in values for name in one)
        found |= {f"{prefix}.{name}": [one.get(name) for one in values] for name in names}
    return found


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
