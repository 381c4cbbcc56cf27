"""Models as they are given: a Predictor, a torch module of a user's own, or a function."""

from __future__ import annotations

from typing import Any

from torch import nn

from goodfit.trainers.data import Facts
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.explaining.models import Explained, FunctionModel, TorchModel, of_estimator
from goodfit.trainers.explaining.samples import family_of
from goodfit.trainers.prediction.bare_predictor import BarePredictor
from goodfit.trainers.prediction.own_model import EstimatorPredictor
from goodfit.trainers.prediction.predictor import Predictor

PRECISE = ("table", "series")  # families that are computed in double precision; images and texts would take too long


def of_predictor(predictor: Any) -> Explained:
    """A model as `study.model()` gives it; DataProblem where its data are not known."""
    if isinstance(predictor, BarePredictor) or not isinstance(predictor, Predictor):
        raise DataProblem(f"{predictor!r} does not say what it takes: its study names no data, so nothing explains it")
    if isinstance(predictor, EstimatorPredictor):
        return of_estimator(predictor.module, predictor.facts)
    return TorchModel(predictor, precise=family_of(predictor.facts) in PRECISE)


def of_given(given: Any, facts: Facts) -> Explained:
    """A Predictor, a torch module, or a function of prepared rows; DataProblem for what is no model."""
    if isinstance(given, Predictor):
        return of_predictor(given)
    if isinstance(given, nn.Module):
        return of_predictor(Predictor(given, facts, type(given).__name__, {}))
    if callable(given):
        return FunctionModel(given, facts, getattr(given, "__name__", type(given).__name__))
    raise DataProblem(
        f"model: a {type(given).__name__} is no model; give a torch module or a function of prepared rows"
    )
