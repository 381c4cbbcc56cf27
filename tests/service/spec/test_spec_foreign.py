"""Study files whose trainer is written for Ray Tune or Optuna: no space, metrics without a split, and what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodfit.search_spaces import Fixed, Float, Int, Space
from goodfit.service.app.notes import notes_of
from goodfit.service.errors import StudyFileError
from goodfit.service.spec import StudySpec, read
from goodfit.service.spec.pruning import AutoPruning, MedianPruning, NoPruning

RAY = """
import argparse
from ray import tune

LAYERS = {"width": tune.randint(8, 65), "optimizer": {"lr": tune.loguniform(1e-4, 1e-1), "name": "adam"}}
Other = {"depth": tune.randint(1, 4)}

def train(config):
    tune.report({"loss": config["optimizer"]["lr"]})

class Train(tune.Trainable):
    def step(self):
        return {"loss": 1.0}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    args, _ = parser.parse_known_args()
    space = {
        "steps": 5 if args.smoke_test else 100,
        "width": tune.uniform(0, 20),
    }
    tune.Tuner(tune.with_resources(train, {"cpu": 2}), param_space=space, tune_config=None).fit()
"""
OPTUNA = "import optuna\ndef objective(trial):\n    return trial.suggest_float('x', 0, 1)\n"
STUDY = """\
name: a-study
trainer: theirs.py:NAME
objective: {metric: METRIC, direction: minimize}
training: {epochs: 5}
budget: {trials: 4}
"""


def spec_of(folder: Path, text: str, name: str, metric: str = "loss", more: str = "") -> StudySpec:
    (folder / "theirs.py").write_text(text)
    (folder / "study.yaml").write_text(STUDY.replace("NAME", name).replace("METRIC", metric) + more)
    return read(folder / "study.yaml")


def problems_of(folder: Path, text: str, name: str, metric: str = "loss", more: str = "") -> list[str]:
    with pytest.raises(StudyFileError) as caught:
        spec_of(folder, text, name, metric, more)
    return [f"{problem.key}: {problem.text}" for problem in caught.value.problems]


def test_the_space_of_the_script_is_that_of_the_study(tmp_path: Path):
    spec = spec_of(tmp_path, RAY, "train")
    assert spec.space == Space((Fixed("steps", 100), Float("width", 0.0, 20.0)))
    assert (spec.open_space, spec.last_counts, spec.objective.metric) == (False, False, "loss")
    assert isinstance(spec.pruning, AutoPruning)
    assert StudySpec.from_dict(spec.to_dict()) == spec


def test_another_mapping_is_named_by_path_and_name(tmp_path: Path):
    spec = spec_of(tmp_path, RAY, "train", more="space: theirs.py:LAYERS\nfixed: {width: 16}\n")
    assert spec.space.names == ("width", "optimizer.lr", "optimizer.name")
    assert spec.space["width"] == Fixed("width", 16)


def test_without_a_tuner_the_mapping_of_the_module_is_taken(tmp_path: Path):
    text = (
        "from ray import tune\nparam_space = {'a-b': tune.randint(1, 4)}\ndef train(config): tune.report({'loss': 1})"
    )
    assert spec_of(tmp_path, text, "train").space == Space((Int("a-b", 1, 3),))


def test_parameters_of_the_study_file_take_the_place_of_all_of_it(tmp_path: Path):
    spec = spec_of(tmp_path, RAY, "Train", more="space: {optimizer.inner.lr: {type: float, low: 0, high: 1}}\n")
    assert spec.space.names == ("optimizer.inner.lr",)


def test_what_carries_over_in_another_form_is_noted(tmp_path: Path):
    text = "from ray import tune\nspace = {'a': tune.grid_search([1, 2])}\ndef train(config): tune.report({'loss': 1})"
    assert "a: grid_search: one of its values is chosen" in notes_of(spec_of(tmp_path, text, "train"))[0]
    grid = spec_of(tmp_path, text, "train", more="search: {method: grid}\n")
    assert not any("grid_search" in note for note in notes_of(grid))


TUNER = "\nif __name__ == '__main__':\n    tune.Tuner(train, param_space={'a': tune.uniform(0, 1), ENTRY})"
BARE = "from ray import tune\ndef train(config): tune.report({'loss': 1})"


@pytest.mark.parametrize(
    ("entry", "wrong"),
    [
        ("'b': tune.sample_from(lambda c: c['a'] * 2)", "space: b: sample_from: a function does not carry over"),
        ("'b': tune.randn(0, 1)", "space: b: a normal distribution"),
        ("'b': load()", "space: b: it is known only when the script runs; give it under `fixed:`"),
        ("'b': {'c': args.rate, 'd': 3}", "space: b.c: it is known only when the script runs"),
        ("**more", "space: param_space: it is known only when"),
    ],
)
def test_what_does_not_carry_over_is_named_unless_it_is_fixed(tmp_path: Path, entry: str, wrong: str):
    text = BARE + TUNER.replace("ENTRY", entry)
    (problem,) = problems_of(tmp_path, text, "train")
    assert problem.startswith(wrong)
    if not entry.startswith("**"):
        name = problem.split(": ")[1]
        assert name in spec_of(tmp_path, text, "train", more=f"fixed: {{{name}: 0.5}}\n").space


def test_an_objective_needs_no_space_and_is_searched_by_what_can_learn_it(tmp_path: Path):
    spec = spec_of(tmp_path, OPTUNA, "objective", "value", "search: {start_from: [{x: 0.5}]}\n")
    assert (len(spec.space), spec.open_space, spec.last_counts) == (0, True, True)
    assert (spec.search.method, spec.pruning) == ("bayesian", MedianPruning())
    assert spec.planned_trials() == 4
    again = {**spec.to_dict(), "space": [{"name": "x", "type": "float", "low": 0.0, "high": 1.0}]}
    assert spec.is_same(again)
    assert spec.search.start_from == ({"x": 0.5},)


def test_an_objective_that_returns_several_values_has_several_objectives(tmp_path: Path):
    several = "[{metric: loss, direction: minimize}, {metric: params, direction: maximize}]"
    (tmp_path / "theirs.py").write_text(OPTUNA)
    text = STUDY.replace("NAME", "objective").replace("{metric: METRIC, direction: minimize}", several)
    (tmp_path / "study.yaml").write_text(text)
    spec = read(tmp_path / "study.yaml")
    assert [one.metric for one in spec.goal.all] == ["loss", "params"]
    assert (spec.search.method, spec.pruning) == ("bayesian", NoPruning())
    (tmp_path / "study.yaml").write_text(text.replace("params", "epoch_seconds"))
    with pytest.raises(StudyFileError, match="is epoch_seconds, which is measured and not returned"):
        read(tmp_path / "study.yaml")


def test_an_objective_with_a_space_is_searched_like_any_other(tmp_path: Path):
    more = "space: {x: {type: float, low: 0, high: 1, points: 3}}\nsearch: {method: grid}\n"
    spec = spec_of(tmp_path, OPTUNA, "objective", "value", more)
    assert (spec.open_space, spec.last_counts, spec.search.method) == (False, True, "grid")


@pytest.mark.parametrize(
    ("text", "name", "metric", "more", "wrong"),
    [
        (OPTUNA, "objective", "loss", "", "objective.metric: is loss; an Optuna objective is judged by what"),
        (OPTUNA, "objective", "value", "search: {method: grid}\n", "search.method: grid has to know the space"),
        (OPTUNA, "objectiv", "value", "", "trainer: "),
        (RAY, "train", "test/loss", "", "objective.metric: test/loss would search on the test split"),
        (RAY, "train", "loss", "space: theirs.py:Oter\n", "space: "),
        (RAY, "train", "loss", "space: theirs.py:train\n", "space: "),
        (RAY, "train", "loss", "space: their.py:LAYERS\n", "space: "),
        (BARE, "train", "loss", "", "space: is missing"),
        ("def train(trial):\n    for _ in trial.epochs(): pass", "train", "loss", "space: {a: [1, 2]}\n",
         "objective.metric: loss does not name its split; did you mean val/loss?"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path: Path, text: str, name: str, metric: str, more: str, wrong: str):
    (problem,) = problems_of(tmp_path, text, name, metric, more)
    assert problem.startswith(wrong)


def test_a_study_without_an_end_is_refused(tmp_path: Path):
    (tmp_path / "theirs.py").write_text(OPTUNA)
    file = tmp_path / "study.yaml"
    file.write_text(STUDY.replace("NAME", "objective").replace("METRIC", "value").replace("budget: {trials: 4}\n", ""))
    with pytest.raises(StudyFileError, match="trials, epochs or minutes"):
        read(file)


WRAPPED = """
from ray import tune

