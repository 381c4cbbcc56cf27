"""Cross-validation: which rows each fold has, and a trial that is trained once a fold."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from goodfit.testing.attempts import Line, assign
from goodfit.trainers.data import load, load_test
from goodfit.trainers.data.split import Rows, forward_fold, split_rows
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec, Outcome, Pack
from goodfit.trainers.worker.worker import Worker

IRIS = DataSpec("iris", folds=3)
CLASSES = ("a", "b", "c")


def folds_of(y: np.ndarray, spec: DataSpec, split_by: np.ndarray | None = None, classes=CLASSES) -> list[Rows]:
    return [split_rows(y, classes, replace(spec, fold=fold), "rows", split_by) for fold in range(spec.folds or 0)]


def test_every_row_but_those_of_the_test_split_validates_in_exactly_one_fold():
    y = np.repeat([0, 1, 2], [50, 31, 12])
    parts = folds_of(y, DataSpec("rows", folds=5))
    assert len({tuple(part.test) for part in parts}) == 1
    validated = np.sort(np.concatenate([part.validation for part in parts]))
    assert np.array_equal(validated, np.setdiff1d(np.arange(len(y)), parts[0].test))
    for part in parts:
        assert not set(part.train) & set(part.validation)
        assert len(part.train) + len(part.validation) + len(part.test) == len(y)


def test_the_folds_are_of_one_size_and_each_has_its_share_of_each_class():
    y = np.repeat([0, 1, 2], [50, 31, 12])
    parts = folds_of(y, DataSpec("rows", folds=5))
    sizes = [len(part.validation) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    for part in parts:
        counts = Counter(y[part.validation].tolist())
        assert counts[0] == 8
        assert counts[1] in (5, 4)
        assert counts[2] in (2, 1)


def test_unstratified_folds_take_rows_as_they_come():
    y = np.repeat([0, 1, 2], [50, 31, 12])
    parts = folds_of(y, DataSpec("rows", folds=5, stratified=False))
    assert np.array_equal(
        np.sort(np.concatenate([part.validation for part in parts])), np.setdiff1d(np.arange(93), parts[0].test)
    )
    assert len({Counter(y[part.validation].tolist())[0] for part in parts}) > 1


def test_no_group_is_on_both_sides_of_any_fold():
    random = np.random.default_rng(3)
    groups, y = random.integers(0, 40, 400), random.integers(0, 3, 400)
    parts = folds_of(y, DataSpec("rows", folds=4, split_group="who"), groups)
    for part in parts:
        assert not set(groups[part.train]) & set(groups[part.validation])
        assert not set(groups[np.concatenate([part.train, part.validation])]) & set(groups[part.test])
    validated = np.sort(np.concatenate([part.validation for part in parts]))
    assert np.array_equal(validated, np.setdiff1d(np.arange(400), parts[0].test))


def test_a_fold_by_time_trains_on_nothing_that_came_later():
    times = np.random.default_rng(4).permutation(100).astype(float)
    y = np.zeros(100)
    parts = folds_of(y, DataSpec("rows", folds=4, split_time="when"), times, ())
    for part in parts:
        assert times[part.train].max() < times[part.validation].min()
        assert times[part.validation].max() < times[part.test].min()
    starts = [times[part.validation].min() for part in parts]
    assert starts == sorted(starts)
    assert [len(part.train) for part in parts] == [16, 32, 48, 64]


def test_forward_folds_are_blocks_one_after_the_other():
    assert [forward_fold(60, 3, fold) for fold in range(3)] == [(15, 30), (30, 45), (45, 60)]


def test_a_series_is_validated_block_by_block():
    spec = DataSpec("eeg", folds=3)
    one, two = (load(replace(spec, fold=fold)) for fold in (0, 1))
    assert len(one.train) < len(two.train)
    assert abs(len(one.validation) - len(two.validation)) <= 1
    first, last = load_test(spec).y.ravel(), load_test(replace(spec, fold=2)).y.ravel()
    assert np.corrcoef(first, last)[0, 1] == pytest.approx(1)  # the same rows, in units of other training rows


@pytest.mark.parametrize(
    ("y", "classes", "spec", "said"),
    [
        ([0, 0, 0, 0, 1], ("a", "b"), DataSpec("rows", folds=2), "class b has 1 row, too few"),
        ([1.0, 2.0, 3.0, 4.0, 5.0], (), DataSpec("rows", folds=4, test=0), "with folds: 4 leaves 1 row for validation"),
        ([0, 1] * 9, ("a", "b"), DataSpec("rows", folds=1), "folds 1"),
    ],
)
def test_folds_that_cannot_be_had_are_refused(y, classes, spec, said):
    with pytest.raises(DataProblem, match=said):
        folds_of(np.array(y), spec, classes=classes)


def run(folder: Path, line: Line | None = None, **values) -> Line:
    line = line or Line()
    given = assign(folder, **{"data": IRIS, "epochs": 4, "metric": "val/loss", "direction": "minimize", **values})
    Worker(line, capture=False).run(Pack((given,)))
    return line


def test_a_trial_reports_the_mean_over_its_folds_one_by_one(tmp_path: Path):
    line = run(tmp_path / "t")
    assert line.ended.outcome is Outcome.COMPLETE
    assert [(report.epoch, report.final) for report in line.reports] == [(1, False), (2, False), (3, True)]
    alone = [report.metrics["fold/val/loss"] for report in line.reports]
    assert len(set(alone)) == 3
    for count, report in enumerate(line.reports, start=1):
        assert report.metrics["val/loss"] == pytest.approx(np.mean(alone[:count]))
    kept = [json.loads((tmp_path / "t" / f"fold-{fold}" / "fold.json").read_text()) for fold in (1, 2, 3)]
    assert alone == [min(metrics["val/loss"] for metrics in fold["curve"]) for fold in kept]


def test_the_curve_of_a_complete_trial_is_the_mean_of_its_folds_curves(tmp_path: Path):
    line = run(tmp_path / "t")
    kept = [json.loads((tmp_path / "t" / f"fold-{fold}" / "fold.json").read_text())["curve"] for fold in (1, 2, 3)]
    assert len(line.ended.curve) == 4
    for epoch, metrics in enumerate(line.ended.curve):
        assert metrics["val/loss"] == pytest.approx(np.mean([fold[epoch]["val/loss"] for fold in kept]))


def test_the_model_of_a_trial_is_that_of_its_best_fold(tmp_path: Path):
    line = run(tmp_path / "t")
    alone = [report.metrics["fold/val/loss"] for report in line.reports]
    best = tmp_path / "t" / f"fold-{1 + alone.index(min(alone))}"
    assert (tmp_path / "t" / "best.pt").read_bytes() == (best / "best.pt").read_bytes()
    assert (tmp_path / "t" / "facts.json").read_text() == (best / "facts.json").read_text()


def test_a_trial_stopped_in_its_second_fold_goes_on_there_and_ends_as_if_it_had_not_been(tmp_path: Path):
    whole = run(tmp_path / "whole")
    first = run(tmp_path / "t", Line(stop_after=1))
    assert first.ended.outcome is Outcome.STOPPED
    assert [report.epoch for report in first.reports] == [1]
    mark = (tmp_path / "t" / "fold-1" / "fold.json").stat().st_mtime_ns
    second = run(tmp_path / "t", attempt=2, reported=1)
    assert second.ended.outcome is Outcome.COMPLETE
    assert [report.epoch for report in second.reports] == [2, 3]
    assert [report.metrics for report in second.reports] == [report.metrics for report in whole.reports][1:]
    assert (tmp_path / "t" / "fold-1" / "fold.json").stat().st_mtime_ns == mark
    assert second.ended.curve == whole.ended.curve
    assert second.ended.size == whole.ended.size
    assert whole.ended.size


def test_a_trial_is_paused_after_so_many_folds_and_goes_on_with_the_next(tmp_path: Path):
    whole = run(tmp_path / "whole")
    first = run(tmp_path / "t", Line(pauses=True), pause_at=2)
    assert (first.ended.outcome, [report.epoch for report in first.reports]) == (Outcome.STOPPED, [1, 2])
    assert all(report.resumable for report in first.reports)
    marks = [(tmp_path / "t" / f"fold-{fold}" / "fold.json").stat().st_mtime_ns for fold in (1, 2)]
    second = run(tmp_path / "t", reported=2)
    assert (second.ended.outcome, [report.epoch for report in second.reports]) == (Outcome.COMPLETE, [3])
    assert first.curve + second.curve == whole.curve
    assert second.ended.curve == whole.ended.curve
    assert [(tmp_path / "t" / f"fold-{fold}" / "fold.json").stat().st_mtime_ns for fold in (1, 2)] == marks


def test_a_trial_with_folds_goes_on_at_its_pause_where_it_may(tmp_path: Path):
    whole = run(tmp_path / "whole")
    assert run(tmp_path / "t", pause_at=1).curve == whole.curve


def test_folds_of_an_older_study_of_the_same_name_are_not_taken(tmp_path: Path):
    run(tmp_path / "t", seed=1)
    again = run(tmp_path / "t", seed=2)
    fresh = run(tmp_path / "fresh", seed=2)
    assert [report.metrics for report in again.reports] == [report.metrics for report in fresh.reports]
