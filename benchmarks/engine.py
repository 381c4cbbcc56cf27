"""What a trial costs beside its training: Goodfit, Ray Tune and Optuna, side by side in one run.

Trials train nothing, have 8 parameters and report 5 times; 2 workers where there are workers.
Start-up is left out for all: it is measured in startup.py. What each pays once for its workers is in: of 1,000 trials
it weighs less than of 100.

    python -m benchmarks.engine [--runs 5] [--json OUT]
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import logging
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.figures import Figures, run
from benchmarks.nothing import EPOCHS, losses
from goodfit.service import app
from goodfit.service.settings import Settings

RUNS = 5
WORKERS = 2
PARAMETERS = [f"p{index}" for index in range(8)]


@dataclass(frozen=True)
class Cost:
    """What one run came to.

    Attributes:
        milliseconds: of wall time a trial.
        rest: seconds of start-up, shut-down and what was left for MLflow; None where that is not counted.
        megabytes: of the process that runs the study, at most; likewise.
        after: seconds from the end of the study to that of its process, with all in MLflow; likewise.
    """

    milliseconds: float
    rest: float | None = None
    megabytes: float | None = None
    after: float | None = None


def goodfit(trials: int, method: str, trainer: str = "nothing", workers: int = WORKERS) -> Cost:
    """A `goodfit run` of its own: the store's time for the study, and MLflow's time to catch up.

    Args:
        trials: of the study.
        method: of its search.
        trainer: one of nothing.py.
        workers: that train at once, on all cores of the machine.
    """
    cpus = min(1.0, math.floor(1000 * (os.cpu_count() or 1) / workers) / 1000)
    with tempfile.TemporaryDirectory(prefix="goodfit-bench-") as folder:
        study = Path(folder, "study.yaml")
        space = "".join(f"  {name}: {{type: float, low: 0, high: 1}}\n" for name in PARAMETERS)
        study.write_text(
            f"name: bench\ntrainer: {Path(__file__).with_name('nothing.py')}:{trainer}\nspace:\n{space}"
            f"objective: {{metric: val/loss, direction: minimize}}\nsearch: {{method: {method}}}\n"
            f"pruning: {{method: none}}\ntraining: {{epochs: {EPOCHS}}}\nbudget: {{trials: {trials}}}\n"
            f"resources: {{parallel: {workers}, cpus: {cpus}}}\n"
        )
        home = Path(folder, "home")
        command = [sys.executable, "-c", _MEASURED, "--home", str(home), "run", str(study), "--json"]
        begun = time.time()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        facts = json.loads(done.stderr.splitlines()[-1])
        shown = _goodfit(home, "show", "bench")
        in_mlflow = sum(1 for row in _goodfit(home, "trials", "bench") if row["mlflow_run_id"])
        store = app.open_home(Settings(home))
        behind = len(store.unmirrored(store.study("bench").id, trials))
        store.close()
    if shown["trials"].get("COMPLETE") != trials or in_mlflow != trials or behind:
        raise RuntimeError(f"{shown['trials']} and {in_mlflow} in MLflow ({behind} not to their end), not {trials}")
    rest = facts["ended"] - begun - shown["seconds"]
    after = facts["ended"] - dt.datetime.fromisoformat(shown["ended"]).timestamp()
    return Cost(1000 * shown["seconds"] / trials, rest, facts["megabytes"], after)


_MEASURED = """
import json, pathlib, sys, time
from goodfit.service.cli import run
code = run(sys.argv[1:])
# Not getrusage: its peak is at least what the process that started this one had in memory.
(peak,) = (int(line.split()[1]) / 1024 for line in pathlib.Path("/proc/self/status").open() if line.startswith("VmHWM"))
print(json.dumps({"ended": time.time(), "megabytes": peak}), file=sys.stderr)
sys.exit(code)
"""


def _goodfit(home: Path, *words: str) -> Any:
    command = [sys.executable, "-m", "goodfit.service.cli", "--home", str(home), *words, "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def optuna(trials: int, method: str, storage: str) -> Cost:
    """Optuna in one process, without workers: its storage is "SQLite", "journal" or "memory"."""
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.RandomSampler(seed=0) if method == "random" else optuna.samplers.TPESampler(seed=0)
    with tempfile.TemporaryDirectory(prefix="goodfit-bench-") as folder:
        kept: Mapping[str, Callable[[], Any]] = {
            "SQLite": lambda: f"sqlite:///{folder}/optuna.db",
            "journal": lambda: optuna.storages.JournalStorage(JournalFileBackend(f"{folder}/journal.log")),
            "memory": optuna.storages.InMemoryStorage,
        }
        study = optuna.create_study(storage=kept[storage](), sampler=sampler)

        def objective(trial: optuna.Trial) -> float:
            params = [trial.suggest_float(name, 0, 1) for name in PARAMETERS]
            curve = losses(params[0])
            for epoch, loss in enumerate(curve, start=1):
                trial.report(loss, epoch)
            return min(curve)

        begun = time.time()
        study.optimize(objective, n_trials=trials)
        return Cost(1000 * (time.time() - begun) / trials)


def ray_tune(trials: int, *, reuse: bool) -> Cost:
    """Ray Tune with OptunaSearch and a class trainable, reusing its actors or not; no MLflow."""
    os.environ.update({"RAY_AIR_NEW_OUTPUT": "0", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1"})
    import optuna
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    class Nothing(tune.Trainable):
        def setup(self, config: dict[str, Any]) -> None:
            self.curve = losses(config["p0"])

        def step(self) -> dict[str, Any]:
            return {"loss": self.curve[self.iteration], "done": self.iteration + 1 >= EPOCHS}

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.setup(new_config)
            return True

        def save_checkpoint(self, checkpoint_dir: str) -> None:
            """Nothing to keep."""

        def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
            """Nothing was kept."""

    ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        with tempfile.TemporaryDirectory(prefix="goodfit-bench-") as folder:
            tuner = tune.Tuner(
                Nothing,
                param_space={name: tune.uniform(0, 1) for name in PARAMETERS},
                tune_config=tune.TuneConfig(
                    metric="loss",
                    mode="min",
                    num_samples=trials,
                    search_alg=OptunaSearch(sampler=optuna.samplers.RandomSampler(seed=0)),
                    reuse_actors=reuse,
                ),
                run_config=tune.RunConfig(storage_path=folder, verbose=0),
            )
            begun = time.time()
            results = tuner.fit()
            seconds = time.time() - begun
        if results.num_errors or len(results) != trials:
            raise RuntimeError(f"{results.num_errors} errors in {len(results)} trials")
    finally:
        ray.shutdown()
    return Cost(1000 * seconds / trials)


# Of the slowest there are fewer trials, in one run.
SYSTEMS: Mapping[tuple[str, int], Callable[[], Cost]] = {
    ("Goodfit, random", 100): partial(goodfit, 100, "random"),
    ("Goodfit, bayesian", 100): partial(goodfit, 100, "bayesian"),
    ("Optuna in memory, random", 100): partial(optuna, 100, "random", "memory"),
    ("Optuna on a journal, random", 100): partial(optuna, 100, "random", "journal"),
    ("Optuna on SQLite, random", 100): partial(optuna, 100, "random", "SQLite"),
    ("Optuna on SQLite, bayesian", 100): partial(optuna, 100, "bayesian", "SQLite"),
    ("Ray Tune, reuse_actors=True, random", 100): partial(ray_tune, 100, reuse=True),
    ("Goodfit, random", 1000): partial(goodfit, 1000, "random"),
    ("Ray Tune, reuse_actors=True, random", 1000): partial(ray_tune, 1000, reuse=True),
    ("Ray Tune, default, random", 30): partial(ray_tune, 30, reuse=False),
}
ONCE = "Ray Tune, default, random"


def main(figures: Figures, runs: int = RUNS) -> None:
    print(f"trials that train nothing, {len(PARAMETERS)} parameters, {EPOCHS} reports, {WORKERS} workers, {runs} runs")
    found: dict[tuple[str, int], list[Cost]] = {system: [] for system in SYSTEMS}
    for number in range(runs):
        for (who, trials), measure in SYSTEMS.items():
            if number == 0 or who != ONCE:
                found[who, trials].append(measure())
    for (who, trials), costs in found.items():
        times = [cost.milliseconds for cost in costs]
        figures.add(f"{who}, {trials} trials: a trial", times, "ms")
        spread = f"{statistics.stdev(times):6.1f}" if len(times) > 1 else "     -"
        print(f"  {who:<36} {trials:>5} trials {statistics.median(times):9.1f} ± {spread} ms a trial", end="")
        memory = [cost.megabytes for cost in costs if cost.megabytes is not None]
        rest = [cost.rest for cost in costs if cost.rest is not None]
        if memory and rest:
            figures.add(f"{who}, {trials} trials: the runner's memory", memory, "MB")
            figures.add(f"{who}, {trials} trials: start-up, shut-down and MLflow's rest", rest, "s")
            print(f"; runner {statistics.median(memory):.0f} MB, the rest {statistics.median(rest):.0f} s", end="")
        print(flush=True)
    for trials in (100, 1000):
        pairs = zip(found["Ray Tune, reuse_actors=True, random", trials], found["Goodfit, random", trials], strict=True)
        ratios = [peer.milliseconds / own.milliseconds for peer, own in pairs]
        figures.add(f"Ray Tune's time with reuse_actors=True, of Goodfit's, {trials} trials", ratios, "")
        print(f"  Ray Tune with reused actors takes {statistics.median(ratios):.1f} times as long ({trials} trials)")


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=int, default=RUNS, help="of each system")


if __name__ == "__main__":
    run("engine", main, _options)
