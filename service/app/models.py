"""Trained models, from a trial's folder to something that predicts."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from service import errors
from service.app.opening import spec_of
from service.records import Study, Trial
from service.settings import Settings

if TYPE_CHECKING:
    from service.ports import Store
    from service.tracker import ModelExport
    from trainers.predictor import Predictor


def export_model(settings: Settings, study: Study, trial: Trial, folder: Path) -> ModelExport | Path | None:
    """A trial's model as MLflow is to keep it; its bare checkpoint where the trainer says not how to rebuild it."""
    from service.spec import for_trainer
    from service.tracker import ModelExport
    from trainers.errors import BadTrainer
    from trainers.predictor import load_model as load
    from trainers.predictor import read_facts, save_model

    place = settings.trial_folder(study.name, trial.number)
    checkpoint = place / "best.pt"
    if not checkpoint.exists():
        return None
    try:
        save_model(folder, spec_of(study).trainer, for_trainer(trial.params), read_facts(place), checkpoint)
    except (BadTrainer, FileNotFoundError):
        return checkpoint
    predictor = load(folder)
    example = predictor.example()
    return ModelExport(folder, example, predictor.predict(example))


def model_folder(settings: Settings, store: Store, study: Study, trial: Trial, folder: Path) -> None:
    """Write a trial's model as a folder to send away; code that came with the study goes with it, and is not run.

    Raises:
        TrainerError: it kept no checkpoint, or its trainer says not how to rebuild it.
    """
    from service.spec import for_trainer
    from trainers.errors import TrainersError
    from trainers.predictor import read_facts, save_model, write_model

    place = settings.trial_folder(study.name, trial.number)
    _require(study, trial, place)
    reference, params = spec_of(study).trainer, for_trainer(trial.params)
    name, _, attribute = reference.rpartition(":")
    brought = store.files(study.id)
    try:
        if name in brought:
            write_model(folder, f"trainer.py:{attribute}", params, read_facts(place), place / "best.pt")
            (folder / "trainer.py").write_text(brought[name], encoding="utf-8")
        else:
            save_model(folder, reference, params, read_facts(place), place / "best.pt")
    except TrainersError as error:
        raise errors.TrainerError(str(error)) from error


def _require(study: Study, trial: Trial, place: Path) -> None:
    """Refuse a trial that left nothing to make a model of."""
    if not (place / "best.pt").exists():
        raise errors.TrainerError(
            f"trial {trial.number} of {study.name} kept no checkpoint: its trainer registered none"
        )
    if not (place / "facts.json").exists():
        raise errors.TrainerError(
            f"study {study.name} names no data, so its model's weights alone are kept: {place / 'best.pt'}"
        )


def load_model(settings: Settings, study: Study, trial: Trial) -> Predictor:
    """A trial's model at its best epoch, ready to predict; TrainerError where it cannot be rebuilt."""
    from service.spec import for_trainer
    from trainers.errors import TrainersError
    from trainers.predictor import load_model as load
    from trainers.predictor import read_facts, save_model

    place = settings.trial_folder(study.name, trial.number)
    _require(study, trial, place)
    with tempfile.TemporaryDirectory(prefix="goodfit-") as folder:
        try:
            params = for_trainer(trial.params)
            save_model(Path(folder), spec_of(study).trainer, params, read_facts(place), place / "best.pt")
            return load(Path(folder))
        except TrainersError as error:
            raise errors.TrainerError(f"{error}; its weights are in {place / 'best.pt'}") from error
