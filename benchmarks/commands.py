"""What the commands cost on a study of 10,000 trials: each as a process of its own, on a home and over a server.

Wanted of each: 2 s and 150 MB.
"""

from __future__ import annotations

import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.api import served
from benchmarks.figures import Figures, run
from goodfit.service import app
from goodfit.service.diagnosis import diagnose_trial
from goodfit.service.objective import Objective
from goodfit.service.ports import Store
from goodfit.service.records import Batch, Failure, Report, Study, StudyState, Trial, TrialState
from goodfit.service.settings import Settings
from goodfit.service.spec import StudySpec, from_mapping

TRIALS, EPOCHS = 10_000, 10
RUNS = 3  # of each command; the median counts
NAME = "large"
COMMANDS = (
    ("ls",),
    ("show", NAME),
    ("best", NAME),
    ("trials", NAME),
    ("--json", "trials", NAME),
    ("trials", NAME, "--csv"),
    ("diagnose", NAME),
    ("report", NAME, "-o", "-"),
)


def spec() -> StudySpec:
    """A search among numbers and choices, with a condition."""
    return from_mapping(
        {
            "name": NAME,
            "trainer": "mlp",
            "data": {"source": "digits"},
            "space": {
                "learning_rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
                "weight_decay": {"type": "float", "low": 1e-6, "high": 1e-2, "log": True},
                "dropout": {"type": "float", "low": 0.0, "high": 0.5},
                "depth": {"type": "int", "low": 1, "high": 4},
                "width": {"type": "int", "low": 16, "high": 256},
                "activation": ["relu", "gelu", "tanh"],
                "optimizer": ["sgd", "adam"],
                "momentum": {"type": "float", "low": 0.5, "high": 0.99, "when": {"optimizer": "sgd"}},
            },
            "objective": {"metric": "val/accuracy", "direction": "maximize"},
            "training": {"epochs": EPOCHS},
            "budget": {"trials": TRIALS},
            "pruning": {"method": "asha"},
        },
        Path.cwd(),
    )


def trial(number: int, draw: random.Random) -> tuple[Trial, list[Report]]:
    """A trial with a curve that its configuration decides, and its diagnosis."""
    params: dict[str, Any] = {
        "learning_rate": 10 ** draw.uniform(-4, -1),
        "weight_decay": 10 ** draw.uniform(-6, -2),
        "dropout": draw.uniform(0, 0.5),
        "depth": draw.randint(1, 4),
        "width": draw.randint(16, 256),
        "activation": draw.choice(["relu", "gelu", "tanh"]),
        "optimizer": draw.choice(["sgd", "adam"]),
    }
    if params["optimizer"] == "sgd":
        params["momentum"] = draw.uniform(0.5, 0.99)
    level = 0.97 - 0.1 * abs(math.log10(params["learning_rate"]) + 2.5) - 0.02 * params["depth"] * draw.random()
    state = draw.choices([TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED], [50, 45, 5])[0]
    epochs = EPOCHS if state is TrialState.COMPLETE else draw.randint(1, 4)
    curve = []
    for epoch in range(1, epochs + 1):
        there = level * (1 - math.exp(-epoch / 2))
        train, val = there + 0.02 * draw.random(), there - 0.01 * draw.random()
        metrics = {"train/loss": 1 - train, "val/loss": 1 - val, "train/accuracy": train, "val/accuracy": val}
        curve.append(Report(number, epoch, metrics, 1000.0 * number + epoch))
    found = Trial(number, params, number, state, attempts=1, epochs=epochs, started=1000.0 * number)
    if state is TrialState.FAILED:
        return replace(found, failure=Failure.ERROR, message="ValueError: no", ended=1000.0 * number + 9), curve
    judged = diagnose_trial(curve, Objective("val/accuracy", "maximize"), reachable=0.97, params=params)
    best = max(curve, key=lambda report: report.metrics["val/accuracy"])
    return replace(
        found,
        value=best.metrics["val/accuracy"],
        best_epoch=best.epoch,
        last_value=curve[-1].metrics["val/accuracy"],
        verdict=judged.verdict,
        gap=judged.gap,
        diagnosis=judged.to_dict(),
        ended=1000.0 * number + 9,
    ), curve


def fill(store: Store, trials: int = TRIALS) -> None:
    """Write the study."""
    draw = random.Random(0)
    made = spec()
    study = store.add_study(Study(NAME, made.to_dict(), made.fingerprint(), time.time()))
    lease = store.acquire(study.id, "bench:1:1", time.time(), 1e9, lambda _: False)
    running = study.to(StudyState.RUNNING, started=time.time())
    for first in range(0, trials, 1000):
        batch = Batch(study=running)
        for number in range(first, min(trials, first + 1000)):
            found, curve = trial(number, draw)
            batch.trials[number] = found
            batch.reports.extend(curve)
        store.apply(lease, batch)
    store.apply(lease, Batch(study=running.to(StudyState.DONE, ended=time.time())))
    store.release(lease)


# A process inherits the peak memory of the one that started it; its own is in /proc.
_MEASURED = """
import sys
from goodfit.service.cli import run
code = run(sys.argv[1:])
with open("/proc/self/status") as status:
    peak = next(line.split()[1] for line in status if line.startswith("VmHWM"))
print("peak", peak, code, file=sys.stderr)
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command takes."""

    seconds: float  # by the clock
    cpu: float  # seconds
    megabytes: float  # at its peak


def cost(words: tuple[str, ...], environment: dict[str, str]) -> Cost:
    """What a command takes as a process of its own."""
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-P", "-c", _MEASURED, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        check=True,
    )
    after = os.times()
    _, peak, code = done.stderr.splitlines()[-1].split()
    if int(code):
        raise RuntimeError(f"goodfit {' '.join(words)} ended with exit code {code}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(after.elapsed - before.elapsed, cpu, int(peak) / 1024)


def main(figures: Figures) -> None:
    print(f"  a study of {TRIALS:,} trials and about {EPOCHS} epochs; wanted: 2 s and 150 MB")
    with tempfile.TemporaryDirectory(prefix="goodfit-bench-") as folder:
        settings = Settings(Path(folder))
        store = app.open_home(settings, create=True)
        fill(store)
        with served(settings, store) as client:
            token = client.headers["Authorization"].removeprefix("Bearer ")
            places = {
                "home": {"GOODFIT_HOME": folder},
                "server": {"GOODFIT_SERVER": str(client.base_url), "GOODFIT_TOKEN": token},
            }
            for where, environment in places.items():
                for words in COMMANDS:
                    took = [cost(words, environment) for _ in range(RUNS)]
                    command = " ".join(words).replace(f" {NAME}", "").replace(" -o -", "")
                    columns = {
                        "s": [one.seconds for one in took],
                        "s of CPU": [one.cpu for one in took],
                        "MB": [one.megabytes for one in took],
                    }
                    for unit, values in columns.items():
                        figures.add(f"{where}: {command}, {unit}", values, unit.split()[0])
                    seconds, cpu, megabytes = (statistics.median(values) for values in columns.values())
                    print(
                        f"  {where:<7} {command:<14} {seconds:6.2f} s, {cpu:6.2f} s of CPU, {megabytes:5.0f} MB",
                        flush=True,
                    )
        store.close()


if __name__ == "__main__":
    run("commands", main)
