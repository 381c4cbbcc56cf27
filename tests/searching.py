"""Studies that the `auto` search decides, run with a worker that does as it is told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from goodfit.service.app.run import plan_of, sampler_for
from goodfit.service.sampler import sampler_of
from goodfit.service.spec import StudySpec
from tests.running import Bench

VALUES: dict[str, Any] = {
    "name": "s",
    "trainer": "mlp",
    "data": {"source": "digits"},
    "space": [{"name": "x", "type": "float", "low": 0.0, "high": 1.0}],
    "objective": {"metric": "val/loss", "direction": "minimize"},
    "search": {"method": "auto", "seed": 7},
    "pruning": {"method": "auto"},
    "training": {"epochs": 8},
    "budget": {"trials": 14},
}


def auto_spec(**changes: Any) -> StudySpec:
    return StudySpec.from_dict({**VALUES, **changes})


def auto_bench(folder: Path, defaults: Mapping[str, Any] | None = None, **changes: Any) -> Bench:
    """A study with a spec, and the sampler that this names."""
    spec = auto_spec(**changes)
    folder.mkdir(exist_ok=True)
    bench = Bench(folder, plan_of(spec), spec=spec.to_dict())
    bench.new_sampler = lambda: sampler_of(spec, "s", defaults or {})
    return bench


POPULATION: dict[str, Any] = {
    "search": {"method": "pbt", "seed": 7, "population": 5, "interval": 2, "perturb": ["x"]},
    "pruning": {"method": "none"},
    "budget": {},
}


def population_bench(folder: Path, **changes: Any) -> Bench:
    """A study that trains a population, as auto_bench makes one."""
    spec = auto_spec(**{**POPULATION, **changes})
    folder.mkdir(exist_ok=True)
    bench = Bench(folder, plan_of(spec), spec=spec.to_dict())
    bench.new_sampler = lambda: sampler_for(spec, "s", {})
    return bench
