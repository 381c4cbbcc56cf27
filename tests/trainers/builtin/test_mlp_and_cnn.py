"""The built-in models: their shapes, and how well their defaults do."""

from __future__ import annotations

import itertools
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from goodfit.testing.attempts import attempt
from goodfit.trainers.builtin.cnn import CNNConfig
from goodfit.trainers.builtin.mlp import MLPConfig
from goodfit.trainers.data import Facts, load, load_test
from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.messages import DataSpec
from goodfit.trainers.registry import resolve
from goodfit.trainers.training.loop import Tensors, evaluate
from tests.training import DIABETES, DIGITS, IRIS


def mlp(facts: Facts, **params: Any) -> nn.Module:
    model: nn.Module = resolve("mlp").build(MLPConfig(**params), facts)  # type: ignore[misc]
    return model


def cnn(facts: Facts, **params: Any) -> nn.Module:
    model: nn.Module = resolve("cnn").build(CNNConfig(**params), facts)  # type: ignore[misc]
    return model


def image_facts(*shape: int) -> Facts:
    return replace(load(DIGITS).facts, input_shape=shape)


def score_on_test_rows(folder: Path, spec: DataSpec, metric: str) -> float:
    """A metric on the test rows of the mlp's defaults, at the best epoch of 30."""
    attempt(folder, data=spec, epochs=30, metric="val/loss", direction="minimize")
    facts = load(spec).facts
    model = mlp(facts)
    model.load_state_dict(torch.load(folder / "best.pt", weights_only=True)["model"])
    return evaluate(model, Tensors.of(load_test(spec), torch.device("cpu")), facts)[metric]


@pytest.mark.parametrize(("name", "metric", "least"), [("breast_cancer", "accuracy", 0.96), ("diabetes", "r2", 0.38)])
def test_the_defaults_of_the_mlp_are_a_known_good_configuration(
    tmp_path: Path, name: str, metric: str, least: float
) -> None:
    scores = [score_on_test_rows(tmp_path / str(seed), DataSpec(name, seed=seed), metric) for seed in range(5)]
    assert statistics.mean(scores) >= least


def test_the_defaults_of_the_cnn_are_a_known_good_configuration(tmp_path: Path) -> None:
    line = attempt(tmp_path, trainer="cnn", data=DIGITS, epochs=30)
    assert line.reports[-1].metrics["val/accuracy"] >= 0.98


@pytest.mark.parametrize(("spec", "outputs"), [(IRIS, 3), (DIABETES, 1), (DIGITS, 10)])
def test_the_mlp_takes_tables_and_images(spec: DataSpec, outputs: int) -> None:
    data = load(spec)
    assert mlp(data.facts)(torch.from_numpy(data.train.x[:4])).shape == (4, outputs)


@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
@pytest.mark.parametrize("activation", ["relu", "gelu", "tanh", "silu"])
def test_the_mlp_is_built_as_named(normalization: Any, activation: Any) -> None:
    model = mlp(load(IRIS).facts, depth=3, width=5, normalization=normalization, activation=activation, dropout=0.25)
    kinds = [type(layer).__name__.lower() for layer in model]  # type: ignore[attr-defined]
    norm = {"none": "identity", "batch": "batchnorm1d", "layer": "layernorm"}[normalization]
    linear = "centredlinear" if normalization == "batch" else "linear"
    assert kinds == ["flatten", *[linear, norm, activation, "dropout"] * 3, "linear"]
    assert [layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)] == [0.25] * 3
    assert [layer.out_features for layer in model.modules() if isinstance(layer, nn.Linear)] == [5, 5, 5, 3]


def test_an_mlp_without_depth_is_a_linear_model() -> None:
    weights = list(mlp(load(IRIS).facts, depth=0).parameters())
    assert [tuple(weight.shape) for weight in weights] == [(3, 4), (3,)]


@pytest.mark.parametrize(
    ("shape", "params"),
    [
        (shape, {"depth": depth, "normalization": normalization, "residual": residual, "kernel_size": kernel_size})
        for shape, depth, (normalization, residual, kernel_size) in itertools.product(
            [(1, 8, 8), (3, 1, 1), (3, 17, 5), (4, 32, 32)],
            [1, 2, 6],
            [("batch", False, 3), ("group", True, 5), ("none", True, 1), ("layer", False, 1)],
        )
    ],
)
def test_the_cnn_takes_images_of_any_size(shape: tuple[int, ...], params: dict[str, Any]) -> None:
    model = cnn(image_facts(*shape), width=6, **params)
    assert model(torch.zeros(2, *shape)).shape == (2, 10)


def test_the_cnn_pools_while_two_pixels_are_left_and_doubles_the_channels_with_each() -> None:
    model = cnn(image_facts(1, 8, 8), depth=5, width=4)
    convolutions = [layer.out_channels for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    assert convolutions == [4, 8, 16, 16, 16]
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in model.modules()) == 2


def test_the_cnn_pools_by_average_where_asked() -> None:
    kinds = {type(layer) for layer in cnn(image_facts(1, 8, 8), pooling="average").modules()}
    assert nn.AvgPool2d in kinds
    assert nn.MaxPool2d not in kinds


@pytest.mark.parametrize(
    ("normalization", "over"),
    [("batch", (0, 2, 3)), ("layer", (1, 2, 3)), ("none", None)],
)
def test_the_cnn_normalizes_what_its_norm_is_named_after(normalization: str, over: tuple[int, ...] | None) -> None:
    block = cnn(image_facts(3, 6, 5), depth=1, width=4, normalization=normalization)[0]  # type: ignore[index]
    convolved = block[0](3 + 2 * torch.randn(5, 3, 6, 5))
    normalized = block[1](convolved)
    if over is None:
        assert torch.equal(normalized, convolved)
    else:
        assert normalized.mean(dim=over).abs().max() < 1e-5
        assert torch.allclose(normalized.std(dim=over, correction=0), torch.ones(()), atol=1e-3)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"kernel_size": 4}, "kernel_size: 4 is even"),
        ({"depth": 0}, "depth: 0 is too small"),
        ({"batch_size": 1}, "batch_size: 1 is too small for normalization: batch"),
        ({"residual": "yes"}, "residual: 'yes' is neither true nor false"),
        ({"pooling": "avg"}, "pooling: 'avg' is unknown; did you mean average? choose from: max, average"),
    ],
)
def test_what_no_cnn_can_be_is_refused_by_its_name(params: dict[str, Any], said: str) -> None:
    with pytest.raises(BadTrainer) as caught:
        CNNConfig(**params)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_what_shapes_the_architecture_is_declared(name: str) -> None:
    trainer, facts = resolve(name), load(DIGITS).facts
    assert trainer.build is not None
    other = {"depth": 4, "width": 48, "kernel_size": 5, "activation": "tanh", "residual": True, "pooling": "average"}
    other |= {"normalization": "none" if name == "cnn" else "batch", "learning_rate": 1.0, "dropout": 0.5, "l1": 1.0}
    plain = str(trainer.build(trainer.configure({"dropout": 0.1}), facts))
    for parameter in trainer.types():
        if parameter in other and parameter != "dropout":
            changed = str(trainer.build(trainer.configure({"dropout": 0.1, parameter: other[parameter]}), facts))
            assert (changed != plain) == (parameter in trainer.shapes), parameter
