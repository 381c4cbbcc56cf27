"""The `pruning:` section: one model a method, with Optuna's own names and defaults for its options."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, model_validator

from goodfit.search_spaces.parameters import shown
from goodfit.search_spaces.values import BadValue, number, whole
from goodfit.service.spec.fields import AutoOr, Count, Natural, NotNegative, Number, Section

Factor = Annotated[int, Field(ge=2), BeforeValidator(whole)]
Startup = Annotated[Count, Field(description="Trials that end before any is pruned.")]
Warmup = Annotated[Count, Field(description="Epochs of a trial in which it is not pruned.")]
Interval = Annotated[Natural, Field(description="Epochs between two decisions on a trial.")]
Least = Annotated[Natural, Field(description="Trials that must have reached an epoch before one is pruned there.")]
Bootstrap = Annotated[Count, Field(description="Trials that must have reached a rung before one is promoted from it.")]


def _needs_method(schema: dict[str, Any]) -> None:
    """In a file the method is written, also where it has a default in Python."""
    schema["required"] = list(dict.fromkeys(["method", *schema.get("required", ())]))


class _Pruning(Section):
    model_config = ConfigDict(json_schema_extra=_needs_method)

    method: str

    @property
    def options(self) -> dict[str, Any]:
        """The method's options by Optuna's names, all of them."""
        return {name: getattr(self, name) for name in type(self).model_fields if name != "method"}


class NoPruning(_Pruning):
    """Every trial trains to its end."""

    method: Literal["none"] = "none"


class AutoPruning(_Pruning):
    """Pauses trials and takes them up again where that is worth more than a new one; learns how early it may."""

    method: Literal["auto"] = "auto"


class MedianPruning(_Pruning):
    """Stops a trial whose best so far is worse than the median of the others at the same epoch."""

    method: Literal["median"] = "median"
    n_startup_trials: Startup = 5
    n_warmup_steps: Warmup = 0
    interval_steps: Interval = 1
    n_min_trials: Least = 1


class PercentilePruning(_Pruning):
    """Keeps the best `percentile` percent at each epoch."""

    method: Literal["percentile"]
    percentile: Annotated[float, Field(ge=0, le=100), BeforeValidator(number)] = Field(
        description="Percent of the trials that go on."
    )
    n_startup_trials: Startup = 5
    n_warmup_steps: Warmup = 0
    interval_steps: Interval = 1
    n_min_trials: Least = 1


class AshaPruning(_Pruning):
    """Asynchronous successive halving: at each rung the best 1/reduction_factor go on."""

    method: Literal["asha"]
    min_resource: AutoOr = Field("auto", description="Epochs of the first rung.")
    reduction_factor: Factor = Field(4, description="Of so many trials at a rung, one goes on.")
    min_early_stopping_rate: Count = Field(0, description="How many rungs are left out at the beginning.")
    bootstrap_count: Bootstrap = 0

    @model_validator(mode="after")
    def _resources(self) -> AshaPruning:
        if self.bootstrap_count > 0 and self.min_resource == "auto":
            raise BadValue("bootstrap_count needs min_resource as a number of epochs, not auto")
        return self


class HyperbandPruning(_Pruning):
    """Successive halving at several rates beside each other."""

    method: Literal["hyperband"]
    min_resource: Natural = Field(1, description="Epochs of the first rung.")
    max_resource: AutoOr = Field("auto", description="Most epochs of a trial.")
    reduction_factor: Factor = Field(3, description="Of so many trials at a rung, one goes on.")
    bootstrap_count: Bootstrap = 0

    @model_validator(mode="after")
    def _resources(self) -> HyperbandPruning:
        if self.max_resource == "auto":
            if self.bootstrap_count > 0:
                raise BadValue("bootstrap_count needs max_resource as a number of epochs, not auto")
        elif self.max_resource < self.min_resource:
            raise BadValue(f"max_resource {self.max_resource} is below min_resource {self.min_resource}")
        return self


class ThresholdPruning(_Pruning):
    """Stops a trial whose metric leaves [lower, upper]."""

    method: Literal["threshold"]
    lower: Number | None = Field(None, description="A trial whose metric is below is pruned.")
    upper: Number | None = Field(None, description="A trial whose metric is above is pruned.")
    n_warmup_steps: Warmup = 0
    interval_steps: Interval = 1

    @model_validator(mode="after")
    def _ends(self) -> ThresholdPruning:
        if self.lower is None and self.upper is None:
            raise BadValue("threshold pruning needs lower, upper or both")
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise BadValue(f"lower {shown(self.lower)} is above upper {shown(self.upper)}")
        return self


def _long_form(value: object) -> object:
    """`wrapped: median` is short for `wrapped: {method: median}`."""
    return {"method": str(value)} if isinstance(value, str) else value


# Not asha and hyperband: patience would bring them to their rungs late.
WRAPPED = ("none", "median", "percentile", "threshold")
Wrapped = Annotated[NoPruning | MedianPruning | PercentilePruning | ThresholdPruning, Discriminator("method")]
_WRAPPED_FORMS: Any = Literal[WRAPPED] | Wrapped


class PatientPruning(_Pruning):
    """Lets a trial go on while it improved within `patience` epochs; then `wrapped` decides."""

    method: Literal["patient"]
    patience: Count = Field(description="Epochs without improvement in which a trial goes on.")
    min_delta: NotNegative = Field(0.0, description="What counts as an improvement is larger than this.")
    wrapped: Annotated[Wrapped, BeforeValidator(_long_form, json_schema_input_type=_WRAPPED_FORMS)] = Field(
        default_factory=MedianPruning, description="Method that decides then: its name, or a section of its own."
    )

    @property
    def options(self) -> dict[str, Any]:
        """Its own options, the name of the wrapped method and that method's options."""
        own = {"patience": self.patience, "min_delta": self.min_delta}
        return {**own, "wrapped_pruner": self.wrapped.method, **self.wrapped.options}


Pruning = Annotated[
    AutoPruning
    | NoPruning
    | MedianPruning
    | PercentilePruning
    | AshaPruning
    | HyperbandPruning
    | ThresholdPruning
    | PatientPruning,
    Discriminator("method"),
]
METHODS: dict[str, type[_Pruning]] = {
    "auto": AutoPruning,
    "none": NoPruning,
    "median": MedianPruning,
    "percentile": PercentilePruning,
    "asha": AshaPruning,
    "hyperband": HyperbandPruning,
    "threshold": ThresholdPruning,
    "patient": PatientPruning,
}
