"""Searches that begin with an earlier study, or with priors, beside the same searches without.

    python -m benchmarks.warm_start --seeds 5 --methods auto,tpe

Each study has an earlier one of the same length, and runs with the same seed without it, with it, and so on: the
figures are paired. Mean regret at a quarter, a half and all of the time, and `half`: how often half of the time was
enough for what the earlier study reached in all of its own, or without one the same study alone.

- again: the earlier study searched the same landscape, its curves had other noise.
- shifted: its optimum lay elsewhere by a twentieth of each range, its choices had other merits, by a little.
- unrelated: it searched another landscape.
- prior, wrong prior: no earlier study; a value for each number near the optimum, or at the far end of the range.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.families import FAMILIES, Landscape, landscape_of, task_on
from benchmarks.search.methods import METHODS, Made, Method
from benchmarks.search.study import run_study
from benchmarks.search.task import Task
from goodfit.search_spaces.space import Float, Space
from goodfit.service.sampler import OptunaSampler
from goodfit.service.spec.study import StudySpec
from goodfit.service.spec.warm_start import Source, WarmStart, brought

EPOCHS = 20
BUDGET, WORKERS = 12.0, 2  # median full trainings of each worker
SHIFT = 0.05
CASES = ("cold", "again", "shifted", "unrelated", "prior", "wrong prior")


@dataclass(frozen=True, slots=True)
class Begun(Method):
    """A method that begins with an earlier study or with priors, and keeps what it made."""

    start: WarmStart | None = None
    priors: Mapping[str, float] = field(default_factory=dict)
    made: list[Made] = field(default_factory=list)

    def make(self, task: Task, seed: int) -> Made:
        self.made.append(Method.make(self, task, seed))
        return self.made[-1]

    def spec(self, task: Task, seed: int) -> StudySpec:
        spec = Method.spec(self, task, seed)
        if self.start is not None:
            spec = spec.with_search(warm_start=(self.start,))
        if not self.priors:
            return spec
        items = [
            replace(item, prior=self.priors[item.name]) if isinstance(item, Float) else item for item in task.space
        ]
        return spec.model_copy(update={"space": Space(tuple(items))})

    def source(self, space: Space) -> Source:
        """The trials of the study that was run with it last, as an earlier study."""
        made: Any = self.made[-1]
        sampler: OptunaSampler = made if isinstance(made, OptunaSampler) else made._sampler
        trials = sorted(sampler._observed().trials, key=lambda trial: (trial.value, trial.number))
        return Source.ranked([sampler._proposed[trial.number] for trial in trials], frozenset(space.names))


def begun(name: str, start: WarmStart | None = None, priors: Mapping[str, float] | None = None) -> Begun:
    found = METHODS[name]
    return Begun(found.text, found.search, found.pruning, found.own, found.pauses, found.needs, start, priors or {})


def shifted(land: Landscape, rng: np.random.Generator) -> Landscape:
    optimum = np.clip(land.optimum + rng.normal(size=land.numbers) * SHIFT, 0, 1)
    merits = [merit + 0.1 * rng.normal(size=len(merit)) for merit in land.merits]
    return replace(land, optimum=optimum, merits=merits, phase=land.phase + 7 * 5)


def measured(name: str, family: str, index: int, seed: int) -> dict[str, Any]:
    """The regrets of each case for one landscape and seed; `half` of those with an earlier study."""
    land = landscape_of(family, EPOCHS, index)
    task = task_on(family, EPOCHS, land, index)
    rng = np.random.default_rng([seed, index])
    earlier = {
        "again": replace(land, phase=land.phase + 35),
        "shifted": shifted(land, rng),
        "unrelated": landscape_of(family, EPOCHS, index + 100),
    }
    cold = run_study(task, begun(name), workers=WORKERS, budget=BUDGET, seed=seed).regrets
    found: dict[str, Any] = {"cold": cold, "reached": {}}
    for case, other in earlier.items():
        parent, there = begun(name), task_on(family, EPOCHS, other, index + 1000)
        its = run_study(there, parent, workers=WORKERS, budget=BUDGET, seed=seed + 500).regrets
        found["reached"][case] = its[-1]
        start = brought(case, parent.source(task.space), task.space, {})
        found[case] = run_study(task, begun(name, start), workers=WORKERS, budget=BUDGET, seed=seed).regrets
    right = {f"x{place}": float(np.clip(value + SHIFT, 0, 1)) for place, value in enumerate(land.optimum)}
    wrong = {f"x{place}": 0.0 if value > 0.5 else 1.0 for place, value in enumerate(land.optimum)}
    for case, priors in (("prior", right), ("wrong prior", wrong)):
        found[case] = run_study(task, begun(name, priors=priors), workers=WORKERS, budget=BUDGET, seed=seed).regrets
    return found


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A row a case: mean regrets at 1/4, 1/2 and 1, the paired difference at 1 with its standard error, and `half`."""
    lines = ["| | 1/4 | 1/2 | 1 | less than cold at 1/2 | at 1 | half |", "|---|---|---|---|---|---|---|"]
    for case in CASES:
        regrets = np.array([row[case] for row in rows])
        cold = np.array([row["cold"] for row in rows])
        gains = cold - regrets
        errors = gains.std(0, ddof=1) / np.sqrt(len(rows)) if len(rows) > 1 else np.zeros(regrets.shape[1])
        reached = np.array([row["reached"].get(case, row["cold"][-1]) for row in rows])
        half = float((regrets[:, 2] <= reached).mean())
        means = " | ".join(f"{value:.3f}" for value in regrets.mean(0)[1:])
        told = " | ".join(f"{gains.mean(0)[place]:+.3f} ± {errors[place]:.3f}" for place in (2, 3))
        lines.append(f"| {case} | {means} | {told} | {half:.0%} |")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.warm_start", description=__doc__.partition("\n")[0])
    parser.add_argument("--methods", default="auto,tpe", help="default: %(default)s")
    parser.add_argument("--families", default="power,late,junk,categorical", help="default: %(default)s")
    parser.add_argument("--landscapes", type=int, default=2, help="of each family (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures go")
    given = parser.parse_args(arguments)
    families = given.families.split(",")
    if unknown := [name for name in families if name not in FAMILIES]:
        parser.error(f"no family {unknown[0]}; choose from: {', '.join(FAMILIES)}")
    kept = {}
    for name in given.methods.split(","):
        rows = [
            measured(name, family, index, seed)
            for family in families
            for index in range(given.landscapes)
            for seed in range(given.seeds)
        ]
        kept[name] = rows
        print("\n".join([f"{name}, {len(rows)} studies of each kind", "", *table(rows), ""]), flush=True)
    if given.json is not None:
        given.json.write_text(json.dumps(kept) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
