"""The kill matrix on the real stack. `make soak` runs it; SOAK_ROUNDS, SOAK_MINUTES and SOAK_SEED say how often."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from tests.faults.rounds import FAULTS, Round, mlflow_down_for_a_minute, undisturbed
from tests.real_stack import real_stack

ROUNDS = int(os.environ.get("SOAK_ROUNDS", "10"))
MINUTES = float(os.environ.get("SOAK_MINUTES", "0"))  # 0: as long as the rounds take


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_whatever_dies_every_trial_is_trained_once_and_decided_as_if_nothing_had(tmp_path: Path) -> None:
    first = int(os.environ.get("SOAK_SEED") or random.SystemRandom().randrange(10**6))
    expected = undisturbed(tmp_path / "undisturbed")
    end = time.monotonic() + MINUTES * 60 if MINUTES else float("inf")
    with real_stack(allow_code=True) as stack:
        Round(stack, first, expected, tmp_path).run({"mlflow down for a minute": mlflow_down_for_a_minute})
        for number in range(ROUNDS):
            if time.monotonic() > end:
                break
            Round(stack, first + number, expected, tmp_path).run(FAULTS)
            print(f"{number + 1} rounds passed", flush=True)
