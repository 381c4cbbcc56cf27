"""Study files that are right: what they become, where their paths lead, and what tells two apart."""

from __future__ import annotations

import inspect
import json
import shutil
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goodfit.search_spaces import Choice, Fixed, Float, Int, Space
from goodfit.service.errors import StudyFileError
from goodfit.service.spec import StudySpec, check_metric, from_mapping, read
from goodfit.service.spec.pruning import METHODS
from goodfit.trainers.messages import DataSpec
from goodfit.trainers.registry import resolve
from tests.random_spaces import spaces

EXAMPLES = Path(__file__).parents[2] / "examples"

MINIMAL = """\
name: a-study
trainer: mlp
data: {source: iris}
space: {learning_rate: {type: float, low: 1e-4, high: 1e-1, log: true}, optimizer: [adamw, sgd]}
objective: {metric: val/loss, direction: minimize}
training: {epochs: 5}
budget: {trials: 4}
"""

FULL = """\
# every section
name: full.study_1
trainer: mlp
data:
  source: iris
  target: label
  split: {validation: 0.3, test: 0, seed: 3}
  prepare: {scale: minmax, missing: median}
space:
  learning_rate: {type: float, low: 1e-4, high: "0.1", log: true, doc: a rate}
  optimizer: [adamw, sgd]
  momentum: {type: float, low: 0.5, high: 0.99, when: {optimizer: sgd}}
fixed: {batch_size: 64, width: 1e2, dropout: "0.1"}
objective: {metric: train/accuracy, direction: maximize}
search: {method: tpe, seed: 7, try_defaults: false}
pruning: {method: patient, patience: 3, wrapped: {method: percentile, percentile: 25}}
training: {epochs: 1e1, patience: 5, minutes: "1.5", checkpoint_epochs: 2, keep: 4, retries: 0}
budget: {trials: 64, minutes: 30, target: 0.99}
resources: {cpus: 0.5, gpus: 0.25, custom: {tpu: 1, licence: 0.5}, parallel: 3, pack: 1}
"""


def spec_of(folder: Path, text: str = MINIMAL, *overrides: str) -> StudySpec:
    file = folder / "study.yaml"
    file.write_text(text)
    return read(file, overrides)


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
    }
    assert spec.budget.model_dump() == {"trials": 64, "minutes": 30.0, "target": 0.99, "failures": 10}
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
    assert (spec.search.method, spec.search.seed, spec.search.try_defaults) == ("bayesian", 0, True)
    assert (spec.pruning.method, spec.pruning.options) == ("none", {})
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


def test_overrides_win_and_make_sections(tmp_path: Path):
    overrides = ["budget.trials=8", "training.patience=3", "pruning={method: median}", "space.depth=[1, 2]"]
    spec = spec_of(tmp_path, MINIMAL, *overrides, "budget.trials=9")
    assert (spec.budget.trials, spec.training.patience, spec.pruning.method) == (9, 3, "median")
    assert spec.space["depth"] == Choice("depth", (1, 2))


def test_an_override_with_null_takes_a_value_out(tmp_path: Path):
    assert spec_of(tmp_path, FULL, "training.patience=null", "budget.minutes=").training.patience is None


def test_an_override_with_null_takes_a_section_or_a_searched_parameter_out(tmp_path: Path):
    confirmed = ("data.split.test=0.2", "confirm={top: 2, seeds: 2}")
    spec = spec_of(tmp_path, FULL, *confirmed, "confirm=", "pruning=null", "space.learning_rate=null")
    assert spec_of(tmp_path, FULL, *confirmed).confirm is not None
    assert spec.confirm is None
    assert spec.pruning == spec_of(tmp_path, MINIMAL).pruning
    names = [parameter.name for parameter in spec.space.parameters]
    assert "learning_rate" not in names
    assert {"optimizer", "momentum"} <= set(names)
    assert spec_of(tmp_path, MINIMAL, "confirm=null") == spec_of(tmp_path, MINIMAL)


def test_paths_are_relative_to_the_study_file_and_become_absolute(tmp_path: Path):
    folder = tmp_path / "studies"
    folder.mkdir()
    (folder / "rows.csv").write_text("a,b\n1,2\n")
    (folder / "own.py").write_text("def net(trial): ...\n")
    (folder / "own.yaml").write_text("depth: [1, 2]\n")
    text = MINIMAL.replace("mlp", "./own.py:net").replace("{source: iris}", "{source: rows.csv, target: b}")
    text = text.replace(text.splitlines()[3], "space: own.yaml")
    spec = spec_of(folder, text)
    assert spec.trainer == f"{folder / 'own.py'}:net"
    assert spec.data is not None
    assert spec.data.source == str(folder / "rows.csv")
    assert spec.space == Space((Choice("depth", (1, 2)),))


