"""Learning curves whose verdict is known because of how they were made, from Goodfit's own trainers.

Each case is trained by a worker, as the engine does it, on data made for it: far too few rows for a wide
net, labels that are partly noise, a net of one unit, a learning rate of 1e3, a training cut off on its way
down. A healthy configuration is trained on the same data, so that the verdict is given what the engine
gives it: the best objective of the study, and what a trivial model scores. Three cases are formulas with
noise, since our trainers do not show them at will: double descent, a gap alone, and a late blow-up.

`python -m benchmarks.curves` prints the table; benchmarks/diagnosis.py prints it too.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import Figures, run
from goodfit.service.diagnosis import Diagnosis, diagnose_trial
from goodfit.service.objective import Objective
from goodfit.service.records import Report, Verdict
from goodfit.trainers.messages import Assignment, DataSpec, Ended, Message, Outcome, Pack, Reported
from goodfit.trainers.worker.worker import Worker

SEEDS = range(20, 40)  # the rule was last changed on the curves of seeds 0 to 19
NEEDED = 19  # of them
Floats = NDArray[np.float64]
Params = Mapping[str, Any]
Data = Callable[[Path, int], DataSpec]  # (folder, seed) -> data of its own for each seed


@dataclass(frozen=True, slots=True)
class Made:
    """One trial as the engine would diagnose it."""

    curve: list[Report]
    params: Params = field(default_factory=dict)
    baselines: Mapping[str, float] = field(default_factory=dict)
    reachable: Mapping[str, float] = field(default_factory=dict)

    def objectives(self) -> list[Objective]:
        """Those that a study may have: the loss, and beside it accuracy or R2."""
        reported = self.curve[0].metrics
        scores = [Objective(name, "maximize") for name in ("val/accuracy", "val/r2") if name in reported]
        return [Objective("val/loss", "minimize"), *scores]

    def diagnosis(self, objective: Objective) -> Diagnosis:
        return diagnose_trial(
            self.curve,
            objective,
            reachable=self.reachable.get(objective.metric),
            baselines=self.baselines,
            params=self.params,
        )


@dataclass(frozen=True, slots=True)
class Case:
    """How curves of one kind are made, and the verdict that they must get."""

    name: str
    verdict: Verdict
    make: Callable[[Path, int], Made]


class _Line:
    """A channel that keeps all it is sent."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def send(self, message: Message) -> None:
        self.messages.append(message)

    def stop_asked(self, trial: int) -> bool:  # noqa: ARG002 - the port has it
        return False

    def may_go_on(self, trial: int, epoch: int) -> bool:  # noqa: ARG002 - the port has it
        return True


def trained(
    folder: Path, data: DataSpec, params: Params, seed: int, epochs: int, until: int | None = None
) -> tuple[list[Report], Ended]:
    """One attempt at a trial of `mlp` by a worker of this process."""
    line = _Line()
    assignment = Assignment(
        *("curves", 0, 1, "mlp", params, data, seed, epochs, "val/loss", "minimize", folder / "trial"),
        checkpoint_epochs=10**6,
        until=until,
    )
    Worker(line, time.time, capture=False).run(Pack((assignment,)))
    (ended,) = [message for message in line.messages if isinstance(message, Ended)]
    if ended.outcome not in {Outcome.COMPLETE, Outcome.NAN}:
        raise RuntimeError(f"a constructed case could not be trained: {ended.message}")
    reported = [message for message in line.messages if isinstance(message, Reported)]
    return [Report(0, report.epoch, report.metrics, report.at) for report in reported], ended


def _trained(data: Data, params: Params, epochs: int, until: int | None = None) -> Callable[[Path, int], Made]:
    """A maker that trains `params`, and beside it a healthy configuration on the same data."""

    def make(folder: Path, seed: int) -> Made:
        spec = data(folder, seed)
        curve, _ = trained(folder, spec, params, seed, epochs, until)
        healthy, ended = trained(folder, spec, {"dropout": 0.3}, seed + 100, 20)
        made = Made(curve, params, ended.baseline)
        best = {one.metric: _best([*healthy, *curve], one) for one in made.objectives()}
        return Made(curve, params, ended.baseline, best)

    return make


