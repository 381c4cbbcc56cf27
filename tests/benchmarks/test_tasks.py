"""The tasks of the benchmark of searches: families of made-up curves, and recorded ones."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks import families, lcbench, recorded
from benchmarks.search.measure import known_methods
from benchmarks.search.methods import METHODS, Method
from benchmarks.search.recordings import Recording
from benchmarks.search.study import run_study
from goodfit.search_spaces.parameters import Choice, Fixed, Float
from goodfit.search_spaces.space import Space
from goodfit.service.errors import InputError
from goodfit.service.sampler.cube import Cube


@pytest.mark.parametrize("name", [name for name in families.NAMES if name.endswith("5")])
def test_a_family_gives_the_same_curves_each_time(name: str) -> None:
    first, second = (families.task_of(name[:-1], 5, 0) for _ in range(2))
    assert first.reference == second.reference
    assert first.reference.median < first.reference.best
    point = Cube(first.space).random(np.random.default_rng(1), 1)[0]
    params = Cube(first.space).params(point)
    curves = [[one.curve(params).value(epoch) for epoch in range(1, 6)] for one in (first, second)]
    assert curves[0] == curves[1]


def test_a_part_of_the_categorical_space_diverges() -> None:
    task = families.task_of("categorical", 5, 0)
    diverging = {"x0": 0.9, "x1": 0.9, "x2": 0.5, "c0": 0, "c1": 0, "c2": 0}
    assert [math.isnan(task.curve(diverging).value(epoch)) for epoch in (1, 2, 5)] == [False, True, True]


def recording(count: int = 40) -> Recording:
    space = Space((Float("x", 0.0, 1.0), Choice("c", ("a", "b")), Fixed("schedule", "step")))
    points = Cube(space).random(np.random.default_rng(0), count).astype(np.float16).astype(np.float64)
    values = np.stack([np.abs(points[:, :1] - 0.3) + 1 / np.arange(1, 4), np.tile(points[:, :1], 3)], axis=2)
    return Recording(space, 3, ("val/loss", "val/accuracy"), points, values, np.full(count, 0.01))


def test_recorded_curves_come_back_from_their_file(tmp_path: Path) -> None:
    before = recording()
    before.write(tmp_path / "mine.npz")
    after = Recording.read(tmp_path / "mine.npz")
    assert (after.space, after.epochs, after.metrics) == (before.space, before.epochs, before.metrics)
    assert np.array_equal(after.points, before.points)
    assert np.allclose(after.values, before.values, rtol=1e-3)
    assert recorded.tasks_in(tmp_path) == ["mine/val/loss", "mine/val/accuracy"]
    assert recorded.tasks_in(tmp_path, least=41) == []
    assert recorded.load(tmp_path, "mine/val/accuracy").objective.direction == "maximize"


def test_the_nearest_configuration_that_was_not_proposed_answers_a_proposal() -> None:
    task = recording().task("mine", "val/loss")
    assert task.nearest is not None
    wanted = {"x": 0.5, "c": "a", "schedule": "step"}
    first = task.nearest(wanted, lambda _: False)
    second = task.nearest(wanted, lambda params: params == first)
    assert first["c"] == second["c"] == "a"
    assert abs(first["x"] - 0.5) <= abs(second["x"] - 0.5)
    assert task.nearest(wanted, lambda _: True) is None


@pytest.mark.parametrize("name", ["auto", "random", "tpe+asha1", "promotion1", "bohb"])
def test_a_search_on_recorded_curves_proposes_each_once_and_ends_with_them(name: str) -> None:
    task = recording().task("mine", "val/loss")
    assert run_study(task, METHODS[name], workers=2, budget=4.0, seed=0).trials <= 40
    assert run_study(task, METHODS[name], workers=2, budget=60.0, seed=0).trials == 40


def test_the_direction_of_a_metric_follows_from_its_name() -> None:
    directions = {metric: lcbench.direction_of(metric) for metric in lcbench.METRICS}
    assert directions == {
        "val_accuracy": "maximize",
        "val_cross_entropy": "minimize",
        "val_balanced_accuracy": "maximize",
        "test_cross_entropy": "minimize",
        "test_balanced_accuracy": "maximize",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--families", "powr5"], "--families: no family 'powr5'"),
        (["--methods", "auto,randm"], "--methods: no method 'randm'"),
        (["--budget", "0"], "--budget: 0.0 is not above 0"),
    ],
)
def test_what_cannot_be_measured_is_said(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert families.run(arguments) == 2
    assert message in capsys.readouterr().err


def test_a_method_whose_package_is_missing_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    lacking = Method("a method", needs="not_installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS, "lacking", lacking)
        assert known_methods("auto,lacking") == ["auto"]
        said = "lacking is left out: it needs not_installed: pip install not-installed\n"
        assert capsys.readouterr().err == said
        with pytest.raises(InputError, match="none is left to be measured"):
            known_methods("lacking")


def test_what_the_surrogate_lacks_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lcbench.importlib.util, "find_spec", lambda _: None)
    assert lcbench.run(["--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "LCBench's surrogate needs onnxruntime: pip install goodfit[bench]\n"
    monkeypatch.setattr(lcbench.importlib.util, "find_spec", lambda _: object())
    assert lcbench.run(["--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"--data: {tmp_path} has no model.onnx\n"
