"""What proposes a study's configurations and decides what is trained next, as its file says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from goodfit.service.ports import Allocator, Sampler, Search
from goodfit.service.sampler.guide import Belief, Guide
from goodfit.service.sampler.search import OptunaSampler
from goodfit.service.spec.pruning import NoPruning
from goodfit.service.spec.study import PRIOR, WARM_START, StudySpec
from goodfit.service.spec.warm_start import Earlier, WarmStart

AUTO, SEVERAL = "auto", "bayesian"  # the search that needs no choosing; and what it is with several objectives
SCHEDULE, DECAYING = "schedule", ("cosine", "step", "onecycle")
TOP = 0.1  # share of an earlier study's trials that are held for good
FINALS = 3  # so many trials at least are trained to their end


def sampler_of(
    spec: StudySpec, name: str, defaults: Mapping[str, Any], search: Search | None = None
) -> Sampler | Allocator:
    """A study's sampler.

    With `auto` for the search, the pruning or both, it decides of pauses too; what is random in it, and what another
    method proposes, comes from Optuna's samplers as without. Of several objectives `auto` is Optuna's TPE, with pruning
    by non-dominated rank.

    Args:
        spec: of the study.
        name: the study's.
        defaults: the trainer's, which the first trial takes.
        search: what an installed package proposes by.
    """
    objective = spec.goal
    several = bool(objective.others)
    proposes, pauses = spec.search.method == AUTO and not several, spec.pauses
    sampler = OptunaSampler(
        name=name,
        space=spec.space,
        method=_method(spec, proposes=proposes),
        seed=spec.search.seed,
        try_defaults=spec.search.try_defaults,
        defaults=defaults,
        pruning=NoPruning() if pauses else spec.pruning,
        objective=objective,
        epochs=spec.reports,
        control=spec.control,
        start_from=spec.search.start_from,
        repeats=spec.search.repeats or spec.search.trains_population,
        search=search,
        open_space=spec.open_space,
        firsts=spec.believed,
        guide=_guide(spec),
    )
    if not (proposes or pauses):
        return sampler
    from goodfit.service.sampler.auto import AutoAllocator  # SciPy: not for studies that do without

    return AutoAllocator(
        sampler,
        spec.space,
        objective,
        epochs=spec.reports,
        seed=spec.search.seed,
        proposes=proposes,
        pauses=pauses,
        folds=spec.folds is not None or spec.last_counts,
        finals=max(FINALS, spec.confirm.top if spec.confirm is not None else 0),
        control=spec.control,
        plateau=spec.budget.plateau,
        decays=_decays(spec, defaults),
    )


def _method(spec: StudySpec, *, proposes: bool) -> str:
    """What draws configurations: chance, where somebody else proposes, or Optuna's samplers."""
    if proposes or spec.search.trains_population:
        return "random"
    return SEVERAL if spec.search.method == AUTO else spec.search.method


def _decays(spec: StudySpec, defaults: Mapping[str, Any]) -> bool:
    """Whether all trials have one schedule of the learning rate that is known to decay, pinned or by default."""
    searched = any(parameter.name == SCHEDULE for parameter in spec.space) and SCHEDULE not in spec.fixed
    return not searched and spec.fixed.get(SCHEDULE, defaults.get(SCHEDULE)) in DECAYING


def _guide(spec: StudySpec) -> Guide | None:
    """What draws near the priors and what earlier studies hold for good; None where there is nothing of it."""
    beliefs = [Belief(WARM_START, [one.params for one in _best(start)]) for start in spec.search.warm_start]
    beliefs += [Belief(PRIOR, [spec.priors])] if spec.priors else []
    return Guide(spec.space, beliefs) if beliefs else None


def _best(start: WarmStart) -> list[Earlier]:
    """The best tenth of an earlier study, as far as it lies in the space; at least one trial."""
    most = math.ceil((start.of or 0) * TOP)
    return [one for one in start.trials if one.rank <= most] or list(start.trials[:1])
