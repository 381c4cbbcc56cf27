"""Files of other tools as study files: what carries over, and what does not, with its line."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.search_spaces.document import read_text
from goodfit.search_spaces.parse import parse_space
from goodfit.service.errors import GoodfitError, InputError
from goodfit.service.exchange.draft import flow
from goodfit.service.exchange.importing import import_from
from tests.importing import imported, lost

SWEEP = """
program: tools/fit.py
name: my sweep/1
project: vision
method: bayes
metric: {name: val_loss, goal: minimize}
run_cap: 30
parameters:
  a: {min: 1, max: 8}
  b: {min: 0.1, max: 0.9}
  c: {distribution: log_uniform, min: -9.2103, max: -2.3026}
  d: {distribution: log_uniform_values, min: 1e-5, max: 1e-1}
  e: {distribution: q_uniform, min: 0, max: 1, q: 0.05}
  f: {distribution: q_log_uniform_values, min: 8, max: 256, q: 8}
  g: {distribution: normal, mu: 0.5, sigma: 0.1}
  h: {values: [relu, gelu], probabilities: [0.9, 0.1]}
  i: {value: 3}
  j: {distribution: constant, value: off}
  deep:
    parameters:
      lr: {min: 0.1, max: 0.2}
      more: {parameters: {x: {values: [1, 2]}}}
  epochs: {value: 27}
  k-l: {values: [[8, 8], [16]]}
  m: {distribution: q_log_uniform, min: 3.4657359, max: 5.5451774, q: 1}
  n: {distribution: mystery, min: 0, max: 1}
early_terminate: {type: hyperband, s: 2, eta: 3, max_iter: 27, strict: true}
command:
  - ${program}
"""


def test_a_sweep_carries_over_and_says_what_does_not(tmp_path: Path) -> None:
    draft = imported(tmp_path, SWEEP)
    assert draft.to_dict() == {
        "name": "my-sweep-1",
        "trainer": "tools/fit.py:train",
        "space": {
            "a": {"type": "int", "low": 1, "high": 8},
            "b": {"type": "float", "low": 0.1, "high": 0.9},
            "c": {
                "type": "float",
                "low": pytest.approx(1e-4, rel=1e-3),
                "high": pytest.approx(0.1, rel=1e-3),
                "log": True,
            },
            "d": {"type": "float", "low": 1e-5, "high": 0.1, "log": True},
            "e": {"type": "float", "low": 0.0, "high": 1.0, "step": 0.05},
            "f": {"type": "int", "low": 8, "high": 256, "log": True},
            "g": {"type": "float", "low": pytest.approx(0.2), "high": pytest.approx(0.8)},
            "h": ["relu", "gelu"],
            "deep_lr": {"type": "float", "low": 0.1, "high": 0.2},
            "deep_more_x": [1, 2],
            "k_l": [[8, 8], [16]],
            "m": {"type": "int", "low": 32, "high": 256, "log": True},
        },
        "fixed": {"i": 3, "j": False},
        "objective": {"metric": "val/loss", "direction": "minimize"},
        "search": {"method": "bayesian"},
        "pruning": {"method": "hyperband", "min_resource": 3, "reduction_factor": 3},
        "training": {"epochs": 27},
        "budget": {"trials": 30},
    }
    assert lost(draft) == {
        "program": 1, "project": 3, "metric.name": 5, "f": 13, "g": 14, "h": 15, "deep": 18, "deep.lr": 20,
        "deep.more": 21, "deep.more.x": 21, "epochs": 22, "k-l": 23, "n": 25, "early_terminate.strict": 26,
        "command": 27,
    }  # fmt: skip
    assert "#   line 3: project: does not carry over" in draft.to_yaml()


@pytest.mark.parametrize(
    ("text", "space", "extra"),
    [
        ("method: grid\nparameters:\n  x: {values: [1, 2]}\n", {"x": [1, 2]}, {"search": {"method": "grid"}}),
        ("method: random\nparameters: {x: {values: [0.5]}, y: {min: 1, max: 2}}\n", {"y": {}}, {"fixed": {"x": 0.5}}),
        ("method: bayes\nparameters: {x: {min: !!float 1e-5, max: 0.1}}\n", {"x": {}}, {}),
        ('{"method": "random", "parameters": {"x": {"values": [true, false]}}}', {"x": [True, False]}, {}),
        ("method: custom\nparameters: {x: {min: 0.0, max: 1}}\n", {"x": {}}, {"search": {"method": "auto"}}),
    ],
)
def test_small_sweeps(tmp_path: Path, text: str, space: dict[str, Any], extra: dict[str, Any]) -> None:
    found = imported(tmp_path, text).to_dict()
    assert {key: value if space.get(key) else {} for key, value in found["space"].items()} == space
    assert {key: found[key] for key in extra} == extra


SEVERAL = """
method: ax
metrics:
  - {name: accuracy, goal: maximize, threshold: 0.94}
  - {name: train/latency, goal: minimize}
