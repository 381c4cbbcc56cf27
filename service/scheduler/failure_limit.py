"""When failures alike say that no trial of a study can succeed, so that a broken trainer does not use up a budget."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from goodfit.service.records import Failure, Trial, TrialState

Cause = tuple[Failure | None, str]

# "ValueError: expected 10 features, got 7 (net.py:59)": one kind of error from one line of code is one cause.
_RAISED = re.compile(r"(?P<kind>[A-Za-z_][\w.]*)(?::.*)? \((?P<place>[^()]+:\d+)\)", re.DOTALL)
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\b(?:nan|inf)\b)")


def cause_of(trial: Trial) -> Cause:
    """What failures that are alike have in common; other numbers in a message make no other cause."""
    message = trial.message or ""
    raised = _RAISED.fullmatch(message)
    return trial.failure, f"{raised['kind']} at {raised['place']}" if raised else _NUMBER.sub("#", message)


class Failures:
    """The failures of one run of a study, by their cause.

    Those of earlier runs do not count: their cause may have been mended since.

    Args:
        limit: how many alike, while no trial succeeds, end the study; 0: any number may fail.
        trials: what the store has already; one trial COMPLETE or PRUNED shows that trials can succeed.
    """

    def __init__(self, limit: int, trials: Iterable[Trial]) -> None:
        self._limit = limit
        self._succeeded = any(_succeeded(trial) for trial in trials)
        self._alike: Counter[Cause] = Counter()
        self._furthest = 0  # epoch that a failed trial reached

    def note(self, trial: Trial) -> None:
        """Take in a trial that has ended."""
        self._succeeded = self._succeeded or _succeeded(trial)
        if trial.state is TrialState.FAILED:
            self._alike[cause_of(trial)] += 1
            self._furthest = max(self._furthest, trial.epochs)

    def hopeless(self, last: Trial, unfinished: Iterable[Trial]) -> str | None:
        """Why the study should end after this failure, or None.

        A running or paused trial that has trained further than any failed one may yet succeed.
        """
        count = self._alike[cause_of(last)]
        if not self._limit or self._succeeded or count < self._limit:
            return None
        if any(trial.epochs > self._furthest for trial in unfinished):
            return None
        return f"{count} trials failed alike, and none succeeded: {last.message or last.label}"


def _succeeded(trial: Trial) -> bool:
    return trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
