"""Trained models, from a trial's folder to something that predicts."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from goodfit.service import errors
from goodfit.service.app.homes import spec_here, spec_of
from goodfit.service.records import Study, Trial
from goodfit.service.settings import Settings

if TYPE_CHECKING:
    from goodfit.service.ports import Studies
    from goodfit.service.tracker import ModelExport
    from goodfit.trainers.artifacts.places import Place


def export_model(
    settings: Settings, store: Studies, study: Study, trial: Trial, folder: Path
) -> ModelExport | Path | None:
    """A trial's model as MLflow is to keep it; its bare checkpoint where the trainer says not how to rebuild it."""
    from goodfit.service.spec import for_trainer
    from goodfit.service.tracker import ModelExport
    from goodfit.trainers.errors import BadTrainer
    from goodfit.trainers.prediction.model_folder import facts_if_any, save_model
    from goodfit.trainers.prediction.model_folder import load_model as load

    place = settings.trial_place(study, trial.number)
    with place.local("best.pt", "facts.json") as files:
        checkpoint = files / "best.pt"
        if not checkpoint.exists():
            return None
        facts = facts_if_any(files)
        try:
            spec, params = spec_here(store, study), for_trainer(trial.params)
            save_model(folder, spec.trainer, params, facts, checkpoint, spec.modules)
        except BadTrainer:
            facts = None
        if facts is None:  # without an example of its rows MLflow would not take the model itself
            return checkpoint if place.folder else Path(shutil.copy(checkpoint, folder))
    predictor = load(folder)
    example = predictor.example()
    return ModelExport(folder, example, predictor.predict(example))


def model_folder(settings: Settings, store: Studies, study: Study, trial: Trial, folder: Path) -> None:
    """Write a trial's model as a folder to send away; code that came with the study goes with it, and is not run.

    Raises:
        TrainerError: it kept no checkpoint, or its trainer says not how to rebuild it.
    """
    from goodfit.service.spec import for_trainer
    from goodfit.trainers.code import code_file
    from goodfit.trainers.errors import TrainersError
    from goodfit.trainers.prediction.model_folder import facts_if_any, save_model, write_model

    place = settings.trial_place(study, trial.number)
    require_checkpoint(study, trial, place)
    spec, params = spec_of(study), for_trainer(trial.params)
    brought = {name: text.encode("utf-8", "backslashreplace") for name, text in store.files(study.id).items()}
    with place.local("best.pt", "facts.json") as files:
        try:
            if code_file(spec.trainer, brought) is not None:
                write_model(folder, spec.trainer, params, facts_if_any(files), files / "best.pt", brought)
            else:
                parts = facts_if_any(files), files / "best.pt", spec.modules
                save_model(folder, spec.trainer, params, *parts, own=True)
        except TrainersError as error:
            raise errors.TrainerError(str(error)) from error


def require_checkpoint(study: Study, trial: Trial, place: Place) -> str:
    """Where the checkpoint of a trial lies; refuses one that left nothing to make a model of."""
    best = place.uri("best.pt") if place.folder is None else str(place.folder / "best.pt")
    if not place.exists("best.pt"):
        keep = spec_of(study).training.keep
        if keep is not None:
            raise errors.TrainerError(
                f"the model of trial {trial.number} of {study.name} was not kept: the study keeps those of its best "
                f"{keep} trials (`training: {{keep: {keep}}}`)"
            )
        raise errors.TrainerError(
            f"trial {trial.number} of {study.name} kept no checkpoint: its trainer registered none by "
            "`trial.restore(model, optimizer)` before its loop (one that reports once may return its model), or "
            "`goodfit gc --keep` has removed it"
        )
    return best


def open_checkpoint(settings: Settings, study: Study, trial: Trial) -> IO[bytes]:
    """A trial's best.pt, open for reading; TrainerError where it kept none."""
    place = settings.trial_place(study, trial.number)
    require_checkpoint(study, trial, place)
    with place.local("best.pt") as files:
        return (files / "best.pt").open("rb")  # it can be read to its end, though a copy is removed here


def load_model(settings: Settings, store: Studies, study: Study, trial: Trial) -> Any:
    """A trial's model at its best epoch, ready to predict; TrainerError where it cannot be rebuilt."""
    from goodfit.service.spec import for_trainer
    from goodfit.trainers.errors import TrainersError
    from goodfit.trainers.files import read_checkpoint
    from goodfit.trainers.prediction.model_folder import facts_if_any, save_model
    from goodfit.trainers.prediction.model_folder import load_model as load
    from goodfit.trainers.prediction.own_model import own_model
    from goodfit.trainers.registry import resolve

    place = settings.trial_place(study, trial.number)
    best = require_checkpoint(study, trial, place)
    with place.local("best.pt", "facts.json") as files, tempfile.TemporaryDirectory(prefix="goodfit-") as folder:
        try:
            spec, params = spec_here(store, study), for_trainer(trial.params)
            facts, checkpoint = facts_if_any(files), files / "best.pt"
            if (
                trainer := resolve(spec.trainer)
            ).build is None:  # from where it lies: so its classes are the user's own
                return own_model(read_checkpoint(checkpoint), trainer, spec.trainer, params, facts)
            save_model(Path(folder), spec.trainer, params, facts, checkpoint, spec.modules)
            return load(Path(folder))
        except TrainersError as error:
            raise errors.TrainerError(f"{error}; its weights are in {best}: see study.weights()") from error
