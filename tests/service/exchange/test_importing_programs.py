"""Programs of other tools as study files, read and not run: what carries over, and what does not, with its line."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest

from goodfit.service.errors import InputError
from goodfit.service.exchange import python_file
from goodfit.service.exchange.importing import import_from
from tests.importing import imported, lost

RAY = """
import math
from ray import tune
from ray.tune.schedulers import ASHAScheduler

raise SystemExit("it is not run")
LOW = 1e-4

def main():
    space = {
        "lr": tune.loguniform(LOW, 10 ** -1),
        "batch": tune.choice([16, 32]),
        "layers": tune.randint(1, 5),
        "width": tune.qrandint(8, 64, 8),
        "wd": tune.quniform(0.0, 0.1, 0.01),
        "odd": tune.sample_from(lambda spec: 3),
        "model": {"depth": tune.lograndint(1, 9), "act": "relu"},
        "data": load(),
        "noise": tune.randn(0, 0.1),
    }
    tuner = tune.Tuner(
        tune.with_resources(train, {"cpu": 2}),
        param_space=space,
        tune_config=tune.TuneConfig(metric="mean_accuracy", mode="max", num_samples=20,
                                    scheduler=ASHAScheduler(max_t=40, grace_period=2, reduction_factor=3)),
    )
"""


def test_ray_tune_is_read_and_not_run(tmp_path: Path) -> None:
    draft = imported(tmp_path, RAY, "search.py")
    assert draft.to_dict() == {
        "name": "search",
        "trainer": "train.py:train",
        "space": {
            "lr": {"type": "float", "low": 1e-4, "high": 0.1, "log": True},
            "batch": [16, 32],
            "layers": {"type": "int", "low": 1, "high": 4},
            "width": {"type": "int", "low": 8, "high": 64, "step": 8},
            "wd": {"type": "float", "low": 0.0, "high": 0.1, "step": 0.01},
            "model_depth": {"type": "int", "low": 1, "high": 8, "log": True},
            "noise": {"type": "float", "low": -0.3, "high": pytest.approx(0.3)},
        },
        "fixed": {"model_act": "relu"},
        "objective": {"metric": "val/mean_accuracy", "direction": "maximize"},
        "pruning": {"method": "asha", "reduction_factor": 3, "min_resource": 2},
        "training": {"epochs": 40},
        "budget": {"trials": 20},
    }
    assert {key: lost(draft)[key] for key in ("odd", "model", "data", "noise")} == {
        "odd": 15, "model": 16, "data": 17, "noise": 18
    }  # fmt: skip


SYNE = """
from syne_tune import Tuner, StoppingCriterion
from syne_tune.config_space import randint, loguniform, finrange, ordinal
from syne_tune.optimizer.baselines import ASHA

max_epochs = 30
config_space = {
    "width": randint(1, 20),
    "lr": loguniform(1e-5, 1),
    "fraction": finrange(0.1, 1.0, 10),
    "size": ordinal([8, 16, 64]),
    "epochs": max_epochs,
}
scheduler = ASHA(config_space, metric="loss", max_t=max_epochs)
tuner = Tuner(scheduler=scheduler, stop_criterion=StoppingCriterion(max_wallclock_time=120), n_workers=4)
"""


@pytest.mark.parametrize(
    "own", ["def train(config):\n    tune.report({'mean_accuracy': 1.0})", "from mine import train"]
)
def test_what_ray_tune_tunes_is_the_trainer_where_the_file_has_it(tmp_path: Path, own: str) -> None:
    text = RAY.replace("def main", f"{own}\n\n\ndef main")
    (tmp_path / "mine.py").write_text(dedent(text))
    found = import_from(str(tmp_path / "mine.py")).to_dict()
    assert found["trainer"] == f"{tmp_path / 'mine.py'}:train"
    assert found["objective"] == {"metric": "mean_accuracy", "direction": "maximize"}
    assert {"model.depth", "lr"} < set(found["space"])
    assert found["fixed"] == {"model.act": "relu"}


POPULATION = """
import random
import numpy as np
from ray import tune
from ray.tune.schedulers import PopulationBasedTraining

def fit(config):
    tune.report({"reward": config["lr"]})

