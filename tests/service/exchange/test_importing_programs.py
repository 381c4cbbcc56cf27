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
        "pruning": {"method": "asha"},
        "training": {"epochs": 30},
        "budget": {"minutes": 2.0},
        "resources": {"parallel": 4},
    }


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
