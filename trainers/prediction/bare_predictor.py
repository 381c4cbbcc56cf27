"""A trained model of a study that names no data: what is put in and what comes out are its trainer's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from goodfit.trainers.errors import DataProblem
from goodfit.trainers.prediction.predictor import Predictor

if TYPE_CHECKING:
    from torch import nn


class BarePredictor(Predictor):
    """A Predictor without `facts`: it prepares nothing, and names no classes."""

    def __init__(self, module: nn.Module, trainer: str, params: Mapping[str, Any]) -> None:
        self.module = module.eval()
        self.trainer = trainer
        self.params = dict(params)

    def __repr__(self) -> str:
        return f"<{type(self.module).__name__} by {self.trainer}>"

    def __getattr__(self, name: str) -> NoReturn:
        """What the others have of their data."""
        raise AttributeError(f"{type(self).__name__} has no {name!r}: its study names no data; see its module")

    def predict(self, x: Any) -> np.ndarray:
        """What the module gives for an array or a tensor, as it is.

        Raises:
            DataProblem: the module takes or gives something else; call `module` itself.
        """
        import torch

        try:
            with torch.no_grad():
                return np.asarray(self.module(torch.as_tensor(x)))
        except (RuntimeError, TypeError, ValueError) as error:
            raise DataProblem(f"{self!r} does not take this: {error}; call its module yourself") from error

    def predict_proba(self, x: Any) -> np.ndarray:  # noqa: ARG002 - whatever it is
        """Not known of a model whose study names no data."""
        raise DataProblem(f"{self!r} does not say what its outputs mean: its study names no data; use predict")

    def example(self) -> Any:
        """Not known either."""
        raise DataProblem(f"{self!r} does not say what it takes: its study names no data")
