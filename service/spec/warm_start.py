"""What a study takes over from earlier ones: `search: {warm_start: [...]}`.

An entry names a study, or an Optuna storage. Its trials are looked up once, when the study is made (app/earlier.py),
and kept in its spec, so that a resumed study has them whatever became of the source. Only their order counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from goodfit.search_spaces.document import nearest_file, read_file
from goodfit.search_spaces.flaws import DocumentError
from goodfit.search_spaces.parameters import Choice, Fixed, Float, Int, Parameter, Value, same
from goodfit.search_spaces.scalars import listed, shown
from goodfit.search_spaces.space import Space
from goodfit.search_spaces.values import BadValue, described
from goodfit.service.spec.fields import Count, Natural, Section, Text

OPTUNA = "optuna+"  # before the URL of a storage
STUDY_FILES = (".yaml", ".yml")
MOST_KEPT = 100  # trials of a source: the better half of these are its best
FIRST = 3  # configurations of all sources together that are tried first
ALIKE = 0.05  # distance, of the ranges, up to which two configurations are one


class Earlier(Section):
    """A trial of an earlier study, as far as it lies in this one's space."""

    params: dict[str, Any] = Field(description="Its configuration, without what this study fixes.")
    rank: Natural = Field(description="Its place among all trials of its study, from 1, the best.")


class WarmStart(Section):
    """An earlier study, and what it brings."""

    study: Text = Field(description="Its name, or `optuna+` and the URL of an Optuna storage.")
    of: Count | None = Field(None, description="How many ranked trials it had; null: it was not looked up yet.")
    trials: Annotated[tuple[Earlier, ...], Field(max_length=MOST_KEPT)] = Field(
        (), description="Those that lie in the space, the best first."
    )


def _sources(value: object) -> object:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise BadValue(f"is {described(value)}, not a list of studies such as [digits-old]")
    if len(value) > MOST_SOURCES:
        raise BadValue(f"has {len(value)} entries; no more than {MOST_SOURCES} are taken")
    for index, one in enumerate(value):
        if not isinstance(one, (str, Mapping, WarmStart)):
            raise BadValue(f"its entry {index + 1} is {described(one)}, not the name of a study")
    return [{"study": one} if isinstance(one, str) else one for one in value]


MOST_SOURCES = 20
WarmStarts = Annotated[
    tuple[WarmStart, ...], BeforeValidator(_sources, json_schema_input_type=str | list[str | dict[str, Any]])
]


@dataclass(frozen=True, slots=True)
class Source:
    """What was found of an earlier study.

    Attributes:
        trials: the ranks and configurations of its trials, the best first.
        searched: the parameters that it searched; the others were fixed.
        of: how many trials are ranked.
    """

    trials: Sequence[tuple[int, Mapping[str, Any]]]
    searched: frozenset[str]
    of: int

    @classmethod
    def ranked(cls, configurations: Sequence[Mapping[str, Any]], searched: frozenset[str]) -> Source:
        """Of all trials, the best first."""
        return cls(list(enumerate(configurations, 1)), searched, len(configurations))

    @classmethod
    def sent(cls, start: WarmStart) -> Source:
        """What came along with a study that is submitted."""
        trials = [(one.rank, one.params) for one in start.trials]
        return cls(trials, frozenset(name for _, params in trials for name in params), start.of or 0)


def is_elsewhere(written: object) -> bool:
    """Whether an entry names a file or a storage that is still to be read."""
    if isinstance(written, Mapping):
        return written.get("of") is None and is_elsewhere(written.get("study"))
    return isinstance(written, str) and (written.startswith(OPTUNA) or written.endswith(STUDY_FILES))


def whole(name: str, source: Source, without: Collection[str] = ()) -> WarmStart:
    """All that a source has but these parameters, for whoever knows the space or learns it."""
    trials = [
        Earlier(params={key: value for key, value in params.items() if key not in without}, rank=rank)
        for rank, params in source.trials
    ]
    return WarmStart(study=name, of=source.of, trials=tuple(thinned(trials)))


def named(start: WarmStart, located: Callable[[str], Path]) -> WarmStart:
    """A source as it is looked up from anywhere: a study file by its study's name, a storage's file by its whole path.

    Args:
        start: as it is written.
        located: finds a file that the study names.

    Raises:
        BadValue: the file is no study file.
    """
    written = start.study
    if written.endswith(STUDY_FILES):
        return start.model_copy(update={"study": _name_in(located(written))})
    for scheme in (f"{OPTUNA}sqlite:///", f"{OPTUNA}journal://"):
        if written.startswith(scheme):
            place, mark, name = written.removeprefix(scheme).partition("#")
            return start.model_copy(update={"study": f"{scheme}{located(place)}{mark}{name}"})
    return start


