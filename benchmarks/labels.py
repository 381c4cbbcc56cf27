"""Are wrong labels found? Digits with 5, 10 and 20% of the labels flipped; average precision of the ranking.

Labels are flipped at random, each to the class that looks most like it, or within one confusing pair alone (4 and 9,
where the share is of these two). The probabilities are out of fold, of the cnn's defaults. Where cleanlab is installed
(`pip install cleanlab`; it is no part of Goodfit), the same probabilities are ranked by it, too.

    python -m benchmarks.labels
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures import Figures, run

SHARES = (0.05, 0.1, 0.2)
LOOKS_LIKE = (6, 7, 3, 5, 9, 3, 8, 1, 3, 4)  # of each digit, the one that it is mixed up with
PAIR = (4, 9)
EPOCHS = 15
SEED = 0


def flipped_labels(truth: np.ndarray, how: str, share: float) -> np.ndarray:
    """Labels of which a share is wrong."""
    random = np.random.default_rng([SEED, round(100 * share)])
    among = np.flatnonzero(np.isin(truth, PAIR)) if how == "one pair" else np.arange(len(truth))
    chosen = random.choice(among, round(share * len(among)), replace=False)
    given = truth.copy()
    if how == "at random":
        given[chosen] = (truth[chosen] + random.integers(1, 10, len(chosen))) % 10
    elif how == "look-alikes":
        given[chosen] = np.array(LOOKS_LIKE)[truth[chosen]]
    else:
        given[chosen] = sum(PAIR) - truth[chosen]
    return given


def average_precision(wrong: np.ndarray, score: np.ndarray) -> float:
    """Of a ranking by ascending scores."""
    hits = wrong[np.argsort(score, kind="stable")]
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())


def probabilities_of(folder: Path, given: np.ndarray, images: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray]:
    """What was found of the labels, the probabilities that it was found by, and the rows' numbers in their order."""
    from goodfit.trainers.data.all_rows import all_rows
    from goodfit.trainers.data.label_table import LabelTable
    from goodfit.trainers.data.quality.folds import fold_of_rows, lone_classes
    from goodfit.trainers.messages import Assignment, DataSpec
    from goodfit.trainers.registry import resolve
    from goodfit.trainers.worker.label_check import FOLDS
    from goodfit.trainers.worker.out_of_fold import Training, out_of_fold

    np.savez(folder / "digits.npz", x=images, y=given)
    spec = DataSpec(str(folder / "digits.npz"))
    rows = all_rows(spec)
    fold = fold_of_rows([rows.keys], rows.split.y, FOLDS, SEED)
    objective = "val/accuracy", "maximize"
    assignment = Assignment("labels", 0, 1, "cnn", {"batch_size": 64}, spec, SEED, EPOCHS, *objective, folder)
    outputs = out_of_fold(Training(resolve("cnn"), assignment, folder / "trained"), rows, fold)
    table = LabelTable.of("digits", rows, outputs, lone_classes(rows.split.y, fold, 10))
    return table, outputs, rows.numbers


def by_cleanlab(given: np.ndarray, probabilities: np.ndarray) -> np.ndarray | None:
    """Its scores of the same probabilities, by normalised margin; None where it is not installed."""
    try:
        from cleanlab.rank import get_label_quality_scores
    except ImportError:
        return None
    scores: np.ndarray = get_label_quality_scores(given, probabilities, method="normalized_margin")
    return scores


def main(figures: Figures) -> None:
    """Measure all kinds and shares."""
    import torch
    from sklearn.datasets import load_digits

    torch.set_num_threads(1)
    digits = load_digits()
    print("labels flipped            average precision   cleanlab's   found   of them wrong   seconds")
    for how in ("at random", "look-alikes", "one pair"):
        for share in SHARES:
            given = flipped_labels(digits.target, how, share)
            began = time.monotonic()
            with tempfile.TemporaryDirectory(prefix="goodfit-labels-") as folder:
                table, outputs, numbers = probabilities_of(Path(folder), given, digits.images)
            wrong = (given != digits.target)[numbers]
            ours = average_precision(wrong, table.judged.score)
            scores = by_cleanlab(given[numbers], outputs.astype(np.float64))
            theirs = None if scores is None else average_precision(wrong, scores)
            issues = table.judged.is_issue
            found, right = float(issues[wrong].mean()), float(wrong[issues].mean())
            name = f"{share:.0%} {how}"
            print(
                f"{name:24}  {ours:17.4f}   {'-' if theirs is None else f'{theirs:10.4f}'}   {found:5.1%}   "
                f"{right:13.1%}   {time.monotonic() - began:7.1f}",
                flush=True,
            )
            figures.add(f"average precision, {name}", ours, "")
            if theirs is not None:
                figures.add(f"cleanlab's on the same probabilities, {name}", theirs, "")


if __name__ == "__main__":
    run("labels", main)
