"""Two objectives on real trainings: the front that a search finds, beside Optuna's own NSGA-II and TPE.

Each method has the same number of epochs, the trainer's defaults as its first trial, and the same seeds: those of the
draws, and of each trial's training. Goodfit's methods are the product's samplers as a study file makes them; Optuna's
are its own samplers with its own defaults, which train every trial to its end, for Optuna has no pruning of several
objectives. Trials run one after the other. What counts is the hypervolume of the trials that were trained to their
end, in the box between the best of each objective over all methods and seeds and a tenth of the range beyond the worst.

    python -m benchmarks.pareto [--seeds 5] [--studies digits,...] [--json OUT]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from goodfit.service.pareto import Point, hypervolume
from goodfit.service.ports import Sampler
from goodfit.service.records import Trial, TrialState, losses_of, trial_seed
from goodfit.service.sampler import sampler_of
from goodfit.service.spec import StudySpec, for_trainer, from_mapping
from goodfit.trainers.messages import Assignment, Message, Pack, Reported
from goodfit.trainers.registry import resolve
from goodfit.trainers.worker.worker import Setup, Worker

ACCURACY = {"metric": "val/accuracy", "direction": "maximize"}
LOSS = {"metric": "val/loss", "direction": "minimize"}
SIZE = {"metric": "params_millions", "direction": "minimize"}
STUDIES: Mapping[str, Mapping[str, Any]] = {
    "digits": {
        "trainer": "mlp",
        "data": {"source": "digits"},
        "space": "mlp",
        "fixed": {"batch_size": 128},
        "objective": [ACCURACY, SIZE],
        "training": {"epochs": 8},
        "budget": {"epochs": 8 * 40},
    },
    "cancer": {
        "trainer": "mlp",
        "data": {"source": "breast_cancer"},
        "space": "mlp",
        "objective": [ACCURACY, LOSS],
        "training": {"epochs": 16},
        "budget": {"epochs": 16 * 40},
    },
    "diabetes": {
        "trainer": "mlp",
        "data": {"source": "diabetes"},
        "space": "mlp",
        "objective": [LOSS, SIZE],
        "training": {"epochs": 16},
        "budget": {"epochs": 16 * 40},
    },
}
OURS: Mapping[str, Mapping[str, Any]] = {
    "auto": {"search": {"method": "auto"}},
    "bayesian": {"search": {"method": "bayesian"}, "pruning": {"method": "none"}},
    "nsga2": {"search": {"method": "nsga2"}, "pruning": {"method": "none"}},
}
PEERS = ("optuna NSGA-II", "optuna TPE")
PARTS = (0.25, 0.5, 1.0)  # of the budget, after which a front is measured


@dataclass
class Front:
    """What a run has found: after how many epochs which point was there."""

    found: list[tuple[int, Point]] = field(default_factory=list)
    spent: int = 0
    trials: int = 0


class Trainings:
    """Trains configurations of one study, one after the other, in this process."""

    def __init__(self, spec: StudySpec, folder: Path) -> None:
        self.spec, self._folder = spec, folder
        self._worker = Worker(self, time.time, time.monotonic, capture=False, own_process=False)
        self._worker.warm_up(Setup(spec.trainer, spec.data_spec()))
        self._sampler: Sampler | None = None
        self._trial = Trial(0, {}, 0)
        self._left = 0

    def train(self, number: int, params: Mapping[str, Any], seed: int, left: int, sampler: Sampler | None) -> Trial:
        """A trial, trained as its sampler lets it, and for at most `left` epochs."""
        spec, goal = self.spec, self.spec.goal
        self._trial, self._sampler, self._left = Trial(number, dict(params), seed, TrialState.RUNNING), sampler, left
        assignment = Assignment(
            study=spec.name, trial=number, attempt=1, trainer=spec.trainer, params=for_trainer(params),
            data=spec.data_spec(params), seed=seed, epochs=spec.training.epochs, metric=goal.metric,
            direction=goal.direction, folder=self._folder / f"{number}", checkpoint_epochs=10**6, wanted=goal.wanted,
        )  # fmt: skip
        self._worker.run(Pack((assignment,)))
        trial = self._trial
        if trial.prune_at is not None:
            return trial.to(TrialState.PRUNED)
        done = trial.epochs == spec.training.epochs
        return trial.to(TrialState.COMPLETE if done else TrialState.CANCELLED)

    def send(self, message: Message) -> None:
        if not isinstance(message, Reported):
            return
        goal, trial = self.spec.goal, replace(self._trial, epochs=message.epoch)
        value = message.metrics[goal.metric]
        if trial.value is None or goal.better(value, trial.value):
            measured = goal.measured(message.metrics)
            trial = replace(trial, value=value, best_epoch=message.epoch, measured=measured)
        if self._sampler is not None:
            self._sampler.report(trial.number, message.epoch, value, message.metrics)
            if self._sampler.should_prune(trial.number) and message.epoch < self.spec.training.epochs:
                trial = replace(trial, prune_at=message.epoch)
        self._trial = trial

    def stop_asked(self, trial: int) -> bool:  # noqa: ARG002 - the protocol's
        return self._trial.prune_at is not None or self._trial.epochs >= self._left

    def may_go_on(self, trial: int, epoch: int) -> bool:  # noqa: ARG002 - the protocol's
        return True


def study_of(name: str, method: Mapping[str, Any], seed: int) -> StudySpec:
    """A study as its file would have it."""
    written = {"name": name, **STUDIES[name], **method}
    written["search"] = {**written.get("search", {}), "seed": seed}
    return from_mapping(written, Path.cwd())


def searched(trainings: Trainings, spec: StudySpec) -> Front:
    """The front that one of Goodfit's methods finds."""
    sampler = sampler_of(spec, spec.name, resolve(spec.trainer).defaults())
    assert not hasattr(sampler, "next"), "several objectives are not searched by an allocator"
    front, budget = Front(), spec.budget.epochs or 0
    while front.spent < budget:
        number = front.trials
        params = sampler.ask(number)
        if params is None:
            break
        trial = trainings.train(number, params, trial_seed(spec.search.seed, number), budget - front.spent, sampler)
        sampler.tell(trial)
        _note(front, spec, trial)
    return front


