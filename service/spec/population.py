"""A study that trains a population: which parameters change while a member trains, and what such a study needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from goodfit.search_spaces.flaws import KeyPath
from goodfit.search_spaces.parameters import Choice, Float, Parameter
from goodfit.search_spaces.space import Space
from goodfit.service.errors import did_you_mean
from goodfit.service.spec.data import Data
from goodfit.service.spec.data_parameters import reaches
from goodfit.service.spec.sections import Budget, Search, Training
from goodfit.trainers.registry import Trainer

Say = Callable[[KeyPath, str], None]
NUMBERS_ALONE = "pb2"  # its model has no choices


def changing(space: Space, trainer: Trainer | None, method: str) -> list[str]:
    """The parameters that may change while a model trains."""
    return [item.name for item in space.free if kept_because(item, space, trainer, method) is None]


def kept_because(item: Parameter, space: Space, trainer: Trainer | None, method: str) -> str | None:
    """Why a member keeps a parameter as it was drawn; None where it may change."""
    if item.cardinality == 1:
        return "has one value"
    if reaches(item.name):
        return "changes the data that a model is trained on"
    if trainer is not None and item.name in trainer.shapes:
        return f"shapes the model, as trainer {trainer.name} declares"
    if item.name == "optimizer":
        return "decides what state an optimizer has"
    if dependent := [other.name for other in space if item.name in other.when]:
        return f"decides whether there is a parameter {dependent[0]}"
    if method == NUMBERS_ALONE and isinstance(item, Choice):
        return f"is no range of numbers, and {method} changes numbers alone"
    if not isinstance(item, Float) and (trainer is None or not (trainer.shapes or trainer.config)):
        return "may shape the model: the trainer does not declare which parameters do (shapes=)"
    return None


def check_population(
    search: Search, parts: Mapping[str, Any], values: Mapping[str, Any], space: Space, trainer: Trainer | None, say: Say
) -> None:
    """Say what keeps a study from training a population.

    Args:
        search: its section.
        parts: the sections that are right by themselves.
        values: the study as it was written.
        space: of the study.
        trainer: None where it cannot be had.
        say: gets what is wrong.
    """
    for key, example in (("population", "population: 8"), ("interval", "interval: 4")):
        if getattr(search, key) is None:
            say(("search", key), f"is missing; {search.method} needs it, such as `{example}`")
    for path, wrong in (*_sizes(search, parts), *_others(search, parts, values), *_parameters(search, space, trainer)):
        say(path, wrong)
    if trainer is not None and trainer.never_resumes():
        say(
            ("search", "method"),
            f"{search.method} copies models between trials, and trainer {trainer.name} cannot go on from a checkpoint: "
            "it never calls trial.restore(model, optimizer)",
        )


def _sizes(search: Search, parts: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """What does not fit the budget and the length of training."""
    training: Training | None = parts.get("training")
    budget: Budget = parts.get("budget") or Budget()
    members = search.population
    if training is not None and search.interval is not None and search.interval >= training.epochs:
        yield (
            ("search", "interval"),
            f"is {search.interval}; it must be below training.epochs, which is {training.epochs}: members are compared "
            "after each interval",
        )
    if members is not None and budget.trials is not None and members > budget.trials:
        yield (
            ("search", "population"),
            f"is {members}, more than the {budget.trials} trials of the budget, and each member is one; "
            f"budget.trials has to be {members} or more",
        )
    if training is not None and members is not None and budget.epochs is not None:
        whole = members * training.epochs
        if budget.epochs < whole:
            yield (
                ("budget", "epochs"),
                f"is {budget.epochs}; {members} members of {training.epochs} epochs take {whole:,}, and none would end",
            )


def _others(search: Search, parts: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Which sections do not go with a population."""
    data: Data | None = parts.get("data")
    pruning = parts.get("pruning")
    if data is not None and data.split.folds is not None:
        yield (
            ("data", "split", "folds"),
            f"a fold is a model of its own, and {search.method} hands one model on; leave folds out, or take another "
            "search method",
        )
    if pruning is not None and pruning.method != "none":
        yield (
            ("pruning", "method"),
            f"is {pruning.method}; {search.method} lets the worst members go on with better models itself: leave "
            "pruning out",
        )
    if values.get("control"):
        yield ("control",), f"a member of a population is no control; leave it out with {search.method}"


def _parameters(search: Search, space: Space, trainer: Trainer | None) -> Iterator[tuple[KeyPath, str]]:
    """What is wrong with the parameters that are to change."""
    place = ("search", "perturb")
    for name in search.perturb:
        if name not in space:
            yield place, f"the space has no parameter {name}; {did_you_mean(name, [item.name for item in space.free])}"
        elif because := _refused(space[name], space, trainer, search.method):
            yield place, f"{name} {because}, and so it cannot change while a member trains"
    if not search.perturb and not changing(space, trainer, search.method):
        kept = [f"{item.name} {kept_because(item, space, trainer, search.method)}" for item in space.free]
        why = f": {'; '.join(kept[:3])}" if kept else ""
        yield (
            ("search", "method"),
            f"{search.method} has no parameter to change while a member trains{why}; search another one, such as "
            "learning_rate, or take another method",
        )


def _refused(item: Parameter, space: Space, trainer: Trainer | None, method: str) -> str | None:
    """Why a parameter cannot change although it is asked for; a trainer that declares nothing leaves it to its user."""
    because = kept_because(item, space, trainer, method)
    declares = trainer is not None and bool(trainer.shapes or trainer.config)
    return None if because is not None and because.startswith("may shape") and not declares else because
