"""A prediction as a cooperative game: the parts of a row are the players, absent ones are taken from baselines.

The value of a coalition is what the model gives on average for the row with all other parts taken from each baseline in
turn: the interventional (marginal) expectation (Lundberg and Lee, 2017; Janzing and others, 2020). NumPy alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

Outputs = Callable[[np.ndarray], np.ndarray]  # prepared rows (n, ...) -> (n, outputs), float64

ALWAYS = -1  # the player of what is never taken away, such as what fills up a row behind its text
NUMBERS_AT_ONCE = 2**22  # of composed rows; bounds the memory, changes no result
ROWS_AT_ONCE = 2**15


@dataclass(frozen=True)
class Game:
    """One row, and what stands in for its parts where they are absent.

    Attributes:
        outputs: of the model.
        row: as the model takes it, of any shape.
        baselines: (baselines, *shape of the row).
        players: of each number of the row, which player it belongs to; the shape of the row.
        count: how many players there are.
    """

    outputs: Outputs
    row: np.ndarray
    baselines: np.ndarray
    players: np.ndarray
    count: int

    def values(self, present: np.ndarray) -> np.ndarray:
        """What coalitions are worth.

        Args:
            present: (coalitions, players), whether each player is there.

        Returns:
            (coalitions, outputs).
        """
        row, others = self.row.reshape(-1), self.baselines.reshape(len(self.baselines), -1)
        players = self.players.reshape(-1)
        size = len(others) * max(1, len(row))
        step = max(1, min(NUMBERS_AT_ONCE // size, ROWS_AT_ONCE // len(others)))
        parts = []
        for start in range(0, len(present), step):
            kept = _of_numbers(present[start : start + step], players)
            rows = np.where(kept[:, None, :], row, others[None])
            outputs = self.outputs(rows.reshape(len(kept) * len(others), *self.row.shape))
            parts.append(outputs.reshape(len(kept), len(others), -1).mean(axis=1))
        return np.concatenate(parts)

    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """What the empty coalition is worth, and what all players together are: the base and the prediction."""
        empty, whole = self.values(np.array([[False] * self.count, [True] * self.count]).reshape(2, self.count))
        return empty, whole

    def active(self) -> np.ndarray:
        """The players whose part differs from some baseline; the others change nothing and are worth 0, exactly."""
        differs = (self.baselines != self.row).any(axis=0)
        found = np.unique(self.players[differs])
        return np.asarray(found[found != ALWAYS])

    def among(self, chosen: np.ndarray) -> Game:
        """The game of these players alone; all others stay as in the row."""
        place = np.full(self.count + 1, ALWAYS)  # the last place is that of ALWAYS
        place[chosen] = np.arange(len(chosen))
        return replace(self, players=place[self.players], count=len(chosen))


def _of_numbers(present: np.ndarray, players: np.ndarray) -> np.ndarray:
    """Whether each number of the row is there, (coalitions, numbers)."""
    with_always = np.concatenate([present, np.ones((len(present), 1), dtype=bool)], axis=1)
    return np.asarray(with_always[:, players])


def every_coalition(players: int) -> np.ndarray:
    """All coalitions, (2**players, players), each at the place of its bits."""
    return np.asarray((np.arange(2**players)[:, None] >> np.arange(players) & 1).astype(bool))


def size_weights(players: int) -> np.ndarray:
    """The Shapley weight of a coalition of each size without the player: s! (n - s - 1)! / n!."""
    weights = [1 / (players * math.comb(players - 1, size)) for size in range(players)]
    return np.array(weights)