metric_constraints: ["memory <= 512", "val/size >= 2", "odd"]
parameters: {x: {min: 0.0, max: 1.0}}
"""


def test_a_sweep_of_several_metrics_with_constraints(tmp_path: Path) -> None:
    draft = imported(tmp_path, SEVERAL)
    found = draft.to_dict()
    assert found["objective"] == [
        {"metric": "val/accuracy", "direction": "maximize"},
        {"metric": "train/latency", "direction": "minimize"},
    ]
    assert found["constraints"] == ["val/memory <= 512", "val/size >= 2"]
    said = [str(one) for one in draft.lost]
    assert "line 3: metrics.0.threshold: the front is shown and measured without a reference point of yours" in said
    assert "line 5: metric_constraints: is left out: 'odd' is not METRIC <= NUMBER or METRIC >= NUMBER" in said


def test_the_epochs_of_a_run_are_its_own_and_not_the_last_that_hyperband_looks_at(tmp_path: Path) -> None:
    early = "early_terminate: {type: hyperband, max_iter: 10, s: 2}\n"
    text = f"method: random\nparameters: {{x: {{min: 0.0, max: 1}}, epochs: {{value: 20}}}}\n{early}"
    draft = imported(tmp_path, text)
    assert draft.sections["training"] == {"epochs": 20}
    assert "line 2: epochs: is training.epochs here; a trainer has it as trial.epochs_total" in map(str, draft.lost)


EXPERIMENT = """
---
# what it is
apiVersion: kubeflow.org/v1beta1
kind: Experiment
metadata: {namespace: kubeflow, name: tune-it}
spec:
  parallelTrialCount: 2
  maxTrialCount: 12
  maxFailedTrialCount: 3
  objective:
    type: maximize
    goal: 0.99
    objectiveMetricName: Validation-accuracy
    additionalMetricNames: [Train-accuracy]
  algorithm:
    algorithmName: tpe
    algorithmSettings:
      - {name: random_state, value: "10"}
      - {name: gamma, value: "0.25"}
  earlyStopping:
    algorithmName: medianstop
    algorithmSettings:
      - {name: min_trials_required, value: "1"}
      - {name: start_step, value: "2"}
  parameters:
    - {name: lr, parameterType: double, feasibleSpace: {min: "0.01", max: "0.5", distribution: logUniform}}
    - {name: num-layers, parameterType: int, feasibleSpace: {min: "2", max: "10", step: "2"}}
    - {name: width, parameterType: discrete, feasibleSpace: {list: ["16", "32"]}}
    - {name: optimizer, parameterType: categorical, feasibleSpace: {list: [sgd, adam]}}
    - {name: m, parameterType: double, feasibleSpace: {min: "0.1", max: "0.9", distribution: normal}}
    - {name: one, parameterType: int, feasibleSpace: {min: "1", max: "1"}}
    - {name: broken, parameterType: int, feasibleSpace: {min: "x", max: "1"}}
  trialTemplate:
    primaryContainerName: c
