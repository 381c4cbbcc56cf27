"""A Hugging Face `Trainer` as a Goodfit trainer: `fit(trial, trainer)` in place of `trainer.train()`.

Hugging Face owns the loop, the optimizer and the devices; the trial decides when the loop ends and
where checkpoints lie. An epoch of the trial is one evaluation: an epoch of the data, or `eval_steps`
steps. This module imports transformers: pip install 'goodfit[hugging-face]'.

A resumed trial goes on from a checkpoint in Hugging Face's own layout, which is written from the
trial's own checkpoint and read by `trainer.train(resume_from_checkpoint=...)`. One of another
configuration (search pbt or pb2, schedule) gives its weights and the optimizer's moments; the
optimizer keeps the hyperparameters that it was made with.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.trainer import OPTIMIZER_NAME, SCALER_NAME, SCHEDULER_NAME, TRAINER_STATE_NAME

from goodfit.trainers.errors import BadTrainer, NotResumable
from goodfit.trainers.integrations.bridge import Epochs
from goodfit.trainers.seeding import seed_generators
from goodfit.trainers.trial import Trial
from goodfit.trainers.trial.hyperparameters import built_with, with_own

_TIMINGS = ("_runtime", "_per_second", "_preparation_time")  # how the names of what is no metric end


def arguments(trial: Trial, **settings: Any) -> transformers.TrainingArguments:
    """TrainingArguments for a trial: its seed and folder, an evaluation each epoch, nothing on disk or screen.

    Args:
        trial: as the trainer got it.
        settings: of TrainingArguments: learning_rate, per_device_train_batch_size, ...
    """
    plain: dict[str, Any] = {
        "output_dir": str(trial.folder / "hugging_face"),
        "seed": trial.seed,
        "data_seed": trial.seed,
        "eval_strategy": "epoch",
        "logging_strategy": "epoch",
        "save_strategy": "no",  # the trial saves
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": torch.cuda.is_available(),  # it warns where there is no GPU
    }
    return transformers.TrainingArguments(**{**plain, **settings})


def fit(trial: Trial, trainer: transformers.Trainer) -> None:
    """Train with a Hugging Face Trainer to the trial's end, reporting each evaluation.

    Reported is what the Trainer evaluates: eval_loss as val/loss, and so on; train/loss is the mean
    over the steps since the last log. With `eval_dataset={"train": ..., "val": ...}` both splits are
    evaluated in the same way, which makes their gap the model's own.

    How long it trains is the study's to say: `num_train_epochs` and `max_steps` are set here.

    Raises:
        BadTrainer: the Trainer never evaluates, or its datasets are named otherwise.
        NotResumable: the batch size has changed while the trial trains.
    """
    model = _checked_model(trainer)
    _set_length(trainer.args, trial)
    epochs, rest = Epochs(trial), _Rest(trainer)
    resumed = trial.restore(model, rest) > 0
    if not epochs.begin():
        return
    for callback in (transformers.PrinterCallback, transformers.trainer_callback.ProgressCallback):
        trainer.remove_callback(callback)
    trainer.add_callback(ReportEachEvaluation(trial, epochs, _datasets(trainer)))
    folder = trial.folder / "hugging_face_resume"
    if resumed:
        rest.write(folder)
    rest.follow(folder)
    try:
        trainer.train(resume_from_checkpoint=str(folder) if resumed else None)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _datasets(trainer: transformers.Trainer) -> list[str]:
    return list(trainer.eval_dataset) if isinstance(trainer.eval_dataset, Mapping) else []


def _checked_model(trainer: transformers.Trainer) -> Any:
    if trainer.args.eval_strategy not in ("epoch", "steps"):
        raise BadTrainer(
            "the Hugging Face Trainer never evaluates, so there is nothing to report; "
            'give its TrainingArguments eval_strategy="epoch", or "steps" with eval_steps'
        )
    names = _datasets(trainer)
    if names and set(names) not in ({"val"}, {"train", "val"}):
        raise BadTrainer(f'eval_dataset has {", ".join(names)}; name them "train" and "val"')
    if getattr(trainer, "model_init", None) is not None:
        raise BadTrainer(
            "the Hugging Face Trainer would build its model anew when it trains; give model=, not model_init="
        )
    return trainer.model


def _set_length(args: transformers.TrainingArguments, trial: Trial) -> None:
    """As many evaluations as the trial may train epochs; schedules of the learning rate count on it."""
    if args.eval_strategy == "steps":
        if args.eval_steps is None or args.eval_steps < 1:
            raise BadTrainer(
                f"eval_steps is {args.eval_steps}; give a number of steps, which is one epoch of the trial"
            )
        args.max_steps = int(args.eval_steps) * trial.epochs_total
    else:
        args.num_train_epochs, args.max_steps = trial.epochs_total, -1
    if args.data_seed is None:  # accelerate would take the seed of the moment, another one after a restart
        args.data_seed = trial.seed


class ReportEachEvaluation(transformers.TrainerCallback):
    """Reports each evaluation and stops the loop when the trial is over.

    Args:
        trial: whose generators are seeded at the start of an epoch.
        epochs: of that trial.
        datasets: the names of the Trainer's evaluation sets, evaluated in this order; empty where
            there is one without a name.
    """

    def __init__(self, trial: Trial, epochs: Epochs, datasets: list[str]) -> None:
        self._trial = trial
        self._epochs = epochs
        self._datasets = datasets
        self._train: dict[str, float] = {}
        self._val: dict[str, float] = {}
        self._seen = 0

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Take back what the Trainer has drawn while it set up or evaluated."""
        seed_generators(self._trial.seed, self._trial.epoch + 1)

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        if "loss" in kwargs["logs"] and "train" not in self._datasets:
            self._train["loss"] = kwargs["logs"]["loss"]

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        name = self._datasets[self._seen] if self._datasets else ""
        prefix = f"eval_{name}_" if name else "eval_"
        measured = self._train if name == "train" else self._val
        for key, value in kwargs["metrics"].items():
            if key.startswith(prefix) and not key.endswith(_TIMINGS):
                measured[key.removeprefix(prefix)] = value
        self._seen += 1
        if self._seen < len(self._datasets):
            return
        self._seen = 0
        if not self._epochs.end(self._train, self._val):
            control.should_training_stop = True


