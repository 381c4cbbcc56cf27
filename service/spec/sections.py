"""The sections of a study file, each as it is kept: frozen, with every default filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator

from goodfit.search_spaces.parameters import shown
from goodfit.search_spaces.values import BadValue, described, number, whole
from goodfit.service.extensions import SAMPLERS, added
from goodfit.service.spec.fields import (
    NUMBER,
    AutoOr,
    Count,
    Flag,
    Measure,
    Metric,
    Names,
    Natural,
    NotNegative,
    Number,
    Positive,
    Section,
    Seed,
    auto_or_whole,
    auto_tag,
    one_of,
    options_of,
    out_of_bounds,
    text,
    word_of,
)
from goodfit.service.spec.search_methods import SEARCH_METHODS
from goodfit.service.spec.warm_start import WarmStarts
from goodfit.service.stored_spec import amounts_of

POPULATIONS = ("pbt", "pb2")  # methods that train a population

MOST_OBJECTIVES = 4  # of more, nearly every trial is on the front

# Keys that a later version will take: (section, key) -> what they are.
LATER: dict[tuple[str, ...], str] = {
    ("budget", "gpu_hours"): "a budget in GPU hours",
}


class Objective(Section):
    """What the search optimizes."""

    metric: Metric = Field(
        description="Metric with its split, such as val/accuracy; never of the test split. That of a Ray Tune function "
        "is named as it reports it."
    )
    direction: Annotated[Literal["minimize", "maximize"], one_of("minimize", "maximize")] = Field(
        description="Whether less or more of the metric is better."
    )
    intended: Flag = Field(
        False,
        description="Says that a direction which is unusual for the metric is meant, and silences the note on it.",
    )


class FurtherObjective(Objective):
    """What the search optimizes besides: an objective that may be a cost."""

    metric: Measure = Field(description="Metric with its split, or a cost: params_millions, epoch_seconds.")


def _configurations(value: object) -> tuple[dict[str, Any], ...]:
    if not isinstance(value, (list, tuple)):
        raise BadValue(f"is {described(value)}, not a list of configurations such as [{{learning_rate: 0.01}}]")
    wrong = [
        f"its entry {index} is {described(one)}, not a configuration {{name: value, ...}}"
        for index, one in enumerate(value, start=1)
        if not isinstance(one, Mapping) or not one
    ]
    if wrong:
        raise BadValue("; ".join(wrong))
    return tuple({str(key): item for key, item in one.items()} for one in value)


def _search_method(value: object) -> str:
    ours = tuple(SEARCH_METHODS)  # installed packages are looked through for other words alone: that takes 8 ms
    return word_of(value, ours if value in ours else (*ours, *added(SAMPLERS)), alias={"tpe": "bayesian"})


_METHOD_WORDS: Any = Literal[(*SEARCH_METHODS, "tpe")] | str  # an installed package may add any


class Search(Section):
    """How configurations are proposed."""

    method: Annotated[str, BeforeValidator(_search_method, json_schema_input_type=_METHOD_WORDS)] = Field(
        "auto", description="Search method, built in (tpe is another name of bayesian) or added by a package."
    )
    options: Annotated[Mapping[str, Any], BeforeValidator(options_of)] = Field(
        default_factory=dict, description="Options of a method that a package adds; the built-in methods take none."
    )
    seed: Seed = Field(0, description="Seed of the search.")
    try_defaults: Flag = Field(
        True,
        description="Try the trainer's defaults, as far as they lie in the space, before anything is proposed. "
        "A grid does not.",
    )
    start_from: Annotated[tuple[dict[str, Any], ...], BeforeValidator(_configurations)] = Field(
        (), description="Configurations to try first, in this order, each whole or in part."
    )
    warm_start: WarmStarts = Field(
        (), description="Earlier studies to learn from: their names, study files or Optuna storages (`optuna+URL`)."
    )
    repeats: Flag = Field(
        False, description="Go on when all configurations of a finite space were tried: again, with other seeds."
    )
    population: Annotated[int, Field(ge=2), BeforeValidator(whole)] | None = Field(
        None, description="pbt and pb2: how many members the population has; each is a trial."
    )
    interval: Natural | None = Field(
        None, description="pbt and pb2: epochs after which the worst members take over the models of the best."
    )
    perturb: Names = Field(
        (), description="pbt and pb2: parameters that change while a member trains. Left out: all that can."
    )

    @property
    def trains_population(self) -> bool:
        """Whether its trials are members of a population that take over each other's models."""
        return self.method in POPULATIONS

    @model_validator(mode="after")
    def _population_of_its_methods(self) -> Search:
        for key in ("population", "interval", "perturb"):
            if getattr(self, key) and not self.trains_population:
                raise BadValue(f"{key} is for {' and '.join(POPULATIONS)}; {self.method} takes none")
        return self

    @model_validator(mode="after")
    def _options_of_added(self) -> Search:
        if self.options and self.method in SEARCH_METHODS:
            raise BadValue(f"options are for methods that a package adds; {self.method} takes none")
        return self