def test_a_function_of_a_file_and_a_folder_are_sources_too(tmp_path: Path):
    (tmp_path / "my_data.py").write_text("def load(): ...\n")
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    for source in ("my_data.py:load", "photos", "./photos"):
        spec = spec_of(tmp_path, MINIMAL.replace("{source: iris}", f'{{source: "{source}"}}'))
        assert spec.data is not None
        assert spec.data.source == str(tmp_path / source)
    spec = spec_of(tmp_path, MINIMAL.replace("iris", "photos, prepare: {size: 32, mode: grey}"))
    read_as = spec.data_spec()
    assert read_as is not None
    assert (read_as.size, read_as.mode) == (32, "gray")


def test_paths_that_are_only_in_the_current_folder_are_found_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "studies").mkdir()
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    monkeypatch.chdir(tmp_path)
    spec = spec_of(tmp_path / "studies", MINIMAL.replace("{source: iris}", "{source: rows.csv, target: b}"))
    assert spec.data is not None
    assert spec.data.source == str(tmp_path / "rows.csv")


def test_a_mapping_gives_the_same_spec_as_the_file(tmp_path: Path):
    values = {
        "name": "a-study",
        "trainer": "mlp",
        "data": {"source": "iris"},
        "space": {
            "learning_rate": {"type": "float", "low": 1e-4, "high": 0.1, "log": True},
            "optimizer": ["adamw", "sgd"],
        },
        "objective": {"metric": "val/loss", "direction": "minimize"},
        "training": {"epochs": 5},
        "budget": {"trials": 4},
    }
    assert from_mapping(values, tmp_path) == spec_of(tmp_path)


def test_a_spec_outlives_its_files(tmp_path: Path):
    folder = tmp_path / "studies"
    folder.mkdir()
    (folder / "own.py").write_text("def net(trial): ...\n")
    (folder / "own.yaml").write_text("depth: [1, 2]\n")
    text = MINIMAL.replace("mlp", "own.py:net")
    spec = spec_of(folder, text.replace(text.splitlines()[3], "space: own.yaml"))
    kept = json.dumps(spec.to_dict())
    shutil.rmtree(folder)
    again = StudySpec.from_dict(json.loads(kept))
    assert again == spec
    assert again.fingerprint() == spec.fingerprint()


def test_where_a_trainers_module_lies_is_kept_and_does_not_make_another_study(tmp_path: Path):
    found = []
    for folder in (tmp_path / "here", tmp_path / "there"):
        folder.mkdir()
        (folder / "net_beside_the_study.py").write_text("def train(trial): ...")
        (folder / "study.yaml").write_text(MINIMAL.replace("trainer: mlp", "trainer: net_beside_the_study:train"))
        found.append(read(folder / "study.yaml"))
        assert found[-1].modules[0] == str(folder)
    assert StudySpec.from_dict(json.loads(json.dumps(found[0].to_dict()))) == found[0]
    assert found[0].fingerprint() == found[1].fingerprint()
    assert found[0].differences(found[1].to_dict()) == []
    assert spec_of(tmp_path).modules == ()


def test_a_spec_survives_a_store_that_reorders_keys(tmp_path: Path):
    spec = spec_of(tmp_path, FULL)
    again = StudySpec.from_dict(json.loads(json.dumps(spec.to_dict(), sort_keys=True)))
    assert again == spec
    assert again.space.names == spec.space.names


def test_a_kept_spec_that_cannot_be_read_names_its_keys(tmp_path: Path):
    kept = spec_of(tmp_path).to_dict()
    del kept["objective"]
    kept["training"]["epohcs"] = 3
    kept["space"] = {"depth": [1, 2]}
    with pytest.raises(StudyFileError) as caught:
        StudySpec.from_dict(kept)
    assert caught.value.file == "the stored spec of study a-study"
    assert {problem.key for problem in caught.value.problems} == {"objective", "training.epohcs", "space"}


@pytest.mark.parametrize(
    ("written", "other"),
    [
        ("low: 1e-4", "low: 0.0001"),
        ("low: 1e-4", "low: '0.0001'"),
        ("budget: {trials: 4}", "# four\nbudget:\n  trials: 4"),
        ("{metric: val/loss, direction: minimize}", "{direction: minimize, metric: val/loss}"),
        ("name: a-study\ntrainer: mlp", "trainer: mlp\nname: a-study"),
        ("type: float, low: 1e-4", "low: 1e-4, doc: a rate, type: float"),
        ("budget: {trials: 4}", "budget: {trials: 4}\nsearch: {method: tpe}\nresources: {cpus: 1}"),
        ("optimizer: [adamw, sgd]}", "optimizer: {type: choice, choices: [adamw, sgd]}}"),
    ],
)
def test_how_a_study_is_written_does_not_change_its_fingerprint(tmp_path: Path, written: str, other: str):
    one, two = spec_of(tmp_path), spec_of(tmp_path, MINIMAL.replace(written, other))
    assert MINIMAL.replace(written, other) != MINIMAL
    assert one.fingerprint() == two.fingerprint()
    assert two.differences(one.to_dict()) == []


