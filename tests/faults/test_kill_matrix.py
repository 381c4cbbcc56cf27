"""The kill matrix on the real stack. `make soak` runs it; SOAK_ROUNDS, SOAK_MINUTES and SOAK_SEED say how often.

SOAK_FAULTS="disk full,artifacts away" runs rounds of these faults alone.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from tests.faults.machine import Clock, small_disk
from tests.faults.rounds import FAULTS, Round, faults, mlflow_down_for_a_minute, undisturbed
from tests.real_stack import real_stack

ROUNDS = int(os.environ.get("SOAK_ROUNDS", "10"))
NAMES = [name.strip() for name in os.environ.get("SOAK_FAULTS", "").split(",") if name.strip()]
MINUTES = float(os.environ.get("SOAK_MINUTES", "0"))  # 0: as long as the rounds take


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_whatever_dies_every_trial_is_trained_once_and_decided_as_if_nothing_had(tmp_path: Path) -> None:
    first = int(os.environ.get("SOAK_SEED") or random.SystemRandom().randrange(10**6))
    expected = undisturbed(tmp_path / "undisturbed")
    end = time.monotonic() + MINUTES * 60 if MINUTES else float("inf")
    assert set(NAMES) <= set(FAULTS), f"SOAK_FAULTS: there are {', '.join(FAULTS)}"
    clock = Clock(tmp_path / "clock")
    with small_disk() as disk:
        environment = {"SOAK_CLOCK": str(clock.file)}
        if disk is not None:
            environment["GOODFIT_ARTIFACTS"] = str(disk.artifacts)
        with real_stack(allow_code=True, environment=environment, starter="tests.faults.clocked") as stack:
            if not NAMES:
                longest = {"mlflow down for a minute": mlflow_down_for_a_minute}
                Round(stack, first, expected, tmp_path, clock, disk).run(longest)
            for number in range(ROUNDS):
                if time.monotonic() > end:
                    break
                Round(stack, first + number, expected, tmp_path, clock, disk).run(faults(disk, NAMES))
                print(f"{number + 1} rounds passed", flush=True)
