"""`python -m tests.faults.clocked up ...` is `python -m deploy.stack up ...` with services whose clock can be turned.

The clock is tests/faults/clock/sitecustomize.py, by the file that SOAK_CLOCK names.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy import compose, plan, stack

FOLDER = Path(__file__).with_name("clock")


def main() -> int:
    usual = plan.environment

    def environment(service: compose.Service, programs: list[Path], mark: Mapping[str, str]) -> dict[str, str]:
        found = usual(service, programs, mark)
        return {**found, "PYTHONPATH": os.pathsep.join([str(FOLDER), found["PYTHONPATH"]])}

    plan.environment = environment
    return stack.main()


if __name__ == "__main__":
    sys.exit(main())
