"""The shared base of supervised nets: a config dataclass and a `build_model` make a trainer.

    @supervised("my-net", MyConfig, shapes=["depth"], kinds=["table"])
    def my_net(config, facts):
        return nn.Sequential(...)          # facts.inputs numbers a row in, facts.outputs out

What lives here: the hyperparameters that every such net has, and how a trainer declares itself.
The training itself is in training.py, which imports torch; this module does not.

Metrics are measured after each epoch, in eval mode, in the same way on both splits, and with the
plain loss (no label smoothing, no L1), so that their gap is the model's and not the measuring's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from goodfit.trainers.registry import Trainer, register
from goodfit.trainers.training.config import Checked, number
from goodfit.trainers.trial import Trial

if TYPE_CHECKING:
    import torch

    from goodfit.trainers.data import Facts

    BuildModel = Callable[[Any, Facts], torch.nn.Module]
    Loss = Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]

METRICS = {
    "classification": ("loss", "accuracy", "balanced_accuracy", "f1"),
    "regression": ("loss", "rmse", "mae", "r2"),
    "forecasting": ("loss", "mae", "rmse", "naive_ratio"),
}


@dataclass(frozen=True)
class SupervisedConfig(Checked):
    """The hyperparameters of every supervised net; a trainer's own config inherits them."""

    learning_rate: float = number(1e-3, above=0)  # the schedule's highest
    batch_size: int = number(32, least=1)
    optimizer: Literal["sgd", "adam", "adamw"] = "adamw"
    momentum: float = number(0.9, least=0, below=1)  # sgd alone; the Adams keep their betas
    schedule: Literal["constant", "cosine", "step", "onecycle"] = "cosine"
    weight_decay: float = number(1e-2, least=0)  # on weights, not on biases and norms: those need to move freely
    l1: float = number(0.0, least=0)  # times the sum of the weights' sizes, added to the loss
    dropout: float = number(0.0, least=0, below=1)
    label_smoothing: float = number(0.0, least=0, below=1)  # classification alone
    clip_norm: float = number(0.0, least=0)  # the largest norm of a step's gradient; 0: as it comes


def supervised(
    name: str,
    config: type[SupervisedConfig],
    *,
    shapes: Sequence[str] = (),
    kinds: Sequence[str] = (),
    loss: Loss | None = None,
    tasks: Sequence[str] = ("classification", "regression"),
    embeds: bool = False,
    packs: bool | Sequence[str] = False,
) -> Callable[[BuildModel], Trainer]:
    """Declare a `build_model(config, facts)` as the trainer `name`.

    Args:
        name: as users write it in a study file.
        config: its hyperparameters.
        shapes: the hyperparameters that shape the architecture.
        kinds: the kinds of data it takes: "table", "image".
        loss: loss(outputs, targets, label_smoothing) -> mean over the batch, in place of
            cross-entropy (classification) or the mean squared error of the standardised target
            (regression, forecasting). It gets a smoothing of 0 when metrics are measured.
        tasks: what it can be trained for: "classification", "regression", "forecasting".
        embeds: its models take text columns as codes: one column for each of facts.cardinalities
            comes after the facts.inputs numbers of a row.
        packs: whether its trials may share a worker and train as one batched model, or the kinds of data on which
            they may; `build_model` then changes no settings of the process, and the model drops by `goodfit.Dropout`.
            Models with layers of their own train together where they have equal shapes.
    """

    def declare(build_model: BuildModel) -> Trainer:
        @functools.wraps(build_model)
        def train(trial: Trial) -> None:
            from goodfit.trainers.training.loop import fit

            packed = trainer.packs_on(None if trial.data is None else trial.data.kind)
            fit(trial, name, build_model, kinds, loss, embeds, packed)

        trainer = register(
            name,
            config=config,
            shapes=shapes,
            kinds=kinds,
            metrics={task: METRICS[task] for task in tasks},
            build=build_model,
            packs=packs,
            prepares=[
                "balance",
                "augment",
                *(["weights"] if loss is None else []),
                *(["embedding"] if embeds else []),
                *(["groups"] if "table" in kinds else []),
            ],
        )(train)
        return trainer

    return declare
