"""The one rule that turns a pair of curves into a verdict, with its thresholds and reasons.

The curves are oriented (less is better) and scaled (curve.py). The first of these that holds is
the verdict:

1. **diverged**: a NaN or an infinity was reported, at any epoch; or training lost a quarter of
   its progress (or of its level) and validation went with it; or validation alone is ten times
   further off than it ever came. Training that came apart is never called overfitting. Without
   training metrics, a loss of the whole yardstick (see 3), most of it in a single step, counts too.
2. **unfinished**: fewer than 5 epochs. Nothing is said of a trend from less.
3. **overfit**: validation ends worse than its best level while training got better, or at least
   did not get worse. The rise must be
   - material: at least 5% of the *yardstick*, the geometric mean of the best level and of what
     was won since the first epoch (why: Curve.yardstick);
   - no chance: above what the late noise shows by itself (why: Curve.chance_rise);
   - sustained: the last tenth of the epochs, at least 3 (2 of fewer than 15), are on the wrong side of half the rise;
   - not on its way back: a curve past its peak and still falling (double descent) is not overfit.
   A gap between training and validation, however wide, is no sign of it by itself.
4. **unfinished**: still improving at the end: the slope over the last third is beyond three
   standard errors, and would win another 5% of the yardstick in a fifth more epochs.
5. **underfit**: flat and poor: no better than the baseline; or a fifth or more of the way from
   the baseline (or the start) to what is reachable is missing, in training too; or, where neither
   is known, training never moved off its first epoch.
6. **good_fit**: none of these.

The yardstick and the 5% were chosen by looking at all 419 labelled curves of Li et al. (2024, "Keeping
Deep Learning Models in Check"), after a rise relative to the level alone and to the span alone: agreement
with those labels is a fit, not a test. benchmarks/diagnosis.py prints it, and what is left when
the 5% is chosen on other curves. The other thresholds are judgement, tried on constructed curves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from service.diagnosis.curve import Curve
from service.records import Verdict

FEWEST = 5  # epochs that a trend can be read from: three would be two steps, and any noise makes those
MATERIAL = 0.05  # of the yardstick
SURE = 3.0  # standard errors
CAME_APART = 0.25  # of training's progress or level, lost
BLOWN_UP = 10.0  # times validation's progress or level
AT_ONCE = 0.75  # of a loss, in one step
NEVER_MOVED = 0.03  # of the level at the start
NO_BETTER = 0.05  # of the baseline
MISSING = 0.2  # of the way to what is reachable


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


def rule(evidence: Evidence) -> Ruling:
    """The verdict on a pair of curves; the module's first lines state it in words."""
    rules: tuple[Callable[[Evidence], Ruling | None], ...] = (
        _not_finite,
        _too_short_to_fall_apart,
        _training_came_apart,
        _validation_blew_up,
        _too_few,
        _overfit,
        _still_improving,
        _underfit,
    )
    for judge in rules:
        if ruling := judge(evidence):
            return ruling
    return _good_fit(evidence)


def _not_finite(evidence: Evidence) -> Ruling | None:
    broken = evidence.broken
    if broken is None:
        return None
    if broken.healed:
        told = f"{broken.name} was NaN or infinite at epoch {broken.epoch}, and finite again later"
        return Ruling(Verdict.DIVERGED, 0.5, 0.7, told, broken.epoch)
    told = f"{broken.name} was NaN or infinite at epoch {broken.epoch}, and no recovery followed"
    return Ruling(Verdict.DIVERGED, 1.0, 0.99, told, broken.epoch)


def _too_short_to_fall_apart(evidence: Evidence) -> Ruling | None:
    return _too_few(evidence) if len(evidence.validation) < 2 else None


def _too_few(evidence: Evidence) -> Ruling | None:
    count = len(evidence.validation)
    if count >= FEWEST:
        return None
    told = f"{count or 'no'} epoch{'' if count == 1 else 's'} with {evidence.names[1]}: too few to say, {FEWEST} needed"
    return Ruling(Verdict.UNFINISHED, 0.0, 0.5, told)


