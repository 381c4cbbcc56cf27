"""The folder of a trained model, which stands alone, and the Predictor that is loaded from it.

    model.json    the trainer, its hyperparameters, the facts about the data
    weights.pt    the state of the model at its best epoch
    object.pt     of a trainer without build=: the model as an object, pickled, without that state
    trainer.py    the trainer's file, where it is not of an installed package; in code/ with what it imports beside it

A trial's folder has what a model folder is made of: best.pt and facts.json. Nothing here imports
mlflow; `mlflow.pyfunc` loads a model folder through `_load_pyfunc`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from goodfit.trainers.code import code_file, find_code, module_folders, moved
from goodfit.trainers.data import Facts
from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.files import read_checkpoint, read_json, write_checkpoint, write_json
from goodfit.trainers.importing import use_folders
from goodfit.trainers.prediction.bare_predictor import BarePredictor
from goodfit.trainers.prediction.own_model import own_model
from goodfit.trainers.prediction.predictor import Predictor
from goodfit.trainers.registry import resolve
from goodfit.trainers.trial.own_model import OBJECT

FORMAT = 1  # of model.json
OBJECT_FILE = "object.pt"
TRAINER, CODE = "trainer.py", "code"  # in a model folder: the trainer's file, or the folder of several


def save_model(
    folder: Path,
    trainer_ref: str,
    params: Mapping[str, Any],
    facts: Facts | None,
    best_checkpoint: Path,
    modules: Sequence[str] = (),
    *,
    own: bool = False,
) -> None:
    """Write a model folder that stands alone.

    Args:
        folder: made if it is not there.
        trainer_ref: as the study names it; a file `path.py:name` is copied into the folder, with what it imports
            from beside it.
        params: the trial's hyperparameters.
        facts: `read_facts` of the trial's folder.
        best_checkpoint: the trial's best.pt.
        modules: folders with modules that the study brought.
        own: also of a trainer without `build`, with the object that the checkpoint has.

    Raises:
        BadTrainer: the trainer declares no `build`, so its model cannot be rebuilt.
    """
    if resolve(trainer_ref).build is None and not (own and OBJECT in read_checkpoint(best_checkpoint)):
        raise BadTrainer(f"trainer {trainer_ref} declares no build=, so its model cannot be rebuilt from a checkpoint")
    found = find_code([trainer_ref], modules)
    if not found.files:
        write_model(folder, trainer_ref, params, facts, best_checkpoint)
        return
    code = found.code()
    write_model(folder, moved(trainer_ref, code.root, "").lstrip("/"), params, facts, best_checkpoint, code.files)


def write_model(
    folder: Path,
    reference: str,
    params: Mapping[str, Any],
    facts: Facts | None,
    best_checkpoint: Path,
    code: Mapping[str, bytes] | None = None,
) -> None:
    """As save_model, without a look at the trainer: nothing is imported; `code`: the study's own, by file name."""
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = read_checkpoint(best_checkpoint)
    write_checkpoint(folder / "weights.pt", checkpoint["model"])
    if OBJECT in checkpoint:
        write_checkpoint(folder / OBJECT_FILE, checkpoint[OBJECT])
    about = {
        "format": FORMAT,
        "trainer": _write_code(folder, reference, code or {}),
        "params": dict(params),
        "facts": None if facts is None else facts.to_dict(),
    }
    write_json(folder / "model.json", about, indent=1)


def _write_code(folder: Path, reference: str, code: Mapping[str, bytes]) -> str:
    """Write a trainer's own code into a model folder; the trainer's reference there."""
    file = code_file(reference, code)
    if file is None:
        return reference
    alone = len(code) == 1
    for name, content in code.items():
        place = folder / (TRAINER if alone else f"{CODE}/{name}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return f"{TRAINER if alone else f'{CODE}/{file}'}:{reference.rpartition(':')[2]}"


def read_facts(trial_folder: Path) -> Facts:
    """The facts that a trial left beside its checkpoints."""
    return Facts.read(trial_folder / "facts.json")


def facts_if_any(trial_folder: Path) -> Facts | None:
    """The same; None where its study names no data."""
    return read_facts(trial_folder) if (trial_folder / "facts.json").exists() else None


def load_model(folder: Path) -> Any:
    """The model of a model folder, ready to predict: a Predictor, or of a trainer without `build` what own_model gives.

    Raises:
        BadTrainer: the folder is none of ours, or a newer version wrote it, or its trainer changed.
        Damaged: a file of it is cut off or overwritten.
    """
    folder = Path(folder)
    if not (folder / "model.json").is_file():
        raise BadTrainer(f"{folder} is no model folder: it has no model.json")
    about = read_json(folder / "model.json")
    if about["format"] != FORMAT:
        raise BadTrainer(f"{folder} is a model folder of format {about['format']}; this version reads {FORMAT}")
    reference = about["trainer"]
    use_folders(module_folders(folder.absolute() / CODE))
    trainer = resolve(f"{folder.absolute()}/{reference}" if ".py:" in reference else reference)
    facts = None if about["facts"] is None else Facts.from_dict(about["facts"])
    if (folder / OBJECT_FILE).exists():
        parts = {"model": read_checkpoint(folder / "weights.pt"), OBJECT: read_checkpoint(folder / OBJECT_FILE)}
        return own_model(parts, trainer, reference, about["params"], facts)
    if trainer.build is None:
        raise BadTrainer(f"trainer {reference} no longer declares build=; {folder} cannot be loaded with it")
    try:
        module = trainer.build(trainer.configure(about["params"]), facts)
    except Exception as error:  # a user's own code
        raise BadTrainer(f"build of trainer {reference} raises {type(error).__name__}: {error}") from error
    if facts is not None and facts.groups is not None:
        from goodfit.trainers.training.group_outcomes import with_thresholds

        with_thresholds(module, facts.groups)
    try:
        module.load_state_dict(read_checkpoint(folder / "weights.pt"))
    except RuntimeError as error:  # torch names every key that does not fit
        raise BadTrainer(f"the weights in {folder} do not fit what trainer {reference} builds now: {error}") from error
    if facts is None:
        return BarePredictor(module, reference, about["params"])
    return Predictor(module, facts, reference, about["params"])


def _load_pyfunc(path: str) -> Any:
    """The entry that mlflow.pyfunc calls with a model folder."""
    return load_model(Path(path))
