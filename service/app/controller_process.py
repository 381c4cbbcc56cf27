"""The controller's process: connect to Ray, and start what waits in the queue until the parent is gone."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping

from goodfit.service import errors
from goodfit.service.app.code import pip_environment
from goodfit.service.app.homes import open_home
from goodfit.service.app.service_run import serve_mirror, serve_study
from goodfit.service.settings import Settings, is_dead, owner
from goodfit.service.signals import heed
from goodfit.trainers.environment import SERVICE, hide

STUDIES = 8  # that run at once, unless told otherwise
HANDED_ON = ("GOODFIT_", "MLFLOW_", "AWS_", "OMP_")  # variables that runners get
_OURS_ALONE = ("GOODFIT_TOKEN", "GOODFIT_SERVER", "GOODFIT_DATABASE_PASSWORD_FILE")


def control(settings: Settings, studies: int = STUDIES) -> None:
    """Run the controller until standard input ends, or a signal comes; runners on a cluster of its own live on.

    Without RAY_ADDRESS the cluster is one of this process, and its runners end with it. Where there is
    a RAY_ADDRESS, a node of that cluster has to be on this machine.

    Raises:
        HomeError: the store cannot be used.
        GoodfitError: Ray cannot be reached; a new process connects anew.
    """
    hide()
    ended = _ending()
    with contextlib.closing(open_home(settings, create=True)) as store, _connected(settings):
        _heed_signals(ended)  # once more: Ray has put handlers of its own in their place
        from goodfit.service.controller import Controller
        from goodfit.service.ray_runners import RayRunners
        from goodfit.service.spec import StudySpec

        runners = RayRunners(
            functools.partial(serve_study, settings),
            functools.partial(serve_mirror, settings),
            handed_on(_with_database(os.environ, settings)),
            lambda study: pip_environment(StudySpec.from_dict(study.spec).requirements),
        )
        controller = Controller(
            store=store,
            runners=runners,
            owner=owner(),
            dead=is_dead,
            limit=studies,
            patience=2 * settings.lease_seconds,
            say=say,
            ticks=time.monotonic,
        )
        say(f"the controller runs up to {studies} studies of {store.place}")
        controller.run(lambda seconds: not ended.wait(seconds))


def say(text: str) -> None:
    """A line for whoever keeps the service's log."""
    print(text, file=sys.stderr, flush=True)


def handed_on(environ: Mapping[str, str]) -> dict[str, str]:
    """What runners need of the environment, on whichever node they are."""
    return {name: value for name, value in environ.items() if name.startswith(HANDED_ON) and name not in _OURS_ALONE}


def _with_database(environ: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """The environment with the database's whole URL: its password's file is on this node alone."""
    return {**environ, **({"GOODFIT_DATABASE": settings.database} if settings.database else {})}


@contextlib.contextmanager
def _connected(settings: Settings) -> Iterator[None]:
    from goodfit.service.ray_executor import Cluster

    cluster = Cluster(settings.ray_address, withheld=SERVICE)
    try:
        cluster.ready()
        yield
    finally:
        cluster.close()


def _ending() -> threading.Event:
    """Set when standard input ends, which is when the parent does, or by a signal."""
    ended = threading.Event()
    _heed_signals(ended)

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        ended.set()

    threading.Thread(target=watch, name="parent", daemon=True).start()
    return ended


def _heed_signals(ended: threading.Event) -> None:
    heed(lambda *_: ended.set())


def exit_code(work: Callable[[], None]) -> int:
    """Do it; say in one line why it could not be done."""
    try:
        work()
    except errors.GoodfitError as error:
        say(" ".join(str(error).split()))
        return error.exit_code
    return 0