pbt = PopulationBasedTraining(
    time_attr="training_iteration",
    perturbation_interval=5,
    hyperparam_mutations={
        "lr": lambda: random.uniform(0.0001, 0.02),
        "lambda": tune.uniform(0.9, 1.0),
        "factor": [1, 2],
        "odd": lambda: 10 ** np.random.randint(-10, 0),
    },
)
tuner = tune.Tuner(
    fit,
    param_space={"lr": 0.0001, "lambda": 0.95, "epochs": 10},
    tune_config=tune.TuneConfig(scheduler=pbt, metric="reward", mode="max", num_samples=8),
    run_config=tune.RunConfig(stop={"reward": 0.9, "training_iteration": 5 if args.smoke_test else 20}),
)
tuner.fit()
"""


def test_a_population_of_ray_tune_searches_what_it_changes(tmp_path: Path) -> None:
    (tmp_path / "pbt.py").write_text(dedent(POPULATION))
    draft = import_from(str(tmp_path / "pbt.py"))
    assert draft.to_dict() == {
        "name": "pbt",
        "trainer": f"{tmp_path / 'pbt.py'}:fit",
        "space": {
            "lr": {"type": "float", "low": 0.0001, "high": 0.02},
            "lambda_": {"type": "float", "low": 0.9, "high": 1.0},
            "factor": [1, 2],
        },
        "fixed": {"epochs": 10},
        "objective": {"metric": "reward", "direction": "maximize"},
        "search": {"method": "pbt", "interval": 5, "population": 8},
        "training": {"epochs": 20},
    }
    said = [str(one) for one in draft.lost]
    assert "line 14: lr: members begin with values of its range, not all with 0.0001" in said
    assert "line 24: stop.reward: no trial ends here by a value that it reports; budget.target ends the study" in said
    assert any(one.startswith("line 17: odd: is left out: lambda: 10 ** ") for one in said)


MIXED = """
from ray import tune

def fit(config):
    tune.report({"step": 1, "loss": 1.0, "gain": 2.0})

tune.Tuner(fit, param_space={"a": tune.grid_search([1, 2]), SPACE}, tune_config=CONFIG).fit()
"""


@pytest.mark.parametrize(
    ("space", "config", "search", "objective", "said"),
    [
        ('"b": tune.uniform(0, 1)', 'tune.TuneConfig(metric=["loss", "gain"], mode=["min", "max"])', {},
         [{"metric": "loss", "direction": "minimize"}, {"metric": "gain", "direction": "maximize"}],
         "line 6: a: grid_search beside ranges: its values are drawn as those are, and not each of them in turn"),
        ('"b": 3', "None", {"method": "grid"}, {"metric": "loss", "direction": "minimize"},
         "line 4: objective: the file names no metric; loss, which is reported here, is a guess"),
        ('"b": 5 if args.smoke_test else 100', "tune.TuneConfig(metric='loss', num_samples=1 if args.test else 7)",
         {"method": "grid"}, {"metric": "loss", "direction": "minimize"},
         "line 6: b: 5 if args.smoke_test else 100: the script's switches are off here"),
    ],
)  # fmt: skip
def test_grids_and_objectives_of_ray_tune(
    tmp_path: Path, space: str, config: str, search: dict[str, str], objective: object, said: str
) -> None:
    (tmp_path / "mixed.py").write_text(MIXED.lstrip("\n").replace("SPACE", space).replace("CONFIG", config))
    draft = import_from(str(tmp_path / "mixed.py"))
    assert (draft.sections.get("search", {}), draft.to_dict()["objective"]) == (search, objective)
    assert said in [str(one) for one in draft.lost]


SYNE_OTHERS = """
import numpy as np
from syne_tune.config_space import uniform
config_space = {"steps": 27, "theta": uniform(0, np.pi / 2)}
scheduler = SCHEDULER
"""


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [
        ('MOASHA(config_space, metrics=["y1", "y2"], max_t=27)',
         {"objective": [{"metric": "val/y1", "direction": "minimize"}, {"metric": "val/y2", "direction": "minimize"}],
          "pruning": {"method": "asha", "reduction_factor": 3}, "training": {"epochs": 27}}),
        ('FIFOScheduler(config_space, searcher="bayesopt_constrained", search_options={"constraint_attr": "c"}, '
         'metric="y", mode="max", random_seed=7)',
         {"objective": {"metric": "val/y", "direction": "maximize"}, "constraints": ["val/c <= 0"],
          "search": {"method": "bayesian", "seed": 7}}),
        ('PopulationBasedTraining(config_space=config_space, metric="y", population_size=2, do_minimize=False, '
         "max_t=200, perturbation_interval=3)",
         {"objective": {"metric": "val/y", "direction": "maximize"}, "training": {"epochs": 200},
          "search": {"method": "pbt", "population": 2, "interval": 3}}),
    ],
)  # fmt: skip
def test_other_schedulers_of_syne_tune(tmp_path: Path, scheduler: str, expected: dict[str, object]) -> None:
    (tmp_path / "launch.py").write_text(SYNE_OTHERS.replace("SCHEDULER", scheduler))
    found = import_from(str(tmp_path / "launch.py")).to_dict()
    assert found["space"] == {"theta": {"type": "float", "low": 0.0, "high": pytest.approx(1.5708, rel=1e-4)}}
    assert {key: found[key] for key in expected} == expected


def test_syne_tune_is_read_and_not_run(tmp_path: Path) -> None:
    draft = imported(tmp_path, SYNE, "launch.py")
    assert draft.to_dict() == {
        "name": "launch",
        "trainer": "train.py:train",
        "space": {
            "width": {"type": "int", "low": 1, "high": 20},
            "lr": {"type": "float", "low": 1e-5, "high": 1.0, "log": True},
            "fraction": {"type": "float", "low": 0.1, "high": 1.0, "step": pytest.approx(0.1)},
            "size": [8, 16, 64],
        },
        "objective": {"metric": "val/loss", "direction": "minimize"},
        "pruning": {"method": "asha", "reduction_factor": 3},
        "training": {"epochs": 30},
        "budget": {"minutes": 2.0},
        "resources": {"parallel": 4},
    }


SWEEP = """
import math
import wandb

