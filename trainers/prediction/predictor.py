"""A trained model that takes raw rows, as they were before any preparation."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from goodfit.trainers.data import Facts
from goodfit.trainers.data.kinds.registry import kind_named
from goodfit.trainers.data.kinds.text import texts_to_predict
from goodfit.trainers.data.reading.images import Images
from goodfit.trainers.errors import DataProblem

if TYPE_CHECKING:
    from torch import Tensor, nn


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
        self._kind = kind_named(facts.kind)

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
        if self.facts.task == "language-modelling":
            return self._bits(x)
        if self.facts.task == "translation":
            return self._translated(x)
        outputs = self._outputs(x)
        if self.facts.task in ("regression", "forecasting"):
            return self.facts.preparation.original(outputs.numpy())
        labels: np.ndarray = self._labels()[self._chosen(outputs, x)]
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
        return self._kind.example(self.facts)

    def generate(self, prompt: str, characters: int, *, seed: int = 0, temperature: float = 1.0, top_k: int = 0) -> str:
        """What a language model writes after the prompt, without the prompt.

        Args:
            prompt: at least one character; the last tokens that the model has positions for count.
            characters: how long the text is.
            seed: the same one gives the same text.
            temperature: below 1 likely tokens come more often than the model says, above 1 less often.
            top_k: as many of the most likely tokens can come; 0: all.
        """
        from goodfit.trainers.builtin.language_model.nets import write_on
        from goodfit.trainers.nets.attention import Decoder
        from goodfit.trainers.training.language_metrics import tokenizer_of

        if self.facts.kind != "corpus" or not isinstance(self.module, Decoder):
            raise DataProblem(f"{self!r} is no language model, and writes nothing; use predict")
        if not prompt or characters < 0 or temperature <= 0 or top_k < 0:
            raise DataProblem(
                f"a prompt of {len(prompt)} characters, {characters} to write, temperature {temperature:g} and top_k "
                f"{top_k}: give a prompt, a temperature above 0, and no negative number"
            )
        tokens = tokenizer_of(self.facts)
        return write_on(self.module, tokens, [tokens.ids(prompt).tolist()], characters, seed, temperature, top_k)[0]

    def _chosen(self, outputs: Tensor, x: Any) -> np.ndarray:
        """The index of the class of each row: by the threshold of its group, where each group has one."""
        groups = self.facts.groups
        if groups is None or groups.spec.thresholds == "none" or not len(outputs):
            return outputs.argmax(dim=1).numpy()
        from goodfit.trainers.data.kinds.table_rows import group_codes
        from goodfit.trainers.training.group_outcomes import chosen_by_threshold, thresholds_of

        return chosen_by_threshold(outputs, group_codes(x, self.facts), thresholds_of(self.module), groups)

    def _bits(self, x: Any) -> np.ndarray:
        if self._kind.has_no_rows(x):
            return np.empty(0, dtype=np.float64)
        from goodfit.trainers.training.language_metrics import bits_of_texts

        return bits_of_texts(self.module, texts_to_predict(x, self.facts.features[0]).tolist(), self.facts)

    def _translated(self, x: Any) -> np.ndarray:
        if self._kind.has_no_rows(x):
            return np.empty(0, dtype=object)
        import torch

        from goodfit.trainers.builtin.seq2seq.nets import Seq2Seq
        from goodfit.trainers.data.kinds.pairs import texts_of

        targets = self.facts.preparation.target_tokens
        if targets is None or not isinstance(self.module, Seq2Seq):
            raise DataProblem(f"{self!r} does not say how its texts are written out; take its module")
        ids = torch.from_numpy(np.asarray(self._kind.inputs(x, self.facts)))
        return np.array(texts_of(targets, self.module.translate(ids).numpy()), dtype=object)

    def _labels(self) -> np.ndarray:
        classes = self.facts.classes
        read: dict[str, Callable[[str], object]] = {"integer": int, "float": float, "boolean": "True".__eq__}
        if self.facts.preparation.labels in read:
            return np.array([read[self.facts.preparation.labels](name) for name in classes])
        return np.array(classes, dtype=object)

    def _outputs(self, x: Any) -> Tensor:
        import torch

        from goodfit.trainers.training.image_rows import ImageRows
        from goodfit.trainers.training.loop import predict

        inputs = None if self._kind.has_no_rows(x) else self._kind.inputs(x, self.facts)
        if inputs is None or not len(inputs):
            return self._no_outputs()
        if isinstance(inputs, Images):
            return predict(self.module, ImageRows(inputs, torch.device("cpu")), self.facts)
        rows = torch.from_numpy(inputs)
        precise = self._in_double(rows) if self.facts.kind == "table" else None
        return predict(self.module, rows, self.facts) if precise is None else precise

    def _in_double(self, rows: Tensor) -> Tensor | None:
        """The outputs in double precision; None of a module that computes in its own.

        A row's prediction is the same whichever rows stand beside it then, and is what attributions add up to: in
        single precision targets in the hundreds are rounded at the fifth decimal.
        """
        from goodfit.trainers.training.loop import predict

        try:
            return predict(copy.deepcopy(self.module).double(), rows.double(), self.facts)
        except (RuntimeError, TypeError):  # it makes tensors of its own, or cannot be copied
            return None

    def _no_outputs(self) -> Tensor:
        import torch

        many = bool(self.facts.classes or self.facts.horizon)
        return torch.zeros((0, self.facts.outputs) if many else (0,))
