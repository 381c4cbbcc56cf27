"""`goodfit fairness`: what a model does to each group, and what mitigation costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from goodfit.service.cli.tables import show, table

if TYPE_CHECKING:
    from goodfit.service.diagnosis.fairness import Audit, Cost, Estimate

RATES = ("base_rate", "selection_rate", "accuracy", "tpr", "fpr", "calibration_error")


def print_audit(found: Audit) -> None:
    """The differences, the groups, and what each way of mitigation changes; intervals are of 95%."""
    if found.infeasible:
        print(found.infeasible)
    print(f"trial {found.trial} on {found.measured_on}")
    for name, estimate in found.differences.items():
        print(f"  {name.replace('_', ' ')}: {_text(estimate)}")
    for sentence in found.broken:
        print(sentence)
    out = table("group", "rows", *(rate.replace("_", " ") for rate in RATES))
    for group in found.groups:
        out.add_row(group.name, str(group.count), *(_text(group.rates.get(rate)) for rate in RATES))
    show(out)
    if found.costs:
        print(f"mitigation on {found.costs_on}: the best trial of each way")
        difference = "equalized odds difference"
        out = table("training", "thresholds", "trial", "accuracy", "accuracy change", difference, "difference change")
        for cost in found.costs:
            out.add_row(*_cells(cost))
        show(out)
        if any(cost.cost is not None for cost in found.costs):
            print(
                "changes are from training without mitigation: of accuracy + is better, of the difference - is fairer"
            )


def _cells(cost: Cost) -> Iterator[str]:
    yield cost.mitigation if cost.strength is None else f"{cost.mitigation}, strength {cost.strength:.3g}"
    yield cost.thresholds.replace("_", " ")
    yield str(cost.trial)
    odds = cost.metrics.get("equalized_odds_difference")
    yield _text(cost.metrics["accuracy"])
    yield _change(cost.cost)
    yield _text(odds)
    yield _change(cost.gain)


def _change(less: Estimate | None) -> str:
    """By how much a metric is more than without mitigation, of by how much it is less."""
    if less is None or less.low is None or less.high is None:
        return "-"
    value, low, high = (0.0 - one for one in (less.value, less.high, less.low))
    return f"{value:+.3f} ({low:+.3f} to {high:+.3f})"


def _text(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"