def _best(curve: list[Report], objective: Objective) -> float:
    values = (report.metrics[objective.metric] for report in curve)
    return objective.best(value for value in values if np.isfinite(value))


def _classes(rows: int, flipped: float = 0.0, validation: float = 0.4) -> Data:
    """Two classes that a plane divides, in 20 dimensions; a share of the labels is drawn by lot."""

    def data(folder: Path, seed: int) -> DataSpec:
        random = np.random.default_rng(seed)
        x = random.normal(size=(rows, 20))
        y = (x @ random.normal(size=20) + random.normal(0, 1, rows) > 0).astype(int)
        drawn = random.random(rows) < flipped
        y[drawn] = random.integers(0, 2, drawn.sum())
        return _written(folder, x, y, validation)

    return data


def _ring(folder: Path, seed: int) -> DataSpec:
    """Inside or outside a circle: no straight line divides them."""
    x = np.random.default_rng(seed).normal(size=(1000, 2))
    return _written(folder, x, (np.hypot(*x.T) > 1.1774).astype(int), 0.4)  # half are outside


def _numbers(rows: int, noise: float) -> Data:
    """A target that is linear in 10 columns, with noise."""

    def data(folder: Path, seed: int) -> DataSpec:
        random = np.random.default_rng(seed)
        x = random.normal(size=(rows, 10))
        return _written(folder, x, x @ random.normal(size=10) / 3 + random.normal(0, noise, rows), 0.4)

    return data


def _digits(_: Path, __: int) -> DataSpec:
    return DataSpec("digits")


def _written(folder: Path, x: Floats, y: NDArray[Any], validation: float) -> DataSpec:
    path = folder / f"{np.random.default_rng(abs(int(x[0, 0] * 1e9))).integers(10**12)}.npz"
    np.savez(path, x=x, y=y)
    return DataSpec(str(path), validation=validation, test=0.1)


def _drawn(formula: Callable[[Floats, np.random.Generator], tuple[Floats, Floats]]) -> Callable[[Path, int], Made]:
    """A maker of curves by a formula of the share of training that is done, with noise of 0.01."""

    def make(_: Path, seed: int) -> Made:
        random = np.random.default_rng(seed)
        count = int(random.integers(30, 200))
        train, validation = formula(np.arange(count) / count, random)
        train, validation = train + random.normal(0, 0.005, count), validation + random.normal(0, 0.01, count)
        pairs = zip(train.tolist(), validation.tolist(), strict=True)
        curve = [Report(0, epoch, {"train/loss": t, "val/loss": v}, 0.0) for epoch, (t, v) in enumerate(pairs, start=1)]
        return Made(curve, {}, {"val/loss": 2.3}, {"val/loss": 0.4})

    return make


def _double_descent(done: Floats, random: np.random.Generator) -> tuple[Floats, Floats]:
    hump = random.uniform(0.3, 1.0) * np.exp(-(((done - random.uniform(0.25, 0.4)) / 0.1) ** 2))
    return 0.02 + 2.2 * np.exp(-6 * done), 0.4 + 1.9 * np.exp(-25 * done) + hump


def _gap_alone(done: Floats, random: np.random.Generator) -> tuple[Floats, Floats]:
    return 0.02 + 2.2 * np.exp(-8 * done), random.uniform(0.4, 0.6) + 1.8 * np.exp(-15 * done)


def _late_blow_up(done: Floats, random: np.random.Generator) -> tuple[Floats, Floats]:
    blown = np.where(done > random.uniform(0.5, 0.8), random.uniform(2, 50), 0.0)
    return 0.2 + 2.1 * np.exp(-10 * done) + blown, 0.3 + 2.0 * np.exp(-10 * done) + blown


BARE = {"dropout": 0.0, "weight_decay": 0.0, "schedule": "constant"}
WILD = {"learning_rate": 1e3, "weight_decay": 0.0}
SLOW = {"learning_rate": 1e-4, "schedule": "constant"}

