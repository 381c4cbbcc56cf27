"""A trained model that takes raw rows: its folder on disk, and the Predictor that is loaded from it.

    model.json    the trainer, its hyperparameters, the facts about the data
    weights.pt    the state of the model at its best epoch
    trainer.py    the trainer's file, where it is not of an installed package; in code/ with what it imports beside it

A trial's folder has what a model folder is made of: best.pt and facts.json. Nothing here imports
mlflow; `mlflow.pyfunc` loads a model folder through `_load_pyfunc`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainers.code import code_file, find_code, module_folders, moved
from trainers.data import Facts
from trainers.data.facts import joined
from trainers.data.image_folder import files_to_predict, image_paths
from trainers.data.raw import as_images, check_values
from trainers.data.rows_to_predict import is_empty, table_rows
from trainers.data.series import windows_to_predict
from trainers.data.text import texts_to_predict
from trainers.errors import BadTrainer, DataProblem
from trainers.files import read_checkpoint, read_json, write_checkpoint, write_json
from trainers.registry import resolve, use_folders

if TYPE_CHECKING:
    from torch import Tensor, nn

FORMAT = 1  # of model.json
TRAINER, CODE = "trainer.py", "code"  # in a model folder: the trainer's file, or the folder of several


class Predictor:
    """A trained model, in eval mode on the CPU.

    Attributes:
        module: the torch module; it takes prepared rows.
        facts: the data it was trained on, as far as prediction needs them.
        trainer: as the study named it.
        params: its hyperparameters.
    """

    def __init__(self, module: nn.Module, facts: Facts, trainer: str, params: Mapping[str, Any]) -> None:
        self.module = module.eval()
        self.facts = facts
        self.trainer = trainer
        self.params = dict(params)

    def __repr__(self) -> str:
        return f"<{self.facts.task} by {self.trainer}, trained on {self.facts.name}>"

    def predict(self, x: Any) -> np.ndarray:
        """Class labels as the data had them (integers, booleans or text), or values in the data's units.

        Args:
            x: raw rows. A DataFrame with the training data's columns in any order (others are left
                out of account), a list of dicts, one dict or Series for one row, or an array:
                (rows, features), or images as trained on; of a model that
                learned from a folder of images also paths of images, as a list. Of a series
                the last window is taken; of windows (rows, window, features) each is. A forecast
                is (rows, horizon). Of texts to a language model: bits a character of each, the less
                the likelier the text; its first token is not counted. Of texts to translate: the
                translations, as text.

        Raises:
            DataProblem: the rows do not fit the model, or have values that it cannot take.
        """
        if self.facts.kind in ("corpus", "pairs") and is_empty(x):
            return np.empty(0, dtype=object if self.facts.kind == "pairs" else np.float64)
        if self.facts.kind == "corpus":
            from trainers.language_metrics import bits_of_texts

            return bits_of_texts(self.module, texts_to_predict(x, self.facts.features[0]).tolist(), self.facts)
        if self.facts.kind == "pairs":
            return self._translated(x)
        outputs = self._outputs(x).numpy()
        if self.facts.task in ("regression", "forecasting"):
            return self.facts.preparation.original(outputs)
        labels: np.ndarray = self._labels()[outputs.argmax(axis=1)]
        return labels

    def predict_proba(self, x: Any) -> np.ndarray:
        """The probability of each class, (rows, classes) in the order of `facts.classes`; rows as for `predict`."""
        if self.facts.task == "translation":
            raise DataProblem(f"{self!r} writes texts, which have no class probabilities; use predict")
        if self.facts.task in ("regression", "forecasting", "language-modelling"):
            raise DataProblem(f"{self!r} predicts numbers, which have no class probabilities; use predict")
        probabilities: np.ndarray = self._outputs(x).double().softmax(dim=1).numpy()
        return probabilities

    def example(self) -> Any:
        """One raw row (of a series: one window) that the model takes, each column or channel at its scale's middle."""
        shift = np.asarray(self.facts.preparation.shift)
        if self.facts.kind == "image":
            return np.broadcast_to(shift.reshape(-1, 1, 1), (1, *self.facts.input_shape)).astype(np.float32)
        import pandas as pd

        if self.facts.kind in ("text", "corpus", "pairs"):
            return pd.DataFrame({self.facts.features[0]: ["an example of a text"]})
        steps = self.facts.input_shape[0] if self.facts.kind == "series" else 1
        categories = self.facts.preparation.categories
        numbers = [name for name in self.facts.features if name not in categories]
        row = {**dict(zip(numbers, shift, strict=True)), **{name: words[0] for name, words in categories.items()}}
        row |= {date.name: date.example for date in self.facts.cells.dates}
        columns = self.facts.cells.raw_columns(self.facts.features)
        return pd.DataFrame([{name: row[name] for name in columns}] * steps)

    def generate(self, prompt: str, characters: int, *, seed: int = 0, temperature: float = 1.0, top_k: int = 0) -> str:
        """What a language model writes after the prompt, without the prompt.

        Args:
            prompt: at least one character; the last tokens that the model has positions for count.
            characters: how long the text is.
            seed: the same one gives the same text.
            temperature: below 1 likely tokens come more often than the model says, above 1 less often.
            top_k: as many of the most likely tokens can come; 0: all.
        """
        from trainers.decoder import Decoder, write_on
        from trainers.language_metrics import tokenizer_of

        if self.facts.kind != "corpus" or not isinstance(self.module, Decoder):
            raise DataProblem(f"{self!r} is no language model, and writes nothing; use predict")
        if not prompt or characters < 0 or temperature <= 0 or top_k < 0:
            raise DataProblem(
                f"a prompt of {len(prompt)} characters, {characters} to write, temperature {temperature:g} and top_k "
                f"{top_k}: give a prompt, a temperature above 0, and no negative number"
            )
        tokens = tokenizer_of(self.facts)
        return write_on(self.module, tokens, [tokens.ids(prompt).tolist()], characters, seed, temperature, top_k)[0]

    def _translated(self, x: Any) -> np.ndarray:
        import torch

        from trainers.data.pairs import texts_of
        from trainers.seq2seq_nets import Seq2Seq

        targets = self.facts.preparation.target_tokens
        if targets is None or not isinstance(self.module, Seq2Seq):
            raise DataProblem(f"{self!r} does not say how its texts are written out; take its module")
        ids = self.facts.preparation.inputs(texts_to_predict(x, self.facts.features[0]))
        return np.array(texts_of(targets, self.module.translate(torch.from_numpy(ids)).numpy()), dtype=object)

    def _labels(self) -> np.ndarray:
        classes = self.facts.classes
        read: dict[str, Callable[[str], object]] = {"integer": int, "float": float, "boolean": "True".__eq__}
        if self.facts.preparation.labels in read:
            return np.array([read[self.facts.preparation.labels](name) for name in classes])
        return np.array(classes, dtype=object)

    def _outputs(self, x: Any) -> Tensor:
        import torch

        from trainers.training import predict

        if is_empty(x) and not (self.facts.kind == "series" and np.ndim(x) != 3):  # a series without steps is too short
            return self._no_outputs()
        if self.facts.kind == "series":
            windows = self.facts.preparation.inputs(windows_to_predict(x, self.facts))
            return predict(self.module, torch.from_numpy(windows), self.facts)
        if self.facts.kind == "text":
            ids = self.facts.preparation.inputs(texts_to_predict(x, self.facts.features[0]))
            return predict(self.module, torch.from_numpy(ids), self.facts)
        if self.facts.kind == "image" and (paths := image_paths(x)):
            from trainers.image_rows import ImageRows

            return predict(self.module, ImageRows(files_to_predict(paths, self.facts), torch.device("cpu")), self.facts)
        rows, words = (self._images(x), None) if self.facts.kind == "image" else table_rows(x, self.facts)
        if not len(rows):
            return self._no_outputs()
        fitted = self.facts.preparation
        missing = "error" if fitted.fill is None else "mean"
        numbers = [name for name in self.facts.features if name not in fitted.categories]
        check_values(rows, numbers, missing, "the rows to predict", words, tuple(fitted.categories))
        inputs = joined(fitted.inputs(rows, words), fitted.codes(words))
        return predict(self.module, torch.from_numpy(inputs), self.facts)

    def _no_outputs(self) -> Tensor:
        import torch

        many = bool(self.facts.classes or self.facts.horizon)
        return torch.zeros((0, self.facts.outputs) if many else (0,))

    def _images(self, x: Any) -> np.ndarray:
        images = np.asarray(x)
        shape = self.facts.input_shape
        if images.ndim != 4 or images.shape[1:] != shape:  # already (n, c, h, w): the shorter axis is not asked
            images = as_images(images, "the images to predict")
        if images.shape[1:] != shape:
            raise DataProblem(f"the images to predict are (rows, {', '.join(map(str, shape))}), not {np.shape(x)}")
        return images.astype(np.float32)


