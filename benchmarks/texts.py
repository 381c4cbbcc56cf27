"""How well the transformer's defaults tell docstrings apart, and what word counts reach on the same splits.

python -m benchmarks.texts
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from benchmarks.figures import Figures, run
from goodfit.trainers.data import load, load_test
from goodfit.trainers.data.datasets.docstrings import read_docstrings
from goodfit.trainers.data.split import split_rows
from goodfit.trainers.messages import Assignment, DataSpec, Ended, Message, Pack, TokenSpec
from goodfit.trainers.prediction.model_folder import read_facts
from goodfit.trainers.registry import resolve
from goodfit.trainers.training.loop import Tensors, evaluate
from goodfit.trainers.worker.worker import Worker

SEEDS, EPOCHS = 5, 20
TOKENS = TokenSpec(length=64)  # as in examples/transformer.yaml


class Silent:
    """A channel that keeps how the attempt ended."""

    def __init__(self) -> None:
        self.ended: Ended | None = None

    def send(self, message: Message) -> None:
        self.ended = message if isinstance(message, Ended) else self.ended

    def stop_asked(self, trial: int) -> bool:
        return trial < 0

    def may_go_on(self, trial: int, epoch: int) -> bool:  # noqa: ARG002 - the port has it
        return True


def main(figures: Figures) -> None:
    torch.set_num_threads(1)
    scores: dict[str, list[float]] = {}
    for seed in range(SEEDS):
        spec = DataSpec("docstrings", seed=seed, tokens=TOKENS)
        start = time.perf_counter()
        score = transformer(spec)
        seconds = time.perf_counter() - start
        others = of_words(spec)
        for name, value in {"transformer": score, **others}.items():
            scores.setdefault(name, []).append(value)
        listed = ", ".join(f"{name} {value:.3f}" for name, value in others.items())
        print(f"  split {seed}: transformer {score:.3f} in {seconds:.0f} s, {listed}", flush=True)
    for name, values in scores.items():
        figures.add(f"{name}: test accuracy", values, "")


def transformer(spec: DataSpec) -> float:
    """The test accuracy of the defaults, at the epoch with the best validation accuracy."""
    channel = Silent()
    with tempfile.TemporaryDirectory(prefix="goodfit-bench-") as name:
        folder = Path(name)
        assignment = Assignment(
            "texts", 0, 1, "transformer", {}, spec, spec.seed, EPOCHS, "val/accuracy", "maximize", folder
        )
        Worker(channel, capture=False).run(Pack((assignment,)))
        if channel.ended is None or channel.ended.message:
            raise RuntimeError(f"the trial failed: {channel.ended}")
        trainer, facts = resolve("transformer"), read_facts(folder)
        if trainer.build is None:
            raise RuntimeError("the trainer transformer declares no build")
        model = trainer.build(trainer.configure({}), facts)
        model.load_state_dict(torch.load(folder / "best.pt", weights_only=True)["model"])
    return evaluate(model, Tensors.of(load_test(spec), torch.device("cpu")), facts)["accuracy"]


def of_words(spec: DataSpec) -> dict[str, float]:
    """Test accuracies of the majority class, and of logistic regressions on counts and on tf-idf weights of words."""
    raw, classes = read_docstrings(), load(spec).classes
    y = np.searchsorted(classes, raw.y)
    rows = split_rows(y, classes, spec, raw.source)
    counts = make_pipeline(CountVectorizer(), LogisticRegression(max_iter=3000))
    weights = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=10, max_iter=3000))
    scores = {"majority class": float((y[rows.test] == np.bincount(y[rows.train]).argmax()).mean())}
    for name, model in (("word counts", counts), ("tf-idf, C=10", weights)):
        scores[name] = float(model.fit(raw.x[rows.train], y[rows.train]).score(raw.x[rows.test], y[rows.test]))
    return scores


if __name__ == "__main__":
    run("texts", main)
