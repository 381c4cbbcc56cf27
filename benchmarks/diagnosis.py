"""How good the verdicts are: speed, agreement with people's labels, constructed cases, calibration.

The labelled curves are those of Li et al. (2024), "Keeping Deep Learning Models in Check": one JSON
object a line with `id`, `overfit`, `train` and `validation`, gzipped. Their file is not part of the project;
`python -m benchmarks.diagnosis --labelled FILE` says where it is (else in ../shared/data).

Every method with a threshold has it chosen on the other folds, by MCC: in ten repeats of stratified
five-fold cross-validation, and with each data set left out in turn, which is harder and more honest,
since the curves of one data set resemble each other.

What this cannot show: the form of Goodfit's rule, and the 5% of its first row, were chosen with all these
labels in sight. The first row is therefore in-sample; the second is out of sample for the 5% alone.
Only labelled curves that nobody looked at would measure the rule.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from benchmarks.calibration import calibration, of_constructed, of_labelled
from benchmarks.curves import main as constructed
from benchmarks.figures import Figures, run
from goodfit.service.diagnosis import diagnose, verdict
from goodfit.service.diagnosis.picture import learning_curve_svg
from goodfit.service.diagnosis.trial import diagnose_trial
from goodfit.service.objective import Objective
from goodfit.service.records import Report, Verdict

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
Folds = list[tuple[NDArray[np.int64], NDArray[np.int64]]]

LABELLED = Path(__file__).parents[2] / "shared" / "data" / "learning_curves" / "simulated.jsonl.gz"
SCORES = ("precision", "recall", "F1", "bal.acc", "MCC")
TAILS = (1.0, 0.5, 0.33, 0.2, 0.1)  # of the epochs; which of them is chosen on the other folds as well
MATERIALS = (0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1)
REPEATS = 10


def options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--labelled", type=Path, default=LABELLED, metavar="FILE", help="the labelled curves")


def main(figures: Figures, labelled: Path = LABELLED) -> None:
    speed(figures)
    lines = gzip.decompress(labelled.read_bytes()).splitlines() if labelled.is_file() else []
    curves = [json.loads(line) for line in lines]
    missing = f"NOT MEASURED: there are no labelled curves at {labelled}"
    if curves:
        agreement(curves, figures)
    else:
        print(f"  agreement with labels: {missing}")
    trials = constructed(figures)
    if curves:
        calibration([*of_labelled(curves), *of_constructed(trials)], figures)
    else:
        print(f"  calibration of the confidence: {missing}")


def agreement(curves: Sequence[dict[str, object]], figures: Figures) -> None:
    """Print precision, recall, F1, balanced accuracy and MCC of every method."""
    labels = np.array([bool(curve["overfit"]) for curve in curves])
    sets = np.array([str(curve["id"]).split("_")[0] for curve in curves])
    pairs = [(np.array(curve["train"], float), np.array(curve["validation"], float)) for curve in curves]
    fixed = _judged(pairs, verdict.MATERIAL)
    by_material = np.array([_judged(pairs, material) for material in MATERIALS])
    left_out = [(np.flatnonzero(sets != name), np.flatnonzero(sets == name)) for name in sorted(set(sets))]
    gaps = np.array([validation[-1] - train[-1] for train, validation in pairs])
    correlations = [np.array([-_rank_correlation(*_tails(pair, part)) for pair in pairs]) for part in TAILS]
    methods: dict[str, Flags] = {
        "Goodfit, as it is (in-sample)": fixed[None, :],
        "Goodfit, its 5% chosen by folds": by_material,
        "always overfit": np.ones((1, len(labels)), bool),
        "final gap over a threshold": _over_thresholds(gaps),
        "rank correlation over the tail": np.concatenate([_over_thresholds(each) for each in correlations]),
    }
    print(f"  {len(labels)} labelled curves of {len(set(sets))} data sets, {labels.sum()} overfit")
    for title, folds in (("whole data sets left out", [left_out]), ("5-fold, 10 times", list(_repeats(labels)))):
        print(f"  {title:32}  {'  '.join(f'{name:>9}' for name in SCORES)}")
        for name, guesses in methods.items():
            scores = np.mean([_scores(labels, _chosen(guesses, labels, each)) for each in folds], axis=0)
            figures.add(f"{name}, {title}: MCC", float(scores[-1]), "")
            print(f"  {name:32}  {'  '.join(f'{score:9.3f}' for score in scores)}")
    wrong = [str(curve["id"]) for curve, right in zip(curves, fixed == labels, strict=True) if not right]
    print("  The form of Goodfit's rule was chosen with these labels in sight: its rows flatter it.")
    print(f"  Goodfit disagrees on: {', '.join(wrong) or 'none'}")


def speed(figures: Figures) -> None:
    """Print what one diagnosis and one picture cost."""
    for epochs in (10, 200, 10_000):
        costs = _costs(epochs)
        for name, times in costs.items():
            figures.add(f"{name} of {epochs} epochs", times, "ms")
        print(
            f"  {epochs:6} epochs: {', '.join(f'{name} {np.median(times):6.2f} ms' for name, times in costs.items())}"
        )


def _costs(epochs: int) -> dict[str, list[float]]:
    random = np.random.default_rng(0)
    loss = (0.3 + np.exp(-5 * np.arange(epochs) / epochs) + random.normal(0, 0.01, epochs)).tolist()
    reports = [
        Report(0, epoch + 1, {"train/loss": value, "val/loss": value, "train/acc": -value, "val/acc": -value}, 0.0)
        for epoch, value in enumerate(loss)
    ]
    found = diagnose_trial(reports, Objective("val/acc", "maximize"))
    return {
        "diagnose": _milliseconds(lambda: diagnose(loss, loss)),
        "diagnose_trial": _milliseconds(lambda: diagnose_trial(reports, Objective("val/acc", "maximize"))),
        "picture": _milliseconds(lambda: learning_curve_svg(reports, Objective("val/acc", "maximize"), found, "speed")),
    }


def _judged(pairs: Sequence[tuple[Floats, Floats]], material: float) -> Flags:
    usual = verdict.MATERIAL
    verdict.MATERIAL = material
    try:
        return np.array([diagnose(train, validation).verdict is Verdict.OVERFIT for train, validation in pairs])
    finally:
        verdict.MATERIAL = usual


def _over_thresholds(scores: Floats) -> Flags:
    """What a score says at each of 200 thresholds between its smallest and largest value."""
    return np.array([scores > threshold for threshold in np.quantile(scores, np.linspace(0, 1, 200))])


def _chosen(guesses: Flags, labels: Flags, folds: Folds) -> Flags:
    """For each fold the guesses of the threshold that did best on the others."""
    told = np.zeros(len(labels), bool)
    for others, fold in folds:
        best = max(range(len(guesses)), key=lambda row: _scores(labels[others], guesses[row][others])[-1])
        told[fold] = guesses[best][fold]
    return told


def _repeats(labels: Flags) -> Iterator[Folds]:
    for seed in range(REPEATS):
        yield list(StratifiedKFold(5, shuffle=True, random_state=seed).split(labels, labels))


def _scores(labels: Flags, told: Flags) -> tuple[float, ...]:
    """As SCORES has them; MCC is 0 where one class was never told."""
    hit, false = int(np.sum(told & labels)), int(np.sum(told & ~labels))
    missed, right = int(np.sum(~told & labels)), int(np.sum(~told & ~labels))
    precision, recall = hit / max(1, hit + false), hit / max(1, hit + missed)
    f1 = 2 * hit / max(1, 2 * hit + false + missed)
    balanced = (recall + right / max(1, right + false)) / 2
    product = (hit + false) * (hit + missed) * (right + false) * (right + missed)
    mcc = (hit * right - false * missed) / math.sqrt(product) if product else 0.0
    return precision, recall, f1, balanced, mcc


def _tails(pair: tuple[Floats, Floats], part: float) -> tuple[Floats, Floats]:
    train, validation = (curve[-max(2, int(part * len(curve))) :] for curve in pair)
    return train, validation


def _rank_correlation(train: Floats, validation: Floats) -> float:
    """Spearman's, of training and validation loss over the epochs."""
    if not (np.ptp(train) and np.ptp(validation)):
        return 0.0
    ranks = np.array([np.argsort(np.argsort(curve)) for curve in (train, validation)], dtype=np.float64)
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    return float(centred[0] @ centred[1] / (np.linalg.norm(centred[0]) * np.linalg.norm(centred[1])))


def _milliseconds(call: Callable[[], object], times: int = 30) -> list[float]:
    taken = []
    for _ in range(times):
        begun = time.process_time()  # of this process alone: other benchmarks may run beside it
        call()
        taken.append(1000 * (time.process_time() - begun))
    return taken


if __name__ == "__main__":
    run("diagnosis", main, options)
