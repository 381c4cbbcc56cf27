"""Epochs of trials of a few rows, to be trained alone and together."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from goodfit.testing.attempts import Line, assign, clock
from goodfit.trainers.builtin.language_model.training import first_epoch
from goodfit.trainers.data import Data, Facts, Split, load
from goodfit.trainers.data.kinds.corpus import windows
from goodfit.trainers.data.preparing.preparation import Preparation
from goodfit.trainers.data.preparing.tokens import Tokenizer
from goodfit.trainers.messages import DataSpec
from goodfit.trainers.registry import resolve
from goodfit.trainers.seeding import seed_generators
from goodfit.trainers.training.loop import Tensors, Training, default_loss
from goodfit.trainers.training.packing.work import EpochResult, EpochWork, train_alone, train_together
from goodfit.trainers.training.rare_classes import weighted_cross_entropy
from goodfit.trainers.trial import Trial

EPOCHS = 20
CPU = torch.device("cpu")


def rows_of(source: str, train: int, validation: int = 30) -> Data:
    """The first rows of a built-in data set, or of `sums`."""
    data = _sums() if source == "sums" else load(DataSpec(source))
    return dataclasses.replace(data, train=_first(data.train, train), validation=_first(data.validation, validation))


@functools.cache
def _sums() -> Data:
    """Running text of which each line's end follows from its beginning, in windows of 16 characters."""
    drawn = random.Random(0)
    lines = (f"{first}{second}={second}{first}\n" for first, second in itertools.product(range(10), range(10)))
    text = "".join(drawn.sample([*lines] * 3, 300))
    tokens = Tokenizer.fit([text], "character", 100, 16)
    train, validation = (windows(tokens.ids(part), 16) for part in (text[:1200], text[1200:]))
    rows = {"train": len(train), "validation": len(validation)}
    preparation = Preparation(None, (), (), tokens=tokens)
    facts = Facts("sums", "language-modelling", "corpus", (16,), (), ("text",), rows, preparation)
    return Data(train, validation, facts)


def _first(split: Split, rows: int) -> Split:
    return dataclasses.replace(split, x=split.x[:rows], y=split.y[:rows])


def work_of(trainer: str, data: Data, params: Mapping[str, Any], seed: int, epochs: int = EPOCHS) -> EpochWork:
    """The first epoch of a trial."""
    found = resolve(trainer)
    assignment = assign(Path("nowhere"), seed=seed, epochs=epochs)
    trial = Trial(assignment, found.configure(dict(params)), data, Line(), clock())
    seed_generators(seed, 0)
    if data.kind == "corpus":
        return first_epoch(trial)
    assert found.build is not None
    training = Training(found.build(trial.config, data.facts), trial, data.facts, default_loss(data.task))
    training.packs = found.packs_on(data.kind)
    train, validation = Tensors.of(data.train, CPU), Tensors.of(data.validation, CPU)
    if data.preparation.balance == "weights":
        training.fitted_loss = weighted_cross_entropy(train.y, data.facts.outputs)
    return EpochWork(training, seed, 1, train, train, validation, data.facts)


def at(work: EpochWork, epoch: int) -> EpochWork:
    return dataclasses.replace(work, epoch=epoch)


def alone(work: EpochWork, epoch: int) -> EpochResult:
    """As a worker trains it: the process's generators start from the trial's seed and epoch."""
    seed_generators(work.seed, epoch)
    return train_alone(at(work, epoch))


def together(works: Sequence[EpochWork], epochs: Sequence[int]) -> list[EpochResult]:
    found = train_together([at(work, epoch) for work, epoch in zip(works, epochs, strict=True)])
    return [result for result in found if isinstance(result, EpochResult)]


def furthest(one: EpochResult, other: EpochResult) -> float:
    """The largest relative difference of their metrics."""
    return max(
        _difference(metrics[name], others[name])
        for metrics, others in ((one.train, other.train), (one.validation, other.validation))
        for name in {*metrics, *others}
    )


def _difference(one: float, other: float) -> float:
    if math.isnan(one) or math.isnan(other):
        return 0.0 if math.isnan(one) and math.isnan(other) else math.inf
    return abs(one - other) / max(abs(one), 1e-3)


def random_params(random: random.Random, **ranges: Any) -> dict[str, Any]:
    """What any supervised net takes, and `ranges`: the choices of more."""
    return {
        "optimizer": random.choice(["sgd", "adam", "adamw"]),
        "learning_rate": 10 ** random.uniform(-4, -2),
        "momentum": random.choice([0.0, random.uniform(0.5, 0.95)]),
        "schedule": random.choice(["constant", "cosine", "step", "onecycle"]),
        "weight_decay": random.choice([0.0, 10 ** random.uniform(-4, -1)]),
        "l1": random.choice([0.0, 1e-4]),
        "dropout": random.choice([0.0, random.uniform(0.05, 0.6)]),
        "label_smoothing": random.choice([0.0, 0.1]),
        "clip_norm": random.choice([0.0, 0.5]),
        **{name: random.choice(choices) for name, choices in ranges.items()},
    }
