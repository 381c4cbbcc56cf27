"""`goodfit ui`: the MLflow UI on a home's runs, after MLflow has caught up with the store."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterable

from goodfit.service import app
from goodfit.service.errors import TrackingError
from goodfit.service.records import Study
from goodfit.service.screen.live import CatchingUp, say
from goodfit.service.settings import Settings, make_folder

START_SECONDS = 120.0  # how long MLflow's server may take to answer
END_SECONDS = 10.0  # and to end


def serve_ui(settings: Settings, name: str | None, host: str, port: int) -> None:
    """Start the UI, say where it is, and end with Ctrl-C.

    Args:
        settings: the home.
        name: of the study that it opens on; None: the newest that has runs.
        host: the address to listen on.
        port: likewise; another is taken where it is busy.
    """
    from goodfit.service.tracker import keep_view, prepare, ui_command, ui_link

    store = app.open_home(settings)
    if name is not None:
        store.study(name)  # UnknownStudy before anything is started
    for study in store.studies():
        app.catch_up(settings, store, study, CatchingUp(), say)
    shown = opened_on(store.studies(), name)
    experiment = None if shown is None else shown.mlflow_experiment_id
    if settings.mlflow_uri is not None and "://" in settings.mlflow_uri and settings.mlflow_uri.startswith("http"):
        print(f"the runs are on the MLflow server: {ui_link(settings.mlflow_uri, experiment)}")
        return
    prepare(settings.tracking_uri)
    free = _free_port(host, port)
    if free != port:
        say(f"port {port} is busy; taking {free}")
    command, environment = ui_command(settings.tracking_uri, settings.mlflow_artifacts, host, free)
    make_folder(settings.log_folder)
    log = settings.log_folder / "mlflow-ui.log"
    with log.open("ab") as output:
        server = subprocess.Popen(  # noqa: S603 - our own command line
            command, env={**os.environ, **environment}, stdout=output, stderr=output, start_new_session=True
        )
    try:
        base = f"http://{host}:{free}"
        _wait_until_up(server, base, str(log))
        if shown is not None:
            keep_view(settings.tracking_uri, shown)
        print(f"MLflow UI: {ui_link(base, experiment)}\nend it with Ctrl-C", flush=True)
        server.wait()
    except KeyboardInterrupt:
        say("MLflow UI ended")
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(timeout=END_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)


def opened_on(studies: Iterable[Study], name: str | None) -> Study | None:
    """The study of this name, or the first that has runs; None where that has none."""
    return next((one for one in studies if one.mlflow_experiment_id is not None and name in (None, one.name)), None)


def _wait_until_up(server: subprocess.Popen[bytes], base: str, log: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise TrackingError(f"the MLflow UI ended at once (exit {server.returncode}); its log: {log}")
        try:
            with urllib.request.urlopen(f"{base}/health", timeout=2):  # noqa: S310 - our own server
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise TrackingError(f"the MLflow UI does not answer at {base}; its log: {log}")


def _free_port(host: str, wanted: int) -> int:
    """The port that was requested, or one that is free."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise TrackingError(f"no free port at {host}")
