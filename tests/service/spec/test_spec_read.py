"""Study files that are right: what they become, with every default filled in."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from goodfit.search_spaces import Choice, Fixed, Float, Int, Space
from goodfit.service.errors import StudyFileError
from goodfit.service.spec import StudySpec, check_metric, read
from goodfit.service.spec.pruning import METHODS
from goodfit.trainers.messages import DataSpec
from goodfit.trainers.registry import resolve
from tests.service.spec.studies import FULL, MINIMAL, spec_of

EXAMPLES = Path(__file__).parents[3] / "examples"


def test_everything_in_a_study_file_is_kept(tmp_path: Path):
    spec = spec_of(tmp_path, FULL)
    assert (spec.name, spec.trainer) == ("full.study_1", "mlp")
    assert spec.data_spec() == DataSpec(
        "iris", "label", validation=0.3, test=0.0, seed=3, scale="minmax", missing="median"
    )
    assert spec.space == Space(
        (
            Fixed("batch_size", 64),
            Fixed("width", 100),
            Fixed("dropout", 0.1),
            Float("learning_rate", 1e-4, 0.1, log=True, doc="a rate"),
            Choice("optimizer", ("adamw", "sgd")),
            Float("momentum", 0.5, 0.99, when={"optimizer": "sgd"}),
        )
    )
    assert spec.fixed == {"batch_size": 64, "width": 100, "dropout": 0.1}
    assert (spec.objective.metric, spec.objective.direction) == ("train/accuracy", "maximize")
    assert (spec.search.method, spec.search.seed, spec.search.try_defaults) == ("bayesian", 7, False)
    assert spec.training.model_dump() == {
        "epochs": 10,
        "patience": 5,
        "minutes": 1.5,
        "checkpoint_epochs": 2,
        "keep": 4,
        "retries": 0,
        "stop_on": None,
        "seed": None,
    }
    assert spec.budget.model_dump() == {
        "trials": 64,
        "epochs": None,
        "minutes": 30.0,
        "plateau": False,
        "target": 0.99,
        "failures": 10,
    }
    assert spec.resources.model_dump() == {
        "cpus": 0.5,
        "gpus": 0.25,
        "custom": {"tpu": 1.0, "licence": 0.5},
        "parallel": 3,
        "pack": 1,
    }
    assert type(spec.fixed["width"]) is int


def test_what_is_left_out_has_its_default(tmp_path: Path):
    spec = spec_of(tmp_path)
    assert spec.data_spec() == DataSpec("iris")
    assert (spec.search.method, spec.search.seed, spec.search.try_defaults) == ("auto", 0, True)
    assert (spec.pruning.method, spec.pruning.options) == ("auto", {})
    assert (spec.training.patience, spec.training.minutes, spec.training.retries) == (None, None, 2)
    assert (spec.resources.cpus, spec.resources.gpus, spec.resources.parallel) == (1.0, 0.0, "auto")


def test_a_trainer_may_bring_its_own_data(tmp_path: Path):
    (tmp_path / "own.py").write_text("def net(trial): ...\n")
    text = MINIMAL.replace("data: {source: iris}\n", "").replace("trainer: mlp", "trainer: own.py:net")
    spec = spec_of(tmp_path, text)
    assert spec.data_spec() is None
    assert spec.trainer == f"{tmp_path / 'own.py'}:net"


def test_a_patient_pruning_gives_the_wrapped_methods_options_with_its_own(tmp_path: Path):
    assert spec_of(tmp_path, FULL).pruning.options == {
        "patience": 3,
        "min_delta": 0.0,
        "wrapped_pruner": "percentile",
        "percentile": 25.0,
        "n_startup_trials": 5,
        "n_warmup_steps": 0,
        "interval_steps": 1,
        "n_min_trials": 1,
    }
    assert spec_of(tmp_path, MINIMAL, "pruning={method: patient, patience: 2, wrapped: none}").pruning.options == {
        "patience": 2,
        "min_delta": 0.0,
        "wrapped_pruner": "none",
    }


@pytest.mark.parametrize(
    ("written", "pruning"),
    [("search={method: grid}", "none"), ("search={method: random}", "auto"), ("search={method: auto}", "auto")],
)
def test_a_grid_trains_every_point_to_its_end_where_nothing_is_said_of_pruning(
    tmp_path: Path, written: str, pruning: str
):
    assert spec_of(tmp_path, MINIMAL, written, "space={depth: [1, 2]}").pruning.method == pruning


@pytest.mark.parametrize(
    ("method", "pruner"),
    [
        ("median", optuna.pruners.MedianPruner),
        ("percentile", optuna.pruners.PercentilePruner),
        ("asha", optuna.pruners.SuccessiveHalvingPruner),
        ("hyperband", optuna.pruners.HyperbandPruner),
        ("threshold", optuna.pruners.ThresholdPruner),
    ],
)
def test_pruning_options_have_optunas_names_and_defaults(method: str, pruner: type):
    theirs = {name: item.default for name, item in inspect.signature(pruner).parameters.items()}
    required = {name for name, default in theirs.items() if default is inspect.Parameter.empty}
    fields = {name: item for name, item in METHODS[method].model_fields.items() if name != "method"}
    assert set(fields) == set(theirs)
    assert {name for name, item in fields.items() if item.is_required()} == required
    assert all(item.default == theirs[name] for name, item in fields.items() if name not in required)


def test_a_grid_gives_the_number_of_trials_and_the_budget_may_lower_it(tmp_path: Path):
    grid = MINIMAL.replace("log: true", "log: true, points: 3")
    grid = grid.replace("budget: {trials: 4}", "search: {method: grid}")
    assert spec_of(tmp_path, grid).planned_trials() == 6
    assert spec_of(tmp_path, grid, "budget.trials=4").planned_trials() == 4
    assert spec_of(tmp_path, grid, "budget.trials=400").planned_trials() == 6
    assert spec_of(tmp_path, grid).grid_size() == 6


def test_a_study_that_is_no_grid_has_no_grid_size(tmp_path: Path):
    assert spec_of(tmp_path).grid_size() is None
    assert spec_of(tmp_path, MINIMAL, "budget={minutes: 3}").planned_trials() is None


def test_a_grid_never_tries_the_defaults_first(tmp_path: Path):
    assert not spec_of(tmp_path, MINIMAL, "search.method=grid", "fixed.learning_rate=0.1").search.try_defaults


def test_a_metric_that_the_task_does_not_have_is_found_once_the_task_is_known(tmp_path: Path):
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    text = MINIMAL.replace("{source: iris}", "{source: rows.csv, target: b}").replace("val/loss", "val/accuracy")
    spec = spec_of(tmp_path, text)
    check_metric(spec, resolve("mlp"), "classification")
    with pytest.raises(StudyFileError) as caught:
        check_metric(spec, resolve("mlp"), "regression")
    (problem,) = caught.value.problems
    assert (problem.line, problem.key) == (5, "objective.metric")
    assert "trainer mlp does not report val/accuracy for regression; did you mean val/r2?" in problem.text


def test_numbers_in_text_become_numbers_where_the_trainer_wants_them(tmp_path: Path):
    space = "space: {dropout: ['0.1', 0.2], depth: ['1', 2e0], width: {type: int, low: 1, high: 9, when: {depth: '1'}}}"
    spec = spec_of(tmp_path, MINIMAL.replace(MINIMAL.splitlines()[3], space))
    assert spec.space["dropout"] == Choice("dropout", (0.1, 0.2))
    assert spec.space["depth"] == Choice("depth", (1, 2))
    assert spec.space["width"] == Int("width", 1, 9, when={"depth": 1})


def test_a_parameter_out_of_its_trainers_defaults_is_fine_beside_values_that_suit_it(tmp_path: Path):
    space = "space: {normalization: [none, layer], batch_size: [1, 2]}"
    spec = spec_of(tmp_path, MINIMAL.replace(MINIMAL.splitlines()[3], space))
    assert spec.space.grid_size() == 4


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda file: file.stem)
def test_the_examples_are_right(file: Path):
    spec = read(file)
    assert spec.planned_trials()
    assert StudySpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_reading_specs_imports_no_heavy_library():
    code = "import sys, goodfit.service.spec; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"torch", "optuna", "ray", "mlflow", "pandas", "numpy"}.isdisjoint(done.stdout.split())


@pytest.mark.parametrize("name", ["rows.csv", "rows.PARQUET", "x.npz"])
def test_a_file_of_data_is_told_from_a_study_file(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(b"a,b\n1,2\n")
    with pytest.raises(StudyFileError, match=r"is a file of data; .* `goodfit init .* --target COLUMN` writes one"):
        read(tmp_path / name)
