"""A LightningModule as a Goodfit trainer: `fit(trial, module, ...)` in place of `Trainer(...).fit(module, ...)`.

Lightning owns the loop, the optimizers and the devices; the trial decides when the loop ends and
where checkpoints lie. This module imports lightning: pip install 'goodfit[lightning]'.

A checkpoint holds what Lightning's own holds (loops, optimizers, schedules, callbacks), so a
resumed trial goes on as an uninterrupted one. A checkpoint of another configuration (search pbt or pb2, schedule)
gives its weights and the optimizers' moments, and no hyperparameters: the optimizers keep those of the module.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.loggers.logger import DummyLogger
from lightning.pytorch.plugins.io import CheckpointIO

from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.integrations.bridge import Epochs
from goodfit.trainers.trial import Trial
from goodfit.trainers.trial.hyperparameters import built_with, with_own

# Lightning's Trainer settings that the study decides, and where.
_DECIDED = {
    "max_epochs": "training: {epochs: ...}",
    "max_steps": "training: {epochs: ...}",
    "enable_checkpointing": "training: {checkpoint_epochs: ...}",
}


def fit(
    trial: Trial,
    module: pl.LightningModule,
    train_dataloaders: Any = None,
    val_dataloaders: Any = None,
    *,
    datamodule: pl.LightningDataModule | None = None,
    **settings: Any,
) -> None:
    """Train a LightningModule to the trial's end, reporting each epoch.

    Reported is what the module logs by epoch: `train_loss` or `train/loss` as train/loss,
    `val_loss` or `val/loss` as val/loss, and so on; learning rates of a LearningRateMonitor as
    train/lr-... Other names stay in Lightning.

    Args:
        trial: as the trainer got it.
        module: made anew for this trial.
        train_dataloaders: as Lightning's `Trainer.fit` takes them; or give `datamodule`.
        val_dataloaders: likewise.
        datamodule: likewise.
        settings: of Lightning's Trainer: accelerator, callbacks, gradient_clip_val, precision, ...

    Raises:
        BadTrainer: the module is of another package, or a setting is the study's to decide.
    """
    _check(module, settings)
    epochs, state = Epochs(trial), _State(module)
    resumed = trial.restore(module, state) > 0
    if not epochs.begin():
        return
    trainer = _make_trainer(trial, epochs, state, settings)
    state.trainer = trainer
    loaders = {"train_dataloaders": train_dataloaders, "val_dataloaders": val_dataloaders, "datamodule": datamodule}
    trainer.fit(module, **loaders, ckpt_path=trial.folder / "last.pt" if resumed else None)


def _check(module: Any, settings: Mapping[str, Any]) -> None:
    if not isinstance(module, pl.LightningModule):
        kind = f"{type(module).__module__}.{type(module).__name__}"
        raise BadTrainer(
            f"{kind} is no LightningModule of the package lightning; "
            "derive it from lightning.LightningModule (pytorch_lightning's is another class)"
        )
    for name, where in _DECIDED.items():
        if name in settings:
            raise BadTrainer(f"{name} is not for the trainer to set; the study decides by {where}")


def _make_trainer(trial: Trial, epochs: Epochs, state: _State, settings: dict[str, Any]) -> pl.Trainer:
    """A Lightning Trainer that is as quiet as a trial among many should be."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    # A trial owns few cores, which worker processes would only share.
    warnings.filterwarnings("ignore", ".*does not have many workers", category=UserWarning)
    warnings.filterwarnings("ignore", ".*LeafSpec", category=FutureWarning)  # Lightning 2.6's own, on torch 2.13
    callbacks, plugins = settings.pop("callbacks", None) or [], settings.pop("plugins", None) or []
    quiet = {
        "devices": 1,
        "logger": _NoLogger(),  # Goodfit keeps the curves; some callbacks insist on a logger
        "log_every_n_steps": 1,  # it warns of shorter epochs otherwise
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,  # it would draw numbers before the first epoch
        "default_root_dir": trial.folder,
    }
    return pl.Trainer(
        max_epochs=trial.epochs_total,
        callbacks=[*_listed(callbacks), _OwnHyperparameters(state), ReportEachEpoch(epochs)],
        plugins=[*_listed(plugins), state],
        **{**quiet, **settings},
    )


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