def save_model(
    folder: Path,
    trainer_ref: str,
    params: Mapping[str, Any],
    facts: Facts | None,
    best_checkpoint: Path,
    modules: Sequence[str] = (),
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

    Raises:
        BadTrainer: the trainer declares no `build`, so its model cannot be rebuilt.
    """
    if resolve(trainer_ref).build is None:
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
    write_checkpoint(folder / "weights.pt", read_checkpoint(best_checkpoint)["model"])
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


def load_model(folder: Path) -> Predictor:
    """The model of a model folder, ready to predict.

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
    if trainer.build is None:
        raise BadTrainer(f"trainer {reference} no longer declares build=; {folder} cannot be loaded with it")
    facts = None if about["facts"] is None else Facts.from_dict(about["facts"])
    try:
        module = trainer.build(trainer.configure(about["params"]), facts)
    except Exception as error:  # a user's own code
        raise BadTrainer(f"build of trainer {reference} raises {type(error).__name__}: {error}") from error
    try:
        module.load_state_dict(read_checkpoint(folder / "weights.pt"))
    except RuntimeError as error:  # torch names every key that does not fit
        raise BadTrainer(f"the weights in {folder} do not fit what trainer {reference} builds now: {error}") from error
    if facts is None:
        from trainers.bare_predictor import BarePredictor

        return BarePredictor(module, reference, about["params"])
    return Predictor(module, facts, reference, about["params"])


def _load_pyfunc(path: str) -> Predictor:
    """The entry that mlflow.pyfunc calls with a model folder."""
    return load_model(Path(path))