def _name_in(file: Path) -> str:
    if not file.is_file():
        raise BadValue(f"there is no file {file}{nearest_file(file)}")
    try:
        values = read_file(file).value
    except DocumentError as error:
        raise BadValue(f"{file} cannot be read: {error.flaws[0].text}") from error
    name = values.get("name") if isinstance(values, dict) else None
    if not isinstance(name, str):
        raise BadValue(f"{file} is no study file: it has no name")
    return name


def brought(name: str, source: Source, space: Space, defaults: Mapping[str, Any]) -> WarmStart:
    """What a source brings to a study.

    Args:
        name: of the source, for messages.
        source: its trials.
        space: of the study. A trial outside of it is left out; a parameter that is new takes the default.
        defaults: the trainer's.

    Raises:
        BadValue: nothing; says why.
    """
    require_trials(name, source)
    searched = [item.name for item in space.searched]
    if not source.searched & set(searched):
        raise BadValue(
            f"{name} has no searched parameter in common with this study: it searched "
            f"{listed(sorted(source.searched)) or 'none'}, this one searches {listed(searched)}"
        )
    kept = []
    for rank, params in source.trials:
        found = adapted(params, source.searched, space, defaults)
        if found is not None:
            kept.append(Earlier(params=found, rank=rank))
    if not kept:
        raise BadValue(f"none of the {source.of} trials of {name} lies in this space: {_outside(source, space)}")
    return WarmStart(study=name, of=source.of, trials=tuple(thinned(kept)))


def require_trials(name: str, source: Source) -> None:
    """BadValue where a source has none."""
    if not source.trials:
        raise BadValue(f"{name} has no trial with a value; let it run first, or leave it out")


def adapted(
    params: Mapping[str, Any], searched: frozenset[str], space: Space, defaults: Mapping[str, Any]
) -> dict[str, Value] | None:
    """A configuration in another space, without what is fixed there; None where it lies outside."""
    found: dict[str, Value] = {}
    for item in space:
        if not item.active(found):
            continue
        if isinstance(item, Fixed):
            if item.name in searched and item.name in params and not same(params[item.name], item.value):
                return None
            found[item.name] = item.value
        elif item.name in params:
            if not item.contains(params[item.name]):
                return None
            found[item.name] = params[item.name]
        elif item.contains(defaults.get(item.name, ...)):
            found[item.name] = defaults[item.name]
    return {name: value for name, value in found.items() if not isinstance(space[name], Fixed)}


def first_of(starts: Sequence[WarmStart], space: Space, most: int = FIRST) -> list[dict[str, Any]]:
    """The configurations to try first: the best of each source in turns, none that is much like one before it."""
    found: list[dict[str, Any]] = []
    queues = [iter(start.trials) for start in starts]
    while queues and len(found) < most:
        for queue in list(queues):
            new = next((one.params for one in queue if not any(_alike(one.params, it, space) for it in found)), None)
            if new is None:
                queues.remove(queue)
            elif len(found) < most:
                found.append(dict(new))
    return found


def _alike(one: Mapping[str, Any], other: Mapping[str, Any], space: Space) -> bool:
    if one.keys() != other.keys():
        return False
    return all(
        distance(space[name], one[name], other[name]) <= ALIKE if name in space else same(one[name], other[name])
        for name in one
    )


def distance(item: Parameter, one: Any, other: Any) -> float:
    """How far two values of a parameter are from each other, as a share of its range; 1 between two choices."""
    if isinstance(item, (Choice, Fixed)) or item.low == item.high:
        return 0.0 if same(one, other) else 1.0
    low, high, first, second = (_scaled(item, value) for value in (item.low, item.high, one, other))
    return abs(first - second) / (high - low)


def _scaled(item: Float | Int, value: float) -> float:
    return math.log(value) if item.log else float(value)


def thinned(kept: Sequence[Earlier]) -> Iterator[Earlier]:
    """The best, and of the others some that are spread over them."""
    if len(kept) <= MOST_KEPT:
        return iter(kept)
    half = MOST_KEPT // 2
    rest = kept[half:]
    return iter([*kept[:half], *(rest[index * len(rest) // half] for index in range(half))])


def _outside(source: Source, space: Space) -> str:
    """The parameter that most trials miss, with what they have."""
    misses: dict[str, list[Any]] = {}
    looked_at = [item for item in space if not isinstance(item, Fixed) or item.name in source.searched]
    for _, params in source.trials:
        for item in looked_at:
            if item.name in params and not item.contains(params[item.name]):
                misses.setdefault(item.name, []).append(params[item.name])
    if not misses:
        return "its conditions do not hold there"
    name = max(misses, key=lambda one: len(misses[one]))
    return f"{name} is {_told(misses[name])} there, and {space[name]} here"


def _told(values: Sequence[Any]) -> str:
    numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if len(numbers) == len(values):
        return (
            shown(min(numbers)) if min(numbers) == max(numbers) else f"{shown(min(numbers))} to {shown(max(numbers))}"
        )
    return listed(list(dict.fromkeys(map(shown, values))), most=5)