"""


def test_an_experiment_of_katib_carries_over_and_says_what_does_not(tmp_path: Path) -> None:
    draft = imported(tmp_path, EXPERIMENT)
    assert draft.to_dict() == {
        "name": "tune-it",
        "trainer": "train.py:train",
        "space": {
            "lr": {"type": "float", "low": 0.01, "high": 0.5, "log": True},
            "num_layers": {"type": "int", "low": 2, "high": 10, "step": 2},
            "width": [16, 32],
            "optimizer": ["sgd", "adam"],
            "m": {"type": "float", "low": 0.1, "high": 0.9},
        },
        "fixed": {"one": 1},
        "objective": {"metric": "val/accuracy", "direction": "maximize"},
        "search": {"method": "bayesian", "seed": 10},
        "pruning": {"method": "median", "n_startup_trials": 1, "n_warmup_steps": 2},
        "training": {"epochs": 10},
        "budget": {"target": 0.99, "trials": 12, "failures": 3},
        "resources": {"parallel": 2},
    }
    assert lost(draft) == {
        "metadata.namespace": 5, "maxFailedTrialCount": 9, "objectiveMetricName": 13,
        "spec.objective.additionalMetricNames": 14, "gamma": 19,
        "num-layers": 27, "m": 30, "broken": 32, "spec.trialTemplate": 33, "training.epochs": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("algorithm", "objective", "metric", "why"),
    [
        ("cmaes", "loss", "val/loss", "width is a choice, and cmaes searches numbers alone; the search is auto"),
        ("grid", "valid_1 auc", "val/valid_1_auc", None),
    ],
)
def test_a_method_that_does_not_fit_the_space_gives_way(
    tmp_path: Path, algorithm: str, objective: str, metric: str, why: str | None
) -> None:
    text = EXPERIMENT.replace("algorithmName: tpe", f"algorithmName: {algorithm}")
    draft = imported(
        tmp_path, text.replace("objectiveMetricName: Validation-accuracy", f"objectiveMetricName: {objective}")
    )
    assert draft.sections["search"]["method"] == ("auto" if why else algorithm)
    assert draft.objectives[0].metric == metric
    assert why is None or f"search.method: {why}" in [str(one) for one in draft.lost]


def test_a_population_of_katib_gets_what_a_study_of_one_needs(tmp_path: Path) -> None:
    settings = "[{name: n_population, value: '40'}, {name: truncation_threshold, value: '0.2'}]"
    text = f"""
        apiVersion: kubeflow.org/v1beta1
        kind: Experiment
        spec:
          algorithm: {{algorithmName: pbt, algorithmSettings: {settings}}}
          maxTrialCount: 10
          parameters: [{{name: lr, parameterType: double, feasibleSpace: {{min: "0.1", max: "0.2"}}}}]
        """
    (tmp_path / "pbt.yaml").write_text(dedent(text))
    draft = import_from(str(tmp_path / "pbt.yaml"))
    assert draft.sections["search"] == {"method": "pbt", "population": 40, "interval": 2}
    assert "budget" not in draft.to_dict()
    said = [str(one) for one in draft.lost]
    assert "search.interval: the file does not say it; 2 is a guess" in said
    assert any(one.startswith("budget.trials: 10 are fewer than the members") for one in said)


def test_an_experiment_that_searches_an_architecture_is_refused_with_its_line(tmp_path: Path) -> None:
    text = "apiVersion: kubeflow.org/v1beta1\nkind: Experiment\nspec:\n  objective: {type: maximize}\n  nasConfig: {}\n"
    with pytest.raises(InputError, match=r"line 5: nasConfig searches an architecture, not hyperparameters"):
        imported(tmp_path, text)


DETERMINED = """
name: mnist adaptive
data: {url: "https://example.com/x.tgz"}
hyperparameters:
  global_batch_size: 64
  hidden: {type: int, minval: 8, maxval: 64}
  learning_rate: {type: log, minval: -5.0, maxval: -1.0, base: 10.0}
  dropout: {type: double, minval: 0.1, maxval: 0.5, count: 5}
  activation: {type: categorical, vals: [relu, gelu]}
  kind: {type: const, val: a}
  optimizer:
    name: {type: categorical, vals: [sgd, adam]}
    momentum: 0.9
searcher:
  name: adaptive_asha
  metric: val_acc
  smaller_is_better: false
  max_trials: 16
  max_length: {epochs: 20}
  divisor: 3
  mode: aggressive
