"""What the rule is given and what it finds: the curves of one trial with what they are held against, and a ruling.

No rule lives here: that is verdict.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from goodfit.service.diagnosis.curve import Curve
from goodfit.service.records import Verdict


@dataclass(frozen=True, slots=True)
class Broken:
    """The first NaN or infinity of a trial; `healed` if all its curves end with finite values again."""

    epoch: int
    name: str
    healed: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """The curves of one trial, oriented and scaled, and what they may be held against.

    Attributes:
        sign, scale: what turns an oriented number back into the metric's unit.
        baseline, reachable: oriented and scaled; what a trivial model and the best model get.
        names: of the training and the validation metric.
    """

    validation: Curve
    train: Curve | None
    sign: float
    scale: float
    broken: Broken | None = None
    baseline: float | None = None
    reachable: float | None = None
    names: tuple[str, str] = ("training", "validation")

    @property
    def way(self) -> float:
        """From the baseline to what is reachable; 0 where one is not known."""
        if self.baseline is None or self.reachable is None:
            return 0.0
        return max(0.0, self.baseline - self.reachable)

    def value(self, number: float) -> str:
        """An oriented number as its metric would print it."""
        return f"{self.sign * number * self.scale + 0.0:.4g}"

    def size(self, number: float) -> str:
        """A difference in the metric's unit."""
        return f"{abs(number) * self.scale:.3g}"


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the rule found; Diagnosis tells what the fields mean."""

    verdict: Verdict
    severity: float
    confidence: float
    reason: str
    onset: int | None = None
