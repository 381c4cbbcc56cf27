"""Bits a character of the language model's defaults, and of an order-3 character n-gram, on the same texts.

python -m benchmarks.language

The n-gram model mixes the relative frequencies of a character after the 0, 1, 2 and 3 before it with
the uniform distribution (Jelinek and Mercer, 1980); the five weights are fitted on the validation
text by expectation-maximization, so that its validation figure flatters it and its test figure does
not. A context that training never had counts as the longest part of it that training had.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.figures import Figures, run
from benchmarks.texts import Silent
from goodfit.trainers.data import load, load_test
from goodfit.trainers.data.kinds.corpus import read_corpus
from goodfit.trainers.data.preparing.tokens import Tokenizer
from goodfit.trainers.messages import Assignment, DataSpec, Pack, TokenSpec
from goodfit.trainers.prediction.model_folder import read_facts
from goodfit.trainers.registry import resolve
from goodfit.trainers.training.loop import Tensors, evaluate
from goodfit.trainers.worker.worker import Worker

EPOCHS = 8
ORDER = 3  # characters of context
ROUNDS = 50  # of expectation-maximization; the weights stand still after about 20
DATA = DataSpec("stdlib_source", validation=0.1, test=0.1)  # as in examples/language-model.yaml
RUNS = ((TokenSpec("character", length=128), 1000), (TokenSpec("bpe", 512, 64), 2000))  # with windows an epoch


class NGram:
    """Character counts, mixed: the probability of each character of a text after those before it."""

    def __init__(self, train: str, order: int = ORDER) -> None:
        self.order = order
        self._tokens = Tokenizer.fit([train], "character", 1_000_000, 1)
        self._size = self._tokens.size - 1  # nothing is filled up here
        if self._size ** (order + 1) >= 2**63:
            raise ValueError(f"{self._size} characters in a row of {order + 1} do not fit into 64 bits")
        ids = self._ids(train)
        self._counts = [np.unique(self._grams(ids, context + 1), return_counts=True) for context in range(order + 1)]
        self._contexts = [np.unique(self._grams(ids[:-1], context), return_counts=True) for context in range(order + 1)]
        self.weights = np.full(order + 2, 1 / (order + 2))

    def fit_weights(self, text: str) -> None:
        """Expectation-maximization on a text: each round, a part's weight is its mean share in the probabilities."""
        parts = self._parts(text)
        for _ in range(ROUNDS):
            shares = parts * self.weights
            self.weights = (shares / shares.sum(axis=1, keepdims=True)).mean(axis=0)

    def bits_per_character(self, text: str) -> float:
        """Of all characters of a text but the first, which the language model is not asked for either."""
        return float(-np.log2(self._parts(text) @ self.weights).mean())

    def _ids(self, text: str) -> np.ndarray:
        return np.asarray(self._tokens.ids(text)) - 1

    def _grams(self, ids: np.ndarray, length: int) -> np.ndarray:
        """Every run of `length` characters as one number; for a length of 0 as many zeros as there are characters."""
        if not length:
            return np.zeros(len(ids), dtype=np.int64)
        grams = np.zeros(len(ids) - length + 1, dtype=np.int64)
        for place in range(length):
            grams = grams * self._size + ids[place : len(ids) - length + 1 + place]
        return grams

    def _parts(self, text: str) -> np.ndarray:
        """The uniform probability of each character but the first, then those after 0, 1, ... characters."""
        ids = self._ids(text)
        parts = [np.full(len(ids) - 1, 1 / self._size)]
        for context in range(self.order + 1):
            shorter = parts[-1].copy()
            first = max(context, 1)  # the first character with such a context; those before keep the shorter one
            grams = self._grams(ids, context + 1)[first - context :]
            before = self._grams(ids[:-1], context)[first - context :] if context else np.zeros_like(grams)
            both, alone = _looked_up(self._counts[context], grams), _looked_up(self._contexts[context], before)
            known = alone > 0
            shorter[first - 1 :][known] = both[known] / alone[known]
            parts.append(shorter)
        return np.stack(parts, axis=1)


def _looked_up(table: tuple[np.ndarray, np.ndarray], keys: np.ndarray) -> np.ndarray:
    known, counts = table
    places = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.where(known[places] == keys, counts[places], 0).astype(np.float64)


def trained(spec: DataSpec, epochs: int, params: dict[str, object]) -> dict[str, float]:
    """Bits a character on the whole validation and test texts, at the epoch with the best validation figure."""
    channel = Silent()
    with tempfile.TemporaryDirectory(prefix="goodfit-bench-") as name:
        folder, metric = Path(name), "val/bits_per_character"
        assignment = Assignment("language", 0, 1, "language-model", params, spec, 0, epochs, metric, "minimize", folder)
        Worker(channel, capture=False).run(Pack((assignment,)))
        if channel.ended is None or channel.ended.message:
            raise RuntimeError(f"the trial failed: {channel.ended}")
        trainer, facts = resolve("language-model"), read_facts(folder)
        if trainer.build is None:
            raise RuntimeError("the trainer language-model declares no build")
        model = trainer.build(trainer.configure(params), facts)
        model.load_state_dict(torch.load(folder / "best.pt", weights_only=True)["model"])
    parts = {"validation": load(spec).validation, "test": load_test(spec)}
    cpu = torch.device("cpu")
    return {part: evaluate(model, Tensors.of(split, cpu), facts)["bits_per_character"] for part, split in parts.items()}


def main(figures: Figures) -> None:
    torch.set_num_threads(1)
    texts = read_corpus(DATA)
    print(f"  characters: train {len(texts.train)}, validation {len(texts.validation)}, test {len(texts.test)}")
    for order in (0, 1, ORDER):
        counts = NGram(texts.train, order)
        counts.fit_weights(texts.validation)
        found = [counts.bits_per_character(text) for text in (texts.validation, texts.test)]
        figures.add(f"{order}-character contexts: test", found[1], "bits")
        print(f"  {order}-character contexts: validation {found[0]:.3f}, test {found[1]:.3f} bits a character")
    for how, count in RUNS:
        start = time.process_time()
        scores = trained(replace(DATA, tokens=how), EPOCHS, {"epoch_windows": count})
        seconds = time.process_time() - start
        figures.add(f"language model, {how.by}: test", scores["test"], "bits")
        print(
            f"  language model, {how.by}: validation {scores['validation']:.3f}, test {scores['test']:.3f} "
            f"in {seconds:.0f} s of one core",
            flush=True,
        )


if __name__ == "__main__":
    run("language", main)