def _training_came_apart(evidence: Evidence) -> Ruling | None:
    """Training itself lost a good part of what it had, and validation with it."""
    train, validation = evidence.train, evidence.validation
    if train is None:
        return None
    allowed = CAME_APART * max(train.span, abs(train.best))
    ratio = min(_ratio(train.rise, allowed), _ratio(train.rise, train.chance_rise))
    if ratio <= 1 or validation.rise < MATERIAL * validation.yardstick:
        return None
    told = (
        f"{evidence.names[0]} came apart: {_at_best(evidence, train)}, {evidence.value(train.end)} at the end, "
        f"and {evidence.names[1]} went with it"
    )
    return Ruling(Verdict.DIVERGED, 1.0, _confidence(ratio, len(train)), told, train.onset)


def _validation_blew_up(evidence: Evidence) -> Ruling | None:
    validation = evidence.validation
    size = max(validation.span, abs(validation.best))
    ratio = _ratio(validation.rise, BLOWN_UP * size)
    if ratio <= 1 and not (evidence.train is None and _fell_at_once(validation)):
        return None
    end = evidence.value(validation.end)
    told = f"{evidence.names[1]} came apart: {_at_best(evidence, validation)}, {end} at the end"
    confidence = min(0.99, 1.0 - 0.5 / max(1.0, ratio))  # however short: no trend is read here
    return Ruling(Verdict.DIVERGED, 1.0, confidence, told, validation.onset)


def _fell_at_once(curve: Curve) -> bool:
    """Whether one step made most of a loss as large as the yardstick; overfitting is gradual."""
    if curve.rise <= max(curve.yardstick, curve.chance_rise):
        return False
    steps = np.diff(curve.values[curve.best_at :])
    return bool(steps.size) and float(np.max(steps)) >= AT_ONCE * curve.rise


def _overfit(evidence: Evidence) -> Ruling | None:
    curve = evidence.validation
    ratio = min(_ratio(curve.rise, MATERIAL * curve.yardstick), _ratio(curve.rise, curve.chance_rise))
    if ratio <= 1 or not curve.rise_lasts or (curve.past_its_peak and _improving(curve) > 1):
        return None
    onset = curve.onset
    told = (
        f"{evidence.names[1]} got worse from epoch {onset} on: {_at_best(evidence, curve)}, "
        f"{evidence.value(curve.end)} at the end (noise would explain {evidence.size(curve.chance_rise)})"
    )
    severity = min(1.0, _ratio(curve.rise, curve.span))
    confidence = _confidence(ratio, len(curve))
    if evidence.train is None:
        told += "; there is no training metric to show that training went on improving"
        return Ruling(Verdict.OVERFIT, severity, 0.75 * confidence, told, onset)
    then, now = evidence.train.level_at(curve.best_epoch), evidence.train.end
    if now - then > _tolerated(evidence.train, curve) or (now >= then and now >= curve.end):
        return None
    told += f", while {evidence.names[0]} went from {evidence.value(then)} to {evidence.value(now)}"
    improving = then - now > evidence.train.rise_error
    return Ruling(Verdict.OVERFIT, severity, confidence if improving else 0.75 * confidence, told, onset)


def _tolerated(train: Curve, validation: Curve) -> float:
    """How much worse training may end and still count as not worse: its noise, within 10 to 50% of the rise."""
    return min(max(SURE * train.rise_error, validation.rise / 10), validation.rise / 2)


def _still_improving(evidence: Evidence) -> Ruling | None:
    curve = evidence.validation
    ratio = _improving(curve)
    if ratio <= 1:
        return None
    told = (
        f"{evidence.names[1]} was still improving by {evidence.size(curve.slope)} an epoch when it ended "
        f"at {evidence.value(curve.end)}"
    )
    severity = min(1.0, _ratio(curve.gain, curve.span))
    return Ruling(Verdict.UNFINISHED, severity, _confidence(ratio, len(curve)), told)


def _underfit(evidence: Evidence) -> Ruling | None:
    """Flat (or the rules before would have held) and poor."""
    curve, names = evidence.validation, evidence.names
    best = float(curve.values[curve.lowest_at])
    if evidence.baseline is not None:
        lead = evidence.baseline - best
        needed = max(NO_BETTER * abs(evidence.baseline), 2 * curve.noise)
        if lead <= needed:
            trivial = evidence.value(evidence.baseline)
            told = f"{names[1]} ({evidence.value(best)}) is no better than the baseline {trivial}"
            ratio = 2.0 - max(-1.0, _ratio(lead, needed))
            return Ruling(Verdict.UNDERFIT, 1.0, _confidence(ratio, len(curve)), told)
    if evidence.reachable is not None:
        ruling = _short_of_reachable(evidence, best)
        if ruling:
            return ruling
    return _never_moved(evidence, best) if evidence.baseline is None else None


