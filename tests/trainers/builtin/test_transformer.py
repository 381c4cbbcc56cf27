"""The transformer: what its outputs depend on and what not, what it refuses, how well it learns."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from goodfit.testing.attempts import attempt
from goodfit.trainers.builtin.transformer import LONGEST, TransformerConfig
from goodfit.trainers.data import Data, Facts, load
from goodfit.trainers.errors import BadTrainer, DataProblem
from goodfit.trainers.messages import DataSpec, TokenSpec
from goodfit.trainers.nets.attention import Encoder, Rotary, Tokens
from goodfit.trainers.prediction.model_folder import load_model, read_facts, save_model
from goodfit.trainers.registry import resolve
from tests.training import DIGITS

SMALL: dict[str, Any] = {"depth": 1, "width": 16, "heads": 2}
VARIANTS = list(itertools.product(["learned", "rotary"], ["mean", "first"]))


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> DataSpec:
    """Texts whose class is the order of two words: no bag of words can tell them apart."""
    draw = np.random.default_rng(0)
    fillers = np.array(["and", "then", "or", "so", "now"])
    rows = []
    for row in range(600):
        first, second = ("egg", "hen") if row % 2 else ("hen", "egg")
        gaps = [" ".join(draw.choice(fillers, draw.integers(0, 4))) for _ in range(3)]
        rows.append((f"{gaps[0]} {first} {gaps[1]} {second} {gaps[2]}", first))
    path = tmp_path_factory.mktemp("orders") / "orders.csv"
    pd.DataFrame(rows, columns=["text", "first"]).to_csv(path, index=False)
    return DataSpec(str(path), "first", text="text", tokens=TokenSpec(length=16))


def model_of(facts: Facts, **params: Any) -> Encoder:
    torch.manual_seed(0)
    model: Encoder = resolve("transformer").build(TransformerConfig(**{**SMALL, **params}), facts)  # type: ignore[misc]
    return model.eval()


@pytest.mark.parametrize(("positions", "pooling"), VARIANTS)
def test_padding_changes_no_output(orders: DataSpec, positions: str, pooling: str) -> None:
    data = load(orders)
    model = model_of(data.facts, positions=positions, pooling=pooling, depth=2)
    rows = torch.from_numpy(data.train.x[:8])
    together = model(rows)
    for row, expected in zip(rows, together, strict=True):
        bare = row[row != 0]
        assert torch.allclose(model(bare[None])[0], expected, atol=1e-6)  # alone, without any padding


def test_what_stands_under_the_padding_changes_no_gradient(orders: DataSpec) -> None:
    data = load(orders)
    model = model_of(data.facts)
    model(torch.from_numpy(data.train.x[:8])).sum().backward()
    embedding = model.embedding
    assert isinstance(embedding, Tokens)
    assert embedding.table.weight.grad is not None
    assert not embedding.table.weight.grad[0].any()


@pytest.mark.parametrize(("positions", "pooling"), VARIANTS)
def test_the_order_of_a_text_reaches_the_outputs(orders: DataSpec, positions: str, pooling: str) -> None:
    model = model_of(load(orders).facts, positions=positions, pooling=pooling)
    row = torch.tensor([[2, 3, 4, 5]])
    assert not torch.allclose(model(row), model(row.flip(1)), atol=1e-5)


def test_rotary_products_depend_on_the_distance_alone() -> None:
    rotary = Rotary(10, 8)
    query, key = torch.randn(8), torch.randn(8)
    queries, keys = rotary(query.expand(10, 8)), rotary(key.expand(10, 8))
    products = queries @ keys.T
    assert torch.allclose(products[:-1, :-1], products[1:, 1:], atol=1e-5)
    assert not torch.allclose(products[0, 0], products[0, 5], atol=1e-3)


def test_many_rows_are_measured_as_few_are(orders: DataSpec) -> None:
    data = load(orders)
    model = model_of(data.facts)
    rows = torch.from_numpy(data.train.x).repeat(2, 1)
    assert torch.allclose(model(rows), torch.cat([model(part) for part in torch.split(rows, 7)]), atol=1e-6)


def test_tokens_are_hidden_in_training_alone() -> None:
    torch.manual_seed(0)
    embedding = Tokens(9, 4, dropout=0.5)
    ids = torch.full((50, 6), 5)
    ids[:, 4:] = 0
    trained, mask = embedding(ids)
    assert mask.shape == (50, 4)
    hidden = (trained == embedding.table.weight[1]).all(dim=2).double().mean()
    assert 0.35 < float(hidden) < 0.65
    assert (embedding.eval()(ids)[0] == embedding.table.weight[5]).all()


@pytest.mark.parametrize(("positions", "pooling"), VARIANTS)
def test_images_are_read_row_by_row(positions: str, pooling: str) -> None:
    data = load(DIGITS)
    model = model_of(data.facts, positions=positions, pooling=pooling)
    assert model(torch.from_numpy(data.train.x[:4])).shape == (4, 10)


@pytest.mark.parametrize("outputs", [1, 3])
def test_series_are_read_step_by_step(outputs: int) -> None:
    classes = ("a", "b", "c") if outputs == 3 else ()
    facts = replace(load(DIGITS).facts, kind="series", input_shape=(12, 5), classes=classes)
    assert model_of(facts)(torch.randn(4, 12, 5)).shape == (4, outputs)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"width": 30, "heads": 4}, "width: 30 is no multiple of heads: 4"),
        ({"width": 6, "heads": 2, "positions": "rotary"}, "take 3 numbers each, and positions: rotary turns them"),
        ({"positions": "sine"}, "positions: 'sine' is unknown; choose from: learned, rotary"),
        ({"token_dropout": 1.0}, "token_dropout: 1 is too large"),
    ],
)
def test_what_no_transformer_can_be_is_refused_by_its_name(params: dict[str, Any], said: str) -> None:
    with pytest.raises(BadTrainer) as caught:
        TransformerConfig(**params)
    assert said in str(caught.value)


def test_rows_longer_than_the_positions_are_refused(orders: DataSpec, tmp_path: Path) -> None:
    long = replace(orders, tokens=TokenSpec(length=LONGEST + 1))
    line = attempt(tmp_path, trainer="transformer", data=long, params=SMALL)
    assert line.ended.outcome == "unusable"
    assert f"rows of {LONGEST + 1} exceed the transformer's {LONGEST} positions" in str(line.ended.message)
    assert "data.tokens.length" in str(line.ended.message)
    model = model_of(load(orders).facts)
    with pytest.raises(DataProblem, match="the rows are 17 long, and the model has 16 positions"):
        model(torch.full((2, 17), 3))


def trained(folder: Path, data: DataSpec, **changes: Any) -> Any:
    params = {**SMALL, "learning_rate": 1e-2, "dropout": 0.0, "token_dropout": 0.02, **changes.pop("params", {})}
    line = attempt(folder, trainer="transformer", data=data, params=params, **changes)
    assert line.ended.message is None
    return line


@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_it_learns_what_no_bag_of_words_can(orders: DataSpec, tmp_path: Path, positions: str) -> None:
    line = trained(tmp_path, orders, epochs=25, params={"positions": positions})
    assert line.reports[-1].metrics["val/accuracy"] > 0.9


def test_the_same_seed_gives_the_same_curve_and_another_another(orders: DataSpec, tmp_path: Path) -> None:
    curve = trained(tmp_path / "a", orders).curve
    assert trained(tmp_path / "b", orders).curve == curve
    assert trained(tmp_path / "c", orders, seed=12).curve != curve


def test_a_resumed_trial_gives_the_curve_of_one_that_never_stopped(orders: DataSpec, tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", orders, epochs=4).curve
    paused = trained(tmp_path / "cut", orders, epochs=4, pauses=True, pause_at=1)
    stopped = trained(tmp_path / "cut", orders, epochs=4, stop_after=2, reported=1)
    rest = trained(tmp_path / "cut", orders, epochs=4, attempt=2, reported=2)
    assert paused.curve + stopped.curve + rest.curve == whole


def test_a_saved_model_takes_raw_texts(orders: DataSpec, tmp_path: Path) -> None:
    params = {**SMALL, "learning_rate": 1e-2, "dropout": 0.0, "token_dropout": 0.02}
    trained(tmp_path / "trial", orders, epochs=25)
    save_model(tmp_path / "model", "transformer", params, read_facts(tmp_path / "trial"), tmp_path / "trial/best.pt")
    predictor = load_model(tmp_path / "model")
    texts = ["then egg or hen", "so hen and now egg"]
    assert predictor.predict(texts).tolist() == ["egg", "hen"]
    assert predictor.predict(pd.Series(texts)).tolist() == ["egg", "hen"]
    assert np.array_equal(
        predictor.predict_proba(pd.DataFrame({"text": texts})), predictor.predict_proba(np.array(texts))
    )
    assert predictor.predict(predictor.example()).shape == (1,)
    with pytest.raises(DataProblem, match="1 of 1 texts are empty"):
        predictor.predict([" "])


def test_a_signature_comes_from_the_example(orders: DataSpec, tmp_path: Path) -> None:
    from mlflow.models import infer_signature

    params = {**SMALL, "depth": 1}
    trained(tmp_path / "trial", orders, epochs=1, params=params)
    params = {**SMALL, "learning_rate": 1e-2, "dropout": 0.0, "token_dropout": 0.02}
    save_model(tmp_path / "model", "transformer", params, read_facts(tmp_path / "trial"), tmp_path / "trial/best.pt")
    predictor = load_model(tmp_path / "model")
    signature = infer_signature(predictor.example(), predictor.predict(predictor.example()))
    assert signature.inputs.input_names() == ["text"]


def test_what_shapes_the_architecture_is_declared(orders: DataSpec) -> None:
    trainer, facts = resolve("transformer"), load(orders).facts
    other: dict[str, Any] = {"depth": 2, "width": 32, "heads": 4, "positions": "rotary", "pooling": "first"}
    other |= {"activation": "relu", "learning_rate": 1.0, "token_dropout": 0.5, "l1": 1.0, "dropout": 0.5}
    plain = told(model_of(facts))
    for parameter, value in other.items():
        changed = told(model_of(facts, **{parameter: value}))
        assert (changed != plain) == (parameter in trainer.shapes), parameter


def told(model: Encoder) -> tuple[Any, ...]:
    heads = [block.attention.heads for block in model.blocks]  # type: ignore[union-attr]
    shapes = [(name, tuple(weight.shape)) for name, weight in model.state_dict().items()]
    return heads, shapes, [type(layer) for layer in model.modules() if not isinstance(layer, nn.Dropout)]


def score_of_words(data: Data) -> float:
    """The validation accuracy of a logistic regression on counts of the tokens that the transformer reads."""
    from sklearn.linear_model import LogisticRegression

    tokens = data.preparation.tokens
    assert tokens is not None
    train, validation = (
        np.stack([np.bincount(row, minlength=tokens.size)[1:] for row in split.x])
        for split in (data.train, data.validation)
    )
    model = LogisticRegression(max_iter=1000).fit(train, data.train.y)
    return float(model.score(validation, data.validation.y))


def test_a_bag_of_words_cannot_learn_the_order_of_words(orders: DataSpec) -> None:
    assert score_of_words(load(orders)) < 0.65


def test_it_tells_the_packages_of_docstrings_apart(tmp_path: Path) -> None:
    spec = DataSpec("docstrings", tokens=TokenSpec(length=32))
    line = attempt(tmp_path, trainer="transformer", data=spec, params={"width": 32, "learning_rate": 1e-2}, epochs=6)
    majority = np.bincount(load(spec).validation.y).max() / len(load(spec).validation)
    assert line.reports[-1].metrics["val/accuracy"] > majority + 0.4
