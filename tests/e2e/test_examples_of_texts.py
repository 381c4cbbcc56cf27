"""The examples on texts, shortened: better than rules that need no training, on texts that the search never saw.

Where that takes long, `make soak` has it, and a shorter training shows that the example runs and learns.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.language import NGram
from goodfit.service.client import StudyHandle
from goodfit.trainers.data.datasets.dates import read_dates
from goodfit.trainers.data.kinds.corpus import Texts, read_corpus
from goodfit.trainers.data.split import split_rows
from tests.shortened import searched, unseen

pytestmark = pytest.mark.e2e


def test_docstrings_are_told_apart_far_above_the_majority_class(tmp_path: Path) -> None:
    study = searched("transformer", tmp_path, "training.epochs=3", "budget.trials=2", "data.tokens.length=32")
    found, trivial = unseen(study)
    assert found["accuracy"] > trivial["accuracy"] + 0.4
    assert found["loss"] < 0.7 * trivial["loss"]


CODE = (
    "fixed={depth: 1, batch_size: 16, epoch_windows: 600}",
    "data.split={validation: 0.03, test: 0.03}",
    "data.tokens={by: bpe, vocabulary: 300, length: 32}",
)


def corpus_of(study: StudyHandle) -> Texts:
    data = study.spec.data_spec()
    assert data is not None
    return read_corpus(data)


def test_source_code_is_told_better_than_by_counts_of_characters(tmp_path: Path) -> None:
    """Than by counts of neighbours: the trainer's own tests, on the same data."""
    study = searched("language-model", tmp_path, "training.epochs=1", "budget.trials=1", *CODE)
    texts = corpus_of(study)
    characters = NGram(texts.train, order=0)
    characters.fit_weights(texts.validation)
    assert study.best().value < characters.bits_per_character(texts.validation) - 1


@pytest.mark.soak
def test_source_code_is_told_better_than_by_counts_of_neighbours(tmp_path: Path) -> None:
    study = searched("language-model", tmp_path, "training.epochs=2", "budget.trials=2", *CODE)
    texts = corpus_of(study)
    neighbours = NGram(texts.train, order=1)
    neighbours.fit_weights(texts.validation)
    found, _ = unseen(study)
    assert found["bits_per_character"] < neighbours.bits_per_character(texts.test) - 0.2


def score_of_nearest(study: StudyHandle) -> float:
    """The share of test dates that stand in the training date whose writing is the most alike."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    data, raw = study.spec.data_spec(), read_dates()
    assert data is not None
    rows = split_rows(np.zeros(len(raw.x)), (), data, "dates")
    vectors = TfidfVectorizer(analyzer="char", ngram_range=(1, 3)).fit(raw.x[rows.train])
    train, test = (vectors.transform(raw.x[part]) for part in (rows.train, rows.test))
    nearest = np.asarray((test @ train.T).argmax(axis=1)).ravel()
    return float((raw.y[rows.train][nearest] == raw.y[rows.test]).mean())


def test_both_cores_learn_from_the_first_dates(tmp_path: Path) -> None:
    """What they learn in longer: the trainer's own tests."""
    study = searched(
        "seq2seq",
        tmp_path,
        "training.epochs=2",
        "budget.trials=2",
        "fixed={depth: 1, width: 64, batch_size: 32}",
        "data.split={validation: 0.1, test: 0.75}",
    )
    assert {trial.params["core"] for trial in study.records()} == {"transformer", "rnn-attention"}
    for trial in study.records():
        first, last = study.curve(trial.number)["val/loss"]
        assert last < 0.9 * first


@pytest.mark.soak
def test_dates_are_translated_far_better_than_by_the_most_alike_one(tmp_path: Path) -> None:
    study = searched(
        "seq2seq", tmp_path, "training.epochs=2", "budget.trials=2", "fixed={depth: 1, width: 64, batch_size: 64}"
    )
    assert {trial.params["core"] for trial in study.records()} == {"transformer", "rnn-attention"}
    found, _ = unseen(study)
    assert found["exact_match"] > 0.2 > 10 * score_of_nearest(study)
