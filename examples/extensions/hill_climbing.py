"""A search method: random at first, then the best configuration with one parameter drawn anew near where it was."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

from goodfit.search_spaces import Fixed, Float, Int, Parameter, Space


class HillClimbing:
    """Made once for a run of a study, by the study's `search: {method: hill-climbing, options: {...}}`.

    Args:
        space: what is searched.
        seed: the study's.
        direction: of the objective, "minimize" or "maximize".
        step: how far a number moves, as a share of its range.
        warm_up: trials that are drawn at random before the climb.
    """

    def __init__(self, space: Space, *, seed: int, direction: str, step: float = 0.1, warm_up: int = 5) -> None:
        self._space, self._seed = space, seed
        self._best = min if direction == "minimize" else max
        self._step, self._warm_up = step, warm_up

    def propose(self, number: int, tried: Sequence[Any]) -> Mapping[str, Any]:
        """A configuration, or a part of one: what is left open is drawn at random."""
        complete = [one for one in tried if one.value is not None]
        if len(complete) < self._warm_up:
            return {}
        best = self._best(complete, key=lambda one: one.value)
        luck = random.Random(f"{self._seed} {number}")  # by the trial's number: a resumed study goes on alike
        searched = [one for one in self._space.parameters if not isinstance(one, Fixed) and one.name in best.params]
        moved = luck.choice(searched)
        return {**best.params, moved.name: self._near(moved, best.params[moved.name], luck)}

    def _near(self, parameter: Parameter, value: Any, luck: random.Random) -> Any:
        if not isinstance(parameter, (Float, Int)):
            return luck.choice(parameter.choices)
        low, high = parameter.low, parameter.high
        if parameter.log:
            width = self._step * math.log(high / low)
            found = value * math.exp(luck.gauss(0, width))
        else:
            found = value + luck.gauss(0, self._step * (high - low))
        found = min(max(found, low), high)
        if parameter.step is not None:
            found = low + round((found - low) / parameter.step) * parameter.step
        return round(found) if isinstance(parameter, Int) else found