CASES = (
    Case("overfit: 120 rows, wide net", Verdict.OVERFIT, _trained(_classes(240), BARE | {"width": 256}, 40)),
    Case("overfit: labels drawn by lot", Verdict.OVERFIT, _trained(_classes(600, 0.5), BARE | {"width": 256}, 40)),
    Case("overfit: regression on noise", Verdict.OVERFIT, _trained(_numbers(160, 1.0), BARE | {"width": 256}, 60)),
    Case("underfit: one unit, ten digits", Verdict.UNDERFIT, _trained(_digits, {"width": 1}, 20)),
    Case("underfit: linear net, a ring", Verdict.UNDERFIT, _trained(_ring, {"depth": 0}, 20)),
    Case("underfit: l1 of 1", Verdict.UNDERFIT, _trained(_classes(1000), {"l1": 1.0}, 20)),
    Case("underfit: weight decay of 300", Verdict.UNDERFIT, _trained(_classes(1000), {"weight_decay": 300.0}, 20)),
    Case("underfit: dropout of 0.99", Verdict.UNDERFIT, _trained(_classes(1000), {"dropout": 0.99}, 20)),
    Case("underfit: regression, l1 of 10", Verdict.UNDERFIT, _trained(_numbers(1000, 0.3), {"l1": 10.0}, 20)),
    Case("diverged: sgd at 1e3, NaN", Verdict.DIVERGED, _trained(_classes(600), WILD | {"optimizer": "sgd"}, 10)),
    Case("diverged: adamw at 1e3, cosine", Verdict.DIVERGED, _trained(_classes(1000), WILD, 20)),
    Case("diverged: adamw at 1e3", Verdict.DIVERGED, _trained(_classes(1000), WILD | {"schedule": "constant"}, 20)),
    Case("diverged: regression at 1e3", Verdict.DIVERGED, _trained(_numbers(1000, 0.3), WILD, 20)),
    Case("diverged: late blow-up (drawn)", Verdict.DIVERGED, _drawn(_late_blow_up)),
    Case("unfinished: cut off at 15 of 200", Verdict.UNFINISHED, _trained(_classes(1500), SLOW, 200, 15)),
    Case("unfinished: digits, cut off at 10", Verdict.UNFINISHED, _trained(_digits, SLOW, 100, 10)),
    Case("unfinished: 3 epochs", Verdict.UNFINISHED, _trained(_classes(1500), {}, 30, 3)),
    Case("good fit: digits, the defaults", Verdict.GOOD_FIT, _trained(_digits, {}, 20)),
    Case("good fit: linear net, many rows", Verdict.GOOD_FIT, _trained(_classes(4000), {"depth": 0}, 20)),
    Case(
        "good fit: regression", Verdict.GOOD_FIT, _trained(_numbers(2000, 0.3), {"depth": 0, "weight_decay": 0.01}, 30)
    ),
    Case("good fit: a gap alone (drawn)", Verdict.GOOD_FIT, _drawn(_gap_alone)),
    Case("good fit: double descent (drawn)", Verdict.GOOD_FIT, _drawn(_double_descent)),
)


def made(case: Case, seeds: range = SEEDS) -> Iterator[Made]:
    """The trials of a case, one a seed."""
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            yield case.make(Path(folder), seed)


def main(figures: Figures, seeds: range = SEEDS) -> dict[str, list[Made]]:
    """Print how many of each case get their verdict, for each objective; return the trials."""
    print(f"  {'constructed cases':36} {'right of ' + str(len(seeds))}, by objective")
    found: dict[str, list[Made]] = {}
    for case in CASES:
        trials = found[case.name] = list(made(case, seeds))
        counts = []
        for objective in trials[0].objectives():
            verdicts = Counter(trial.diagnosis(objective).verdict for trial in trials)
            wrong = ", ".join(
                f"{count} {verdict}" for verdict, count in verdicts.items() if verdict is not case.verdict
            )
            figures.add(f"{case.name}, {objective.metric}: right of {len(seeds)}", verdicts[case.verdict], "")
            short = "" if verdicts[case.verdict] >= NEEDED else "  TOO FEW"
            counts.append(f"{objective.metric} {verdicts[case.verdict]}{f' ({wrong})' if wrong else ''}{short}")
        print(f"  {case.name:36} {'; '.join(counts)}", flush=True)
    return found


if __name__ == "__main__":
    run("constructed cases", main)
