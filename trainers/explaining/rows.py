"""Rows one by one, until they are done or the time is over; and the checks that are the same for all kinds of data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from goodfit.trainers.errors import DataProblem
from goodfit.trainers.explaining import local, shapley
from goodfit.trainers.explaining.explanation import Check, RowExplained
from goodfit.trainers.explaining.games import Game
from goodfit.trainers.explaining.local import deletion
from goodfit.trainers.explaining.models import OutOfTime, meaning_of
from goodfit.trainers.explaining.shapley import Attribution

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


def row_of(task: Task, place: int, one: Attribution, values: np.ndarray) -> RowExplained:
    """A row, by the attribution of the output that is explained and what its parts add."""
    output = int(task.places[place])
    at = output if len(one.base) > 1 else 0
    return RowExplained(
        row=task.material.rows.labels[place],
        output=meaning_of(task.model.facts).names[output],
        prediction=float(one.prediction[at]),
        base=float(one.base[at]),
        values=values,
    )


def by_outputs(task: Task, method: str, game: Game) -> Attribution:
    """What players contribute by a method that needs the model's outputs alone."""
    request = task.request
    if not game.count:
        base, prediction = game.ends()
        return Attribution(np.zeros((0, len(base))), base, prediction, coalitions=2)
    if method == "exact":
        return shapley.exact(game)
    if method == "kernel":
        return shapley.kernel(game, max(request.coalitions, shapley.least_coalitions(game.count)), request.seed)
    if method == "lime":
        return local.lime(game, max(request.coalitions, 4 * game.count), request.seed)
    return local.occlusion(game)


def among_active(game: Game, attribute: Callable[[Game], Attribution]) -> Attribution:
    """What all players contribute, by a look at those alone that change anything; the others have 0, exactly."""
    active = game.active()
    found = attribute(game.among(active))
    values = np.zeros((game.count, found.values.shape[1]))
    values[active] = found.values
    error = None
    if found.error is not None:
        error = np.zeros_like(values)
        error[active] = found.error
    return replace(found, values=values, error=error)


def checks_of(
    task: Task,
    method: str,
    found: Sequence[Attribution],
    games: Sequence[Game],
    values: Sequence[np.ndarray],
    outputs: Sequence[int],
) -> list[Check]:
    """The checks of a method's attributions.

    Args:
        task: what was asked for.
        method: of the attributions.
        found: of each row; none of Grad-CAM, which is in no unit.
        games: of each row, to take parts away in.
        values: of each row, (players,), for its output.
        outputs: of each row, which output.
    """
    checks: list[Check | None] = []
    if method in ("exact", "kernel"):
        scale = max(float(np.abs([one.base, one.prediction]).max()) for one in found)
        checks += [additivity(method, [one.additivity for one in found], scale)]
        checks += [sampling_error(method, found)]
    elif method == "gradient":
        checks += [convergence(method, [one.additivity for one in found], [one.span for one in found])]
    elif method == "lime":
        shares = [float(one.fidelity[at]) for one, at in zip(found, outputs, strict=True) if one.fidelity is not None]
        checks += [fidelity(method, shares)]
    checks += [deletion_check(method, games, values, outputs, task.request.seed)]
    if method in ("lime", "occlusion"):
        task.note(f"the values of {method} do not add up to the prediction")
    return [one for one in checks if one is not None]


def additivity(method: str, off: Sequence[float], scale: float) -> Check:
    """Whether base and values add up to the prediction, in every row."""
    worst = max(off, default=0.0)
    limit = ADDS_UP * scale
    rows = f"{len(off)} row{'' if len(off) == 1 else 's'}"
    text = (
        f"additivity of {method}: the base and the values of {rows} add up to the predictions within {worst:.1e} "
        f"(at most {limit:.1e})"
    )
    return Check("additivity", method, worst, limit, worst <= limit, text)


def convergence(method: str, deltas: Sequence[float], spans: Sequence[float]) -> Check:
    """Whether integrated gradients add up: the worst delta, as a share of what a row changes on average."""
    usual = float(np.mean(spans)) if len(spans) else 0.0
    worst = max(deltas, default=0.0) / usual if usual > 0 else 0.0
    text = f"convergence delta of {method}: values add up within {worst:.2%} of what is explained (at most {DELTA:.0%})"
    return Check("convergence delta", method, worst, DELTA, worst <= DELTA, text)


def sampling_error(method: str, found: Sequence[Attribution]) -> Check | None:
    """How large the standard errors of sampled values are, as a share of the largest value; None where none was."""
    sampled = [one for one in found if one.error is not None and np.abs(one.values).max(initial=0.0) > 0]
    if not sampled:
        return None
    shares = [float(one.error.max() / np.abs(one.values).max()) for one in sampled if one.error is not None]
    middle, coalitions = float(np.median(shares)), max(one.coalitions for one in sampled)
    text = (
        f"sampling error of {method}: {coalitions} coalitions a row leave a standard error of {middle:.1%} of a row's "
        f"largest value (median; at most {SAMPLED:.0%})"
    )
    return Check("sampling error", method, middle, SAMPLED, middle <= SAMPLED, text)


def fidelity(method: str, shares: Sequence[float]) -> Check:
    """How much of the outputs near the rows LIME's linear models explain."""
    middle = float(np.median(shares)) if len(shares) else 0.0
    text = (
        f"local fidelity of {method}: the linear models explain {middle:.0%} of the outputs' variance near their rows "
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
        f"deletion by {method}: taking parts away by their values leaves an output of {guided:.4g} on average, in "
        f"random order {random:.4g} (lower is better; {len(found)} row{'' if len(found) == 1 else 's'})"
    )
    return Check("deletion", method, guided, random, guided <= random, text)
