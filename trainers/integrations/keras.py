"""A Keras model as a Goodfit trainer: `fit(trial, model, x, y, ...)` in place of `model.fit(x, y, epochs=...)`.

Keras 3 on torch owns the loop; the trial decides when the loop ends and where checkpoints lie. This module imports
keras: pip install 'goodfit[keras]'.

A checkpoint holds all variables of the model (weights, statistics, generators) and of its optimizer, so a resumed trial
goes on as an uninterrupted one. One of another configuration (search pbt or pb2, schedule) leaves the learning rate
that the optimizer was made with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import torch

from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.integrations.bridge import Epochs
from goodfit.trainers.seeding import seed_generators
from goodfit.trainers.trial import Trial

_DECIDED = ("epochs", "initial_epoch")
# Of EarlyStopping, ReduceLROnPlateau and ModelCheckpoint.
_COUNTED = ("best", "wait", "cooldown_counter", "best_epoch", "stopped_epoch")


def fit(trial: Trial, model: keras.Model, *data: Any, callbacks: Sequence[Any] = (), **settings: Any) -> None:
    """Train a compiled model to the trial's end, reporting each epoch.

    Reported is what Keras logs by epoch: `loss` as train/loss, `val_loss` as val/loss, and so on.

    Args:
        trial: as the trainer got it.
        model: made anew for this trial, built (from a keras.Input) and compiled.
        data: as `model.fit` takes them: x and y, or a data set.
        callbacks: of Keras.
        settings: of `model.fit`: validation_data, batch_size, class_weight, ...

    Raises:
        BadTrainer: another backend than torch, a model that is not ready, or a setting that is the study's to decide.
    """
    _check(model, settings)
    model.optimizer.build(model.trainable_variables)
    epochs = Epochs(trial)
    memory = _CallbackMemory(callbacks)
    done = trial.restore(_Variables(model), _OptimizerVariables(model), memory)
    if not epochs.begin():
        return
    model.fit(
        *data,
        **{"verbose": 0, **settings},
        callbacks=[*callbacks, _ReportEachEpoch(trial, epochs, memory)],
        initial_epoch=done,
        epochs=trial.epochs_total,
    )


def load(model: keras.Model, weights: Mapping[str, Any]) -> keras.Model:
    """A model of your own class with the weights that `study.weights()` gives."""
    for variable, value in zip(model.variables, weights["variables"], strict=True):
        variable.assign(value)
    return model


def _check(model: Any, settings: Mapping[str, Any]) -> None:
    if keras.backend.backend() != "torch":
        raise BadTrainer(f"Keras runs on {keras.backend.backend()}: set the environment variable KERAS_BACKEND=torch")
    if not isinstance(model, keras.Model):
        raise BadTrainer(f"{type(model).__module__}.{type(model).__name__} is no model of the package keras (3)")
    if not model.built or not model.compiled:
        lacks = "compiled: call model.compile(...)" if model.built else "built: begin it with keras.Input(shape)"
        raise BadTrainer(f"the model {model.name} is not {lacks}")
    for name in _DECIDED:
        if name in settings:
            raise BadTrainer(f"{name} is not for the trainer to set; the study decides by training: {{epochs: ...}}")


class _ReportEachEpoch(keras.callbacks.Callback):  # type: ignore[misc]
    """Reports each epoch and stops the loop when the trial is over; the last of the callbacks, so all is logged."""

    def __init__(self, trial: Trial, epochs: Epochs, memory: _CallbackMemory) -> None:
        super().__init__()
        self._trial, self._epochs, self._memory = trial, epochs, memory

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002 - Keras' own
        self._memory.recall()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002 - Keras' own
        seed_generators(self._trial.seed, epoch + 1)  # again: at the first one Keras has drawn from them since

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002 - Keras' own
        logs = logs or {}
        train = {name: value for name, value in logs.items() if not name.startswith("val_")}
        val = {name.removeprefix("val_"): value for name, value in logs.items() if name.startswith("val_")}
        if not self._epochs.end(train, val):
            self.model.stop_training = True


class _Variables:
    """The variables of a model, as tensors."""

    def __init__(self, model: keras.Model) -> None:
        self._model = model

    @property
    def users_model(self) -> keras.Model:
        """What they are of."""
        return self._model

    def state_dict(self) -> dict[str, Any]:
        return {"variables": [_tensor(variable) for variable in self._model.variables]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        load(self._model, state)


class _OptimizerVariables:
    """Those of its optimizer, but for the learning rate of another configuration."""

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self._rate = _rate(model)  # that it was made with

    def state_dict(self) -> dict[str, Any]:
        return {"variables": [_tensor(variable) for variable in self._model.optimizer.variables], "rate": self._rate}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for variable, value in zip(self._model.optimizer.variables, state["variables"], strict=True):
            variable.assign(value)
        before, now = state["rate"], _rate(self._model)
        if self._rate is not None and now is not None and before and before != self._rate:
            self._model.optimizer.learning_rate.assign(now * self._rate / before)


class _CallbackMemory:
    """What callbacks of Keras count: the best value and the epochs since, which a new training begins anew."""

    def __init__(self, callbacks: Sequence[Any]) -> None:
        self._callbacks = callbacks
        self._kept: list[dict[str, Any]] = []

    def state_dict(self) -> dict[str, Any]:
        return {"callbacks": [_counted(callback) for callback in self._callbacks]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._kept = list(state["callbacks"])

    def recall(self) -> None:
        """Give them back, after the callbacks have begun anew."""
        for callback, kept in zip(self._callbacks, self._kept, strict=False):
            vars(callback).update(kept)
        self._kept = []


def _counted(callback: Any) -> dict[str, Any]:
    found = {name: getattr(callback, name) for name in _COUNTED if hasattr(callback, name)}
    return {name: value.item() if hasattr(value, "item") else value for name, value in found.items()}


def _rate(model: keras.Model) -> float | None:
    """The learning rate, where it is a number and no schedule by steps."""
    rate = model.optimizer._learning_rate  # noqa: SLF001 - `learning_rate` evaluates a schedule
    return float(rate) if isinstance(rate, keras.Variable) else None


def _tensor(variable: Any) -> torch.Tensor:
    value: torch.Tensor = variable.value
    return value.detach().cpu().clone()