def given(config, data):
    tune.report({"loss": config["x"]})

class Train(tune.Trainable):
    def setup(self, config, data): ...

    @classmethod
    def default_resource_request(cls, config):
        return tune.PlacementGroupFactory([{"CPU": config["workers"]}])

param_space = {"x": tune.uniform(0, 1)}
train = tune.with_resources(tune.with_parameters(given, data=[1]), {"cpu": 2, "gpu": 0.5, "memory": 1e9, "tpu": 1})
kind = tune.with_parameters(Train, data=[1])
one = tune.with_resources(kind, {"cpu": 3})
two = tune.with_resources(kind, tune.PlacementGroupFactory([{"CPU": 1}, {"CPU": 1}]))
odd = tune.with_resources(kind, {"gpu": 1.5})
"""


IN_TUNER = """
from ray import tune

def train(config):
    tune.report({"loss": config["x"]})

if __name__ == "__main__":
    space = {"x": tune.uniform(0, 1)}
    wrapped = tune.with_resources(train, REQUEST)
    tune.Tuner(wrapped, param_space=space).fit()
"""


@pytest.mark.parametrize(
    ("request_", "amounts"),
    [
        ('{"cpu": 2, "gpu": 0.5}', {"cpus": 2, "gpus": 0.5}),
        ('resources=tune.PlacementGroupFactory([{"CPU": 3}])', {"cpus": 3}),
        ("elsewhere()", {"cpus": 1}),
    ],
)
def test_what_a_script_requests_where_it_starts_its_search_is_taken(
    tmp_path: Path, request_: str, amounts: dict[str, float]
):
    spec = spec_of(tmp_path, IN_TUNER.replace("REQUEST", request_), "train")
    assert {key: value for key, value in spec.resources.amounts.items() if value} == amounts


@pytest.mark.parametrize(
    ("name", "more", "amounts", "note"),
    [
        ("train", "", {"cpus": 2, "gpus": 0.5, "tpu": 1}, "each trial takes CPU 2, GPU 0.5, memory 1e+09, tpu 1, as "
         "the trainer requests, without memory, which trials here do not reserve; `resources:` changes it"),
        ("train", "resources: {cpus: 1}\n", {"cpus": 1}, "the trainer requests CPU 2, GPU 0.5, memory 1e+09, tpu 1 "
         "for a trial: not used, as `resources:` gives cpus"),
        ("kind", "", {"cpus": 1}, "the trainer requests resources that depend on its configuration: not used; "
         "write `resources: {cpus: ..., gpus: ...}`"),
        ("one", "resources: {parallel: 2}\n", {"cpus": 3}, "each trial takes CPU 3, as the trainer requests; "
         "`resources:` changes it"),
        ("two", "", {"cpus": 1}, "the trainer requests 2 bundles of resources for a trial, and a trial has one worker: "
         "not used; write `resources: {cpus: ..., gpus: ...}`"),
        ("odd", "", {"cpus": 1}, "the trainer requests GPU 1.5 for a trial: not used, because gpus is 1.5; above 1 it "
         "must be a whole number"),
    ],
)  # fmt: skip
def test_a_wrapped_trainable_has_the_space_of_its_script_and_its_resources(
    tmp_path: Path, name: str, more: str, amounts: dict[str, float], note: str
):
    spec = spec_of(tmp_path, WRAPPED, name, more=more)
    assert spec.space == Space((Float("x", 0.0, 1.0),))
    assert {key: value for key, value in spec.resources.amounts.items() if value} == amounts
    assert note in notes_of(spec)
