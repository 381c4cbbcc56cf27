"""A scikit-learn estimator as a Goodfit trainer: `fit` by partial_fit or as a whole, `grow` by warm_start.

An epoch is one pass over the training rows, or a fixed number of further trees; an estimator that learns in one go,
such as a pipeline, has one epoch. scikit-learn is imported when a trial trains. Reported are, for both splits,
`accuracy` and, where the estimator gives probabilities, `loss` (the log loss); for regression `loss`, `rmse`, `mae` and
`r2`.

A checkpoint holds the pickled estimator; like any pickle it is to be loaded from folders that only
its owner writes to.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.trainers.data import Data, Split
from goodfit.trainers.errors import BadTrainer, DataProblem, NotResumable
from goodfit.trainers.trial import Trial
from goodfit.trainers.trial.own_model import Whole


def fit(trial: Trial, estimator: Any) -> None:
    """One pass over the training rows an epoch, in a new order each: SGDClassifier, MLPRegressor, ...

    An estimator without `partial_fit` (a pipeline, a forest) is fitted once, and that is its only epoch.
    A net of skorch trains its own `max_epochs` in each: make it with `max_epochs=1`.
    Leave the estimator's `random_state` unset: then it draws from the trial's own seed.

    Raises:
        BadTrainer: it is no estimator, or the study names no data.
        DataProblem: it classifies and the data are for regression, or the other way round.
    """
    if not hasattr(estimator, "fit"):
        raise BadTrainer(f"{_name(estimator)} has no fit: give an estimator of scikit-learn, made but not fitted")
    data = _suitable(trial, estimator)
    if not hasattr(estimator, "partial_fit"):
        _fit_whole(trial, estimator, data)
        return
    rows = _table(data.train)
    more = {"classes": np.arange(len(data.classes))} if data.classes else {}
    _refuse_changes(trial)
    kept = Whole(estimator)
    trial.restore(kept)
    for _ in trial.epochs():
        order = np.random.permutation(len(rows))  # of the generator that the trial seeds
        kept.item.partial_fit(rows[order], _targets(estimator, data.train.y)[order], **more)
        _report(trial, kept.item, data)


def _fit_whole(trial: Trial, estimator: Any, data: Data) -> None:
    kept = Whole(estimator)
    trial.restore(kept)
    for epoch in trial.epochs():
        if epoch > 1:  # it has learned all that it can
            break
        kept.item.fit(_table(data.train), _targets(estimator, data.train.y))
        _report(trial, kept.item, data)


def grow(trial: Trial, estimator: Any, parameter: str = "n_estimators", step: int = 10) -> None:
    """`step` more of `parameter` an epoch, by warm_start: RandomForest, GradientBoosting, ...

    The study's `training: {epochs: n}` is the fixed budget: n * step trees in the end.

    Raises:
        BadTrainer: the estimator cannot go on from where it is, or the study names no data.
        DataProblem: it classifies and the data are for regression, or the other way round.
    """
    known = estimator.get_params()
    if not {"warm_start", parameter} <= set(known):
        lacking = "warm_start" if "warm_start" not in known else parameter
        raise BadTrainer(f"{_name(estimator)} has no {lacking}, so it cannot grow; it has: {', '.join(known)}")
    data = _suitable(trial, estimator)
    _refuse_changes(trial)
    kept = Whole(estimator.set_params(warm_start=True))
    trial.restore(kept)
    for epoch in trial.epochs():
        kept.item.set_params(**{parameter: epoch * step})
        kept.item.fit(_table(data.train), data.train.y)
        _report(trial, kept.item, data)


def load(checkpoint: Path) -> Any:
    """The estimator of a trial's best.pt. It takes prepared rows, and gives class indices or standardised values."""
    import torch

    kept = Whole(None)
    kept.load_state_dict(torch.load(checkpoint, weights_only=True)["model"])
    return kept.item


def _refuse_changes(trial: Trial) -> None:
    """Refuse a study whose parameters change while a trial trains.

    Raises:
        NotResumable: it is such a study.
    """
    if trial._assignment.must_resume:  # noqa: SLF001 - not for trainers
        raise NotResumable(
            "a checkpoint of a scikit-learn estimator brings its former parameters back, so they cannot change while "
            "it trains (search pbt or pb2, schedule); take another search method, or a trainer with a loop of its own"
        )


def _suitable(trial: Trial, estimator: Any) -> Data:
    from sklearn.base import is_classifier

    if trial.data is None:
        raise BadTrainer(f"{_name(estimator)} needs data; name them in the study: `data: {{source: ...}}`")
    task = "classification" if is_classifier(estimator) else "regression"
    if task != trial.data.task:
        raise DataProblem(f"{_name(estimator)} is for {task}, and {trial.data.name} is for {trial.data.task}")
    if trial.data.train.codes is not None:
        raise DataProblem(f"{_name(estimator)} has no embeddings for columns of text: `prepare: {{encode: onehot}}`")
    return trial.data


def _targets(estimator: Any, y: np.ndarray) -> np.ndarray:
    """The targets as the estimator takes them: nets of skorch want those of a regression in a column."""
    skorch = sys.modules.get("skorch")
    return y.reshape(-1, 1) if skorch is not None and isinstance(estimator, skorch.NeuralNetRegressor) else y


def _table(split: Split) -> np.ndarray:
    """The rows as a table; images are flattened, and those of a folder all read."""
    return np.asarray(split.x).reshape(len(split), -1)


def _report(trial: Trial, estimator: Any, data: Data) -> None:
    measure = _classified if data.classes else _regressed
    trial.report(train=measure(estimator, data.train, data), val=measure(estimator, data.validation, data))


def _classified(estimator: Any, split: Split, data: Data) -> dict[str, float]:
    from sklearn.metrics import accuracy_score, log_loss

    rows = _table(split)
    metrics = {"accuracy": accuracy_score(split.y, estimator.predict(rows))}
    if hasattr(estimator, "predict_proba"):  # present only where the estimator's settings allow it
        metrics["loss"] = log_loss(split.y, estimator.predict_proba(rows), labels=np.arange(len(data.classes)))
    return metrics


def _regressed(estimator: Any, split: Split, data: Data) -> dict[str, float]:
    """The squared error of the standardised target; rmse and mae in the units of the data."""
    from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

    guessed, unit = np.asarray(estimator.predict(_table(split))).reshape(len(split)), data.preparation.target_std
    loss = mean_squared_error(split.y, guessed)
    mae = mean_absolute_error(split.y, guessed) * unit
    return {"loss": loss, "rmse": loss**0.5 * unit, "mae": mae, "r2": r2_score(split.y, guessed)}


def _name(estimator: Any) -> str:
    return type(estimator).__name__
