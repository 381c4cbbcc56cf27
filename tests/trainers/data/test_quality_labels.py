"""Labels that are likely wrong: thresholds, candidates, the ranking, and what cannot be judged."""

from __future__ import annotations

import numpy as np
import pytest

from goodfit.trainers.data.quality import labels
from goodfit.trainers.data.quality.conflicts import conflicting
from goodfit.trainers.data.quality.folds import fold_of_rows, lone_classes
from goodfit.trainers.data.quality.labels import class_thresholds, judge_classes, judge_numbers


def noisy(rows: int, classes: int, wrong: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels of which a share is flipped, probabilities that mostly know the true class, and which are flipped."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, rows)
    logits = random.normal(0, 1, (rows, classes))
    logits[np.arange(rows), truth] += 5
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    flipped = random.random(rows) < wrong
    given = np.where(flipped, (truth + random.integers(1, classes, rows)) % classes, truth)
    return given, probabilities, flipped


def average_precision(flipped: np.ndarray, score: np.ndarray) -> float:
    hits = flipped[np.argsort(score, kind="stable")]
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())


def test_a_class_has_the_mean_probability_of_its_rows_for_a_threshold_and_at_least_chance() -> None:
    given = np.array([0, 0, 1, 2])
    probabilities = np.array([[0.8, 0.1, 0.1], [0.6, 0.2, 0.2], [0.3, 0.6, 0.1], [0.9, 0.05, 0.05]])
    assert class_thresholds(given, probabilities).tolist() == pytest.approx([0.7, 0.6, 1 / 3])


@pytest.mark.parametrize("wrong", [0.05, 0.2])
def test_flipped_labels_come_first_and_are_the_issues(wrong: float) -> None:
    given, probabilities, flipped = noisy(2000, 5, wrong)
    found = judge_classes(given, probabilities)
    assert average_precision(flipped, found.score) > 0.95
    assert ((found.score >= 0) & (found.score <= 1)).all()
    assert found.is_issue[flipped].mean() > 0.7
    assert found.is_issue[~flipped].mean() < 0.01
    assert flipped[found.ranking()[:50]].mean() > 0.9
    assert (found.predicted[found.is_issue] != given[found.is_issue]).all()


def test_rows_are_looked_at_in_parts_without_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    given, probabilities, _ = noisy(500, 4, 0.1)
    whole = judge_classes(given, probabilities)
    monkeypatch.setattr(labels, "NUMBERS_AT_ONCE", 4 * 7)
    parts = judge_classes(given, probabilities)
    assert (parts.is_issue == whole.is_issue).all()
    assert parts.score == pytest.approx(whole.score)


def test_a_row_that_cannot_be_judged_is_no_issue() -> None:
    given = np.array([0, 0, 1])
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [1.0, 0.0]])
    assert judge_classes(given, probabilities).is_issue.tolist() == [False, False, True]
    found = judge_classes(given, probabilities, np.array([True, True, False]))
    assert (found.is_issue.tolist(), found.score[2]) == ([False, False, False], 1.0)


def test_a_thousand_classes_and_no_knowledge_flag_little() -> None:
    random = np.random.default_rng(0)
    given = random.integers(0, 1000, 3000)
    probabilities = np.full((3000, 1000), 1e-3)
    assert not judge_classes(given, probabilities).is_issue.any()
    with pytest.raises(ValueError, match="not a number"):
        judge_classes(given, np.full((3000, 1000), np.nan))


def test_numbers_are_judged_by_the_noise_at_their_predictions() -> None:
    random = np.random.default_rng(0)
    predicted = np.linspace(0, 10, 2000)
    noise = np.where(predicted < 5, 0.1, 2.0)
    given = predicted + random.normal(0, 1, 2000) * noise
    given[100] += 2.0  # twenty times the noise there
    given[1900] += 2.0  # as usual there
    found = judge_numbers(given, predicted)
    assert found.is_issue[100]
    assert not found.is_issue[1900]
    assert found.is_issue.sum() <= 3
    assert found.ranking()[0] == 100


def test_numbers_that_are_predicted_exactly_and_three_rows_are_judged() -> None:
    exact = judge_numbers(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]))
    assert not exact.is_issue.any()
    assert exact.score.tolist() == [1.0, 1.0, 1.0]
    assert judge_numbers(np.array([1.0, 2.0, 9.0]), np.array([1.0, 2.0, 3.0])).score.argmin() == 2
    with pytest.raises(ValueError, match="not a number"):
        judge_numbers(np.array([1.0]), np.array([np.inf]))


def test_copies_and_groups_are_in_one_fold_and_classes_have_their_share() -> None:
    labels_of = np.repeat([0, 1], [80, 20])
    keys = np.arange(100)
    keys[1], keys[99] = keys[0], keys[50]
    groups = np.arange(100)
    groups[1:4] = 500
    fold = fold_of_rows([keys, groups], labels_of, 5, seed=0)
    assert len({*fold[:4].tolist()}) == 1  # 0 and 1 are copies; 1, 2 and 3 a group
    assert fold[99] == fold[50]
    assert np.bincount(fold[labels_of == 0]).tolist() == pytest.approx([16] * 5, abs=4)
    assert (fold == fold_of_rows([keys, groups], labels_of, 5, seed=0)).all()
    assert set(fold_of_rows([np.arange(3)], None, 5, seed=0).tolist()) == {0, 1, 2}


def test_a_class_that_is_in_one_fold_alone_is_told() -> None:
    assert lone_classes(np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 0, 1]), 3).tolist() == [
        False,
        False,
        True,
        True,
        True,
    ]


def test_equal_rows_with_other_labels_are_found_by_group() -> None:
    keys = np.array([7, 5, 7, 5, 9, 5, 1, 1])
    groups = conflicting(keys, np.array([0, 1, 0, 2, 0, 1, 3, 4]))
    assert [group.tolist() for group in groups] == [[1, 3, 5], [6, 7]]
    assert conflicting(keys[:0], keys[:0]) == []
