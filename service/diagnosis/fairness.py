"""What a study's models do to groups: rates with their intervals, the differences, and what mitigation costs.

All of it follows from metrics by group that trials have reported, or that a confirmation has on the test split.
Intervals are 95% ones: of the rate of a group Wilson's, of differences between groups those of all pairs together.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from goodfit.service.diagnosis.feasibility import why_none_feasible
from goodfit.service.objective import Objective
from goodfit.service.records import Report, Trial, best_with_each, ranked
from goodfit.trainers.groups.names import BY_GROUP, SUMMARY

if TYPE_CHECKING:
    import pandas as pd

    from goodfit.service.spec import StudySpec

Metrics = Mapping[str, float]
_WIDTH = 2 * 1.959963984540054  # of a 95% interval, in standard errors
_NONE = "none"


class Estimate(NamedTuple):
    """A value with its interval; none of a value whose error is not known."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def error(self) -> float:
        """The standard error, as wide as the interval says."""
        return 0.0 if self.low is None or self.high is None else (self.high - self.low) / _WIDTH


@dataclass(frozen=True, slots=True)
class Group:
    """One group: its rows, and each rate that is defined in it.

    Attributes:
        of: the column whose group it is; None: of all columns together.
    """

    name: str
    of: str | None
    count: int
    rates: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one way of mitigation came to, and what it costs beside none.

    Attributes:
        trial: the best one that was trained so.
        mitigation, strength, thresholds: how.
        seeds: of its confirmation; 0: measured on validation.
        metrics: accuracy and the differences.
        cost: of accuracy, in its unit: what training without mitigation has more.
        gain: by how much the equalized odds difference is smaller than without.
    """

    trial: int
    mitigation: str
    strength: float | None
    thresholds: str
    seeds: int
    metrics: Mapping[str, Estimate]
    cost: Estimate | None = None
    gain: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Audit:
    """How one trial treats groups, and what mitigation costs in this study.

    Attributes:
        trial: whose model it is.
        measured_on: "the test split, 3 seeds" or "validation, epoch 4".
        groups: those of each column, then their intersections.
        differences: between groups, by the metric's name.
        costs: one for each way of mitigation that was tried; empty where none was searched.
        costs_on: where they were measured.
        broken: bounds of the study that the trial keeps on validation and breaks on the test split, in sentences.
        infeasible: which constraints the trial breaks where it was chosen, and whether any trial keeps them, in a
            sentence; empty where it keeps them.
    """

    trial: int
    measured_on: str
    groups: Sequence[Group]
    differences: Mapping[str, Estimate]
    costs: Sequence[Cost] = ()
    costs_on: str = ""
    broken: Sequence[str] = ()
    infeasible: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; an estimate is [value, low, high]."""
        return asdict(self)

    def to_frame(self) -> pd.DataFrame:
        """The groups as rows: their count, and of each rate its value and the ends of its interval."""
        import pandas as pd

        rows = []
        for one in self.groups:
            row: dict[str, Any] = {"group": one.name, "count": one.count}
            for rate, found in one.rates.items():
                row |= {rate: found.value}
                row |= {} if found.low is None else {f"{rate}_low": found.low, f"{rate}_high": found.high}
            rows.append(row)
        return pd.DataFrame(rows).set_index("group")


def compared(trials: Sequence[Trial], spec: StudySpec) -> set[int]:
    """The trials whose metrics at their best epochs an audit of the study's answer needs; none without groups."""
    if spec.fairness is None:
        return set()
    best = [
        nearest(trials, spec.goal),
        *ranked(trials, spec.goal)[:1],
        *best_with_each(trials, spec.contrast, spec.goal),
    ]
    return {trial.number for trial in best if trial is not None} | {
        trial.confirms for trial in trials if trial.confirms is not None
    }


def nearest(trials: Iterable[Trial], objective: Objective) -> Trial | None:
    """The best complete trial; where none keeps the constraints, the one that breaks them least."""
    return next(iter(best_with_each(trials, ("",), objective)), None)


def metrics_at_best(trial: Trial, reports: Iterable[Report]) -> Metrics:
    """What a trial has reported at its best epoch."""
    return next((report.metrics for report in reports if report.epoch == trial.best_epoch), {})


def shown_audit(
    spec: StudySpec, trials: Sequence[Trial], number: int | None, at_best: Mapping[int, Metrics]
) -> Audit | None:
    """The audit of a study's answer, or where it has none of the trial that comes nearest to the constraints."""
    if spec.fairness is None:
        return None
    if number is None:
        closest = nearest(trials, spec.goal)
        number = None if closest is None else closest.number
    return None if number is None else audit_of(spec, trials, number, at_best)


