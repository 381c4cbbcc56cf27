"""Hyperparameters that reach into the data: `prepare.KEY` and `augment.KEY`, in `space:` or `fixed:`.

They are parameters of a trial like any others, but no trainer gets them: they take the place of what
the study's `data:` says, for that trial.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from goodfit.search_spaces.parameters import Fixed, Float, Parameter, Value, shown
from goodfit.search_spaces.space import Space
from goodfit.service.errors import did_you_mean
from goodfit.service.spec.data import Augment, Data, Prepare
from goodfit.service.spec.fields import Section
from goodfit.service.spec.hyperparameters import nearest_to_default, values_of
from goodfit.service.spec.validation_messages import sentences

SECTIONS: dict[str, type[Section]] = {"prepare": Prepare, "augment": Augment}
_FILES = ("augment.synonyms", "augment.translate")
_V = TypeVar("_V")


def reaches(name: str) -> bool:
    """Whether a parameter is none of the trainer's."""
    section, dot, _ = name.partition(".")
    return bool(dot) and section in SECTIONS


def for_trainer(params: Mapping[str, _V]) -> dict[str, _V]:
    """A trial's parameters without those that reach into the data; a trainer may change the lists among them."""
    return {name: copy.deepcopy(value) for name, value in params.items() if not reaches(name)}


def reaching(space: Space) -> list[Parameter]:
    """The parameters of a space that reach into the data."""
    return [item for item in space if reaches(item.name)]


def written(data: Data) -> dict[str, Value]:
    """What the study's data say themselves, by the names that parameters have."""
    return {
        f"{section}.{key}": value for section in SECTIONS for key, value in getattr(data, section).model_dump().items()
    }


def own_values(space: Space, data: Data) -> dict[str, Value]:
    """What reaches into the data before there is a trial: what they say themselves, as far as the space allows."""
    said = written(data)
    return {item.name: nearest_to_default(item, said) for item in reaching(space) if not item.when}


def variants(space: Space, data: Data) -> Iterator[tuple[str, dict[str, Value]]]:
    """Each parameter that reaches into the data, with the values that can occur there: (its name, what reaches in)."""
    own = own_values(space, data)
    for item in reaching(space):
        for value in values_of(item):
            beside = {**own, item.name: value}
            yield item.name, beside if _fits(data, beside) else {item.name: value}


def _fits(data: Data, params: Mapping[str, Any]) -> bool:
    try:
        reached(data, params)
    except ValidationError:
        return False
    return True


def reached(data: Data, params: Mapping[str, Any]) -> Data:
    """The data with what a trial's parameters put in the place of their own values."""
    changed = {}
    for section, model in SECTIONS.items():
        given = {name.partition(".")[2]: value for name, value in params.items() if name.startswith(f"{section}.")}
        if given:
            changed[section] = model.model_validate({**getattr(data, section).model_dump(), **given})
    return data.model_copy(update=changed)


def check_reaching(
    space: Space, data: Data | None, has_data: bool, *, dots_nest: bool = False
) -> Iterator[tuple[str, str]]:
    """Which parameters cannot reach into the data, and why.

    Args:
        space: with the fixed parameters in it.
        data: the study's section; None where there is none, or none that is right by itself.
        has_data: whether the study has the section.
        dots_nest: whether other names with dots are the trainer's: keys of mappings within its configuration.
    """
    for item in space:
        section, dot, key = item.name.partition(".")
        if not dot or (dots_nest and section not in SECTIONS):
            continue
        if section not in SECTIONS:
            known = " and ".join(f"{name}.KEY" for name in SECTIONS)
            yield item.name, f"no parameter reaches into {section}; only {known} reach into the data"
        elif key not in SECTIONS[section].model_fields:
            yield item.name, f"data.{section} has no key {key}; {did_you_mean(key, SECTIONS[section].model_fields)}"
        elif not has_data:
            yield item.name, f"there is no `data:` to {section}; write it, or take this out"
        elif wrong := _refused(item) or _wrong_value(item, data or Data(source="-"), space):
            yield item.name, wrong


def _refused(item: Parameter) -> str | None:
    """Why this must be the same for all trials, where it must."""
    section, _, key = item.name.partition(".")
    if item.name in _FILES:
        return f"is a file, which is not searched; write it in `data: {{{section}: {{{key}: ...}}}}`"
    if item.name == "prepare.missing" and not (isinstance(item, Fixed) and not item.when):
        for value in values_of(item):
            if value == "drop":
                return "drop would score trials on different rows, so that they do not compare; leave drop out"
            if value == "error":
                return "error fills nothing in: a trial with it would end the study; leave error out"
    if isinstance(item, Float) and SECTIONS[section].model_fields[key].annotation is int:
        return "is a whole number; write type: int"
    return None


def _wrong_value(item: Parameter, data: Data, space: Space) -> str | None:
    """What the section says to a value of the parameter, beside the data's own values and those of the space."""
    section, _, key = item.name.partition(".")
    beside = own_values(space, data)
    for value in values_of(item):
        alone = _wrong({**getattr(data, section).model_dump(), key: value}, section, key)
        others = {name.partition(".")[2]: other for name, other in beside.items() if name.startswith(f"{section}.")}
        if alone and _wrong({**getattr(data, section).model_dump(), **others, key: value}, section, key):
            return alone
    return None


def _wrong(values: Mapping[str, Any], section: str, key: str) -> str | None:
    try:
        SECTIONS[section].model_validate(dict(values))
    except ValidationError as error:
        found = list(sentences(error, values, ("data", section)))
        mine = [text for path, text in found if path[-1] == key]
        return mine[0] if mine else f"{shown(values[key])} does not go with the others: {found[0][1]}"
    return None
