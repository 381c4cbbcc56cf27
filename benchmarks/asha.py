"""A whole study to its best configuration, by ASHA: Goodfit, Ray Tune and Optuna, each as a process of its own.

The same nets on the same rows of digits, random configurations, the same rungs, 2 workers of one thread, and MLflow has
every metric of every epoch at the end. The peers train with the model's own layers and torch's fused optimizers. The
search is timed from its first trial to the end of the last, the process with its start and what is left for MLflow. CPU
time is what the machine was busy meanwhile, so nothing else may run beside it.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.figures import Figures, run

WORKERS, RUNS = 2, 5
FIRST, REDUCTION, EPOCHS = 3, 3, 81  # ASHA's rungs are at 3, 9, 27 and 81 epochs
OBJECTIVE = "val/loss"


class Found(NamedTuple):
    """What a search came to.

    Attributes:
        seconds: from its first trial to the end of its last.
        epochs: that were trained.
        best: value of the objective.
    """

    seconds: float
    epochs: int
    best: float


@dataclass(frozen=True)
class Study:
    """What is searched: the trainer, how many trials, and the range of each hyperparameter, as in a study file."""

    trainer: str
    trials: int
    space: Mapping[str, Any]


_COMMON: dict[str, Any] = {
    "learning_rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
    "dropout": {"type": "float", "low": 0.0, "high": 0.5},
    "optimizer": ["sgd", "adam", "adamw"],
    "activation": ["relu", "gelu", "tanh", "silu"],
}
STUDIES = {
    "mlp": Study(
        "mlp",
        256,
        {
            **_COMMON,
            "width": {"type": "int", "low": 16, "high": 64, "log": True},
            "depth": {"type": "int", "low": 1, "high": 2},
        },
    ),
    "cnn": Study(
        "cnn",
        128,
        {
            **_COMMON,
            "width": {"type": "int", "low": 4, "high": 16, "log": True},
            "depth": {"type": "int", "low": 1, "high": 2},
        },
    ),
}


def curve(study: Study, params: Mapping[str, Any], seed: int) -> Iterator[dict[str, float]]:
    """The metrics after each epoch of a trial, trained by the model's own layers on one thread."""
    import torch

    from benchmarks.packs import work_of
    from goodfit.trainers.data import load
    from goodfit.trainers.messages import DataSpec
    from goodfit.trainers.training.packing.work import train_by_its_layers

    torch.set_num_threads(1)
    work = work_of(study.trainer, load(DataSpec("digits")), params, seed, EPOCHS)
    for epoch in range(1, EPOCHS + 1):
        result = train_by_its_layers(replace(work, epoch=epoch))
        yield {f"train/{name}": value for name, value in result.train.items()} | {
            f"val/{name}": value for name, value in result.validation.items()
        }


def goodfit(study: Study, folder: Path, pack: str) -> Found:
    file = folder / "study.yaml"
    spec = {
        "name": "bench",
        "trainer": study.trainer,
        "data": {"source": "digits"},
        "space": study.space,
        "objective": {"metric": OBJECTIVE, "direction": "minimize"},
        "search": {"method": "random", "seed": os.getpid(), "try_defaults": False},
        "pruning": {"method": "asha", "min_resource": FIRST, "reduction_factor": REDUCTION},
        "training": {"epochs": EPOCHS},
        "budget": {"trials": study.trials},
        "resources": {"pack": 1 if pack == "1" else pack},
    }
    file.write_text(json.dumps(spec))
    words = [sys.executable, "-m", "goodfit.service.cli", "--home", str(folder / "home")]
    subprocess.run([*words, "run", str(file), "--json"], check=True, capture_output=True)
    shown, rows = (
        json.loads(subprocess.run([*words, *what, "bench", "--json"], check=True, capture_output=True).stdout)
        for what in (["show"], ["trials"])
    )
    if len(rows) != study.trials or not all(row["mlflow_run_id"] for row in rows):
        raise RuntimeError(f"{len(rows)} trials, not all of them in MLflow")
    values = [row["value"] for row in rows if row["value"] is not None]
    return Found(shown["seconds"], sum(row["epochs"] for row in rows), min(values))