entrypoint: model_def:Trial
resources: {slots_per_trial: 2}
max_restarts: 5
"""


def test_a_configuration_of_determined_carries_over_and_says_what_does_not(tmp_path: Path) -> None:
    draft = imported(tmp_path, DETERMINED)
    assert draft.to_dict() == {
        "name": "mnist-adaptive",
        "trainer": "train.py:train",
        "space": {
            "hidden": {"type": "int", "low": 8, "high": 64},
            "learning_rate": {"type": "float", "low": 1e-5, "high": 0.1, "log": True},
            "dropout": {"type": "float", "low": 0.1, "high": 0.5, "points": 5},
            "activation": ["relu", "gelu"],
            "optimizer_name": ["sgd", "adam"],
        },
        "fixed": {"global_batch_size": 64, "kind": "a", "optimizer_momentum": 0.9},
        "objective": {"metric": "val/acc", "direction": "maximize"},
        "search": {"method": "random"},
        "pruning": {"method": "asha", "reduction_factor": 3},
        "training": {"retries": 5, "epochs": 20},
        "budget": {"trials": 16},
        "resources": {"gpus": 2},
    }
    assert lost(draft) == {
        "data": 2, "optimizer": 10, "optimizer.name": 11, "optimizer.momentum": 12, "searcher.metric": 15,
        "searcher.mode": 20, "entrypoint": 21,
    }  # fmt: skip


def test_batches_are_epochs_where_a_configuration_of_determined_says_how_many_rows_one_has(tmp_path: Path) -> None:
    text = DETERMINED.replace("{epochs: 20}", "{batches: 30000}").replace("max_restarts: 5", "max_restarts: 0")
    draft = imported(tmp_path, text + "records_per_epoch: 60000\n")
    assert draft.sections["training"] == {"retries": 0, "epochs": 32}
    assert "line 18: searcher.max_length: 30000 batches are 32 epochs, by records_per_epoch" in map(str, draft.lost)


def test_a_configuration_that_searches_nothing_is_a_study_of_one_configuration(tmp_path: Path) -> None:
    text = "hyperparameters: {a: 1, b: {type: const, val: x}}\nsearcher: {name: single, metric: loss}\n"
    draft = imported(tmp_path, text)
    assert draft.space == {"a": {"type": "fixed", "value": 1}, "b": {"type": "fixed", "value": "x"}}
    assert draft.sections["budget"] == {"trials": 1}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.yaml", "method: grid\nparameters: {epochs: {value: 2}}\n", "has no parameters that carry over"),
        (
            "x.yaml",
            "method: grid\nparameters: {a: {distribution: q_log_uniform_values, min: 0.1, max: 0.3}}\n",
            "a: is left out: low 1 is above high 0",
        ),
        ("x.yaml", "a: 1\n", "Looked for Katib experiment: apiVersion: kubeflow.org/..., kind: Experiment"),
        ("x.yaml", "- 1\n", "W&B sweep: method, parameters"),
        ("x.yaml", "", "is no file that is known"),
        ("x.yaml", "<!doctype html><p>", "is a web page, not a file"),
        ("x.yaml", "a: [1\n", "x.yaml:2: is not YAML"),
        ("x.yaml", "method: grid\nparameters: {a: {min: 2}}\n", "a: is left out: its range cannot be read"),
        ("x.py", "import optuna\ndef f(trial): ...\n", "is a script for Optuna, whose objective is a trainer as it is"),
        ("x.py", "print(1)\n", "has no dictionary of hyperparameters with distributions of Syne Tune"),
        ("x.py", "def f(:\n", "line 1: is not Python"),
        ("x.ipynb", "{}", "is a notebook; save its search as a .py file"),
    ],
)
def test_what_is_unknown_is_refused_with_what_was_looked_for(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        import_from(str(tmp_path / name))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere.yaml", "there is no such file"),
        ("ftp://example.com/x", "only http, https and Optuna's storages are read"),
        ("http://127.0.0.1:9/x.yaml", "cannot be reached"),
        ("sqlite:///nowhere.db", "there is no file nowhere.db"),
        ("optuna+journal://nowhere.log", "there is no file nowhere.log"),
    ],
)
def test_what_is_not_there_is_refused(source: str, message: str) -> None:
    with pytest.raises(InputError, match=message.replace("'", ".")):
        import_from(source)


def test_every_name_that_a_file_may_have_becomes_one_of_a_study(tmp_path: Path) -> None:
    names = ["lambda", "1st", "a-b", "a_b", "größe", "x.y", "", "epochs"]
    text = json.dumps({"method": "random", "parameters": {name: {"values": [1, 2]} for name in names}})
    found = imported(tmp_path, text, "sweep.json")
    assert list(found.space) == ["lambda_", "_1st", "a_b", "a_b_2", "gr_e", "x_y", "parameter"]
    assert found.sections["training"] == {"epochs": 2}


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=5), st.sampled_from(["wandb", "katib", "determined"]))
def test_whatever_a_file_has_is_imported_or_refused(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any], tool: str
) -> None:
    whole: dict[str, Any] = {
        "wandb": {"method": "bayes", "parameters": values},
        "katib": {"apiVersion": "kubeflow.org/v1", "kind": "Experiment", "spec": {"parameters": list(values.values())}},
        "determined": {"searcher": {"name": "grid", **values}, "hyperparameters": values},
    }[tool]
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_text(json.dumps(whole))
    try:
        draft = import_from(str(file))
    except GoodfitError:
        return
    problems: list[Any] = []
    parse_space(read_text(draft.to_yaml()).value["space"], problems) if draft.space else None  # type: ignore[index]
    assert problems == []


@given(VALUES)
def test_a_value_in_one_line_reads_as_itself(value: Any) -> None:
    assert read_text(f"a: {flow(value)}\n").value == {"a": value}
