"""The `pruning:` section: one model a method, with Optuna's own names and defaults for its options."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, model_validator

from goodfit.search_spaces.parameters import shown
from goodfit.search_spaces.values import BadValue, number, whole
from goodfit.service.spec.fields import Count, Natural, NotNegative, Number, Section, or_auto, within

Epochs = Annotated[Literal["auto"] | int, BeforeValidator(or_auto(within(whole, least=1)))]
Factor = Annotated[int, BeforeValidator(within(whole, least=2))]


class _Pruning(Section):
    method: str

    @property
    def options(self) -> dict[str, Any]:
        """The method's options by Optuna's names, all of them."""
        return {name: getattr(self, name) for name in type(self).model_fields if name != "method"}


class NoPruning(_Pruning):
    """Every trial trains to its end."""

    method: Literal["none"] = "none"


class MedianPruning(_Pruning):
    """Stops a trial whose best so far is worse than the median of the others at the same epoch."""

    method: Literal["median"] = "median"
    n_startup_trials: Count = 5
    n_warmup_steps: Count = 0
    interval_steps: Natural = 1
    n_min_trials: Natural = 1


class PercentilePruning(_Pruning):
    """Keeps the best `percentile` percent at each epoch."""

    method: Literal["percentile"]
    percentile: Annotated[float, BeforeValidator(within(number, least=0, most=100))]
    n_startup_trials: Count = 5
    n_warmup_steps: Count = 0
    interval_steps: Natural = 1
    n_min_trials: Natural = 1


class AshaPruning(_Pruning):
    """Asynchronous successive halving: at each rung the best 1/reduction_factor go on."""

    method: Literal["asha"]
    min_resource: Epochs = "auto"
    reduction_factor: Factor = 4
    min_early_stopping_rate: Count = 0
    bootstrap_count: Count = 0

    @model_validator(mode="after")
    def _resources(self) -> AshaPruning:
        if self.bootstrap_count > 0 and self.min_resource == "auto":
            raise BadValue("bootstrap_count needs min_resource as a number of epochs, not auto")
        return self


class HyperbandPruning(_Pruning):
    """Successive halving at several rates beside each other."""

    method: Literal["hyperband"]
    min_resource: Natural = 1
    max_resource: Epochs = "auto"
    reduction_factor: Factor = 3
    bootstrap_count: Count = 0

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
    lower: Number | None = None
    upper: Number | None = None
    n_warmup_steps: Count = 0
    interval_steps: Natural = 1

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


class PatientPruning(_Pruning):
    """Lets a trial go on while it improved within `patience` epochs; then `wrapped` decides."""

    method: Literal["patient"]
    patience: Count
    min_delta: NotNegative = 0.0
    wrapped: Annotated[Wrapped, BeforeValidator(_long_form)] = Field(default_factory=MedianPruning)

    @property
    def options(self) -> dict[str, Any]:
        """Its own options, the name of the wrapped method and that method's options."""
        own = {"patience": self.patience, "min_delta": self.min_delta}
        return {**own, "wrapped_pruner": self.wrapped.method, **self.wrapped.options}


Pruning = Annotated[
    NoPruning | MedianPruning | PercentilePruning | AshaPruning | HyperbandPruning | ThresholdPruning | PatientPruning,
    Discriminator("method"),
]
METHODS: dict[str, type[_Pruning]] = {
    "none": NoPruning,
    "median": MedianPruning,
    "percentile": PercentilePruning,
    "asha": AshaPruning,
    "hyperband": HyperbandPruning,
    "threshold": ThresholdPruning,
    "patient": PatientPruning,
}
