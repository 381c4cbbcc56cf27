"""Read by Python as it starts, where this folder is in PYTHONPATH: the wall clock goes as a file says.

SOAK_CLOCK names the file; it holds the seconds by which time.time() and time.time_ns() are ahead of the machine's
(less than 0: behind). Only the soak test puts this folder into a PYTHONPATH. Monotonic clocks stay as they are.
"""

import os
import time

_NAME = os.environ.get("SOAK_CLOCK")
_LOOK_SECONDS = 0.1

if _NAME:
    _time, _time_ns, _monotonic = time.time, time.time_ns, time.monotonic
    _known = [0.0, float("-inf")]  # the seconds, and when they were read

    def _ahead() -> float:
        now = _monotonic()
        if now - _known[1] > _LOOK_SECONDS:
            _known[1] = now
            with open(_NAME, encoding="ascii") as file:  # noqa: PTH123 - every process reads this: no more imports
                _known[0] = float(file.read())
        return _known[0]

    def _shifted() -> float:
        return _time() + _ahead()

    def _shifted_ns() -> int:
        return _time_ns() + int(_ahead() * 1e9)

    time.time, time.time_ns = _shifted, _shifted_ns