def audit_of(spec: StudySpec, trials: Sequence[Trial], number: int, at_best: Mapping[int, Metrics]) -> Audit | None:
    """The audit of a trial; None where it reported no metrics by group.

    Args:
        spec: of the study, which compares groups.
        trials: all, confirmations among them.
        number: whose model is looked at.
        at_best: what the trials in `compared` reported at their best epochs.
    """
    if spec.fairness is None:
        return None
    tests = tests_of(trials, number)
    samples = tests or [_validation(at_best.get(number, {}))]
    metrics = _mean(samples)
    groups = groups_of(metrics, spec.fairness.by)
    if not groups:
        return None
    epoch = next((trial.best_epoch for trial in trials if trial.number == number), None)
    where = f"the test split, {_seeds(len(tests))}" if tests else f"validation, {_unit(spec)} {epoch}"
    costs, costs_on = _costs(spec, trials, at_best)
    broken = _broken(spec, metrics, _validation(at_best.get(number, {}))) if tests else ()
    differences = _differences(samples, groups)
    return Audit(
        number, where, groups, differences, costs, costs_on, tuple(broken), _infeasible(trials, number, spec.goal)
    )


def _infeasible(trials: Sequence[Trial], number: int, objective: Objective) -> str:
    """That a trial breaks a constraint, by which the study has another best or none; empty where it keeps them."""
    shown = next((trial for trial in trials if trial.number == number), None)
    if shown is None or shown.feasible:
        return ""
    if none := why_none_feasible(trials, objective):
        return f"trial {number} breaks the constraints, and the study has no best trial: {none}"
    value = math.nan if shown.value is None else shown.value
    broken = objective.broken_by({**(shown.measured or {}), objective.metric: value})
    return f"trial {number} breaks the constraints, so it cannot be the best: {broken}"


def _broken(spec: StudySpec, test: Metrics, validation: Metrics) -> Iterator[str]:
    """Bounds that hold where trials were chosen by them, and do not on the test split."""
    for bound in spec.constraints:
        name = bound.metric.removeprefix("val/")
        if (
            name in test
            and name in validation
            and bound.violation(test[name])
            and not bound.violation(validation[name])
        ):
            yield (
                f"{bound} is kept on validation, by which the trial was chosen ({validation[name]:.3g}), and broken on "
                f"the test split ({test[name]:.3g}): a tighter bound, or more rows to validate, leaves less to chance"
            )


def tests_of(trials: Iterable[Trial], number: int) -> list[Metrics]:
    """What the confirmations of a trial came to on the test split."""
    return [trial.test for trial in trials if trial.confirms == number and trial.test]


def groups_of(metrics: Metrics, by: Sequence[str]) -> list[Group]:
    """The groups in metrics without their split: of each column, then of all columns together."""
    names = [name.removeprefix("count/") for name in metrics if name.startswith("count/")]
    found = [_group(name, by, metrics) for name in names]
    order = {column: place for place, column in enumerate(by)}
    return sorted(found, key=lambda one: order.get(one.of or "", len(by)))


def _group(name: str, by: Sequence[str], metrics: Metrics) -> Group:
    from goodfit.trainers.groups.intervals import wilson

    count = round(metrics[f"count/{name}"])
    given = {rate: metrics[f"{rate}/{name}"] for rate in BY_GROUP[1:] if f"{rate}/{name}" in metrics}
    base = given.get("base_rate", 0.0)
    rows = {"tpr": count * base, "fpr": count * (1 - base)}
    rates = {
        rate: Estimate(value) if rate == "calibration_error" else Estimate(value, *wilson(value, rows.get(rate, count)))
        for rate, value in given.items()
    }
    whole = len(by) > 1 and all(f"/{column}:" in f"/{name}" for column in by)
    column = None if whole else next((one for one in by if name.startswith(f"{one}:")), None)
    return Group(name, column, count, rates)


def _differences(samples: Sequence[Metrics], groups: Sequence[Group]) -> dict[str, Estimate]:
    """The differences between the groups of all columns, as means over seeds; groups are of the means."""
    from goodfit.trainers.groups.intervals import of_differences

    whole = [one for one in groups if one.of is None] or groups
    rates = [{"count": one.count, **{rate: found.value for rate, found in one.rates.items()}} for one in whole]
    drawn, metrics = of_differences(rates), _mean(samples)
    return {
        name: _with_seeds(metrics[name], drawn.get(name), [sample[name] for sample in samples])
        for name in SUMMARY
        if name in metrics
    }


