"""Whether all trials were trained on the same data and with the same code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from goodfit.service.diagnosis.health.finding import Finding, Severity
from goodfit.service.records import Trial, TrialState

_COUNTED = (TrialState.COMPLETE, TrialState.PRUNED)


def mixed_inputs(trials: Iterable[Trial]) -> Iterator[Finding]:
    """A finding where the data changed between trials that are ranked together, and one where the code did."""
    counted = [trial for trial in trials if trial.state in _COUNTED]
    if data := _versions((trial.number, trial.data) for trial in counted):
        text = (
            f"The data changed while the study ran: {_described(data)}. Values on different data cannot be compared; "
            "start a new search, under another name, with `goodfit run FILE --new`."
        )
        yield Finding("mixed_data", Severity.SERIOUS, text, numbers=_numbers(data))
    if code := _versions((trial.number, trial.code) for trial in counted):
        text = f"The trainer's code changed while the study ran: {_described(code)}."
        yield Finding("mixed_code", Severity.WARNING, text, numbers=_numbers(code))


def _versions(marks: Iterable[tuple[int, str | None]]) -> dict[str, list[int]]:
    """The trials of each version; empty where there is but one, or none is known."""
    found: dict[str, list[int]] = {}
    for number, mark in marks:
        if mark is not None:
            found.setdefault(mark, []).append(number)
    mixed = len(found) > 1 or any("+" in mark for mark in found)
    return found if mixed else {}


def _described(versions: dict[str, list[int]]) -> str:
    parts = []
    for mark, numbers in versions.items():
        noun = "trial" if len(numbers) == 1 else "trials"
        parts.append(f"{noun} {ranges(numbers)} had {' and then '.join(mark.split('+'))}")
    return ", ".join(parts)


def ranges(numbers: Sequence[int]) -> str:
    """Numbers in order as people write them: 0-5, 8."""
    breaks = [0, *(index for index, (a, b) in enumerate(pairwise(numbers), start=1) if b != a + 1), len(numbers)]
    runs = [numbers[start:end] for start, end in pairwise(breaks)]
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _numbers(versions: dict[str, list[int]]) -> dict[str, Any]:
    return {"trials": {mark: list(numbers) for mark, numbers in versions.items()}}