def of_optuna(trainings: Trainings, spec: StudySpec, peer: str) -> Front:
    """The front that a sampler of Optuna's own finds."""
    import optuna
    from optuna.study import StudyDirection

    from goodfit.service.sampler.axes import axes_of, searched, usable

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    kind = optuna.samplers.NSGAIISampler if peer == PEERS[0] else optuna.samplers.TPESampler
    study = optuna.create_study(
        directions=[StudyDirection[one.direction.upper()] for one in spec.goal.all], sampler=kind(seed=spec.search.seed)
    )
    axes, front, budget = axes_of(spec.space), Front(), spec.budget.epochs or 0
    first, _ = searched(axes, usable(axes, resolve(spec.trainer).defaults()))
    study.enqueue_trial(first)
    while front.spent < budget:
        asked = study.ask()

        def choose(parameter: Any, asked: Any = asked) -> Any:
            axis = axes[parameter.name]
            return axis.from_optuna(asked._suggest(parameter.name, axis.distribution))

        params = spec.space.walk(choose)
        seed = trial_seed(spec.search.seed, asked.number)
        trial = trainings.train(asked.number, params, seed, budget - front.spent, None)
        _note(front, spec, trial)
        if trial.state is TrialState.COMPLETE:
            study.tell(asked, _values(spec, trial))
        else:
            study.tell(asked, state=optuna.trial.TrialState.FAIL)
    return front


def _values(spec: StudySpec, trial: Trial) -> list[float]:
    losses = losses_of(trial, spec.goal)
    assert losses is not None, "a trial that was trained to its end has all objectives"
    return [one.sign * loss for one, loss in zip(spec.goal.all, losses, strict=True)]


def _note(front: Front, spec: StudySpec, trial: Trial) -> None:
    front.spent += max(1, trial.epochs)  # one that breaks off at once costs an epoch, too
    front.trials += 1
    if trial.state is TrialState.COMPLETE and (point := losses_of(trial, spec.goal)) is not None:
        front.found.append((front.spent, point))