def _with_seeds(value: float, rows: tuple[float, float] | None, seeds: Sequence[float]) -> Estimate:
    """A mean over seeds with its interval: that of the rows, and of the seeds where there are several.

    It reaches to the value: the mean over seeds of a difference is not the difference of their mean rates.
    """
    if rows is None:
        return Estimate(value)
    low, high = rows
    spread = _WIDTH / 2 * _error_of_mean(seeds)
    below, above = (math.hypot(max(0.0, side), spread) for side in (value - low, high - value))
    return Estimate(value, max(0.0, value - below), min(1.0, value + above))


def _error_of_mean(seeds: Sequence[float]) -> float:
    return statistics.stdev(seeds) / math.sqrt(len(seeds)) if len(seeds) > 1 else 0.0


def _costs(spec: StudySpec, trials: Sequence[Trial], at_best: Mapping[int, Metrics]) -> tuple[list[Cost], str]:
    """What each way of mitigation costs: on the test split where any was confirmed, else on validation."""
    if not spec.contrast or spec.fairness is None:
        return [], ""
    ways = best_with_each(trials, spec.contrast, spec.goal)
    tested = any(tests_of(trials, trial.number) for trial in ways)
    found = []
    for trial in ways:
        tests = tests_of(trials, trial.number)
        samples = tests if tested else [_validation(at_best[trial.number])] if at_best.get(trial.number) else []
        if samples:
            found.append(_way(spec, trial, samples, len(tests)))
    plain = next((one for one in found if (one.mitigation, one.thresholds) == (_NONE, _NONE)), None)
    costs = [one if plain is None or one is plain else _beside(one, plain) for one in found]
    order = {one.trial: (one is not plain, one.mitigation, one.thresholds) for one in found}
    return sorted(costs, key=lambda one: order[one.trial]), "the test split" if tested else "validation"


def _way(spec: StudySpec, trial: Trial, samples: Sequence[Metrics], seeds: int) -> Cost:
    fairness: Any = spec.fairness
    said = {key: trial.params.get(f"fairness.{key}", getattr(fairness, key)) for key in ("mitigation", "thresholds")}
    strength = trial.params.get("fairness.strength", fairness.strength)
    adversarial = said["mitigation"] == "adversarial"
    mean = _mean(samples)
    groups = groups_of(mean, fairness.by)
    rows = sum(one.count for one in groups if one.of == fairness.by[0])
    accuracies = [sample["accuracy"] for sample in samples]
    metrics = {**_differences(samples, groups), "accuracy": _accuracy(mean["accuracy"], rows, accuracies)}
    return Cost(trial.number, said["mitigation"], strength if adversarial else None, said["thresholds"], seeds, metrics)


def _accuracy(value: float, rows: int, seeds: Sequence[float]) -> Estimate:
    """A mean over seeds with its interval."""
    if not rows:
        return Estimate(value)
    half = _WIDTH / 2 * math.hypot(math.sqrt(value * (1 - value) / rows), _error_of_mean(seeds))
    return Estimate(value, max(0.0, value - half), min(1.0, value + half))


def _beside(one: Cost, plain: Cost) -> Cost:
    """With its cost and gain. Both models see the same rows, which their errors leave out of account: they are wide."""
    cost = _less(plain.metrics["accuracy"], one.metrics["accuracy"])
    name = "equalized_odds_difference"
    gain = _less(plain.metrics[name], one.metrics[name]) if name in plain.metrics and name in one.metrics else None
    return Cost(one.trial, one.mitigation, one.strength, one.thresholds, one.seeds, one.metrics, cost, gain)


def _less(first: Estimate, second: Estimate) -> Estimate:
    half = _WIDTH / 2 * math.hypot(first.error, second.error)
    value = first.value - second.value
    return Estimate(value, value - half, value + half)


def _validation(metrics: Metrics) -> dict[str, float]:
    """The validation metrics under their own names."""
    return {name.removeprefix("val/"): value for name, value in metrics.items() if name.startswith("val/")}


def _mean(samples: Sequence[Metrics]) -> dict[str, float]:
    """Of those metrics that all samples have."""
    shared = [name for name in samples[0] if all(name in sample for sample in samples)]
    return {name: statistics.fmean(sample[name] for sample in samples) for name in shared}


def _seeds(count: int) -> str:
    return f"{count} seed{'s' if count != 1 else ''}"


def _unit(spec: StudySpec) -> str:
    return "fold" if spec.folds else "epoch"