def _short_of_reachable(evidence: Evidence, best: float) -> Ruling | None:
    if evidence.reachable is None:
        return None
    way = (evidence.validation.start if evidence.baseline is None else evidence.baseline) - evidence.reachable
    missing = _ratio(best - evidence.reachable, way) if way > 0 else 0.0
    if missing < MISSING:
        return None
    told = (
        f"{evidence.names[1]} is flat at {evidence.value(best)}, where {evidence.value(evidence.reachable)} "
        "has been reached by others"
    )
    if evidence.train is not None:
        if evidence.train.best - evidence.reachable < way * MISSING / 2:
            return None
        told += f", and {evidence.names[0]} came only to {evidence.value(evidence.train.best)}"
    ratio = missing / MISSING
    return Ruling(Verdict.UNDERFIT, min(1.0, missing), _confidence(ratio, len(evidence.validation)), told)


def _never_moved(evidence: Evidence, best: float) -> Ruling | None:
    """Without a baseline: nothing was learned after the first epoch, and it is not perfect either."""
    curve, name = evidence.validation, evidence.names[1]
    if evidence.train is not None and len(evidence.train) >= FEWEST:
        curve, name = evidence.train, evidence.names[0]
    learned = max(NEVER_MOVED * max(abs(curve.start), abs(curve.best)), curve.chance_rise + 2 * curve.noise)
    perfect = best * evidence.scale in {0.0, -1.0}  # a loss of 0 or an accuracy of 1, from the first epoch on
    if perfect or curve.span > learned:
        return None
    told = (
        f"{name} never moved off its first epoch: {evidence.value(curve.start)}, at best {evidence.value(curve.best)}"
    )
    if evidence.reachable is None:
        told += "; no baseline is known that would tell whether that is good"
    return Ruling(Verdict.UNDERFIT, 1.0, 0.5, told)


def _good_fit(evidence: Evidence) -> Ruling:
    curve = evidence.validation
    material = MATERIAL * curve.yardstick
    rising = min(1.0, _ratio(curve.rise, max(material, curve.chance_rise)))
    hidden = min(1.0, _ratio(curve.chance_rise, 2 * material))  # a rise that the noise would hide
    doubt = max(rising, hidden, min(1.0, max(0.0, _improving(curve))))
    told = f"{evidence.names[1]}: {_at_best(evidence, curve)}, {evidence.value(curve.end)} at the end"
    if curve.rise > max(material, curve.chance_rise):
        told += "; worse, but not while training got better, or not for long"
    else:
        told += "; level, as far as noise lets one see" if curve.rise <= curve.chance_rise else "; nearly level"
    known = evidence.baseline is not None or evidence.reachable is not None
    confidence = (1.0 - doubt / 2) * _trust(len(curve)) * (1.0 if known else 0.9)
    return Ruling(Verdict.GOOD_FIT, 0.0, confidence, told)


def _improving(curve: Curve) -> float:
    """How many times over the slope at the end passes the tests of rule 4; above 1 it does."""
    return min(_ratio(curve.gain, MATERIAL * curve.yardstick), _ratio(-curve.slope, SURE * curve.slope_error))


def _at_best(evidence: Evidence, curve: Curve) -> str:
    """The best value as it was reported, and when."""
    return f"{evidence.value(float(curve.values[curve.lowest_at]))} at best (epoch {curve.epochs[curve.lowest_at]})"


def _ratio(part: float, whole: float) -> float:
    """Divide, where nothing of nothing is nothing and something of nothing is infinite."""
    if whole > 0:
        return part / whole
    return math.inf if part > 0 else 0.0


def _confidence(ratio: float, count: int) -> float:
    """From one half at the threshold towards one far beyond it, less for a short curve."""
    return min(0.99, (1.0 - 0.5 / max(ratio, 1.0)) * _trust(count))


def _trust(count: int) -> float:
    """What `count` points allow: 0.71 with 5, 0.91 with 20, 0.98 with 100."""
    return count / (count + 2)
