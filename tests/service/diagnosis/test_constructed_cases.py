"""Short trainings of our own whose verdict is known by construction; benchmarks/curves.py has 20 seeds of each."""

from pathlib import Path

import pytest

from benchmarks.curves import CASES, Case

# The quickest of each verdict; those that are formulas cost nothing.
TRIED = [
    "overfit: 120 rows, wide net",
    "underfit: l1 of 1",
    "diverged: sgd at 1e3, NaN",
    "diverged: adamw at 1e3",
    "diverged: late blow-up (drawn)",
    "unfinished: 3 epochs",
    "unfinished: cut off at 15 of 200",
    "good fit: linear net, many rows",
    "good fit: a gap alone (drawn)",
    "good fit: double descent (drawn)",
]


@pytest.mark.parametrize("case", [case for case in CASES if case.name in TRIED], ids=lambda case: case.name)
def test_a_constructed_case_gets_its_verdict(case: Case, tmp_path: Path) -> None:
    made = case.make(tmp_path, 7)

    found = [made.diagnosis(objective) for objective in made.objectives()]

    assert {one.verdict for one in found} == {case.verdict}, [one.reason for one in found]


def test_every_tried_case_is_there() -> None:
    assert {case.name for case in CASES} >= set(TRIED)
