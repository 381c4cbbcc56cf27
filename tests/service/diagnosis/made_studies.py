"""Studies whose health is known because of how they were made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from goodfit.search_spaces.space import Choice, Float, Int, Space
from goodfit.service.diagnosis.health import Facts
from goodfit.service.objective import Objective
from goodfit.service.records import Failure, Report, Trial, TrialState, Verdict

EPOCHS = 12
METRIC = "val/loss"
LOSS, ACCURACY = Objective(METRIC, "minimize"), Objective("val/accuracy", "maximize")
SPACE = Space(
    (
        Float("learning_rate", 1e-4, 1e-1, log=True),
        Float("weight_decay", 1e-5, 1e-1, log=True),
        Float("dropout", 0.0, 0.5),
        Int("depth", 1, 5),
        Choice("optimizer", ("adamw", "sgd")),
        Float("momentum", 0.5, 0.99, when={"optimizer": "sgd"}),
    )
)
FACTS = Facts(objective=LOSS, epochs=EPOCHS, tried_defaults=True)
DEFAULTS = {
    "learning_rate": 0.12,
    "weight_decay": 0.15,
    "dropout": 0.1,
    "depth": 0.0,
    "optimizer": 1.0,
    "momentum": 0.2,
}
WEIGHTS = {"learning_rate": 4.0, "weight_decay": 3.0, "dropout": 3.0, "depth": 3.0, "optimizer": 0.6, "momentum": 3.0}

Units = Mapping[str, float]


@dataclass(frozen=True)
class Made:
    """A study: what diagnose_study takes."""

    trials: Sequence[Trial]
    reports: Sequence[Report]
    space: Space = SPACE
    facts: Facts = FACTS

    @property
    def given(self) -> tuple[Sequence[Trial], Sequence[Report], Space, Facts]:
        return self.trials, self.reports, self.space, self.facts


def healthy_loss(units: Units) -> float:
    """A bowl whose middle is inside the space."""
    middle = {
        "learning_rate": 0.55,
        "weight_decay": 0.45,
        "dropout": 0.4,
        "depth": 0.5,
        "optimizer": 0.0,
        "momentum": 0.5,
    }
    return 0.3 + sum(WEIGHTS[name] * (unit - middle[name]) ** 2 for name, unit in units.items())


def healthy_breaks(units: Units) -> bool:
    return units["learning_rate"] > 0.97


def make_study(
    seed: int,
    count: int = 60,
    *,
    loss: Callable[[Units], float] = healthy_loss,
    breaks: Callable[[Units], bool] = healthy_breaks,
    noise: float = 0.1,
    learns: bool = True,
    crossing: float = 0.0,
    facts: Facts = FACTS,
) -> Made:
    """A study of simulated training.

    Args:
        seed: of everything.
        count: of trials.
        loss: the true final loss at a place in the space.
        breaks: where training diverges.
        noise: between seeds; a fifth of it between epochs.
        learns: whether the search looks near the best so far, as TPE does; else it draws at random.
        crossing: of the epochs, until which the curves' order has nothing to do with the final one.
        facts: of the study; trials in `controls` are drawn at random.
    """
    random = np.random.default_rng(seed)
    trials: list[Trial] = []
    reports: list[Report] = []
    tried: list[tuple[float, Units]] = []
    for number in range(count):
        units: Units = DEFAULTS if number == 0 and facts.tried_defaults else _draw(random, tried, learns, number, facts)
        units = {name: unit for name, unit in units.items() if name != "momentum" or units["optimizer"] == 1.0}
        params = {item.name: _value(item, units[item.name]) for item in SPACE if item.name in units}
        if breaks(units):
            trials.append(Trial(number, params, 0, TrialState.FAILED, Failure.NAN, epochs=2, verdict=Verdict.DIVERGED))
            continue
        final = loss(units) + random.normal(0, noise)
        curve = _curve(random, final, noise / 5, crossing)
        reports += [Report(number, epoch, {METRIC: value}, 0.0) for epoch, value in enumerate(curve.tolist(), 1)]
        verdict = Verdict.OVERFIT if random.random() < 0.1 else Verdict.GOOD_FIT
        gap = float(0.3 * (1 - units["dropout"]) + random.normal(0, 0.05))
        best = int(np.argmin(curve))
        done = {"value": float(curve[best]), "best_epoch": best + 1, "last_value": float(curve[-1]), "gap": gap}
        trials.append(Trial(number, params, 0, TrialState.COMPLETE, epochs=EPOCHS, verdict=verdict, **done))
        tried.append((float(curve[best]), units))
    return Made(trials, reports, SPACE, facts)


def prune(made: Made, seed: int, *, start: int = 3, keep: float = 0.5, spare: Sequence[int] = ()) -> Made:
    """The study as a median pruner would have left it, that begins at epoch `start`."""
    early: dict[int, float] = {}
    for report in made.reports:
        if report.epoch <= start:
            early[report.trial] = min(early.get(report.trial, np.inf), report.metrics[METRIC])
    trials: list[Trial] = []
    kept: list[float] = []
    for trial in made.trials:
        value = early.get(trial.number)
        if value is not None and len(kept) >= 5 and value > np.quantile(kept, keep) and trial.number not in spare:
            ended = {"epochs": start, "prune_at": start, "value": value, "verdict": Verdict.UNFINISHED}
            trial = replace(trial, state=TrialState.PRUNED, **ended)
        if value is not None:
            kept.append(value)
        trials.append(trial)
    ends = {trial.number: trial.epochs for trial in trials}
    reports = [report for report in made.reports if report.epoch <= ends[report.trial]]
    return replace(made, trials=trials, reports=reports, facts=replace(made.facts, pruning="median"))


def _draw(
    random: np.random.Generator, tried: Sequence[tuple[float, Units]], learns: bool, number: int, facts: Facts
) -> Units:
    if not learns or len(tried) < 10 or number in facts.controls or random.random() < 0.2:
        return {item.name: _even(random, item) for item in SPACE}
    good = sorted(tried, key=lambda pair: pair[0])[: max(3, len(tried) // 5)]
    near = good[random.integers(len(good))][1]
    return {item.name: _near(random, item, near.get(item.name)) for item in SPACE}


def _even(random: np.random.Generator, item: Any) -> float:
    return float(random.integers(2)) if isinstance(item, Choice) else float(random.random())


def _near(random: np.random.Generator, item: Any, unit: float | None) -> float:
    if unit is None or (isinstance(item, Choice) and random.random() < 0.2):
        return _even(random, item)
    return unit if isinstance(item, Choice) else float(np.clip(unit + random.normal(0, 0.15), 0, 1))


def _value(item: Any, unit: float) -> Any:
    if isinstance(item, Choice):
        return item.choices[int(unit)]
    if isinstance(item, Int):
        return item.low + round(unit * (item.high - item.low))
    if item.log:
        return min(max(float(item.low * (item.high / item.low) ** unit), item.low), item.high)
    return item.low + unit * (item.high - item.low)


def _curve(random: np.random.Generator, final: float, noise: float, crossing: float) -> Any:
    epochs = np.arange(EPOCHS)
    start = final + 2.0 + random.normal(0, 0.2)
    curve = final + (start - final) * np.exp(-random.uniform(5, 7) * epochs / EPOCHS)
    if crossing:
        early = epochs < crossing * EPOCHS
        curve = np.where(early, 9.0 + random.normal(0, 1.0) - 0.05 * epochs, curve)
    return curve + random.normal(0, noise, EPOCHS)