class Training(Section):
    """How long one trial trains, and what it survives."""

    epochs: Natural = Field(description="Most epochs of a trial.")
    patience: Natural | None = Field(None, description="Epochs without improvement after which a trial stops itself.")
    minutes: Positive | None = Field(None, description="Most minutes of a trial.")
    checkpoint_epochs: Natural | None = Field(
        None, description="Epochs between checkpoints. Left out: as often as costs little."
    )
    keep: Natural | None = Field(
        None, description="How many of the best trials keep their models. Left out: all of them."
    )
    retries: Count = Field(2, description="How often in a row a trial starts again when its worker dies.")
    seed: Seed | None = Field(None, description="Seed of the training of every trial. Left out: each has its own.")
    stop_on: Annotated[Literal["overfit"], one_of("overfit")] | None = Field(
        None, description="Verdict that ends a trial as soon as it is reached."
    )


class Confirm(Section):
    """Trains the best configurations again on fresh seeds and scores them on the test split, which needs rows."""

    top: Natural = Field(3, description="How many of the best configurations.")
    seeds: Natural = Field(3, description="How many fresh seeds for each.")


class Budget(Section):
    """When the study ends: at whichever comes first."""

    trials: Natural | None = Field(None, description="Most trials of the search.")
    epochs: Natural | None = Field(
        None, description="Most epochs of all trials of the search together; with cross-validation, folds."
    )
    minutes: Positive | None = Field(None, description="Most minutes of the search.")
    plateau: Flag = Field(
        False, description="End the search when what is left to gain is below the noise; with auto search."
    )
    target: Number | None = Field(
        None, description="Value of the objective that ends the study as soon as a trial reaches it."
    )
    failures: Count = Field(
        10, description="How many trials that fail alike end the study while none has succeeded; 0: any number may."
    )


WIDEST_PACK = 1024


def _not_too_wide(width: int) -> int:
    if width > WIDEST_PACK:
        raise BadValue(f"is {shown(width)}; no more than {WIDEST_PACK} trials share a worker")
    return width


MOST_CUSTOM = 100  # resources that nodes name themselves


def _custom(value: object) -> dict[str, float]:
    if not isinstance(value, Mapping):
        raise BadValue(f"is {described(value)}; write {{name: amount}}, as the cluster's nodes name what they have")
    if len(value) > MOST_CUSTOM:
        raise BadValue(f"names {len(value):,} resources; no more than {MOST_CUSTOM} are taken")
    return {text(key): _amount(key, amount) for key, amount in value.items()}


def _amount(name: object, value: object) -> float:
    try:
        amount = float(number(value))
    except BadValue as error:
        raise BadValue(f"{name} {error}") from error
    if amount <= 0:
        raise BadValue(f"{name} {out_of_bounds(amount, gt=0)}")
    if name in _OWN_KEYS:
        raise BadValue(f"{name} is not for here; {_OWN_KEYS[name]}")
    if amount > 1 and not amount.is_integer():
        raise BadValue(f"{name} is {shown(amount)}; above 1 it must be a whole number")
    return amount


# Resources that have keys of their own.
_OWN_KEYS: dict[object, str] = {
    **dict.fromkeys(("cpus", "CPU"), "write `cpus:`"),
    **dict.fromkeys(("gpus", "GPU"), "write `gpus:`"),
    "memory": "it goes with the CPUs",
    "object_store_memory": "trials use none of it",
}


_Pack = Annotated[
    Annotated[Literal["auto"], Tag("auto")]
    | Annotated[
        Natural,
        AfterValidator(_not_too_wide),
        WithJsonSchema({"type": "integer", "minimum": 1, "maximum": WIDEST_PACK}),
        Tag(NUMBER),
    ],
    Discriminator(auto_tag),
    BeforeValidator(auto_or_whole),
]


class Resources(Section):
    """What one trial takes, and how many run at once."""

    cpus: Positive = Field(1.0, description="CPUs of a trial; a fraction shares one.")
    gpus: NotNegative = Field(0.0, description="GPUs of a trial; a fraction shares one, above 1 it is a whole number.")
    custom: Annotated[Mapping[str, Annotated[float, Field(gt=0)]], BeforeValidator(_custom)] = Field(
        default_factory=dict,
        description="Amounts of further resources of a trial, by the names that the cluster's nodes give them.",
    )
    parallel: AutoOr = Field("auto", description="Trials at once. auto: as many as fit.")
    pack: _Pack = Field(
        "auto",
        description="Trials that share a worker and train as one batched model, where that is faster. "
        "auto: as many as the number of trials allows; 1: none do.",
    )

    @property
    def amounts(self) -> dict[str, float]:
        """What one trial takes of one node: cpus, gpus, and custom resources by their names."""
        return amounts_of(self.model_dump())

    @model_validator(mode="after")
    def _whole_gpus(self) -> Resources:
        if self.gpus > 1 and not self.gpus.is_integer():
            raise BadValue(f"gpus is {shown(self.gpus)}; above 1 it must be a whole number")
        return self
