"""Whether a space suits a trainer: names, types and, as far as the config checks itself, ranges."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from goodfit.search_spaces.parameters import Choice, Fixed, Float, Int, Parameter, Value, repeats, same, shown
from goodfit.search_spaces.scalars import shortened
from goodfit.search_spaces.space import Space
from goodfit.search_spaces.values import BadValue, number, whole
from goodfit.service.errors import did_you_mean
from goodfit.service.spec.sections import Training
from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.registry import Trainer
from goodfit.trainers.training.config import Checked

_MOST_TRIED = 1000  # choices, one after the other
_EVERY_VALUE = 64  # of a whole-number range are tried, or else its ends

OTHER_NAMES = {  # what the field also calls them
    **dict.fromkeys(("lr", "eta", "step_size"), "learning_rate"),
    **dict.fromkeys(("bs", "batch", "minibatch_size"), "batch_size"),
    **dict.fromkeys(("l2", "wd", "decay"), "weight_decay"),
    **dict.fromkeys(("layers", "num_layers", "n_layers", "hidden_layers"), "depth"),
    **dict.fromkeys(("hidden", "hidden_size", "hidden_dim", "units", "channels"), "width"),
    **dict.fromkeys(("opt", "optim"), "optimizer"),
    **dict.fromkeys(("scheduler", "lr_schedule"), "schedule"),
    **dict.fromkeys(("grad_clip", "max_norm", "gradient_clip"), "clip_norm"),
}


def check_hyperparameters(trainer: Trainer, space: Space) -> Iterator[tuple[str, str]]:
    """Which parameters do not suit the trainer, and why; nothing where it declares no config."""
    if trainer.config is None:
        return
    hints = trainer.types()
    fitting: list[Parameter] = []
    for item in space:
        if "." in item.name:  # reaches into the data: see data_parameters.py
            continue
        if item.name not in hints:
            yield item.name, f"trainer {trainer.name} has no such hyperparameter; {_nearest(item.name, hints)}"
        elif wrong := _type_problem(item, hints[item.name]):
            yield item.name, wrong
        else:
            fitting.append(item)
    missing = [name for name in _needed(trainer.config) if name not in space or space[name].when]
    for name in missing:
        where = "outside of its condition" if name in space else "in `space:` or `fixed:`"
        yield name, f"trainer {trainer.name} has no default for it; give it {where}"
    if issubclass(trainer.config, Checked) and not missing:
        yield from _range_problems(trainer, fitting)


def _needed(config: type[Any]) -> list[str]:
    """The hyperparameters without a default."""
    absent = dataclasses.MISSING
    return [
        field.name
        for field in dataclasses.fields(config)
        if field.default is absent and field.default_factory is absent and field.init
    ]


def _nearest(name: str, known: Collection[str]) -> str:
    if name in Training.model_fields:
        return f"{name} goes in `training:`"
    other = OTHER_NAMES.get(name, "")
    return f"did you mean {other}?" if other in known else did_you_mean(name, known)


def suited(space: Space, trainer: Trainer) -> Space:
    """The space with its single values in the types that the trainer declares: 100 for 1e2, 0.1 for "0.1"."""
    hints = {name: hint for name, hint in trainer.types().items() if name in space}

    def typed(name: str, value: Any) -> Any:
        return _typed(value, hints[name]) if name in hints else value

    def suit(item: Parameter) -> Parameter:
        if item.when:
            item = replace(item, when={name: typed(name, needed) for name, needed in item.when.items()})
        if item.name not in hints:
            return item
        if isinstance(item, Fixed):
            return replace(item, value=typed(item.name, item.value))
        if isinstance(item, Choice):
            choices = typed(item.name, item.choices)
            if any(repeats(choices)):
                return item
            prior = None if item.prior is None else choices[item.index(item.prior)]
            return replace(item, choices=choices, prior=prior)
        return item

    return Space(tuple(map(suit, space)))


def _typed(value: Any, hint: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_typed(one, hint) for one in value)
    if isinstance(value, Mapping) or _fits(value, hint):
        return value
    for read in (whole, number):
        try:
            if _fits(read(value), hint):
                return read(value)
        except BadValue:
            continue  # stays as it is, and is told as a wrong type
    return value


def values_of(parameter: Parameter) -> list[Value]:
    """The values that stand for all that a parameter can take."""
    match parameter:
        case Fixed():
            return [parameter.value]
        case Choice(choices=choices):
            return _standing_for(choices)
        case Int() if parameter.cardinality <= _EVERY_VALUE:
            return [parameter.low + index * parameter.step for index in range(parameter.cardinality)]
        case Int() | Float():
            return [parameter.low, parameter.high]


def _standing_for(choices: Sequence[Value]) -> list[Value]:
    """Of a long list the first, and the smallest and the largest number: each takes time to try in a config."""
    if len(choices) <= _MOST_TRIED:
        return list(choices)
    numbers = [one for one in choices if isinstance(one, (int, float)) and not isinstance(one, bool)]
    return [*choices[:_MOST_TRIED], *([min(numbers), max(numbers)] if numbers else [])]


def _type_problem(parameter: Parameter, hint: Any) -> str | None:
    if isinstance(parameter, Float) and not _fits(0.5, hint) and _fits(1, hint):
        return "is a whole number to the trainer; write type: int"
    for value in parameter.choices if isinstance(parameter, Choice) else values_of(parameter):
        if not _fits(value, hint):
            searched = isinstance(parameter, Fixed) and isinstance(value, list)
            hint_at_space = "; what is searched goes in `space:`" if searched else ""
            return f"{shortened(shown(value))} is not {_named(hint, value)}{hint_at_space}"
    return None


def _fits(value: Value, hint: Any) -> bool:
    """Whether a value is of a type; true also where the type is one that we do not look into."""
    origin = typing.get_origin(hint)
    if origin is Literal:
        return any(same(value, choice) for choice in typing.get_args(hint))
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, member) for member in typing.get_args(hint))
    if hint is None or hint is type(None):
        return value is None
    if origin in (list, tuple, set, frozenset, Sequence):
        return isinstance(value, list)
    if origin in (dict, Mapping):
        return isinstance(value, dict)
    if hint is bool or hint is str:
        return isinstance(value, hint)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return True


def _named(hint: Any, value: Value) -> str:
    """A type in words, with the nearest choice where there are choices."""
    if typing.get_origin(hint) is Literal:
        return f"among its choices; {did_you_mean(str(value), [shown(choice) for choice in typing.get_args(hint)])}"
    if typing.get_origin(hint) in (list, tuple, set, frozenset, Sequence):
        return "a list"
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(_named(member, value) for member in typing.get_args(hint))
    words = {bool: "true or false", str: "a text", int: "a whole number", float: "a number", type(None): "null"}
    return words.get(hint, str(hint))


def _range_problems(trainer: Trainer, parameters: Sequence[Parameter]) -> Iterator[tuple[str, str]]:
    """What the trainer's config says to the values of parameters whose types are right.

    A value is refused if it is beside the defaults and also beside values of this space: a config
    may check two hyperparameters against each other.
    """
    defaults = trainer.defaults()
    beside = {**defaults, **{item.name: nearest_to_default(item, defaults) for item in parameters}}
    fine = True
    for item in parameters:
        for value in values_of(item):
            refused = _refused(trainer, {**defaults, item.name: value})
            if refused and _refused(trainer, {**beside, item.name: value}):
                yield item.name, refused.removeprefix(f"{item.name}: ")
                fine = False
                break
    refused = _refused(trainer, beside)
    if parameters and fine and refused:
        name, _, text = refused.partition(": ")
        known = any(item.name == name for item in parameters)
        yield (name, text) if known else (parameters[0].name, refused)


def _refused(trainer: Trainer, params: Mapping[str, Any]) -> str | None:
    """Why the trainer refuses a configuration."""
    try:
        trainer.configure(params)
    except BadTrainer as error:
        return str(error)
    return None


def nearest_to_default(parameter: Parameter, defaults: Mapping[str, Any]) -> Value:
    """The default, or a value that the parameter can take where the default lies outside."""
    default = defaults.get(parameter.name)
    return default if parameter.contains(default) else values_of(parameter)[0]
