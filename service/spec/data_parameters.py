"""Hyperparameters that reach into the data, in `space:` or `fixed:`.

They are `prepare.KEY`, `augment.KEY`, `fairness.KEY` and `data.labels`.

They are parameters of a trial like any others, but no trainer gets them: they take the place of what
the study's `data:` or `fairness:` says, for that trial.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from goodfit.search_spaces.parameters import Fixed, Float, Parameter, Value, shown
from goodfit.search_spaces.scalars import is_composed
from goodfit.search_spaces.space import Space
from goodfit.service.errors import did_you_mean
from goodfit.service.spec.data import Augment, Data, Labels, Prepare
from goodfit.service.spec.fairness import Fairness
from goodfit.service.spec.fields import Section
from goodfit.service.spec.hyperparameters import nearest_to_default, values_of
from goodfit.service.spec.validation_messages import sentences

SECTIONS: dict[str, type[Section]] = {
    "prepare": Prepare,
    "augment": Augment,
    "fairness": Fairness,
    "data": Labels,
}
_WITHIN_DATA = ("prepare", "augment")  # the others stand beside `data:`
_FILES = ("augment.synonyms", "augment.translate")
_SAME_FOR_ALL = ("fairness.by", "fairness.positive", "fairness.bins", "fairness.gaps")  # or trials would not compare
Sections = Mapping[str, Section]  # those of a study, by their names in SECTIONS
_V = TypeVar("_V")


def reaches(name: str) -> bool:
    """Whether a parameter is none of the trainer's."""
    section, dot, _ = name.partition(".")
    return bool(dot) and section in SECTIONS


def for_trainer(params: Mapping[str, _V]) -> dict[str, _V]:
    """A trial's parameters without those that reach into the data; a trainer may change the lists among them."""
    return {
        name: copy.deepcopy(value) if is_composed(value) else value
        for name, value in params.items()
        if not reaches(name)
    }


def reaching(space: Space) -> list[Parameter]:
    """The parameters of a space that reach into the data."""
    return [item for item in space if reaches(item.name)]


def sections_of(data: Data | None, fairness: Fairness | None) -> dict[str, Section]:
    """The sections of a study that parameters can reach into; empty where it has no data."""
    if data is None:
        return {}
    within: dict[str, Section] = {"prepare": data.prepare, "augment": data.augment, "data": Labels(labels=data.labels)}
    return within if fairness is None else {**within, "fairness": fairness}


def written(sections: Sections) -> dict[str, Value]:
    """What the study's sections say themselves, by the names that parameters have."""
    return {f"{name}.{key}": value for name, one in sections.items() for key, value in one.model_dump().items()}


def own_values(space: Space, sections: Sections) -> dict[str, Value]:
    """What reaches into the data before there is a trial: what they say themselves, as far as the space allows."""
    said = written(sections)
    return {item.name: nearest_to_default(item, said) for item in reaching(space) if not item.when}


def variants(space: Space, sections: Sections) -> Iterator[tuple[str, dict[str, Value]]]:
    """Each parameter that reaches into the data, with the values that can occur there: (its name, what reaches in)."""
    own = own_values(space, sections)
    for item in reaching(space):
        for value in values_of(item):
            beside = {**own, item.name: value}
            yield item.name, beside if _fits(sections, beside) else {item.name: value}


def _fits(sections: Sections, params: Mapping[str, Any]) -> bool:
    try:
        reached(sections, params)
    except ValidationError:
        return False
    return True


def reached(sections: Sections, params: Mapping[str, Any]) -> dict[str, Section]:
    """The sections with what a trial's parameters put in the place of their own values."""
    changed = dict(sections)
    for name, one in sections.items():
        given = {key.partition(".")[2]: value for key, value in params.items() if key.startswith(f"{name}.")}
        if given:
            changed[name] = type(one).model_validate({**one.model_dump(), **given})
    return changed


def check_reaching(
    space: Space, sections: Sections, there: Collection[str], *, dots_nest: bool = False
) -> Iterator[tuple[str, str]]:
    """Which parameters cannot reach into the data, and why.

    Args:
        space: with the fixed parameters in it.
        sections: of the study, those that are right by themselves.
        there: which of `data` and `fairness` the study has, right or wrong.
        dots_nest: whether other names with dots are the trainer's: keys of mappings within its configuration.
    """
    for item in space:
        section, dot, key = item.name.partition(".")
        if not dot or (dots_nest and section not in SECTIONS):
            continue
        if section not in SECTIONS:
            known = f"{', '.join(f'{name}.KEY' for name in SECTIONS if name != 'data')} and data.labels"
            yield item.name, f"no parameter reaches into {section}; only {known} do"
        elif key not in SECTIONS[section].model_fields:
            keys = [one for one in SECTIONS[section].model_fields if f"{section}.{one}" not in _SAME_FOR_ALL]
            yield item.name, f"{_place(section)} has no key {key}; {did_you_mean(key, keys)}"
        elif section in (*_WITHIN_DATA, "data") and "data" not in there:
            what = section if section in _WITHIN_DATA else "judge"
            yield item.name, f"there is no `data:` to {what}; write it, or take this out"
        elif section not in _WITHIN_DATA and section not in there:
            yield item.name, f"there is no `{section}:` for it; write `fairness: {{by: [COLUMN]}}`, or take this out"
        elif wrong := _refused(item) or _wrong_value(item, {**_USUAL, **sections}, space):
            yield item.name, wrong


_USUAL: Sections = {
    "prepare": Prepare(),
    "augment": Augment(),
    "fairness": Fairness(by=("-",)),
    "data": Labels(),
}


def _place(section: str) -> str:
    """Where a section stands in a study file."""
    return f"data.{section}" if section in _WITHIN_DATA else section


def _refused(item: Parameter) -> str | None:
    """Why this must be the same for all trials, where it must."""
    section, _, key = item.name.partition(".")
    if item.name in _SAME_FOR_ALL:
        return f"is the same for all trials, or they would not compare; write it in `{section}: {{{key}: ...}}`"
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


def _wrong_value(item: Parameter, sections: Sections, space: Space) -> str | None:
    """What the section says to a value of the parameter, beside its own values and those of the space."""
    section, _, key = item.name.partition(".")
    own, beside = sections[section].model_dump(), own_values(space, sections)
    for value in values_of(item):
        alone = _wrong({**own, key: value}, section, key)
        others = {name.partition(".")[2]: other for name, other in beside.items() if name.startswith(f"{section}.")}
        if alone and _wrong({**own, **others, key: value}, section, key):
            return alone
    return None


def _wrong(values: Mapping[str, Any], section: str, key: str) -> str | None:
    try:
        SECTIONS[section].model_validate(dict(values))
    except ValidationError as error:
        found = list(sentences(error, values, ("data", section) if section in _WITHIN_DATA else (section,)))
        mine = [text for path, text in found if path[-1] == key]
        return mine[0] if mine else f"{shown(values[key])} does not go with the others: {found[0][1]}"
    return None