parameters = {"lr": {"distribution": "log_uniform", "min": math.log(1e-4), "max": math.log(1e-1)}}
config = {
    "method": "bayes",
    "metric": {"name": "val_loss", "goal": "minimize"},
    "parameters": {**parameters, "size": {"values": [1, 2]}, "odd": {"values": sizes()}},
    "project": "mine",
}
wandb.agent(wandb.sweep(config), function=train)
"""


def test_a_sweep_that_a_script_gives_to_wandb_is_read_and_not_run(tmp_path: Path) -> None:
    draft = imported(tmp_path, SWEEP, "sweep.py")
    assert draft.to_dict() == {
        "name": "sweep",
        "trainer": "train.py:train",
        "space": {"lr": {"type": "float", "low": 1e-4, "high": 0.1, "log": True}, "size": [1, 2]},
        "objective": {"metric": "val/loss", "direction": "minimize"},
        "search": {"method": "bayesian"},
        "pruning": {"method": "none"},
        "training": {"epochs": 10},
        "budget": {"trials": 50},
    }
    assert {key: line for key, line in lost(draft).items() if line} == {
        "metric.name": 7, "parameters.odd.values": 8, "odd": 8, "project": 9
    }  # fmt: skip


def test_a_space_of_syne_tune_in_json(tmp_path: Path) -> None:
    space = {
        "lr": {
            "domain_cls": "Float", "domain_kwargs": {"lower": 1e-4, "upper": 0.1}, "sampler_cls": "LogUniform",
            "sampler_kwargs": {},
        },
        "n": {"domain_cls": "Integer", "domain_kwargs": {"lower": 1, "upper": 9}},
        "act": {"domain_cls": "Categorical", "domain_kwargs": {"categories": ["relu", "gelu"]}},
        "epochs": 9,
    }  # fmt: skip
    text = json.dumps({"metric_names": ["acc"], "metric_mode": "max", "config_space": space})
    found = imported(tmp_path, text, "metadata.json").to_dict()
    assert found["space"] == {
        "lr": {"type": "float", "low": 1e-4, "high": 0.1, "log": True},
        "n": {"type": "int", "low": 1, "high": 9},
        "act": ["relu", "gelu"],
    }
    assert found["objective"] == {"metric": "val/acc", "direction": "maximize"}
    assert found["training"] == {"epochs": 9}


def test_names_that_stand_for_more_and_more_are_refused_in_bounded_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(python_file, "MOST_VALUES", 10_000)
    lines = [f"d{place} = {{'a': d{place - 1}, 'b': d{place - 1}}}" for place in range(1, 40)]
    file = tmp_path / "doubling.py"
    file.write_text("\n".join(["from ray import tune", "d0 = {'a': 1}", *lines, "tune.Tuner(f, param_space=d39)"]))
    with pytest.raises(InputError, match=r"doubling.py: line \d+: has more than 10,000 values"):
        import_from(str(file))
