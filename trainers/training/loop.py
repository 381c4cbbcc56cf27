"""How a supervised net is trained: the epoch, the optimizers, the schedules, the metrics.

Imports torch, so it is imported when a trial starts and not before. On a GPU the forward pass runs
in bfloat16, or in float16 with a loss scaler where the GPU knows no bfloat16; on a CPU everything
is float32, and the same seed gives the same curve.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from goodfit.trainers.ahead import ahead
from goodfit.trainers.data import Data, Facts, Split
from goodfit.trainers.data.augmenting.variations import given_keys
from goodfit.trainers.data.facts import joined
from goodfit.trainers.data.reading.images import Images
from goodfit.trainers.errors import BadTrainer, DataProblem
from goodfit.trainers.groups.adversary import Adversary
from goodfit.trainers.nets.dropout import own_masks
from goodfit.trainers.nets.forecasting import forecast_metrics
from goodfit.trainers.seeding import mixed_seed
from goodfit.trainers.training import devices
from goodfit.trainers.training.augmentation import Augmentation, Blend
from goodfit.trainers.training.group_outcomes import (
    chosen_classes,
    mitigate,
    outcomes,
    with_thresholds,
)
from goodfit.trainers.training.image_rows import ImageRows, parts_of
from goodfit.trainers.training.language_metrics import language_metrics
from goodfit.trainers.training.packing.hub import run_epoch
from goodfit.trainers.training.packing.work import EpochWork
from goodfit.trainers.training.rare_classes import (
    balanced_order,
    class_metrics,
    class_weights,
    drawn_order,
    row_weighted_cross_entropy,
    row_weighted_squared_error,
    weighted_cross_entropy,
)
from goodfit.trainers.training.resident import resident
from goodfit.trainers.trial import Trial

Loss = Callable[[Tensor, Tensor, float], Tensor]
T = TypeVar("T")
Varied = tuple[Tensor, Tensor, Blend | None]  # a batch, its targets, and how its rows are blended
TRAIN_ROWS_MEASURED = 10_000  # train metrics come from this many rows at most: error 0.5% on an accuracy of 0.5
ROWS_AT_ONCE = 2048  # when measuring; bounds the memory, changes no result
NUMBERS_AT_ONCE = 2**22  # likewise, of rows that are long: 27 images of 224x224 in colour
WARM_UP = 0.3  # onecycle: the share of training that raises the rate; as in fast.ai and torch
COLD, LAST = 25.0, 1e4  # onecycle starts at 1/25 of the rate and ends at 1/25/1e4 of it; likewise
STEP_AT, STEP = (0.5, 0.75), 0.1  # step: the rate falls to a tenth twice, as for the first ResNets


@dataclass(frozen=True)
class Tensors:
    """One split on the device."""

    x: Tensor | ImageRows  # of a folder of images: still in their files
    y: Tensor
    groups: Tensor | None = None  # the group of each row, where the study compares groups

    @classmethod
    def of(cls, split: Split, device: torch.device) -> Tensors:
        if isinstance(split.x, Images):
            return cls(ImageRows(split.x, device), torch.from_numpy(split.y).to(device))
        arrays = [one for one in (split.x, split.y, split.codes, split.groups) if one is not None]
        return cls(*resident("split", arrays, device, lambda: cls._copied(split, device)))

    @staticmethod
    def _copied(split: Split, device: torch.device) -> tuple[Tensor, Tensor, Tensor | None]:
        x = torch.from_numpy(joined(np.asarray(split.x), split.codes)).to(device)
        groups = None if split.groups is None else torch.from_numpy(split.groups).to(device)
        return x, torch.from_numpy(split.y).to(device), groups

    def take(self, rows: Tensor) -> Tensors:
        """These rows alone."""
        x = self.x.take(rows) if isinstance(self.x, ImageRows) else self.x[rows]
        return Tensors(x, self.y[rows], None if self.groups is None else self.groups[rows])

    def __len__(self) -> int:
        return len(self.y)


def fit(
    trial: Trial,
    name: str,
    build_model: Callable[[Any, Facts], nn.Module],
    kinds: Sequence[str],
    loss: Loss | None = None,
    embeds: bool = False,
    packs: bool = False,
) -> None:
    """Train one trial to its end, reporting each epoch."""
    data = suitable(trial.data, name, kinds)
    facts = data.facts
    if facts.cardinalities and not embeds:
        raise DataProblem(f"trainer {name} learns no embeddings of text columns; give `prepare: {{encode: onehot}}`")
    device = devices.choose()
    train, validation = Tensors.of(data.train, device), Tensors.of(data.validation, device)
    measured = _sample(train)
    model = build_model(trial.config, facts).to(device)
    training = Training(model, trial, facts, loss or default_loss(facts.task))
    training.own_loss, training.packs = loss is not None, packs
    if given_keys(data.augment):
        training.augmentation = Augmentation(data.augment, facts, trial.seed, device)
    if facts.preparation.balance == "weights":
        if loss is not None:
            raise DataProblem(f"trainer {name} has a loss of its own; give `prepare: {{balance: sampling}}`")
        training.fitted_loss = weighted_cross_entropy(train.y, facts.outputs)
    mitigate(training, train, facts, own_loss=loss is not None)
    _weigh_rows(training, data, train.y, own_loss=loss is not None)
    with_thresholds(model, facts.groups)
    trial.restore(*training.stateful)
    for epoch in trial.epochs():
        if data.texts is not None:
            began = perf_counter()
            train = replace(train, x=torch.from_numpy(data.texts.ids(trial.seed, epoch)).to(device))
            trial.waited(perf_counter() - began)
        result = run_epoch(EpochWork(training, trial.seed, epoch, train, measured, validation, facts))
        trial._packed(result.members, result.saved)  # noqa: SLF001 - not for trainers
        trial.report(train=result.train, val=result.validation)


def _weigh_rows(training: Training, data: Data, y: Tensor, *, own_loss: bool) -> None:
    """Have rows whose labels are likely wrong count for less, beside the weights that rows have otherwise."""
    if data.train.weights is None:
        return
    if own_loss:
        raise DataProblem("the trainer has a loss of its own, which takes no weights; give `labels: drop`")
    weights = torch.from_numpy(data.train.weights).to(y.device)
    weights = weights / weights.mean()  # their mean is that of rows without weights
    if training.row_weights is not None:
        weights = weights * training.row_weights
    elif data.preparation.balance == "weights":
        weights = weights * class_weights(y, data.facts.outputs)[y]
    training.row_weights = weights


def suitable(data: Data | None, name: str, kinds: Sequence[str]) -> Data:
    """The data of a trial; BadTrainer where there are none, DataProblem where the trainer does not take their kind."""
    if data is None:
        raise BadTrainer(f"trainer {name} needs data; name them in the study: `data: {{source: ...}}`")
    if kinds and data.kind not in kinds:
        raise DataProblem(
            f"trainer {name} takes data of kind {' or '.join(kinds)}, and {data.name} is of kind {data.kind}"
        )
    return data


def _sample(data: Tensors) -> Tensors:
    """The training rows that the train metrics come from: all, or the same ones in every epoch and trial."""
    if len(data) <= TRAIN_ROWS_MEASURED:
        return data
    rows = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))[:TRAIN_ROWS_MEASURED]
    rows = rows.to(data.y.device)
    return data.take(rows)


class Training:
    """A model in training: its optimizer and what one epoch does to both."""

    def __init__(self, model: nn.Module, trial: Trial, facts: Facts, loss: Loss) -> None:
        self.loss = loss
        self.own_loss = False  # whether the trainer has a loss of its own
        self.packs = False  # whether it may be trained with others as one model
        self.fitted_loss = loss  # what the steps take: may weigh the classes, which the metrics never do
        self.augmentation: Augmentation | None = None  # what the steps see; the metrics never do
        self.row_weights: Tensor | None = None  # of the training rows, in the loss that the steps take
        self.rows_of: Callable[[int], Tensor] | None = None  # the training rows that an epoch reads; None: all
        self.parts: tuple[Tensor, Sequence[float]] | None = None  # of each row its part, and the shares to draw
        self.adversary: Adversary | None = None  # is misled about the `groups` of the training rows
        self.groups: Tensor | None = None
        self._rows = torch.empty(0, dtype=torch.int64)  # of the batch in work
        self.facts = facts
        self.model = model
        self.config = trial.config
        self.seed = trial.seed
        self._waited, self._waiting = trial.waited, 0.0
        self.epochs = trial.epochs_total
        self.optimizer = make_optimizer(model, trial.config)
        device = next(model.parameters()).device
        self.half = devices.half_precision(device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.half is torch.float16)

    @property
    def stateful(self) -> list[Any]:
        """What a checkpoint must hold. The schedule has no state: the rate follows from the epoch."""
        scaler = [self.scaler] if self.scaler.is_enabled() else []
        adversary = [self.adversary, self.adversary.optimizer] if self.adversary is not None else []
        return [self.model, self.optimizer, *scaler, *adversary]

    def epoch(self, epoch: int, data: Tensors) -> None:
        """One pass over the data, in an order that depends on the trial's seed and the epoch alone."""
        batches = self.batches(epoch, data.y)
        if self.augmentation is not None:
            self.augmentation.start(epoch)
        self.model.train()
        self._waiting = 0.0
        with self.masks(epoch, batches), contextlib.closing(self._ready(batches, data)) as ready:
            for rate, rows, batch in zip(self.rates(epoch, len(batches)), batches, ready, strict=True):
                for group in self.optimizer.param_groups:
                    group["lr"] = rate
                self._rows = rows
                self._step(*batch)
        self._waited(self._waiting, sum(map(len, batches)))

    def _ready(self, batches: list[Tensor], data: Tensors) -> Generator[Varied]:
        """The batches as the steps take them; of images in files the next ones are read and varied meanwhile."""
        vary = self.augmentation or _as_it_is
        targets = (data.y[rows] for rows in batches)
        if isinstance(data.x, ImageRows):
            pairs = zip(data.x.ahead(batches), targets, strict=True)
            yield from self._timed(ahead(lambda pair: vary(*pair), pairs, 1, 2))
        else:
            for x, y in self._timed(zip((data.x[rows] for rows in batches), targets, strict=True)):
                yield vary(x, y)

    def _timed(self, items: Iterator[T]) -> Generator[T]:
        """The items; how long they are waited for is added up."""
        while True:
            began = perf_counter()
            item = next(items, None)
            self._waiting += perf_counter() - began
            if item is None:
                return
            yield item

    def batches(self, epoch: int, y: Tensor) -> list[Tensor]:
        """The rows of each step of an epoch."""
        return batches_of(self._order(epoch, y), self.config.batch_size)

    def rates(self, epoch: int, steps: int) -> list[float]:
        """The learning rate of each step of an epoch."""
        most, schedule = float(self.config.learning_rate), self.config.schedule
        if schedule == "constant":
            return [most] * steps
        return [most * rate_factor(schedule, (epoch - 1 + step / steps) / self.epochs) for step in range(steps)]

    def masks(self, epoch: int, batches: Sequence[Tensor]) -> contextlib.AbstractContextManager[None]:
        """Within it the model's dropout draws the masks of this epoch."""
        return own_masks(self.model, self.seed, epoch, max(len(batches[0]), len(batches[-1])), len(batches))

    def _order(self, epoch: int, y: Tensor) -> Tensor:
        if self.parts is not None:
            return drawn_order(self.seed, epoch, *self.parts).to(y.device)
        if self.facts.preparation.balance == "sampling":
            return balanced_order(self.seed, epoch, y.cpu(), self.facts.outputs).to(y.device)
        if self.rows_of is not None:
            rows = self.rows_of(epoch)
            return rows[epoch_order(self.seed, epoch, len(rows))].to(y.device)
        return epoch_order(self.seed, epoch, len(y)).to(y.device)

    def _step(self, x: Tensor, y: Tensor, blend: Blend | None) -> None:
        with torch.autocast(x.device.type, dtype=self.half, enabled=self.half is not None):
            outputs = self.model(x)
        outputs = _shaped(outputs.float(), self.facts)
        loss = self._fitted(outputs, y, blend)
        if self.adversary is not None and self.groups is not None:
            loss = loss + self.adversary(outputs, y, self.groups[self._rows])
        self._descend(loss)

    def _fitted(self, outputs: Tensor, y: Tensor, blend: Blend | None) -> Tensor:
        """The loss of a batch as the steps take it: with the rows' weights, and against both rows that it blends."""
        smoothing = self.config.label_smoothing
        if self.row_weights is None:
            if blend is None:
                return self.fitted_loss(outputs, y, smoothing)
            return blend.loss(lambda targets: self.fitted_loss(outputs, targets, smoothing), y)
        weighted = row_weighted_cross_entropy if self.facts.task == "classification" else row_weighted_squared_error
        weights = self.row_weights[self._rows]
        loss = weighted(outputs, y, weights, smoothing)
        if blend is None:
            return loss
        other = weighted(outputs, y[blend.partners], weights[blend.partners], smoothing)
        return blend.share * loss + (1 - blend.share) * other

    def _descend(self, loss: Tensor) -> None:
        """One step of the optimizer down a batch's loss, with what the config does to it and to its gradient."""
        optimizers = [self.optimizer, *([self.adversary.optimizer] if self.adversary is not None else [])]
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(self.scaler.scale(with_l1(loss, self.model, self.config.l1)))
        if self.config.clip_norm:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        for optimizer in optimizers:
            self.scaler.step(optimizer)
        self.scaler.update()


