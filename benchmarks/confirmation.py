"""Does a confirmed winner hold better than the winner by validation alone? On rows that neither ever saw.

For each of ten seeds, breast_cancer is drawn anew into 57 rows to train, 57 to validate, 228 to test
and 227 that are kept from the study altogether. examples/overfit.yaml searches the first three parts
and confirms; the models of both winners are then scored on the last.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.figures import Figures, run
from goodfit import connect

if TYPE_CHECKING:
    import pandas as pd

    from goodfit.trainers.prediction.predictor import Predictor

STUDY = Path(__file__).parents[1] / "examples" / "overfit.yaml"
PARTS = {"train": 57, "validation": 57, "test": 228}
SEEDS = 10


def tables(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The study's table with its split in a column, and the rows kept from it."""
    from sklearn.datasets import load_breast_cancer

    table = load_breast_cancer(as_frame=True).frame.sample(frac=1, random_state=seed)
    given = sum(PARTS.values())
    study, apart = table.iloc[:given].copy(), table.iloc[given:]
    study["part"] = np.repeat(list(PARTS), list(PARTS.values()))
    return study, apart


def loss(model: Predictor, rows: pd.DataFrame) -> float:
    """The cross-entropy of a model on rows with their target."""
    chances = model.predict_proba(rows.drop(columns="target"))
    right = chances[np.arange(len(rows)), rows["target"].to_numpy()]
    return float(-np.log(np.clip(right, 1e-7, 1)).mean())


def measure(seed: int) -> tuple[float, float, float]:
    """Losses on the rows apart: of the winner by validation, of the confirmed one; and what validation promised."""
    from goodfit.service.records import ranked

    study, apart = tables(seed)
    with tempfile.TemporaryDirectory(prefix="goodfit-confirmation-") as name:
        folder = Path(name)
        study.to_csv(folder / "rows.csv", index=False)
        data = f"data={{source: {folder / 'rows.csv'}, target: target, split: {{column: part}}}}"
        words = ["run", str(STUDY), "--executor", "local", "--set", data, "--set", f"search.seed={seed}"]
        command = [sys.executable, "-m", "goodfit.service.cli", "--home", str(folder / "home"), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        studies = connect(folder / "home")
        handle = next(iter(studies.values()))
        first = ranked(handle.records(), handle.record.objective)[0]
        by_validation = handle.model(first.number)
        return loss(by_validation, apart), loss(handle.model(), apart), float(first.value or 0.0)


def main(figures: Figures) -> None:
    found = [measure(seed) for seed in range(SEEDS)]
    print(
        f"  {'seed':>4} {'promised':>9} {'winner by validation':>21} {'confirmed winner':>17}   val/loss on rows apart"
    )
    for seed, (plain, confirmed, promised) in enumerate(found):
        print(f"  {seed:>4} {promised:>9.4f} {plain:>21.4f} {confirmed:>17.4f}")
    plain, confirmed, promised = (statistics.fmean(column) for column in zip(*found, strict=True))
    gains = [one - other for one, other, _ in found]
    error = statistics.stdev(gains) / len(gains) ** 0.5
    figures.add("loss of the winner by validation", [one for one, _, _ in found], "")
    figures.add("loss of the confirmed winner", [one for _, one, _ in found], "")
    figures.add("gain of the confirmed winner", gains, "")
    held = sum(gain >= 0 for gain in gains)
    print(f"  mean {promised:>9.4f} {plain:>21.4f} {confirmed:>17.4f}")
    print(f"  gain {plain - confirmed:.4f} (standard error {error:.4f}); as good or better for {held} of {len(gains)}")


if __name__ == "__main__":
    run("confirmation", main)