class Kept:
    """The runs of a file, by study, method and seed: what is there is not run again. None: nothing is kept."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        there = file is not None and file.exists()
        self.runs: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file and there else {}

    def front(self, study: str, method: str, seed: int, run: Callable[[], Front]) -> Front:
        runs = self.runs.setdefault(study, {}).setdefault(method, {})
        if str(seed) not in runs:
            made = run()
            runs[str(seed)] = {"trials": made.trials, "spent": made.spent, "found": made.found}
            if self._file is not None:
                self._file.write_text(json.dumps(self.runs), encoding="utf-8")
        one = runs[str(seed)]
        return Front([(spent, tuple(point)) for spent, point in one["found"]], one["spent"], one["trials"])


def measured(name: str, seeds: int, kept: Kept) -> dict[str, list[Front]]:
    """By method the fronts of each seed."""
    found: dict[str, list[Front]] = {method: [] for method in (*OURS, *PEERS)}
    with tempfile.TemporaryDirectory(prefix="goodfit-pareto-") as folder:
        trainings = Trainings(study_of(name, {}, 0), Path(folder))
        for seed in range(seeds):
            for method, changes in OURS.items():
                ours = partial(searched, trainings, study_of(name, changes, seed))
                found[method].append(kept.front(name, method, seed, ours))
            for peer in PEERS:
                theirs = partial(of_optuna, trainings, study_of(name, {}, seed), peer)
                found[peer].append(kept.front(name, peer, seed, theirs))
    return found


def volumes(fronts: Mapping[str, Sequence[Front]], budget: int) -> dict[str, list[list[float]]]:
    """By method and seed the hypervolumes after parts of the budget, 0 to 1."""
    points = [point for runs in fronts.values() for run in runs for _, point in run.found]
    ranges = [(min(column), max(column)) for column in zip(*points, strict=True)]
    scaled_reference = (1.1,) * len(ranges)

    def scaled(point: Point) -> Point:
        return tuple((value - low) / ((high - low) or 1.0) for value, (low, high) in zip(point, ranges, strict=True))

    def after(run: Front, part: float) -> float:
        there = [scaled(point) for spent, point in run.found if spent <= part * budget]
        return hypervolume(there, scaled_reference) / 1.1 ** len(ranges)

    return {method: [[after(run, part) for part in PARTS] for run in runs] for method, runs in fronts.items()}


def paired(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float]:
    """The mean difference over the seeds, and its standard error."""
    differences = [one - other for one, other in zip(ours, theirs, strict=True)]
    error = statistics.stdev(differences) / len(differences) ** 0.5 if len(differences) > 1 else 0.0
    return statistics.fmean(differences), error


def report(name: str, found: Mapping[str, Sequence[Sequence[float]]], trials: Mapping[str, float]) -> Iterator[str]:
    yield f"{name}: hypervolume after {', '.join(f'{part:g}' for part in PARTS)} of the budget (mean of the seeds)"
    for method, runs in found.items():
        means = [statistics.fmean(column) for column in zip(*runs, strict=True)]
        against = [
            f"{difference:+.4f} ± {error:.4f} to {peer}"
            for peer in PEERS
            for difference, error in [paired([run[-1] for run in runs], [run[-1] for run in found[peer]])]
            if method != peer
        ]
        yield (
            f"  {method:>15} "
            + "  ".join(f"{mean:.4f}" for mean in means)
            + f"  {trials[method]:5.1f} trials  "
            + "; ".join(against)
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--studies", default=",".join(STUDIES))
    parser.add_argument("--json", type=Path, help="keeps the runs; those that it has already are not run again")
    given = parser.parse_args()
    kept = Kept(given.json)
    for name in given.studies.split(","):
        fronts = measured(name, given.seeds, kept)
        found = volumes(fronts, int(STUDIES[name]["budget"]["epochs"]))
        trials = {method: statistics.fmean(run.trials for run in runs) for method, runs in fronts.items()}
        print("\n".join(report(name, found, trials)), flush=True)


if __name__ == "__main__":
    main()
