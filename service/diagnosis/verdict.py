"""The one rule that turns a pair of curves into a verdict, with its thresholds and reasons.

The curves are oriented (less is better) and scaled (curve.py). The first of these that holds is
the verdict:

1. **diverged**: a NaN or an infinity was reported, at any epoch; or training lost a quarter of
   its progress (of its level, of what is reachable) and validation with it; or validation alone is ten times
   further off than it ever came; or both were ten times further off than the baseline and never
   got back to it. Training that came apart is never called overfitting. Without training metrics,
   a loss of the whole yardstick (see 3), most of it in a single step, counts too.
2. **unfinished**: fewer than 5 epochs. Nothing is said of a trend from less.
3. **overfit**: validation ends worse than its best level while training got better, or at least
   did not get worse. The rise must be
   - material: at least 5% of the *yardstick*, the geometric mean of the best level and of what
     was won since the first epoch (why: Curve.yardstick);
   - no chance: above what the late noise shows by itself (why: Curve.chance_rise), or a trend since the
     best epoch that is beyond it (Curve.surely_worse);
   - new: a curve that twice before rose by two fifths as much and came back wanders (Curve.wanders);
   - sustained: the last tenth of the epochs, at least 3 (2 of fewer than 15), are on the wrong side of half the rise;
   - not on its way back: a curve past its peak and still falling (double descent) is not overfit.
   A gap between training and validation, however wide, is no sign of it by itself.
4. **unfinished**: still improving at the end: the slope over the last third is beyond three
   standard errors, and would win another 5% of the yardstick in a fifth more epochs; or what was
   won is no trifle, and the slope is still more than half of the average since the first epoch.
5. **underfit**: flat and poor: no better than the baseline; or a fifth or more of the way from
   the baseline (or the start) to what is reachable is missing, in training too; or, where neither
   is known, training never moved off its first epoch.
6. **good_fit**: none of these.

The yardstick and the 5% were chosen by looking at all 419 labelled curves of Li et al. (2024, "Keeping
Deep Learning Models in Check"), after a rise relative to the level alone and to the span alone: agreement
with those labels is a fit, not a test. benchmarks/diagnosis.py prints it, and what is left when
the 5% is chosen on other curves. The other thresholds are judgement, tried on the constructed curves of
benchmarks/curves.py (seeds 0 to 19; it prints seeds 20 to 39), and on flat curves that wander (autoregressive noise).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

from goodfit.service.diagnosis.confidence import MOST, confidence, margin, trust
from goodfit.service.diagnosis.curve import MEDIAN_ERROR, Curve, ratio
from goodfit.service.diagnosis.evidence import Evidence, Ruling
from goodfit.service.records import Verdict

FEWEST = 5  # epochs that a trend can be read from: three would be two steps, and any noise makes those
MATERIAL = 0.05  # of the yardstick
SURE = 3.0  # standard errors
CAME_APART = 0.25  # of training's progress or level, lost
BLOWN_UP = 10.0  # times validation's progress or level
AT_ONCE = 0.75  # of a loss, in one step
STRAIGHT = 0.5  # of the average slope
NEVER_MOVED = 0.03  # of the level at the start
NO_BETTER = 0.05  # of the baseline
MISSING = 0.2  # of the way to what is reachable
UNSEEN = 0.75  # of the evidence is left for overfitting where training was not seen to get better


def rule(evidence: Evidence) -> Ruling:
    """The verdict on a pair of curves; the module's first lines state it in words."""
    rules: tuple[Callable[[Evidence], Ruling | None], ...] = (
        _not_finite,
        _too_short_to_fall_apart,
        _training_came_apart,
        _validation_blew_up,
        _too_few,
        _blew_up_before,
        _overfit,
        _still_improving,
        poor,
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
        reason = f"{broken.name} was NaN or infinite at epoch {broken.epoch}, and finite again later"
        return Ruling(Verdict.DIVERGED, 0.5, 0.7, reason, broken.epoch)
    reason = f"{broken.name} was NaN or infinite at epoch {broken.epoch}, and no recovery followed"
    return Ruling(Verdict.DIVERGED, 1.0, MOST, reason, broken.epoch)


def _too_short_to_fall_apart(evidence: Evidence) -> Ruling | None:
    return _too_few(evidence) if len(evidence.validation) < 2 else None


def _too_few(evidence: Evidence) -> Ruling | None:
    count = len(evidence.validation)
    if count >= FEWEST:
        return None
    reason = (
        f"{count or 'no'} epoch{'' if count == 1 else 's'} with {evidence.names[1]}: too few to say, {FEWEST} needed"
    )
    return Ruling(Verdict.UNFINISHED, 0.0, 0.5, reason)


def _training_came_apart(evidence: Evidence) -> Ruling | None:
    """Training itself lost a good part of what it had, and validation with it."""
    train, validation = evidence.train, evidence.validation
    if train is None:
        return None
    allowed = CAME_APART * max(train.span, abs(train.best), evidence.way)
    strength = min(ratio(train.rise, allowed), ratio(train.rise, train.chance_rise))
    if strength <= 1 or validation.rise < MATERIAL * validation.yardstick:
        return None
    reason = (
        f"{evidence.names[0]} diverged: {_at_best(evidence, train)}, {evidence.value(train.end)} at the end, "
        f"and {evidence.names[1]} with it"
    )
    return Ruling(Verdict.DIVERGED, 1.0, _sure(strength, train), reason, train.onset)


def _validation_blew_up(evidence: Evidence) -> Ruling | None:
    validation = evidence.validation
    lowest = validation.values[validation.lowest_at]  # the level of a curve that jumps at once knows no better
    size = max(validation.start - lowest, abs(lowest), evidence.way)
    strength = ratio(validation.end - lowest, BLOWN_UP * size)
    if strength <= 1 and not (evidence.train is None and _fell_at_once(validation)):
        return None
    end = evidence.value(validation.end)
    reason = f"{evidence.names[1]} diverged: {_at_best(evidence, validation)}, {end} at the end"
    long = 10_000  # however short: no trend is read here
    return Ruling(Verdict.DIVERGED, 1.0, confidence(margin(strength, long)), reason, validation.onset)


def _fell_at_once(curve: Curve) -> bool:
    """Whether one step made most of a loss as large as the yardstick; overfitting is gradual."""
    if curve.rise <= max(curve.yardstick, curve.chance_rise):
        return False
    steps = (after - before for before, after in itertools.pairwise(curve.values[curve.best_at :]))
    return max(steps, default=-math.inf) >= AT_ONCE * curve.rise


def _overfit(evidence: Evidence) -> Ruling | None:
    curve = evidence.validation
    strength = min(ratio(curve.rise, MATERIAL * curve.yardstick), curve.surely_worse)
    if strength <= 1 or not curve.rise_lasts or (curve.past_its_peak and _improving(curve) > 1) or curve.wanders:
        return None
    onset, explained = curve.onset, min(curve.chance_rise, curve.rise / curve.surely_worse)
    reason = (
        f"{evidence.names[1]} got worse from epoch {onset} on: {_at_best(evidence, curve)}, "
        f"{evidence.value(curve.end)} at the end (noise would explain {evidence.size(explained)})"
    )
    severity = min(1.0, ratio(curve.rise, curve.span))
    if evidence.train is None:
        reason += "; there is no training metric to show that training went on improving"
        return Ruling(Verdict.OVERFIT, severity, _sure(strength, curve, UNSEEN), reason, onset)
    then, now = evidence.train.level_at(curve.best_epoch), evidence.train.end
    if now - then > _tolerated(evidence.train, curve) or (now >= then and now >= curve.end):
        return None
    reason += f", while {evidence.names[0]} went from {evidence.value(then)} to {evidence.value(now)}"
    improving = then - now > evidence.train.rise_error
    return Ruling(Verdict.OVERFIT, severity, _sure(strength, curve, 1.0 if improving else UNSEEN), reason, onset)


def _tolerated(train: Curve, validation: Curve) -> float:
    """How much worse training may end and still count as not worse: its noise, within 10 to 50% of the rise."""
    return min(max(SURE * train.rise_error, validation.rise / 10), validation.rise / 2)


def _still_improving(evidence: Evidence) -> Ruling | None:
    curve = evidence.validation
    strength = max(_improving(curve), _nearly_straight(curve))
    if strength <= 1:
        return None
    reason = (
        f"{evidence.names[1]} was still improving by {evidence.size(curve.slope)} an epoch when it ended "
        f"at {evidence.value(curve.end)}"
    )
    severity = min(1.0, ratio(curve.gain, curve.span))
    return Ruling(Verdict.UNFINISHED, severity, _sure(strength, curve), reason)


def _blew_up_before(evidence: Evidence) -> Ruling | None:
    """It blew up before the first epoch was over, and never got back to what a trivial model scores."""
    baseline = evidence.baseline
    if baseline is None or baseline <= 0 or evidence.sign < 0:  # a loss: an accuracy or an R2 has no such scale
        return None
    curves = [curve for curve in (evidence.train, evidence.validation) if curve is not None]
    off = min(max(curve.values) - baseline for curve in curves)
    strength = off / (BLOWN_UP * baseline)
    if strength <= 1 or min(curve.best for curve in curves) < (1 - NO_BETTER) * baseline:
        return None
    if _improving(curves[0]) > 1:  # training is on its way: it began far off and is not there yet
        return None
    name, trivial, curve = evidence.names[1], evidence.value(baseline), evidence.validation
    worst = evidence.value(max(curve.values))
    reason = f"{name} diverged in the first epochs: {worst} at worst, and never better than the baseline {trivial}"
    return Ruling(Verdict.DIVERGED, 1.0, _sure(strength, curve), reason, curve.epochs[0])


def poor(evidence: Evidence) -> Ruling | None:
    """Underfit, of a curve that is known to be flat; None where it is not poor, or nothing tells."""
    if len(evidence.validation) < FEWEST:
        return None
    curve, names, best = evidence.validation, evidence.names, evidence.validation.best
    if evidence.baseline is not None:
        lead = evidence.baseline - best
        needed = max(NO_BETTER * abs(evidence.baseline), 2 * curve.noise)
        if lead <= needed:
            trivial = evidence.value(evidence.baseline)
            how = "hardly" if lead > 0 else "no"
            reason = f"{names[1]} ({evidence.value(best)}) is {how} better than the baseline {trivial}"
            return Ruling(Verdict.UNDERFIT, 1.0, _sure(ratio(needed, max(0.0, lead)), curve), reason)
    if evidence.reachable is not None:
        ruling = _short_of_reachable(evidence, best)
        if ruling:
            return ruling
    return _never_moved(evidence) if evidence.baseline is None else None


def _short_of_reachable(evidence: Evidence, best: float) -> Ruling | None:
    if evidence.reachable is None:
        return None
    way = (evidence.validation.start if evidence.baseline is None else evidence.baseline) - evidence.reachable
    missing = ratio(best - evidence.reachable, way) if way > 0 else 0.0
    if missing < MISSING:
        return None
    reason = (
        f"{evidence.names[1]} is flat at {evidence.value(best)}, where {evidence.value(evidence.reachable)} "
        "has been reached by others"
    )
    if evidence.train is not None:
        if evidence.train.best - evidence.reachable < way * MISSING / 2:
            return None
        reason += f", and {evidence.names[0]} came only to {evidence.value(evidence.train.best)}"
    return Ruling(Verdict.UNDERFIT, min(1.0, missing), _sure(missing / MISSING, evidence.validation), reason)


def _never_moved(evidence: Evidence) -> Ruling | None:
    """Without a baseline: nothing was learned after the first epoch, and it is not perfect either."""
    curve, name = evidence.validation, evidence.names[1]
    if evidence.train is not None and len(evidence.train) >= FEWEST:
        curve, name = evidence.train, evidence.names[0]
    learned = max(NEVER_MOVED * max(abs(curve.start), abs(curve.best)), curve.chance_rise + 2 * curve.noise)
    best = evidence.validation.values[evidence.validation.lowest_at]
    perfect = best * evidence.scale in {0.0, -1.0}  # a loss of 0 or an accuracy of 1, from the first epoch on
    # The end against the start, which were not chosen as the lowest: less of a difference shows that it moved.
    away = curve.start - curve.end > SURE * curve.noise * math.sqrt(1 + MEDIAN_ERROR**2 / curve.tail)
    if perfect or curve.span > learned or (away and curve.span > NEVER_MOVED * max(abs(curve.start), abs(curve.best))):
        return None
    reason = (
        f"{name} never moved off its first epoch: {evidence.value(curve.start)}, at best {evidence.value(curve.best)}"
    )
    if evidence.reachable is None:
        reason += "; no baseline is known to judge it by"
    return Ruling(Verdict.UNDERFIT, 1.0, 0.5, reason)


def _good_fit(evidence: Evidence) -> Ruling:
    curve = evidence.validation
    material = MATERIAL * curve.yardstick
    worse = min(ratio(curve.rise, material), curve.surely_worse)
    rising = min(1.0, worse)
    hidden = min(1.0, ratio(curve.chance_rise, 2 * material))  # a rise that the noise would hide
    doubt = max(rising, hidden, min(1.0, max(0.0, _improving(curve))))
    reason = f"{evidence.names[1]}: {_at_best(evidence, curve)}, {evidence.value(curve.end)} at the end"
    if worse > 1 and curve.wanders:
        reason += "; worse, but it has risen and come back as far before"
    elif worse > 1:
        briefly = evidence.train is None or not curve.rise_lasts
        reason += "; worse, but not for long" if briefly else "; worse, but not while training got better"
    else:
        reason += "; level, within the noise" if curve.rise <= curve.chance_rise else "; nearly level"
    known = evidence.baseline is not None or evidence.reachable is not None
    found = (1.0 - doubt / 2) * trust(len(curve)) * (1.0 if known else 0.9)
    return Ruling(Verdict.GOOD_FIT, 0.0, confidence(found), reason)


def _sure(strength: float, curve: Curve, discount: float = 1.0) -> float:
    """The confidence in a verdict that passes its tests `strength` times over."""
    return confidence(discount * margin(strength, len(curve)))


def _improving(curve: Curve) -> float:
    """How many times over the slope at the end passes the tests of rule 4; above 1 it does."""
    return min(ratio(curve.gain, MATERIAL * curve.yardstick), ratio(-curve.slope, SURE * curve.slope_error))


def _nearly_straight(curve: Curve) -> float:
    """How many times over a slow fall passes the second test of rule 4: it has hardly begun to level off."""
    won = max(curve.span, NEVER_MOVED * max(abs(curve.start), abs(curve.best)))
    return min(ratio(curve.gain, STRAIGHT / 5 * won), ratio(-curve.slope, SURE * curve.slope_error))


def _at_best(evidence: Evidence, curve: Curve) -> str:
    """The best value as it was reported, and when."""
    return f"{evidence.value(curve.values[curve.lowest_at])} at best (epoch {curve.epochs[curve.lowest_at]})"