def optuna(study: Study, folder: Path) -> Found:
    """Two processes on one journal, and a run of MLflow for each trial, written in one go at its end."""
    context = multiprocessing.get_context("spawn")
    _new_mlflow(folder)
    workers = [context.Process(target=_optuna_worker, args=(study, folder)) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise RuntimeError("a worker of Optuna failed")
    trials = _optuna_study(folder).trials
    began, ended = min(one.datetime_start for one in trials), max(one.datetime_complete for one in trials)
    curves = [trial.intermediate_values for trial in trials]
    best = min(value for values in curves for value in values.values())
    return Found((ended - began).total_seconds(), sum(map(len, curves)), best)


def _optuna_study(folder: Path) -> Any:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(folder / "journal.log"))),
        study_name="bench",
        load_if_exists=True,
        sampler=optuna.samplers.RandomSampler(),
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=FIRST, reduction_factor=REDUCTION),
    )


def _optuna_worker(study: Study, folder: Path) -> None:
    import optuna
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    client = MlflowClient(_mlflow(folder))
    experiment = client.get_experiment_by_name("bench")
    if experiment is None:
        raise RuntimeError("MLflow has no experiment")

    def objective(trial: optuna.Trial) -> float:
        params = {name: _suggested(trial, name, values) for name, values in study.space.items()}
        metrics, best, pruned = [], float("inf"), False
        for epoch, found in enumerate(curve(study, params, trial.number), 1):
            metrics += [Metric(name, value, int(time.time() * 1000), epoch) for name, value in found.items()]
            best = min(best, found[OBJECTIVE])
            trial.report(found[OBJECTIVE], epoch)
            if pruned := trial.should_prune():
                break
        kept = client.create_run(experiment.experiment_id).info.run_id
        client.log_batch(kept, metrics, [Param(name, str(value)) for name, value in params.items()])
        client.set_terminated(kept)
        if pruned:
            raise optuna.TrialPruned
        return best

    _optuna_study(folder).optimize(objective, n_trials=study.trials // WORKERS)


def _suggested(trial: Any, name: str, values: Any) -> Any:
    if isinstance(values, list):
        return trial.suggest_categorical(name, values)
    suggest = trial.suggest_int if values["type"] == "int" else trial.suggest_float
    return suggest(name, values["low"], values["high"], log=values.get("log", False))


def ray_tune(study: Study, folder: Path) -> Found:
    """A class whose actors are used again, ASHA, and its own callback for MLflow."""
    os.environ.update({"RAY_AIR_NEW_OUTPUT": "0", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1"})
    import ray
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback
    from ray.tune.schedulers import ASHAScheduler

    class Net(tune.Trainable):
        def setup(self, config: dict[str, Any]) -> None:
            self.curve = curve(study, config, 0)

        def step(self) -> dict[str, Any]:
            return {**next(self.curve), "done": self.iteration + 1 >= EPOCHS}

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.setup(new_config)
            return True

        def save_checkpoint(self, checkpoint_dir: str) -> None:
            """Nothing to keep."""

        def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
            """Nothing was kept."""

    _new_mlflow(folder)
    ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        tuner = tune.Tuner(
            Net,
            param_space={name: _domain(tune, values) for name, values in study.space.items()},
            tune_config=tune.TuneConfig(
                metric=OBJECTIVE,
                mode="min",
                num_samples=study.trials,
                scheduler=ASHAScheduler(max_t=EPOCHS, grace_period=FIRST, reduction_factor=REDUCTION),
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                storage_path=str(folder / "ray"),
                verbose=0,
                callbacks=[MLflowLoggerCallback(tracking_uri=_mlflow(folder), experiment_name="bench")],
            ),
        )
        began = time.monotonic()
        results = tuner.fit()
        seconds = time.monotonic() - began
    finally:
        ray.shutdown()
    if results.num_errors or len(results) != study.trials:
        raise RuntimeError(f"{results.num_errors} errors in {len(results)} trials")
    found = [results[number].metrics or {} for number in range(len(results))]
    epochs = sum(int(one["training_iteration"]) for one in found)
    return Found(seconds, epochs, min(float(one[OBJECTIVE]) for one in found))


def _domain(tune: Any, values: Any) -> Any:
    if isinstance(values, list):
        return tune.choice(values)
    if values["type"] == "int":
        above = values["high"] + 1
        return tune.lograndint(values["low"], above) if values.get("log") else tune.randint(values["low"], above)
    return (tune.loguniform if values.get("log") else tune.uniform)(values["low"], values["high"])


def _mlflow(folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow.db"


def _new_mlflow(folder: Path) -> None:
    from mlflow import MlflowClient

    MlflowClient(_mlflow(folder)).create_experiment("bench")


SYSTEMS = {
    "Goodfit": lambda study, folder: goodfit(study, folder, "auto"),
    "Goodfit, pack: 1": lambda study, folder: goodfit(study, folder, "1"),
    "Ray Tune, reuse_actors=True": ray_tune,
    "Optuna, journal, 2 processes": optuna,
}


def measured(system: str, study: str) -> dict[str, float]:
    """One study in a process of its own: what it found, and the seconds of wall and CPU time of all of it."""
    begun, busy = time.monotonic(), _busy()
    command = [sys.executable, "-m", "benchmarks.asha", "--one", system, study]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{system} on {study} failed\n{done.stderr[-3000:]}")
    found = Found(*json.loads(done.stdout.splitlines()[-1]))
    return {**found._asdict(), "process": time.monotonic() - begun, "cpu": _busy() - busy}


def _busy() -> float:
    """Seconds that the machine's cores have been busy."""
    user, nice, system = (int(word) for word in Path("/proc/stat").read_text().split()[1:4])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


def main(figures: Figures, runs: int = RUNS, studies: str = ",".join(STUDIES)) -> None:
    for study in studies.split(","):
        print(
            f"{study}: {STUDIES[study].trials} trials, ASHA from {FIRST} to {EPOCHS} epochs, {WORKERS} workers, "
            f"{runs} runs"
        )
        found: dict[str, list[dict[str, float]]] = {system: [] for system in SYSTEMS}
        for _ in range(runs):
            for system, rows in found.items():
                rows.append(measured(system, study))
        for system, rows in found.items():
            by = {name: [row[name] for row in rows] for name in rows[0]}
            figures.add(f"{study}, {system}: the search", by["seconds"], "s")
            figures.add(f"{study}, {system}: the process", by["process"], "s")
            figures.add(f"{study}, {system}: CPU time", by["cpu"], "s")
            figures.add(f"{study}, {system}: epochs", by["epochs"], "")
            figures.add(f"{study}, {system}: best {OBJECTIVE}", by["best"], "")
            middle = {name: statistics.median(values) for name, values in by.items()}
            spread = statistics.stdev(by["seconds"]) if runs > 1 else 0.0
            print(
                f"  {system:<30} {middle['seconds']:7.1f} s +- {spread:.1f}, the process {middle['process']:6.1f} s, "
                f"CPU {middle['cpu']:6.1f} s; {middle['epochs']:5.0f} epochs, best {OBJECTIVE} {middle['best']:.4f}",
                flush=True,
            )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=int, default=RUNS, help="of each system")
    parser.add_argument("--studies", default=",".join(STUDIES), help="which, with commas")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        with tempfile.TemporaryDirectory(prefix="goodfit-bench-") as made:
            print(json.dumps(SYSTEMS[sys.argv[2]](STUDIES[sys.argv[3]], Path(made))))
    else:
        run("asha", main, _options)
