"""What MLflow's mirror costs: trials a second and CPU a trial, of trials of 5 reports, into SQLite and over HTTP.

Wanted: 25 trials a second.
"""

from __future__ import annotations

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
from pathlib import Path

from benchmarks.figures import Figures, run
from goodfit.service import app
from goodfit.service.diagnosis import diagnose_trial
from goodfit.service.diagnosis.picture import learning_curve_svg
from goodfit.service.objective import Objective
from goodfit.service.records import Batch, Report, Study, StudyState, Trial, TrialState
from goodfit.service.settings import Settings
from goodfit.service.tracker import Mirror
from goodfit.service.tracker.experiment import ENVIRONMENT

TRIALS, EPOCHS = 200, 5
NAME = "mirrored"
SPEC = {
    "name": NAME,
    "trainer": "nothing",
    "objective": {"metric": "val/loss", "direction": "minimize"},
    "budget": {"trials": TRIALS},
}


def fill(settings: Settings, trials: int = TRIALS) -> Study:
    """A finished study in the home's store."""
    store = app.open_home(settings, create=True)
    study = store.add_study(Study(NAME, SPEC, "f" * 12, 1.7e9))
    lease = store.acquire(study.id, "bench:1:1", 1.7e9, 1e9, lambda _: False)
    running = study.to(StudyState.RUNNING, started=1.7e9)
    batch = Batch(study=running)
    for number in range(trials):
        at = 1.7e9 + number
        curve = [
            Report(number, epoch, {"train/loss": 0.9 / epoch, "val/loss": 1.0 / epoch + number / 1e4}, at + epoch / 10)
            for epoch in range(1, EPOCHS + 1)
        ]
        params = {f"p{index}": number / (index + 1) for index in range(8)}
        judged = diagnose_trial(curve, Objective("val/loss", "minimize"), reachable=0.1, params=params)
        value = curve[-1].metrics["val/loss"]
        batch.trials[number] = Trial(
            number, params, number, TrialState.COMPLETE, attempts=1, epochs=EPOCHS, value=value, best_epoch=EPOCHS,
            last_value=value, verdict=judged.verdict, gap=judged.gap, diagnosis=judged.to_dict(), started=at,
            ended=at + 1,
        )  # fmt: skip
        batch.reports.extend(curve)
    store.apply(lease, batch)
    store.apply(lease, Batch(study=running.to(StudyState.STOPPED, ended=1.7e9 + trials)))
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


def measure(where: str, settings: Settings, uri: str, artifacts: Path | None, figures: Figures) -> None:
    """Mirror a study of the home to an MLflow, and print what it costs."""
    study = fill(settings)
    store = app.open_home(settings)
    mirror = Mirror(store, study.id, uri, artifacts, draw=learning_curve_svg, export_model=lambda _trial, _folder: None)
    mirror.sync(1)  # makes MLflow's tables, the experiment and the study's run
    wall, cpu = time.perf_counter(), time.process_time()
    while mirror.sync():
        pass
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    pushed = TRIALS - 1
    figures.add(f"{where}: trials", pushed / wall, "1/s")
    figures.add(f"{where}: CPU a trial", 1e3 * cpu / pushed, "ms")
    print(
        f"  {where:<12} {pushed} trials of {EPOCHS} reports: {pushed / wall:5.1f} a second, "
        f"{1e3 * cpu / pushed:5.1f} ms of CPU each",
        flush=True,
    )
    store.close()


def main(figures: Figures) -> None:
    with tempfile.TemporaryDirectory(prefix="goodfit-bench-") as folder:
        settings = Settings(Path(folder, "direct"))
        measure("SQLite", settings, settings.tracking_uri, settings.mlflow_artifacts, figures)
        with http_server(Path(folder)) as url:
            measure("HTTP server", Settings(Path(folder, "remote")), url, None, figures)


if __name__ == "__main__":
    run("mirror", main)