def _as_it_is(x: Tensor, y: Tensor) -> Varied:
    return x, y, None


def with_l1(loss: Tensor, model: nn.Module, l1: float) -> Tensor:
    """The loss and `l1` times the sum of the weights' sizes, without biases and norms."""
    weights = [weight for weight in model.parameters() if weight.ndim > 1] if l1 else []
    return loss + l1 * torch.stack([weight.abs().sum() for weight in weights]).sum() if weights else loss


def default_loss(task: str) -> Loss:
    """Cross-entropy for classes; the mean squared error of the standardised target for numbers."""
    return _cross_entropy if task == "classification" else _squared_error


def _cross_entropy(outputs: Tensor, y: Tensor, smoothing: float) -> Tensor:
    return functional.cross_entropy(outputs, y, label_smoothing=smoothing)


def _squared_error(outputs: Tensor, y: Tensor, _smoothing: float) -> Tensor:
    return functional.mse_loss(outputs, y)


def make_optimizer(model: nn.Module, config: Any) -> torch.optim.Optimizer:
    """The optimizer of a config; weight decay acts on weights alone, not on biases and norms.

    Fused, a step of a small MLP takes 0.14 ms in place of 0.23 on one CPU core.
    """
    groups = [
        {"params": [weight for weight in model.parameters() if weight.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [weight for weight in model.parameters() if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum, fused=True)
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=config.learning_rate, fused=True)


def rate_factor(schedule: str, done: float) -> float:
    """What the learning rate is multiplied with when the share `done` of all steps is done."""
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    if schedule == "step":
        return math.prod(STEP for share in STEP_AT if done >= share)
    if schedule == "onecycle":
        if done < WARM_UP:
            return _between(1 / COLD, 1.0, done / WARM_UP)
        return _between(1.0, 1 / COLD / LAST, (done - WARM_UP) / (1 - WARM_UP))
    return 1.0


def _between(start: float, end: float, share: float) -> float:
    """From `start` to `end` along half a cosine."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * share))


def epoch_order(seed: int, epoch: int, rows: int) -> Tensor:
    """The order of the rows in one epoch of one trial, whatever else draws random numbers."""
    return torch.randperm(rows, generator=torch.Generator().manual_seed(mixed_seed(seed, epoch)))


def batches_of(order: Tensor, size: int) -> list[Tensor]:
    """The order cut into batches; a last batch of one row joins the one before it.

    Batch normalization cannot train on one row, and dropping it would leave a row out of the epoch.
    """
    batches = list(torch.split(order, size))
    if len(batches) > 1 and len(batches[-1]) == 1 < size:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def evaluate(
    model: nn.Module, data: Tensors, facts: Facts, loss: Loss | None = None, *, by_group: bool = True
) -> dict[str, float]:
    """A model's metrics on a split, in eval mode and float32; rmse and mae in the units of the data.

    `by_group`: where the study compares groups, the rates of each are among them, not only the differences.
    """
    if facts.task == "language-modelling":
        return language_metrics(model, data.x[:], data.y, facts)
    outputs = predict(model, data.x, facts).double()
    plain = loss or default_loss(facts.task)
    if facts.task == "classification":
        chosen = chosen_classes(model, outputs, data, facts.groups)
        scores = class_metrics(chosen, data.y, facts.outputs)
        compared = outcomes(chosen, outputs, data, facts.groups, by_group=by_group)
        return {"loss": float(plain(outputs, data.y, 0.0)), **scores, **compared}
    targets = data.y.double()
    if facts.task == "forecasting":
        return {"loss": float(plain(outputs, targets, 0.0)), **forecast_metrics(outputs, data.x[:], targets, facts)}
    error = outputs - targets
    squares, spread = float(error.square().sum()), float((targets - targets.mean()).square().sum())
    unit = facts.preparation.target_std
    return {
        "loss": float(plain(outputs, targets, 0.0)),
        "rmse": float(error.square().mean().sqrt()) * unit,
        "mae": float(error.abs().mean()) * unit,
        "r2": 1 - squares / spread if spread else 0.0,  # of equal targets: as scikit-learn has it
    }


def predict(model: nn.Module, x: Tensor | ImageRows, facts: Facts) -> Tensor:
    """The model's outputs in eval mode: logits (rows, classes), or standardised values (rows,) or (rows, horizon)."""
    model.eval()
    at_once = max(1, min(ROWS_AT_ONCE, NUMBERS_AT_ONCE // facts.inputs))
    with torch.inference_mode():
        return torch.cat([_shaped(model(rows), facts) for rows in parts_of(x, at_once)])


def _shaped(outputs: Tensor, facts: Facts) -> Tensor:
    """A regression's outputs as (rows,), so that they never broadcast against the targets."""
    row = (*facts.input_shape, facts.outputs) if facts.task == "language-modelling" else (facts.outputs,)
    if outputs.shape[1:] != row:
        raise BadTrainer(
            f"the model gives {tuple(outputs.shape)} for {len(outputs)} rows; "
            f"{facts.task} on {facts.name} needs facts.outputs = {facts.outputs} numbers a row"
        )
    return outputs.squeeze(1) if facts.task == "regression" else outputs
