"""What a report says of a study's data, groups, reasons and release, for tests of its page; names try to break out."""

from __future__ import annotations

import base64
import io
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from PIL import Image

from goodfit.service.diagnosis.fairness import Audit, Cost, Estimate, Group
from goodfit.service.report import ReportFacts
from goodfit.trainers.data import Facts, Preparation
from goodfit.trainers.data.label_table import LabelTable
from goodfit.trainers.data.quality.growth import growth_of
from goodfit.trainers.data.quality.labels import Judged
from goodfit.trainers.explaining.explaining import Request, explain
from goodfit.trainers.explaining.models import FunctionModel
from goodfit.trainers.explaining.samples import Material, Sample
from goodfit.trainers.groups.names import BY_GROUP
from tests.reporting import EVIL

ROWS = 60
PARTS = (f"income{EVIL}", "a_column_with_a_name_that_is_much_longer_than_any_plot_has_room_for", "age", "city")


def judged(facts: ReportFacts, *, pictures: bool = False) -> ReportFacts:
    """A report's facts with all of it; wrong labels as rows of a table, or as pictures."""
    return replace(
        facts,
        labels=labels(pictures=pictures),
        growth=growth(),
        explanation={"all": explanation(), "rows": explanation()},
        fairness=audit().to_dict(),
        release=release(),
    )


def labels(*, pictures: bool) -> dict[str, Any]:
    given = np.arange(ROWS) % 3
    issue = np.arange(ROWS) < 30
    found = Judged(issue, np.linspace(0, 1, ROWS), (given + 1 + np.arange(ROWS) % 2) % 3, np.ones(ROWS, dtype=bool))
    names = ("plain", f"evil{EVIL}", "a class of many words " * 4)
    table = LabelTable(
        "people.csv", "classification", names, "text", np.arange(ROWS), np.arange(ROWS) % 3, given, found,
        (np.array([3, 17]),),
    )  # fmt: skip
    shown = [
        {
            "row": row,
            "split": "train",
            "score": row / ROWS,
            "given": names[given[row]],
            "predicted": names[found.predicted[row]],
            **({"picture": _picture(row)} if pictures else {"values": dict.fromkeys(PARTS, f"{EVIL}{row}")}),
        }
        for row in range(30)
    ]
    return {"trial": None, "data": None, **table.summary(), "shown": shown}


def _picture(seed: int) -> str:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 96), dtype=np.uint8)).save(file, "png")
    return base64.b64encode(file.getvalue()).decode()


def growth() -> dict[str, Any]:
    random = np.random.default_rng(0)
    sizes = [100, 200, 400, 800]
    scores = [(1 - 0.9 * size**-0.3 + random.normal(0, 0.01, 3)).tolist() for size in sizes]
    found = growth_of(sizes, scores, larger_is_better=True, seed=0)
    return {
        "trial": 3,
        "metric": "val/accuracy",
        "direction": "maximize",
        **asdict(found),
        "sizes": [{"rows": rows, "scores": one} for rows, one in zip(sizes, scores, strict=True)],
        "clear": found.clear,
        "enough": False,
        "sentence": "twice the rows would gain 2.1 ± 0.9 points of val/accuracy",
    }


def explanation() -> dict[str, Any]:
    x = np.random.default_rng(0).normal(size=(40, len(PARTS))).astype(np.float32)
    known = Facts("made", "regression", "table", (len(PARTS),), (), PARTS, {}, Preparation(None, (0.0,), (1.0,)))
    y = x @ np.array([3.0, -2.0, 1.0, 0.1])
    rows = Sample(x[:20], tuple(range(20)), None, y[:20])
    model = FunctionModel(lambda given: given @ np.array([3.0, -2.0, 1.0, 0.1]), known, "linear")
    found = explain(model, Material(rows, Sample(x[20:], tuple(range(20, 40)))), Request())
    return replace(found, study="study", trial=3).to_dict()


def audit() -> Audit:
    rate = Estimate(0.42, 0.11, 0.83)
    names = [f"sex:{one}" for one in ("f", f"m{EVIL}", "x")] + [f"age:{one}" for one in ("under 30", "30 or more")]
    groups = [Group(name, name[:3], 40, dict.fromkeys(BY_GROUP, rate)) for name in names]
    few = {name: rate for name in BY_GROUP if name not in ("tpr", "count")}  # a group without positives
    groups += [Group(f"sex:f/{name}", None, 3, few) for name in names[3:]]
    differences = {
        "demographic_parity_difference": rate,
        "demographic_parity_ratio": rate,
        "equalized_odds_difference": rate,
        "worst_group_accuracy": rate,
        "calibration_gap": rate,
    }
    of_way = {"accuracy": rate, **differences}
    costs = [
        Cost(3, "none", None, "none", 2, of_way),
        Cost(7, "adversarial", 2.5, "equalized_odds", 2, of_way, Estimate(0.01, -0.01, 0.03), Estimate(0.1, 0.0, 0.2)),
    ]
    broken = ["val/equalized_odds_difference <= 0.1 holds on validation (0.08), and is broken on the test split (0.42)"]
    return Audit(3, "the test split, 2 seeds", groups, differences, costs, "the test split", broken)


def release() -> dict[str, Any]:
    why = f"trial 3 is candidate: test/accuracy is 0.8, not >= 0.9 {EVIL}"
    gates = [
        {"gate": "confirmed", "held": True, "reason": "trial 3 was confirmed on 2 seeds"},
        {"gate": "test/accuracy >= 0.9", "held": False, "reason": "test/accuracy is 0.8, not >= 0.9"},
        {"gate": "no_label_errors_above: 0.02", "held": False, "reason": "50.00% of the rows may be labelled wrong"},
    ]
    decision = {"at": "2026-11-20T10:00:00Z", "by": f"ann{EVIL}", "text": why}
    return {
        "trial": 3, "status": "candidate", "reason": why, "champion": 1, "candidate": 3, "gates": gates,
        "decisions": [decision], "card": f"---\nlicense: other\n---\n# {EVIL}\n" + "a line " * 60,
    }  # fmt: skip
