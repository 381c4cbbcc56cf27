"""What MLflow's mirror costs: trials a second and CPU a trial, short trials and long ones, into SQLite and over HTTP.

Then a whole study of trials that take 5 s: how long after its end MLflow has all of it, and the run has ended.

Wanted: 25 short trials a second, at most 60 ms of CPU for a long one, and at most 30 s after the study's end.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.engine import goodfit
from benchmarks.figures import Figures, run
from goodfit.service import app
from goodfit.service.diagnosis import diagnose_trial
from goodfit.service.diagnosis.picture import learning_curve_svg
from goodfit.service.objective import Objective
from goodfit.service.records import Batch, Report, Study, StudyState, Trial, TrialState
from goodfit.service.settings import Settings
from goodfit.service.tracker import Mirror
from goodfit.service.tracker.experiment import ENVIRONMENT

NAME = "mirrored"
TRIALS = 1000  # of the whole study
WORKERS = 24  # of it at once; its trials sleep, so two cores are enough
SPEC = {
    "name": NAME,
    "trainer": "nothing",
    "objective": {"metric": "val/loss", "direction": "minimize"},
    "budget": {"trials": 200},
}


@dataclass(frozen=True)
class Shape:
    """A study: its trials, and what each of them reports.

    Attributes:
        metrics: names without the split; each is reported of training and validation, and mirrored with its gap.
        costs: what is measured of the machine, at each epoch.
    """

    trials: int
    epochs: int
    metrics: tuple[str, ...]
    costs: tuple[str, ...] = ()
    data: str | None = None  # the digest of the data that it is trained on

    def report(self, number: int, epoch: int, at: float) -> Report:
        train = {f"train/{name}": 0.9 / epoch for name in self.metrics}
        validation = {f"val/{name}": 1.0 / epoch + number / 1e4 for name in self.metrics}
        costs = dict.fromkeys(self.costs, 1.0 + epoch / 7)
        return Report(number, epoch, {**train, **validation}, at + epoch / 10, costs=costs or None)


# As a machine without a GPU tells them of a trial whose epochs take a second or more.
COSTS = (
    "epoch_seconds", "waiting_seconds", "rows_per_second", "process_cpu_utilization_percentage",
    "cpu_utilization_percentage", "process_memory_usage_megabytes", "system_memory_usage_megabytes",
    "system_memory_usage_percentage",
)  # fmt: skip
SHORT = Shape(200, 5, ("loss",))
LONG = Shape(40, 50, ("loss", "accuracy", "f1"), COSTS, data="d1")


def fill(settings: Settings, shape: Shape) -> Study:
    """A finished study in the home's store."""
    store = app.open_home(settings, create=True)
    spec = {**SPEC, **({"data": {"source": "digits"}} if shape.data else {})}
    study = store.add_study(Study(NAME, spec, "f" * 12, 1.7e9, inputs={"data": {"digest": shape.data}}))
    lease = store.acquire(study.id, "bench:1:1", 1.7e9, 1e9, lambda _: False)
    running = study.to(StudyState.RUNNING, started=1.7e9)
    batch = Batch(study=running)
    for number in range(shape.trials):
        at = 1.7e9 + number
        curve = [shape.report(number, epoch, at) for epoch in range(1, shape.epochs + 1)]
        params = {f"p{index}": number / (index + 1) for index in range(8)}
        judged = diagnose_trial(curve, Objective("val/loss", "minimize"), reachable=0.1, params=params)
        value = curve[-1].metrics["val/loss"]
        batch.trials[number] = Trial(
            number, params, number, TrialState.COMPLETE, attempts=1, epochs=shape.epochs, value=value,
            best_epoch=shape.epochs,
            last_value=value, verdict=judged.verdict, gap=judged.gap, diagnosis=judged.to_dict(), started=at,
            ended=at + 1, data=shape.data,
        )  # fmt: skip
        batch.reports.extend(curve)
    store.apply(lease, batch)
    store.apply(lease, Batch(study=running.to(StudyState.STOPPED, ended=1.7e9 + shape.trials)))
    store.release(lease)
    study = store.study(NAME)
    store.close()
    return study


@contextlib.contextmanager
def http_server(folder: Path) -> Iterator[str]:
    """The URL of an MLflow server of its own, on SQLite."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'server.db'}"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    environment = {**os.environ, **ENVIRONMENT, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            if server.poll() is not None:
                raise RuntimeError((folder / "server.log").read_text())
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=5):
                break
            time.sleep(0.1)
        yield url
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def measure(where: str, settings: Settings, uri: str, artifacts: Path | None, shape: Shape, figures: Figures) -> None:
    """Mirror a study of the home to an MLflow, and print what it costs."""
    study = fill(settings, shape)
    store = app.open_home(settings)
    mirror = Mirror(store, study.id, uri, artifacts, draw=learning_curve_svg, export_model=lambda _trial, _folder: None)
    mirror.sync(1)  # makes MLflow's tables, the experiment and the study's run
    wall, cpu = time.perf_counter(), time.process_time()
    while mirror.sync():
        pass
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    pushed = shape.trials - 1
    figures.add(f"{where}: trials", pushed / wall, "1/s")
    figures.add(f"{where}: CPU a trial", 1e3 * cpu / pushed, "ms")
    print(
        f"  {where:<24} {pushed} trials of {shape.epochs} reports: {pushed / wall:5.1f} a second, "
        f"{1e3 * cpu / pushed:5.1f} ms of CPU each",
        flush=True,
    )
    store.close()


def measure_study(trials: int, figures: Figures) -> None:
    """Run a study whose trials take 5 s, and print how long after its end MLflow has all of it."""
    cost = goodfit(trials, "random", "sleeping", WORKERS)
    if cost.after is None:
        raise RuntimeError("how long the run goes on after its study was not measured")
    figures.add(f"{trials:,} trials of 5 s: complete after the study's end", cost.after, "s")
    seconds = trials * cost.milliseconds / 1e3
    print(f"  {trials:,} trials of 5 s, {WORKERS} at once: {seconds:.0f} s, complete {cost.after:.1f} s after the end")


def main(figures: Figures, trials: int = TRIALS) -> None:
    with tempfile.TemporaryDirectory(prefix="goodfit-bench-") as folder:
        for name, shape in (("SQLite", SHORT), ("SQLite, long trials", LONG)):
            settings = Settings(Path(folder, f"direct-{shape.epochs}"))
            measure(name, settings, settings.tracking_uri, settings.mlflow_artifacts, shape, figures)
        with http_server(Path(folder)) as url:
            measure("HTTP server", Settings(Path(folder, "remote")), url, None, SHORT, figures)
    measure_study(trials, figures)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trials", type=int, default=TRIALS, help="of the whole study")


if __name__ == "__main__":
    run("mirror", main, _options)
