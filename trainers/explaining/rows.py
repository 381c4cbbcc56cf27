"""Rows one by one, until they are done or the time is over; and the checks that are the same for all kinds of data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from goodfit.trainers.errors import DataProblem
from goodfit.trainers.explaining.explanation import Check, RowExplained
from goodfit.trainers.explaining.games import Game
from goodfit.trainers.explaining.local import deletion
from goodfit.trainers.explaining.models import OutOfTime

if TYPE_CHECKING:
    from goodfit.trainers.explaining.explaining import Task

R = TypeVar("R")
ADDS_UP = 1e-6  # of the largest output, that values may be off by
DELETED = 20  # rows that the deletion check is made on
DELTA = 0.05  # of what is explained, that integrated gradients may be off by
SAMPLED = 0.1  # of the largest value, that the standard errors of sampled ones should be below


def one_by_one(task: Task, act: Callable[[int], R]) -> list[R]:
    """Explain row by row; those that the time does not allow for are left out, and that is noted.

    Raises:
        DataProblem: not one row was done in time.
    """
    count = len(task.material.rows)
    found: list[R] = []
    for place in range(count):
        try:
            found.append(act(place))
        except OutOfTime:
            break
        task.on_row(len(found), count)
    if not found:
        raise DataProblem(
            f"not one row was explained within {task.request.seconds:g} s; give more time (--seconds), or a method "
            "that looks at fewer rows, such as occlusion"
        )
    if len(found) < count:
        task.note(
            f"{len(found)} of {count} rows were explained within {task.request.seconds:g} s; give --seconds for more"
        )
    return found


def additivity(method: str, off: Sequence[float], scale: float) -> Check:
    """Whether base and values add up to the prediction, in every row."""
    worst = max(off, default=0.0)
    limit = ADDS_UP * max(1.0, scale)
    rows = f"{len(off)} row{'' if len(off) == 1 else 's'}"
    text = (
        f"additivity: the base and the values of {rows} add up to the predictions within {worst:.1e} "
        f"(at most {limit:.1e})"
    )
    return Check("additivity", method, worst, limit, worst <= limit, text)


def convergence(method: str, deltas: Sequence[float], spans: Sequence[float]) -> Check:
    """Whether integrated gradients add up: the worst delta, as a share of what a row changes on average."""
    usual = float(np.mean(spans)) if len(spans) else 0.0
    worst = max(deltas, default=0.0) / usual if usual > 0 else 0.0
    text = f"convergence delta: the values add up within {worst:.2%} of what is explained (at most {DELTA:.0%})"
    return Check("convergence delta", method, worst, DELTA, worst <= DELTA, text)


def sampling_error(method: str, rows: Sequence[RowExplained], coalitions: int) -> Check | None:
    """How large the standard errors of sampled values are, as a share of the largest value; None where none was."""
    errors = [row for row in rows if row.error is not None]
    if not errors:
        return None
    shares = [
        float(row.error.max() / size)
        for row in errors
        if row.error is not None and (size := np.abs(row.values).max()) > 0
    ]
    middle = float(np.median(shares)) if shares else 0.0
    text = (
        f"sampling error: {coalitions} coalitions a row leave a standard error of {middle:.1%} of a row's largest "
        f"value (median over rows; at most {SAMPLED:.0%})"
    )
    return Check("sampling error", method, middle, SAMPLED, middle <= SAMPLED, text)


def fidelity(method: str, shares: Sequence[float]) -> Check:
    """How much of the outputs near the rows LIME's linear models explain."""
    middle = float(np.median(shares)) if len(shares) else 0.0
    text = (
        f"local fidelity: the linear models explain {middle:.0%} of the outputs' variance near their rows "
        "(median; at least 70%)"
    )
    return Check("local fidelity", method, middle, 0.7, middle >= 0.7, text)


def deletion_check(
    method: str, games: Sequence[Game], values: Sequence[np.ndarray], outputs: Sequence[int], seed: int
) -> Check | None:
    """Whether the output falls faster when parts go in the order of their values than in random orders.

    None where no row has two parts that change anything.
    """
    found = []
    try:
        for game, value, output in list(zip(games, values, outputs, strict=True))[:DELETED]:
            if len(value) > 1 and np.abs(value).max() > 0:
                found.append(deletion(game, value, output, seed))
    except OutOfTime:
        pass  # those that were done in time tell
    if not found:
        return None
    guided, random = (float(np.mean([getattr(one, name) for one in found])) for name in ("guided", "random"))
    text = (
        f"deletion: taking parts away by their values leaves an output of {guided:.4g} on average, in random order "
        f"{random:.4g} (lower is better; {len(found)} row{'' if len(found) == 1 else 's'})"
    )
    return Check("deletion", method, guided, random, guided <= random, text)
