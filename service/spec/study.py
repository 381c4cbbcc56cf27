"""StudySpec: a study file as validated, complete in itself.

It holds all paths absolute, the space inlined and every default filled in, so it can be kept as JSON
and rebuilt where the study file is gone. Reading the file is in reading.py.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, InstanceOf, PlainSerializer, PrivateAttr, ValidationError, model_validator

from goodfit.search_spaces.parameters import Fixed, Value, shown
from goodfit.search_spaces.parse import from_list, to_list
from goodfit.search_spaces.space import Space
from goodfit.service.errors import Problem, StudyFileError
from goodfit.service.objective import Objective as Goal
from goodfit.service.spec.data import Data
from goodfit.service.spec.data_parameters import own_values, reached, reaching, sections_of
from goodfit.service.spec.fairness import CONTRASTED, Fairness
from goodfit.service.spec.fields import Constraints, Name, Section, Share, Text
from goodfit.service.spec.key_origin import Origin
from goodfit.service.spec.pruning import AutoPruning, NoPruning, Pruning
from goodfit.service.spec.release import Release
from goodfit.service.spec.schedule import read_schedule
from goodfit.service.spec.sections import (
    POPULATIONS,
    Budget,
    Confirm,
    FurtherObjective,
    Objective,
    Resources,
    Search,
    Training,
)
from goodfit.service.spec.validation_messages import sentences
from goodfit.service.spec.warm_start import first_of
from goodfit.service.stored_spec import search_of
from goodfit.trainers.messages import AugmentSpec, DataSpec, GroupSpec, TokenSpec

PRIOR, WARM_START = "prior", "warm_start"  # where configurations come from that are believed to be good
_LATER_KEYS = (
    "more_objectives",
    "constraints",
    "fairness",
    "release",
)  # not written where they are empty: specs from before are the same


def _method_of(search: object) -> object:
    return search.get("method") if isinstance(search, Mapping) else getattr(search, "method", None)


def _as_space(value: object) -> object:
    return from_list(value) if isinstance(value, list) else value


class StudySpec(Section):
    """One search: a trainer, its data, a space, a method, a budget.

    Attributes:
        trainer: a registry name, `module:name`, or `/absolute/path.py:name`.
        data: None where the trainer brings its own.
        space: all parameters, with the study's `fixed:` pinned.
    """

    name: Name
    trainer: Text
    data: Data | None = None
    space: Annotated[InstanceOf[Space], BeforeValidator(_as_space), PlainSerializer(to_list)]
    objective: Objective
    more_objectives: tuple[FurtherObjective, ...] = ()  # the best are a Pareto front then
    constraints: Constraints = ()  # that the best must keep
    fairness: Fairness | None = None  # groups that are compared
    search: Search = Field(default_factory=Search)
    pruning: Pruning = Field(default_factory=AutoPruning)
    training: Training
    budget: Budget = Field(default_factory=Budget)
    resources: Resources = Field(default_factory=Resources)
    confirm: Confirm | None = None
    release: Release | None = None  # None: the best model is released as it is
    modules: tuple[str, ...] = ()  # folders where the trainer's module is found, after the installed ones
    requirements: tuple[str, ...] = ()  # packages that the workers need besides those of Goodfit, as pip takes them
    defaults: dict[str, Any] | None = None  # the trainer's, as far as they lie in the space; None: not known
    open_space: bool = False  # its trainer says its parameters as it runs: `space` has those that are known
    last_counts: bool = False  # a trial's value is that of its last report, not the best
    schedule: Annotated[tuple[dict[str, Any], ...], BeforeValidator(read_schedule)] = ()  # see schedule.py
    control: Share = 0.0  # of the trials, drawn at random and never pruned: what the search is held against

    _origin: Origin = PrivateAttr(default_factory=Origin)

    @model_validator(mode="before")
    @classmethod
    def _some_are_whole(cls, values: Any) -> Any:
        """A grid is to be compared point by point, a population replaces its worst itself: none is pruned unasked."""
        whole = ("grid", *POPULATIONS)
        if not isinstance(values, dict) or "pruning" in values:
            return values
        if values.get("schedule") or _method_of(values.get("search")) in whole:
            return {**values, "pruning": NoPruning()}
        return values

    @classmethod
    def of(cls, parts: Mapping[str, Any], origin: Origin) -> StudySpec:
        """A spec of validated parts that remembers where it was written."""
        spec = cls(**parts)
        spec._origin = origin
        return spec

    @property
    def origin(self) -> Origin:
        """Where its keys stand, for messages."""
        return self._origin

    @property
    def goal(self) -> Goal:
        """What it optimizes, and what the best must keep."""
        return Goal.of(self.objective, self.more_objectives, self.constraints)

    @property
    def pauses(self) -> bool:
        """Whether trials may be paused and taken up again: by auto pruning, for one objective."""
        return self.pruning.method == "auto" and not self.more_objectives

    @property
    def prunes(self) -> bool:
        """Whether a pruner ends trials: for several objectives that is what auto pruning does."""
        return self.pruning.method != "none" and not self.pauses

    @property
    def fixed(self) -> dict[str, Value]:
        """The parameters that every trial has at the same value."""
        return {item.name: item.value for item in self.space if isinstance(item, Fixed) and not item.when}

    def grid_size(self) -> int | None:
        """How many points the grid has; None where the search is no grid."""
        return self.space.grid_size() if self.search.method == "grid" else None

    def different(self) -> int | None:
        """How many configurations there are to try, each once; None where that sets no limit."""
        if self.search.method == "grid":
            return self.space.grid_size()
        if self.search.repeats or self.search.trains_population or self.open_space:
            return None
        return self.space.cardinality()

    def planned_trials(self) -> int | None:
        """How many trials there will be at most; None: as many as the time allows."""
        limits = (self.different(), self.search.population, self.budget.trials)
        return min((limit for limit in limits if limit is not None), default=None)

    @property
    def contrast(self) -> tuple[str, ...]:
        """The searched parameters whose values are compared on the test split: what is done about groups."""
        searched = {item.name for item in self.space if not isinstance(item, Fixed)}
        return tuple(name for name in CONTRASTED if name in searched)

    @property
    def believed(self) -> list[tuple[str, dict[str, Any]]]:
        """Configurations that are tried after the defaults, and where each comes from; none with a grid."""
        if self.search.method == "grid":
            return []
        defaults = self.defaults or {}
        assumed = {**defaults, **self.priors}
        tried = self.search.try_defaults and assumed == defaults
        prior = [(PRIOR, assumed)] if self.priors and not tried else []
        space = Space(()) if self.open_space else self.space  # one that grows must not change which are first
        return [*prior, *((WARM_START, params) for params in first_of(self.search.warm_start, space))]

    @property
    def priors(self) -> dict[str, Value]:
        """The values that are expected to be good."""
        return {item.name: item.prior for item in self.space if item.prior is not None}

    def with_search(self, **changes: Any) -> StudySpec:
        """The spec with another value for some keys of `search:`; it remembers where it was written."""
        return self.model_copy(update={"search": self.search.model_copy(update=changes)})

    @property
    def defaults_trial(self) -> int | None:
        """The number of the trial that has the trainer's defaults; None where none has."""
        if not self.search.try_defaults or self.search.method == "grid" or not self.defaults:
            return None
        return len(self.search.start_from)

    @property
    def acts_on_labels(self) -> bool:
        """Whether a trial may leave out training rows whose labels are likely wrong, or count them for less."""
        return self.data is not None and (self.data.labels != "keep" or "data.labels" in self.space)

    @property
    def folds(self) -> int | None:
        """Of cross-validation; None where there is one validation split."""
        return self.data.split.folds if self.data else None

    @property
    def reports(self) -> int:
        """How many reports a trial makes: one an epoch, or with cross-validation one a fold."""
        return self.folds or self.training.epochs

    @property
    def sections(self) -> dict[str, Section]:
        """Those that a trial's parameters may reach into."""
        return sections_of(self.data, self.fairness)

    @property
    def named(self) -> tuple[str, ...]:
        """Which of `data` and `fairness` it has."""
        return tuple(key for key in ("data", "fairness") if getattr(self, key) is not None)

    def data_spec(self, params: Mapping[str, Any] | None = None) -> DataSpec | None:
        """The data as the trainers take them.

        Args:
            params: a trial's, some of which may reach into the data; None: as the study's own.
        """
        if self.data is None:
            return None
        searched = [item for item in reaching(self.space) if not isinstance(item, Fixed)]
        sections = self.sections
        given = reached(sections, own_values(self.space, sections) if params is None else params)
        fairness: Any = given.pop("fairness", None)
        labels: Any = given.pop("data")
        data = self.data.model_copy(update=given)
        return DataSpec(
            source=data.source,
            target=data.target,
            validation=data.split.validation,
            test=data.split.test,
            seed=data.split.seed,
            scale=data.prepare.scale,
            missing=data.prepare.missing,
            indicator=data.prepare.indicator,
            encode=data.prepare.encode,
            balance=data.prepare.balance,
            ignore=data.ignore,
            categorical=data.categorical,
            task=data.task,
            separator=data.separator,
            decimal=data.decimal,
            gaps=data.gaps,
            header=data.header,
            numbers=data.numbers,
            dates=data.dates,
            annotators=data.annotators,
            day_first=data.day_first,
            split_column=data.split.column,
            split_group=data.split.group,
            split_time=data.split.time,
            stratified=data.split.stratified,
            folds=data.split.folds,
            reshuffle=data.split.reshuffle,
            kind=data.kind,
            options=dict(data.options),
            time=data.time,
            window=data.window,
            horizon=data.horizon,
            period=data.period,
            text=data.text,
            tokens=TokenSpec(data.tokens.by, data.tokens.vocabulary, data.tokens.length),
            size=data.prepare.size,
            mode=data.prepare.mode,
            augment=AugmentSpec(**data.augment.model_dump()),
            fairness=GroupSpec() if fairness is None else fairness.spec(),
            labels=labels.labels,
            keep=data.split.reshuffle or data.split.folds is not None or bool(searched),
        )

    def to_dict(self) -> dict[str, Any]:
        """The spec in plain JSON values; from_dict gives it back."""
        values = self.model_dump(mode="json")
        return {key: value for key, value in values.items() if value or key not in _LATER_KEYS}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> StudySpec:
        """Rebuild a spec; looks at no file, trainer or data set.

        Raises:
            StudyFileError: the values were not made by to_dict, or by another version.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            problems = [Problem(0, ".".join(map(str, path)), text) for path, text in sentences(error, values)]
            raise StudyFileError(f"the stored spec of study {values.get('name')}", problems) from error

    def fingerprint(self) -> str:
        """A hash of all that decides the results; not of how the file is written, nor of any `doc`.

        The order of the searched parameters counts: it decides which trial gets which point.
        """
        canonical = json.dumps(_decisive(self.to_dict()), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()

    def is_same(self, other: Mapping[str, Any]) -> bool:
        """Whether a spec kept by to_dict, of this version or an earlier one, decides the same results."""
        return self.fingerprint() == StudySpec.from_dict(other).fingerprint()

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """What a spec kept by to_dict has otherwise: "budget.trials: 20 there, 40 here"."""
        found = [f"{key}: {there} there, {here} here" for key, there, here in self.changes(other)]
        if not found and not self.is_same(other):
            found.append("space: the parameters are in another order")
        return found

    def changes(self, other: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        """Each key that a spec kept by to_dict has otherwise: (budget.trials, "20" there, "40" here)."""
        here, there = _decisive(self.to_dict()), _decisive(StudySpec.from_dict(other).to_dict())
        flat_here, flat_there = dict(_flat(here)), dict(_flat(there))
        return [
            (key, _told(flat_there, key), _told(flat_here, key))
            for key in dict.fromkeys([*flat_there, *flat_here])
            if flat_there.get(key) != flat_here.get(key)
        ]


_OF_POPULATIONS = ("population", "interval", "perturb")


def _without(section: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """A section without those of the keys that say nothing: the first studies did not have them."""
    left_out = {key for key in keys if section.get(key) in (None, (), [])}
    return {key: value for key, value in section.items() if key not in left_out}


def _decisive(values: dict[str, Any]) -> dict[str, Any]:
    """What decides the results, and not where its modules lie, with whole numbers written alike: 64 for 64.0."""
    space = [{key: value for key, value in item.items() if key != "doc"} for item in values.get("space", [])]
    pinned = {item["name"]: item for item in space if item["type"] == "fixed" and "when" not in item}
    searched = [item for item in space if item["name"] not in pinned]
    if values.get("open_space"):  # it is what the trials have asked for
        searched = []
    resources = {key: value for key, value in values.get("resources", {}).items() if value != {}}
    plain: dict[str, Any] = _whole_alike(
        {
            **{
                key: value
                for key, value in values.items()
                if key not in ("space", "modules", "requirements", "defaults", "open_space", "last_counts", "schedule")
            },
            **{key: True for key in ("open_space", "last_counts") if values.get(key)},
            **{key: values[key] for key in ("requirements", "schedule") if values.get(key)},
            **({"training": _without(values["training"], ("seed",))} if "training" in values else {}),
            **({"resources": resources} if "resources" in values else {}),
            **({"search": _without(search_of(values), _OF_POPULATIONS)} if "search" in values else {}),
            "space": {item["name"]: item for item in [*pinned.values(), *searched]},
            "order": [item["name"] for item in searched],
        }
    )
    return plain


def _whole_alike(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _whole_alike(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_whole_alike(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif value is not None and (prefix or key != "order") and not (key == "name" and prefix):
            yield f"{prefix}{key}", value


def _told(values: Mapping[str, Any], key: str) -> str:
    if key not in values:
        return "not set"
    value = values[key]
    return f"[{', '.join(map(shown, value))}]" if isinstance(value, list) else shown(value)
