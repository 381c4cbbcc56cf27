"""The figures of studies that begin with earlier ones."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.families import landscape_of, task_on
from benchmarks.search.study import run_study
from benchmarks.warm_start import CASES, begun, table
from goodfit.service.spec.warm_start import brought


def test_a_study_begins_with_the_best_of_the_one_before() -> None:
    task = task_on("power", 5, landscape_of("power", 5, 0), 1)
    parent = begun("random")
    run_study(task, parent, workers=2, budget=4.0, seed=1)
    source = parent.source(task.space)
    start = brought("parent", source, task.space, {})
    child = begun("random", start)
    run_study(task, child, workers=2, budget=2.0, seed=2)
    (sampler,) = child.made
    assert sampler.preset(0) == source.trials[0][1]  # type: ignore[union-attr]


def test_a_row_has_the_gain_over_the_same_study_alone() -> None:
    rows: list[dict[str, Any]] = [
        {**dict.fromkeys(CASES, (0.8, 0.6, gain, 0.2)), "cold": (0.9, 0.8, 0.6, 0.3), "reached": {"again": 0.5}}
        for gain in (0.4, 0.3)
    ]
    found = {line.split("|")[1].strip(): line for line in table(rows)[2:]}
    assert "+0.250 ± 0.050 | +0.100 ± 0.000 | 100% |" in found["again"]
    assert found["shifted"].endswith("50% |")
    assert set(found) == set(CASES)
    assert pytest.approx(0.35) == float(found["again"].split("|")[3])
