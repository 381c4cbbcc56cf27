"""The tracker of a study in a process of its own, and what that process runs."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodfit.service.app.cards import card_files
from goodfit.service.app.homes import spec_here
from goodfit.service.app.models import export_model
from goodfit.service.app.quality import quality_files
from goodfit.service.app.releasing import mirrored_release, settle
from goodfit.service.app.reports import load_report_modules, report_of
from goodfit.service.app.trail import chain_head
from goodfit.service.errors import TrackingError
from goodfit.service.records import Study, StudyState, Trial
from goodfit.service.settings import ARTIFACTS, Settings, make_folder
from goodfit.trainers.environment import without

if TYPE_CHECKING:
    from goodfit.service.ports import Store, Tracker
    from goodfit.service.tracker import Mirror, ModelExport

CATCH_UP_SECONDS = 600.0  # how long the end of a run waits for MLflow while it gets on
AWAY_SECONDS = 10.0  # and while it does not
HURRY_SECONDS = 3.0  # and after a Ctrl-C, or a fault


@contextlib.contextmanager
def tracking(
    settings: Settings,
    study: Study,
    fence: int,
    on_catch_up: Callable[[int], None],
    on_trouble: Callable[[str], None],
    catch_up_seconds: float = CATCH_UP_SECONDS,
) -> Iterator[Tracker]:
    """The study's tracker in a process of its own; at the end it catches up, unless the user is in a hurry.

    Args:
        settings: the home.
        study: to mirror.
        fence: of the lease under which it is; whoever gets a later one has a mirror too, and this one ends.
        on_catch_up: gets how many trials MLflow is behind, at the end.
        on_trouble: gets what keeps it behind.
        catch_up_seconds: how long the end waits for MLflow while it gets on.
    """
    from goodfit.service.tracker import MlflowTracker

    make_folder(settings.log_folder)
    command = [sys.executable, "-P", "-m", "goodfit.service.app", "mirror", "--home", str(settings.home)]
    command += ["--fence", str(fence), str(study.id)]
    tracker = MlflowTracker(
        command, settings.mirror_log(study.name), away_seconds=AWAY_SECONDS, private=settings.private
    )
    hurry = True
    try:
        yield tracker
        hurry = False
    finally:
        try:
            done = tracker.close(HURRY_SECONDS if hurry else catch_up_seconds, on_catch_up)
        except KeyboardInterrupt:
            done = tracker.close(0)
        trouble, behind = tracker.trouble(), tracker.behind()
        if not done and (trouble or behind):
            on_trouble(trouble or f"{behind} trials are not in MLflow yet")


def catch_up(
    settings: Settings,
    store: Store,
    study: Study,
    on_catch_up: Callable[[int], None],
    on_trouble: Callable[[str], None],
    catch_up_seconds: float = CATCH_UP_SECONDS,
) -> None:
    """Send MLflow what it has not heard of a study that nobody runs; ends when somebody does."""
    done = study.state is StudyState.DONE
    decided = settle(store, study, time.time()).number if done else 0
    unpublished = done and (study.champion is None or study.registered < decided)
    if store.unmirrored(study.id, 1) or study.mlflow_run_id is None or unpublished:
        with tracking(settings, study, store.fence(study.id), on_catch_up, on_trouble, catch_up_seconds):
            pass


def follow(settings: Settings, store: Store, name: str) -> list[str]:
    """Let MLflow's registry follow what was decided of a study that is done; says what keeps it from that.

    What others decide while it does so, who leave it to the one that is at it, is followed, too.
    """
    study, troubles = store.study(name), list[str]()
    while study.state is StudyState.DONE and study.registered < study.decided and not troubles:
        before = study.registered
        catch_up(settings, store, study, lambda _: None, troubles.append)
        study = store.study(name)
        if study.registered <= before:
            break
    return [f"MLflow's registry does not follow yet: {one}" for one in troubles]


def mirror_of(settings: Settings, store: Store, study: Study, private: Collection[str] = ()) -> Mirror:
    """What pushes a study to MLflow.

    Args:
        settings: the home.
        store: its store.
        study: to push.
        private: variables that the study's own code does not get, which builds its models and reads its data.
    """
    from goodfit.service.diagnosis.picture import learning_curve_svg
    from goodfit.service.tracker import Mirror
    from goodfit.trainers.artifacts.places import fetch
    from goodfit.trainers.errors import PlaceAway

    def describe() -> dict[str, Any] | None:
        load_report_modules()
        with without(os.environ, private):
            return _data_facts(settings, store, study)

    def export(trial: Trial, folder: Path) -> ModelExport | Path | None:
        with without(os.environ, private):
            return export_model(settings, store, study, trial, folder)

    def conclude(ended: Study) -> dict[str, str]:
        with without(os.environ, private):
            cards = card_files(settings, store, ended)
        return {"report.html": report_of(settings, store, ended), **quality_files(settings, ended), **cards}

    fetched: list[tempfile.TemporaryDirectory[str]] = []  # of the trial that is being sent

    def artifacts(trial: Trial) -> Path | None:
        place = settings.trial_place(study, trial.number) / ARTIFACTS
        if place.folder is not None:
            return place.folder if place.folder.is_dir() else None
        while fetched:
            fetched.pop().cleanup()
        fetched.append(tempfile.TemporaryDirectory(prefix="goodfit-"))
        folder = Path(fetched[0].name, ARTIFACTS)
        try:
            fetch(place, folder, place.names())
        except (PlaceAway, FileNotFoundError) as error:
            raise TrackingError(f"the artifacts of trial {trial.number} cannot be read: {error}") from error
        return folder if folder.is_dir() else None

    return Mirror(
        store,
        study.id,
        settings.tracking_uri,
        settings.mlflow_artifacts,
        draw=learning_curve_svg,
        export_model=export,
        artifacts=artifacts,
        describe=describe,
        release=mirrored_release(store),
        head=lambda ended: chain_head(store, ended.name),
        conclude=conclude,
    )


def _data_facts(settings: Settings, store: Store, study: Study) -> dict[str, Any] | None:
    """The report on a study's data; None where its trainer brings its own."""
    from goodfit.service.app.kept_data import KeptData
    from goodfit.trainers.errors import DataProblem

    data = spec_here(store, study).data_spec()
    if data is None:
        return None
    try:
        report = KeptData(settings, study, data).report()
    except DataProblem as error:  # a file that is gone by now, say; the study itself has read it
        return {"source": data.source, "problem": str(error)}
    with contextlib.suppress(OSError):
        if (file := Path(data.source)).is_file():
            report["bytes"] = file.stat().st_size
    return report
