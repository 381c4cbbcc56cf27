"""The model of a trainer without build=, in its user's own class, and what predicts with it for rows of the data."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.trainers.data import Facts
from goodfit.trainers.data.kinds.registry import kind_named
from goodfit.trainers.errors import BadTrainer, DataProblem
from goodfit.trainers.prediction.predictor import Predictor
from goodfit.trainers.registry import Trainer
from goodfit.trainers.trial.own_model import OBJECT, given_back

_HOW = (
    "declare it with `@goodfit.register(NAME, build=build)`, where build(config, facts) gives the model without its "
    "weights"
)
_DIGEST = re.compile(r"_[0-9a-f]{8}$")  # at the end of the name of a module that was imported from a path


def own_model(
    checkpoint: Mapping[str, Any], trainer: Trainer, reference: str, params: Mapping[str, Any], facts: Facts | None
) -> Any:
    """The model of a best.pt: of a study that names data what predicts for its rows, else the model itself.

    Args:
        checkpoint: the content of best.pt.
        trainer: that trained it.
        reference: as the study names it.
        params: the trial's hyperparameters.
        facts: about the data; None where the study names none.

    Raises:
        BadTrainer: it cannot be had; says why, and what to do.
    """
    if OBJECT not in checkpoint:
        raise BadTrainer(f"trainer {reference} does not say how its model is built again: {_HOW}")
    try:
        model = given_back(checkpoint[OBJECT], checkpoint["model"], lambda name: _module_here(name, trainer))
    except BadTrainer as error:
        raise BadTrainer(f"trainer {reference}: {error}; {_HOW}") from error
    if facts is None:
        return model
    import torch

    if isinstance(model, torch.nn.Module):
        return OwnPredictor(model, facts, reference, params)
    return EstimatorPredictor(model, facts, reference, params) if hasattr(model, "predict") else model


class OwnPredictor(Predictor):
    """A Predictor whose module is of the user's own class, and may take and give what it likes."""

    def _outputs(self, x: Any) -> Any:
        try:
            return super()._outputs(x)
        except (BadTrainer, RuntimeError, TypeError, ValueError, AttributeError, LookupError) as error:
            raise DataProblem(
                f"{self!r} does not predict for rows as the data have them: {error}; {_BY_ITSELF}"
            ) from error


class EstimatorPredictor(Predictor):
    """A fitted estimator of scikit-learn, or one with its methods; it was trained on prepared rows.

    Attributes:
        module: the estimator.
    """

    def __init__(self, estimator: Any, facts: Facts, trainer: str, params: Mapping[str, Any]) -> None:
        self.module = estimator
        self.facts, self.trainer, self.params = facts, trainer, dict(params)
        self._kind = kind_named(facts.kind)

    def predict(self, x: Any) -> np.ndarray:
        """Class labels as the data had them, or values in the data's units; rows as for a Predictor."""
        found = np.asarray(self._asked("predict", x))
        if not self.facts.classes:
            return self.facts.preparation.original(found.reshape(len(found)))
        labels = self._labels()
        if found.dtype.kind not in "iu" or (len(found) and not 0 <= found.min() <= found.max() < len(labels)):
            raise DataProblem(f"{self!r} predicts {found.dtype} values, which are no class indices; {_BY_ITSELF}")
        chosen: np.ndarray = labels[found]
        return chosen

    def predict_proba(self, x: Any) -> np.ndarray:
        """The probability of each class, (rows, classes) in the order of `facts.classes`."""
        if not self.facts.classes:
            raise DataProblem(f"{self!r} predicts numbers, which have no class probabilities; use predict")
        if not hasattr(self.module, "predict_proba"):
            raise DataProblem(f"{self!r} gives no class probabilities; use predict")
        found = np.asarray(self._asked("predict_proba", x))
        whole = np.zeros((len(found), len(self.facts.classes)))
        whole[:, getattr(self.module, "classes_", np.arange(found.shape[1])).astype(int)] = found
        return whole

    def _asked(self, method: str, x: Any) -> Any:
        if self._kind.has_no_rows(x):
            return np.empty((0, len(self.facts.classes)) if method == "predict_proba" else 0, dtype=np.int64)
        rows = np.asarray(self._kind.inputs(x, self.facts))
        try:
            return getattr(self.module, method)(rows.reshape(len(rows), -1))
        except Exception as error:  # of a user's own estimator
            raise DataProblem(
                f"{self!r} does not predict for rows as the data have them: {error}; {_BY_ITSELF}"
            ) from error


_BY_ITSELF = "its model is its `module`: call that yourself, with rows as trial.data has them"


def _module_here(name: str, trainer: Trainer) -> str:
    """The name here of a module that a worker imported: that of the trainer's file has a name by its path.

    Where the user has imported the same file by its own name, that is the module of their own class.
    """
    home = trainer.home
    if not _DIGEST.search(home) or _DIGEST.sub("", name) != _DIGEST.sub("", home):
        return name
    file = getattr(sys.modules.get(home), "__file__", None)
    for other, module in list(sys.modules.items()):
        if other != home and file is not None and _is_file(getattr(module, "__file__", None), file):
            return other
    return home


def _is_file(one: object, other: str) -> bool:
    return isinstance(one, str) and Path(one).name == Path(other).name and Path(one).resolve() == Path(other).resolve()
