"""A sampler that sees the search alone, while confirmations have numbers among those of its trials.

A study may go on with its search after its best were confirmed: then its trials are 0 to 7, say, confirmations
are 8 to 13, and the search goes on with 14. The sampler counts on from 8, so it proposes what it would have
proposed had the search never paused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from goodfit.service.ports import Sampler
from goodfit.service.records import Report, Trial


class Numbered:
    """A Sampler by trials' numbers, over one by their places in the search.

    Args:
        sampler: counts the trials of the search alone.
    """

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._places: dict[int, int] = {}  # trial -> how many trials of the search came before it

    def ask(self, number: int) -> dict[str, Any] | None:
        place = len(self._places)
        params = self._sampler.ask(place)
        if params is not None:
            self._places[number] = place
        return params

    def report(self, number: int, epoch: int, value: float) -> None:
        self._sampler.report(self._places[number], epoch, value)

    def should_prune(self, number: int) -> bool:
        return self._sampler.should_prune(self._places[number])

    def tell(self, trial: Trial) -> None:
        self._sampler.tell(replace(trial, number=self._places[trial.number]))

    def rebuild(self, trials: Sequence[Trial], reports: Sequence[Report]) -> None:
        """As the port; trials that confirm others, and their reports, are left out."""
        searched = sorted((trial for trial in trials if trial.confirms is None), key=lambda trial: trial.number)
        self._places = {trial.number: place for place, trial in enumerate(searched)}
        self._sampler.rebuild(
            [replace(trial, number=place) for place, trial in enumerate(searched)],
            [replace(one, trial=self._places[one.trial]) for one in reports if one.trial in self._places],
        )
