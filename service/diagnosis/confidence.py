"""How sure a verdict is: the distance from its thresholds, turned into the chance that it is right.

The evidence for a verdict is how many times over it passes its tests, discounted for short curves. By
itself that number only orders verdicts. What it is worth was measured on some 9,000 verdicts of known
truth: on the 419 labelled curves of Li et al. (2024), whole, thinned and made noisy, and on constructed cases.
benchmarks/calibration.py fits the logistic curve below to them and prints what it is worth on data sets and
cases that it was not fitted to. It rises with the evidence, so it changes no order.
"""

from __future__ import annotations

import math

INTERCEPT, SLOPE = 1.5, 2.5  # of the log odds; fitted, to one digit
MOST = 0.999  # of thousands that were sure all were right, but no number of epochs makes a convention certain


def margin(strength: float, count: int) -> float:
    """From one half at the threshold (strength 1) towards one far beyond it, less for a short curve."""
    return min(MOST, (1.0 - 0.5 / max(strength, 1.0)) * trust(count))


def trust(count: int) -> float:
    """What `count` points allow: 0.71 with 5, 0.91 with 20, 0.98 with 100."""
    return count / (count + 2)


def confidence(found: float) -> float:
    """The chance that a verdict with this evidence, between 0 and 1, is right."""
    if found <= 0.0:
        return 0.0
    odds = math.log(found / (1.0 - min(found, MOST)))
    return min(MOST, 1.0 / (1.0 + math.exp(-(INTERCEPT + SLOPE * odds))))
