"""What is compared, by name: methods as a study file would have them, and allocators of the benchmark's own."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.search.rivals import (
    Bohb,
    ConformalQuantiles,
    GaussianProcess,
    OptunaTpe,
    Pasha,
    Promotion,
    random_sampler,
)
from benchmarks.search.task import Nearest, Task
from goodfit.service.ports import Allocator, Sampler
from goodfit.service.sampler import OptunaSampler, sampler_of
from goodfit.service.sampler.auto import AutoAllocator
from goodfit.service.sampler.cube import Points
from goodfit.service.spec.pruning import METHODS as PRUNING
from goodfit.service.spec.sections import Budget, Search, Training
from goodfit.service.spec.sections import Objective as ObjectiveSection
from goodfit.service.spec.study import StudySpec

Made = Sampler | Allocator
STUDY = "benchmark"


@dataclass(frozen=True, slots=True)
class Method:
    """A way to search.

    Attributes:
        text: what it is, for tables.
        search, pruning: as the sections of a study file say them.
        own: makes it of a task and a seed, in place of these.
        pauses: whether it pauses trials.
        needs: a module that it imports, and that Goodfit does not install.
    """

    text: str
    search: str = "random"
    pruning: Mapping[str, Any] = field(default_factory=lambda: {"method": "none"})
    own: Callable[[Task, int], Made] | None = None
    pauses: bool = False
    needs: str | None = None

    def make(self, task: Task, seed: int) -> Made:
        made = self.own(task, seed) if self.own is not None else sampler_of(self.spec(task, seed), STUDY, {})
        if task.nearest is not None:
            _restrict(made, task.nearest)
        return made

    def spec(self, task: Task, seed: int) -> StudySpec:
        """The study as a file would have it."""
        options = dict(self.pruning)
        return StudySpec(
            name=STUDY,
            trainer="benchmark",
            space=task.space,
            objective=ObjectiveSection(metric=task.objective.metric, direction=task.objective.direction),
            search=Search(method=self.search, seed=seed, try_defaults=False),
            pruning=PRUNING[options["method"]](**options),
            training=Training(epochs=task.epochs),
            budget=Budget(failures=0),
        )

    @property
    def lacking(self) -> str | None:
        """Why it cannot be run; None: it can."""
        if self.needs is None or importlib.util.find_spec(self.needs) is not None:
            return None
        return f"needs {self.needs}: pip install {self.needs.replace('_', '-')}"

    @property
    def judges(self) -> bool:
        """Whether running trials are pruned."""
        return self.own is None and self.pruning["method"] not in ("none", "auto")


def _restrict(made: Any, nearest: Nearest) -> None:
    """Have only known configurations proposed, each once: those nearest to what would have been."""
    sampler: OptunaSampler = made if isinstance(made, OptunaSampler) else made._sampler
    propose = sampler._propose

    def nearest_proposal(number: int) -> dict[str, Any] | None:
        params = propose(number)
        return None if params is None else nearest(params, sampler.was_proposed)

    sampler._propose = nearest_proposal  # type: ignore[method-assign]
    if isinstance(made, AutoAllocator):
        cube, params_at = made._cube, made._cube.params

        def nearest_params(point: Points) -> dict[str, Any]:
            wanted = params_at(point)
            # Where all were proposed it gets one of them again, and so finds that nothing new is left.
            return nearest(wanted, sampler.was_proposed) or nearest(wanted, lambda _: False) or wanted

        cube.params = nearest_params  # type: ignore[method-assign]


def _asha(least: int) -> dict[str, Any]:
    return {"method": "asha", "min_resource": least, "reduction_factor": 3}


def _promotion(least: int) -> Method:
    text = f"random search with ASHA by promotion from epoch {least}"
    return Method(text, own=lambda task, seed: Promotion(task, seed, least=least), pauses=True)


_MEDIAN = {"method": "median", "n_warmup_steps": 2}
_HYPERBAND = {"method": "hyperband", "min_resource": 1, "reduction_factor": 3}
_AUTO = {"method": "auto"}

METHODS: dict[str, Method] = {
    "auto": Method("`search: auto` with `pruning: auto`", "auto", _AUTO, pauses=True),
    "auto+none": Method("`search: auto` without pruning", "auto"),
    "random+auto": Method("random search, `pruning: auto`", "random", _AUTO, pauses=True),
    "tpe+auto": Method("TPE, `pruning: auto`", "bayesian", _AUTO, pauses=True),
    "random": Method("random search, every trial trained to its end"),
    "tpe": Method("`search: bayesian`: Optuna's TPE, of a long study shown a part of the trials", "bayesian"),
    "optuna-tpe": Method("Optuna's own TPE", own=OptunaTpe),
    "tpe+median": Method("TPE with median pruning after 2 epochs", "bayesian", _MEDIAN),
    "random+asha1": Method("random search with ASHA from epoch 1", "random", _asha(1)),
    "random+asha9": Method("random search with ASHA from epoch 9", "random", _asha(9)),
    "tpe+asha1": Method("TPE with ASHA from epoch 1", "bayesian", _asha(1)),
    "tpe+asha9": Method("TPE with ASHA from epoch 9", "bayesian", _asha(9)),
    "tpe+hyperband": Method("TPE with Hyperband from epoch 1", "bayesian", _HYPERBAND),
    "promotion1": _promotion(1),
    "promotion3": _promotion(3),
    "promotion9": _promotion(9),
    "pasha": Method("PASHA from epoch 1", own=Pasha, pauses=True),
    "bohb": Method("BOHB from epoch 1, asynchronous", own=Bohb, pauses=True),
    "cqr": Method(
        "Syne Tune's conformal quantile regression (slow)",
        own=lambda task, seed: ConformalQuantiles(task, seed, least=task.epochs),
        needs="syne_tune",
    ),
    "cqr+promotion1": Method(
        "conformal quantile regression with ASHA by promotion from epoch 1 (slow)",
        own=lambda task, seed: ConformalQuantiles(task, seed, least=1),
        pauses=True,
        needs="syne_tune",
    ),
    "gp": Method(
        "Optuna's Gaussian process (slow)",
        own=lambda task, seed: random_sampler(task, seed, GaussianProcess(task, seed)),
    ),
}