class _WhenMade(transformers.TrainerCallback):
    """Calls when the Trainer has made all that it trains with."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        self._call()


class _Rest:
    """All of a Hugging Face checkpoint but the model, which the trial keeps by itself."""

    def __init__(self, trainer: transformers.Trainer) -> None:
        self._trainer = trainer
        self._loaded: dict[str, Any] = {}
        self._built: dict[str, Any] = {}  # what the optimizer and the schedule began with

    def state_dict(self) -> dict[str, Any]:
        trainer: Any = self._trainer  # whose optimizer and schedule are there once it trains
        scaler = trainer.accelerator.scaler
        return {
            OPTIMIZER_NAME: trainer.optimizer.state_dict(),
            SCHEDULER_NAME: trainer.lr_scheduler.state_dict(),
            SCALER_NAME: scaler.state_dict() if scaler is not None else None,
            TRAINER_STATE_NAME: json.dumps(dataclasses.asdict(trainer.state)),
            "built": self._built,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._loaded = state

    def write(self, folder: Path) -> None:
        """A checkpoint as the Trainer itself would have written it."""
        self._refuse_other_batches()
        shutil.rmtree(folder, ignore_errors=True)
        self._trainer.save_model(str(folder))
        if self._loaded[SCALER_NAME] is not None:
            torch.save(self._loaded[SCALER_NAME], folder / SCALER_NAME)
        (folder / TRAINER_STATE_NAME).write_text(self._loaded[TRAINER_STATE_NAME], encoding="utf-8")

    def follow(self, folder: Path) -> None:
        """Write what the Trainer loads into its optimizer and schedule once it has made them, and just before."""
        trainer: Any = self._trainer
        load = trainer._load_optimizer_and_scheduler  # noqa: SLF001 - the one place between the two

        def loading(checkpoint: str | None) -> None:
            self.note_built()
            for name in (OPTIMIZER_NAME, SCHEDULER_NAME) if checkpoint is not None else ():
                before = self._loaded.get("built", {}).get(name)
                torch.save(with_own(self._loaded[name], before, self._built[name]), folder / name)
            load(checkpoint)

        trainer._load_optimizer_and_scheduler = loading  # noqa: SLF001
        trainer.add_callback(_WhenMade(self.note_built))  # where there is nothing to load

    def note_built(self) -> None:
        """Note what the optimizer and the schedule began with; once, for training changes them."""
        if not self._built:
            trainer: Any = self._trainer
            schedule = getattr(trainer.lr_scheduler, "scheduler", trainer.lr_scheduler)  # accelerate wraps it
            self._built = {OPTIMIZER_NAME: built_with(trainer.optimizer), SCHEDULER_NAME: built_with(schedule)}

    def _refuse_other_batches(self) -> None:
        """NotResumable where an epoch of the data has another number of steps: the Trainer finds its place by these."""
        args = self._trainer.args
        before = json.loads(self._loaded[TRAINER_STATE_NAME]).get("train_batch_size")
        if args.eval_strategy == "epoch" and before not in (None, args.train_batch_size):
            raise NotResumable(
                f"the batch size was {before} and is {args.train_batch_size} now: the Hugging Face Trainer finds its "
                "place in the data by counting steps, so it cannot change while a trial trains; leave it out of "
                '`search: {perturb: [...]}`, or evaluate by steps (eval_strategy="steps")'
            )
