"""`schedule:`, the parameters that change at an epoch, in every trial: how it is written, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from goodfit.search_spaces.flaws import KeyPath
from goodfit.search_spaces.parameters import Fixed, shown
from goodfit.search_spaces.space import Space
from goodfit.search_spaces.values import BadValue, any_value, described, whole
from goodfit.service.errors import did_you_mean
from goodfit.service.spec.data_parameters import reaches
from goodfit.service.spec.hyperparameters import check_hyperparameters
from goodfit.service.spec.sections import Search, Training
from goodfit.trainers.registry import Trainer

EPOCH = "epoch"
Steps = tuple[dict[str, Any], ...]


def read_schedule(value: object) -> Steps:
    """A list of mappings, each an epoch and the parameters that change there."""
    if not isinstance(value, (list, tuple)):
        raise BadValue(f"is {described(value)}, not a list such as [{{epoch: 5, learning_rate: 0.01}}]")
    found: list[dict[str, Any]] = []
    for index, one in enumerate(value):
        if not isinstance(one, Mapping) or EPOCH not in one or len(one) < 2:
            raise BadValue(f"its entry {index + 1} is {described(one)}; write {{epoch: 5, learning_rate: 0.01}}")
        try:
            epoch = int(whole(one[EPOCH]))
            changed = {str(name): any_value(given) for name, given in one.items() if name != EPOCH}
        except BadValue as error:
            raise BadValue(f"its entry {index + 1} {error}") from error
        least = found[-1][EPOCH] + 1 if found else 2
        if epoch < least:
            raise BadValue(f"its entry {index + 1} is of epoch {epoch}; it must be {least} or more, in this order")
        found.append({EPOCH: epoch, **changed})
    return tuple(found)


def stretches(steps: Steps, params: Mapping[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """A configuration from the first epoch on, and what it is from the epoch of each step on."""
    found = [(1, dict(params))]
    for step in steps:
        changed = {name: value for name, value in step.items() if name != EPOCH}
        found.append((step[EPOCH], {**found[-1][1], **changed}))
    return found


def check_schedule(
    steps: Sequence[Mapping[str, Any]], parts: Mapping[str, Any], space: Space, trainer: Trainer | None
) -> Iterator[tuple[KeyPath, str]]:
    """What is wrong with a schedule beside the other sections."""
    if not steps:
        return
    training: Training | None = parts.get("training")
    search: Search = parts.get("search") or Search()
    pruning = parts.get("pruning")
    if search.trains_population:
        yield ("schedule",), f"{search.method} finds the schedule of each trial itself; leave it out"
    if pruning is not None and pruning.method == "auto":
        yield ("pruning", "method"), "is auto, and a trial with a schedule is not paused; write none, or leave it out"
    if trainer is not None and trainer.never_resumes():
        yield (
            ("schedule",),
            f"needs a trainer that goes on from a checkpoint, and {trainer.name} never calls trial.restore",
        )
    for index, step in enumerate(steps):
        if training is not None and step[EPOCH] > training.epochs:
            yield ("schedule", index, EPOCH), f"is {step[EPOCH]}; training ends after {training.epochs} epochs"
        for name in step.keys() - {EPOCH}:
            if wrong := _wrong(name, step[name], space, trainer):
                yield ("schedule", index, name), wrong


def _wrong(name: str, value: Any, space: Space, trainer: Trainer | None) -> str | None:
    if name not in space:
        return f"there is no parameter {name} in the space or under fixed; {did_you_mean(name, space.names)}"
    if reaches(name):
        return "changes the data, which stay the same while a trial trains"
    if trainer is None:
        return None
    if name in trainer.shapes:
        return f"shapes the model, as trainer {trainer.name} declares, and cannot change while it trains"
    alone = Space((Fixed(name, value),))
    found = [text for parameter, text in check_hyperparameters(trainer, alone) if parameter == name]
    return found[0] if found else None


def written(steps: Steps) -> str:
    """A schedule in one line, for people."""
    parts = ("; ".join(f"{name} {shown(value)}" for name, value in step.items() if name != EPOCH) for step in steps)
    return ", ".join(f"from epoch {step[EPOCH]}: {part}" for step, part in zip(steps, parts, strict=True))