def test_fixing_in_the_space_or_under_fixed_is_the_same_study(tmp_path: Path):
    one = spec_of(tmp_path, MINIMAL + "fixed: {depth: 2, width: 8}\n")
    two = spec_of(tmp_path, MINIMAL.replace("space: {", "space: {depth: 2, ") + "fixed: {width: 8}\n")
    assert one.fingerprint() == two.fingerprint()
    assert one.differences(two.to_dict()) == []


@pytest.mark.parametrize(
    ("overrides", "differences"),
    [
        (["budget.trials=40"], ["budget.trials: 4 there, 40 here"]),
        (["training.patience=3"], ["training.patience: not set there, 3 here"]),
        (
            ["search.seed=1", "training.retries=0"],
            ["search.seed: 0 there, 1 here", "training.retries: 2 there, 0 here"],
        ),
        (["space.learning_rate.high=0.2"], ["space.learning_rate.high: 0.1 there, 0.2 here"]),
        (["space.optimizer=[sgd, adam]"], ["space.optimizer.choices: [adamw, sgd] there, [sgd, adam] here"]),
        (["data.split.seed=1"], ["data.split.seed: 0 there, 1 here"]),
        (["name=other"], ["name: a-study there, other here"]),
        (
            ["space={optimizer: [adamw, sgd], learning_rate: {type: float, low: 1e-4, high: 0.1, log: true}}"],
            ["space: the parameters are in another order"],
        ),
        (
            ["fixed.depth=3"],
            ["space.depth.type: not set there, fixed here", "space.depth.value: not set there, 3 here"],
        ),
        (
            ["pruning={method: median}"],
            [
                "pruning.method: none there, median here",
                "pruning.n_startup_trials: not set there, 5 here",
                "pruning.n_warmup_steps: not set there, 0 here",
                "pruning.interval_steps: not set there, 1 here",
                "pruning.n_min_trials: not set there, 1 here",
            ],
        ),
    ],
)
def test_what_decides_the_results_changes_the_fingerprint_and_is_told(
    tmp_path: Path, overrides: list[str], differences: list[str]
):
    one, two = spec_of(tmp_path), spec_of(tmp_path, MINIMAL, *overrides)
    assert one.fingerprint() != two.fingerprint()
    assert two.differences(one.to_dict()) == differences


def test_a_study_kept_by_an_earlier_version_without_a_newer_key_is_the_same_study(tmp_path: Path):
    spec = spec_of(tmp_path)
    kept = spec.to_dict()
    del kept["budget"]["failures"]
    assert spec.is_same(kept)
    assert spec.differences(kept) == []
    assert not spec_of(tmp_path, MINIMAL, "budget.failures=3").is_same(kept)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    space=spaces(finite=False),
    epochs=st.integers(1, 100),
    share=st.floats(0.01, 0.49),
    minutes=st.none() | st.floats(0.01, 1e4),
    target=st.none() | st.floats(-1e6, 1e6),
    seed=st.integers(0, 2**32 - 1),
    method=st.sampled_from(["random", "bayesian"]),
)
def test_any_spec_comes_back_from_json_as_it_was(
    space: Space, epochs: int, share: float, minutes: float | None, target: float | None, seed: int, method: str
):
    spec = StudySpec.model_validate(
        {
            "name": "any",
            "trainer": "mlp",
            "data": {"source": "iris", "split": {"validation": share, "test": share, "seed": seed}},
            "space": space,
            "objective": {"metric": "val/loss", "direction": "minimize"},
            "search": {"method": method, "seed": seed},
            "training": {"epochs": epochs, "minutes": minutes},
            "budget": {"trials": epochs, "target": target},
        }
    )
    again = StudySpec.from_dict(json.loads(json.dumps(spec.to_dict())))
    assert again == spec
    assert again.to_dict() == spec.to_dict()
    assert again.fingerprint() == spec.fingerprint()
    assert again.differences(spec.to_dict()) == []


def test_a_spec_cannot_be_changed(tmp_path: Path):
    spec = spec_of(tmp_path)
    with pytest.raises(ValueError, match="frozen"):
        spec.name = "other"  # type: ignore[misc]


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
    code = "import sys, service.spec; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"torch", "optuna", "ray", "mlflow", "pandas", "numpy"}.isdisjoint(done.stdout.split())
