"""What a trial costs beside its training: Goodfit, Ray Tune and Optuna, side by side in one run.

Trials train nothing, have 8 parameters and report 5 times; 2 workers where there are workers.
Start-up is left out for all: it is measured in startup.py.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import Figures, run
from benchmarks.nothing import EPOCHS, losses

WORKERS = 2
PARAMETERS = [f"p{index}" for index in range(8)]


@dataclass(frozen=True)
class Cost:
    """Milliseconds of wall time a trial."""

    who: str
    trials: int
    milliseconds: float
    note: str = ""
    megabytes: float | None = None  # of the runner


def goodfit(trials: int, method: str) -> Cost:
    """A `goodfit run` of its own: the store's time for the study, and MLflow's time to catch up."""
    with tempfile.TemporaryDirectory(prefix="goodfit-bench-") as folder:
        study = Path(folder, "study.yaml")
        space = "".join(f"  {name}: {{type: float, low: 0, high: 1}}\n" for name in PARAMETERS)
        study.write_text(
            f"name: bench\ntrainer: {Path(__file__).with_name('nothing.py')}:nothing\nspace:\n{space}"
            f"objective: {{metric: val/loss, direction: minimize}}\nsearch: {{method: {method}}}\n"
            f"pruning: {{method: none}}\ntraining: {{epochs: {EPOCHS}}}\nbudget: {{trials: {trials}}}\n"
            f"resources: {{parallel: {WORKERS}}}\n"
        )
        home = Path(folder, "home")
        command = [sys.executable, "-c", _MEASURED, "--home", str(home), "run", str(study), "--json"]
        begun = time.time()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        whole = time.time() - begun
        facts = json.loads(done.stderr.splitlines()[-1])
        shown = _goodfit(home, "show", "bench")
        in_mlflow = sum(1 for row in _goodfit(home, "trials", "bench") if row["mlflow_run_id"])
    if shown["trials"].get("COMPLETE") != trials or in_mlflow != trials:
        raise RuntimeError(f"{shown['trials']} and {in_mlflow} in MLflow, not {trials} of each")
    caught_up = facts["ended"] - begun - shown["seconds"]
    note = f"start-up and MLflow's rest {caught_up:.0f} s; runner {facts['megabytes']:.0f} MB; {whole:.0f} s in all"
    return Cost(f"Goodfit, {method}", trials, 1000 * shown["seconds"] / trials, note, facts["megabytes"])


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


def optuna_sqlite(trials: int, method: str) -> Cost:
    """Optuna on its SQLite storage, one process."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.RandomSampler(seed=0) if method == "random" else optuna.samplers.TPESampler(seed=0)
    with tempfile.TemporaryDirectory(prefix="goodfit-bench-") as folder:
        study = optuna.create_study(storage=f"sqlite:///{folder}/optuna.db", sampler=sampler)

        def objective(trial: optuna.Trial) -> float:
            params = [trial.suggest_float(name, 0, 1) for name in PARAMETERS]
            curve = losses(params[0])
            for epoch, loss in enumerate(curve, start=1):
                trial.report(loss, epoch)
            return min(curve)

        begun = time.time()
        study.optimize(objective, n_trials=trials)
        return Cost(
            f"Optuna on SQLite, {method}", trials, 1000 * (time.time() - begun) / trials, "no workers, no MLflow"
        )


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
    name = "Ray Tune, reuse_actors=True" if reuse else "Ray Tune, default"
    return Cost(name, trials, 1000 * seconds / trials, "random, no MLflow")


def main(figures: Figures) -> None:
    print(f"a trial that trains nothing, {len(PARAMETERS)} parameters, {EPOCHS} reports, {WORKERS} workers")
    # The same number for all but the slowest: what each pays once must weigh alike.
    costs = [goodfit(100, "random"), goodfit(100, "bayesian")]
    costs += [optuna_sqlite(100, "random"), optuna_sqlite(100, "bayesian")]
    costs += [ray_tune(100, reuse=True), ray_tune(30, reuse=False)]
    costs += [goodfit(1000, "random")]
    base = costs[0].milliseconds
    for cost in costs:
        ratio = f"{cost.milliseconds / base:6.1f}x"
        figures.add(f"{cost.who}, {cost.trials} trials: a trial", cost.milliseconds, "ms")
        if cost.megabytes is not None:
            figures.add(f"{cost.who}, {cost.trials} trials: the runner's memory", cost.megabytes, "MB")
        print(f"  {cost.who:<28} {cost.trials:>5} trials {cost.milliseconds:9.1f} ms a trial {ratio}  {cost.note}")


if __name__ == "__main__":
    run("engine", main)