class _NoLogger(DummyLogger):
    """Takes everything and keeps nothing; callbacks such as LearningRateMonitor do not train without a logger."""

    @property
    def save_dir(self) -> None:
        return None


class _OwnHyperparameters(pl.Callback):
    """Has optimizers and schedules keep their own hyperparameters: they are made by now, and not loaded yet."""

    def __init__(self, state: _State) -> None:
        self._state = state

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        self._state.keep_own("optimizer_states", trainer.optimizers)
        self._state.keep_own("lr_schedulers", [config.scheduler for config in trainer.lr_scheduler_configs])


class ReportEachEpoch(Checkpoint):
    """Reports each epoch and stops the loop when the trial is over.

    A Checkpoint by class, because Lightning calls those after the module's own on_train_epoch_end,
    when everything is logged.
    """

    def __init__(self, epochs: Epochs) -> None:
        self._epochs = epochs
        self._validated = False

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        self._validated = True

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        train, val = by_split(trainer.callback_metrics)
        if trainer.enable_validation and not self._validated:
            val = {}  # what Lightning still holds is of an earlier epoch
        self._validated = False
        if not self._epochs.end(train, val):
            trainer.should_stop = True


def by_split(metrics: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The training and the validation metrics among logged ones, by plain names.

    A metric logged by step and by epoch comes three times: plain (the epoch's), _step and _epoch.
    """
    train: dict[str, Any] = {}
    val: dict[str, Any] = {}
    for name, value in metrics.items():
        base, _, fork = name.rpartition("_")
        if fork in ("step", "epoch") and base in metrics:
            continue
        if name.startswith("lr-"):  # as LearningRateMonitor names them: lr-Adam, lr-Adam/pg1
            train[name] = value
        for split, named in (("train", train), ("val", val)):
            if name.startswith((f"{split}_", f"{split}/")):
                named[name[len(split) + 1 :]] = value
    return train, val


class _State(CheckpointIO):
    """Lightning's checkpoint on its way into and out of the trial's: kept in memory, written by the trial.

    The module's weights are left out, being registered by themselves, and so are its hyperparameters,
    which only `load_from_checkpoint` would read.
    """

    _LEFT_OUT = ("state_dict", "hparams_name", "hyper_parameters", "hparams_type")

    def __init__(self, module: pl.LightningModule) -> None:
        self.trainer: pl.Trainer | None = None
        self._module = module
        self._kept: dict[str, Any] = {}
        self._built: dict[str, Any] = {}  # what the optimizers and the schedules began with
        self._built_before: dict[str, Any] = {}  # those that the checkpoint is of

    def state_dict(self) -> dict[str, Any]:
        if self.trainer is not None:
            self.trainer.save_checkpoint("checkpoint", weights_only=False)
        return {**self._kept, "built": self._built}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._kept = {name: value for name, value in state.items() if name != "built"}
        self._built_before = state.get("built", {})

    def keep_own(self, kind: str, items: Sequence[Any]) -> None:
        """Have the states that Lightning is about to load not change what items of this configuration began with."""
        self._built[kind] = [built_with(item) for item in items]
        states, before = self._kept.get(kind, []), self._built_before.get(kind, [])
        if len(states) == len(before) == len(items):
            states[:] = map(with_own, states, before, self._built[kind])  # in place: Lightning has the list already

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ARG002
        self._kept = {name: value for name, value in checkpoint.items() if name not in self._LEFT_OUT}

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:  # noqa: ARG002
        return {**self._kept, "state_dict": self._module.state_dict()}

    def remove_checkpoint(self, path: Any) -> None:
        """Nothing of it lies on disk."""
