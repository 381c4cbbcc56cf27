"""For whose trial a function was written, told by its code."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.recognition import Api
from goodfit.trainers.registry import resolve


@pytest.mark.parametrize(
    ("text", "name", "api"),
    [
        ("def f(trial):\n    for _ in trial.epochs(): trial.report(train={'loss': 1})", "f", Api.GOODFIT),
        ("import optuna\ndef f(trial):\n    for _ in trial.epochs(): raise optuna.TrialPruned", "f", Api.GOODFIT),
        ("def f(trial):\n    trial.suggest_float('a', 0, 1)\n    for _ in trial.epochs(): pass", "f", Api.GOODFIT),
        ("def f(trial): return trial.suggest_float('x', 0, 1)", "f", Api.OPTUNA),
        ("f = lambda trial: trial.suggest_int('x', 0, 1)", "f", Api.OPTUNA),
        ("def model(trial): return trial.suggest_int('x', 0, 1)\ndef f(trial): return model(trial)", "f", Api.OPTUNA),
        ("class O:\n    def __call__(self, t): return t.suggest_int('x', 0, 1)\nf = O()", "f", Api.OPTUNA),
        ("import functools\ndef g(trial, k): return trial.suggest_int('x', 0, k)\nf = functools.partial(g, k=2)", "f",
         Api.OPTUNA),
        ("from ray import tune\ndef f(config): tune.report({'a': 1})", "f", Api.RAY_FUNCTION),
        ("from ray.tune import report\ndef f(config):\n    def g(): report({'a': 1})\n    g()", "f", Api.RAY_FUNCTION),
        ("def f(config):\n    import ray.tune\n    ray.tune.report({'a': 1})", "f", Api.RAY_FUNCTION),
        ("def f(config):\n    from ray import tune\n    tune.report({'a': 1})", "f", Api.RAY_FUNCTION),
        ("from ray import tune\ndef f(config): return {'a': config['b']}", "f", Api.RAY_FUNCTION),
        ("import ray.tune\ndef f(config): return {'a': config['b']}", "f", Api.RAY_FUNCTION),
        ("from ray import tune\nclass F(tune.Trainable): pass", "F", Api.RAY_CLASS),
        ("from ray import tune\ndef f(trial): trial.report(val={'a': 1})", "f", Api.GOODFIT),
        ("from ray import tune\ndef g(t):\n    for _ in t.epochs(): pass\ndef f(t): g(t)", "f", Api.GOODFIT),
        ("from ray import tune\ndef g(config, k): return k\nf = tune.with_parameters(g, k=1)", "f", Api.RAY_FUNCTION),
        ("from ray.tune.examples.pbt_function import pbt_function", "pbt_function", Api.RAY_FUNCTION),
        ("def f(trial): pass", "f", Api.GOODFIT),
    ],
)  # fmt: skip
def test_whose_trial_a_trainer_takes(tmp_path: Path, text: str, name: str, api: Api):
    file = tmp_path / "theirs.py"
    file.write_text(text)
    assert resolve(f"{file}:{name}").api is api


def test_what_with_parameters_cannot_send_is_named_and_forgotten(tmp_path: Path):
    file = tmp_path / "unsendable.py"
    file.write_text(
        "import threading\nfrom ray import tune\ndef g(config, a, b): return {'m': 1}\n"
        "f = tune.with_parameters(g, a=1, b=threading.Lock())\nh = tune.with_parameters(g, a=(i for i in [1]), b=2)\n"
    )
    with pytest.raises(
        BadTrainer, match=r"unsendable.py:f: .* \(b: TypeError: cannot pickle '_thread.lock' object; a: "
    ):
        resolve(f"{file}:f")
    fine = tmp_path / "sendable.py"
    fine.write_text("from ray import tune\ndef g(config, a): return {'m': 1}\nf = tune.with_parameters(g, a=[1])\n")
    assert resolve(f"{fine}:f").api is Api.RAY_FUNCTION
