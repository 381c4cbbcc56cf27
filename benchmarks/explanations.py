"""Are attributions right? Against analytic Shapley values, against all coalitions, and against taking parts away.

A linear model has Shapley values that can be written down; a net on 10 columns has 1,024 coalitions, whose worth is
asked of its `predict` on rows mixed in the user's table. Of Kernel SHAP on 30 columns the error is held against its own
standard error; the truth is taken from 60,000 coalitions. Deletion: what the output is on average while parts go.

    python -m benchmarks.explanations
"""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from benchmarks.figures import Figures, run
from goodfit.trainers.data import Data, load
from goodfit.trainers.data.row_numbers import split_frame
from goodfit.trainers.explaining import shapley
from goodfit.trainers.explaining.explaining import Request, explain
from goodfit.trainers.explaining.games import Game, every_coalition, size_weights
from goodfit.trainers.explaining.given import of_predictor
from goodfit.trainers.explaining.samples import Material, columns_of, of_study
from goodfit.trainers.messages import DataSpec
from goodfit.trainers.prediction.predictor import Predictor
from goodfit.trainers.registry import resolve

STEPS, RATE = 300, 3e-3
ROWS = 5  # of which all coalitions are asked of `predict`


def trained(trainer: str, source: str, **params: Any) -> tuple[Predictor, Data, DataSpec]:
    """A model after some steps of Adam on all training rows at once."""
    import torch

    spec = DataSpec(source)
    data, declared = load(spec), resolve(trainer)
    torch.manual_seed(0)
    assert declared.build is not None
    module = declared.build(declared.configure(params), data.facts)
    x, y = torch.from_numpy(np.asarray(data.train.x)), torch.from_numpy(data.train.y)
    optimizer = torch.optim.Adam(module.parameters(), RATE)
    classes = data.task == "classification"
    for _ in range(STEPS if x.ndim == 2 else STEPS // 10):
        optimizer.zero_grad()
        outputs = module(x)
        loss = torch.nn.functional.cross_entropy(outputs, y) if classes else (outputs[:, 0] - y).square().mean()
        loss.backward()
        optimizer.step()
    return Predictor(module, data.facts, trainer, params), data, spec


def from_analysis() -> tuple[float, float]:
    """How far a linear model's values are from its weights times the distance from the mean; and from adding up."""
    predictor, data, spec = trained("mlp", "diabetes", depth=0)
    material = of_study(spec, data.facts, None, 0)
    found = explain(of_predictor(predictor), material, Request(method="exact"))
    weights = predictor.module[1].weight.detach().double().numpy()[0] * data.facts.preparation.target_std  # type: ignore[index]
    wanted = weights * (material.rows.x.astype(float) - material.background.x.astype(float).mean(axis=0))
    added = found.values.sum(axis=1) + found.base_values - found.predictions
    return float(np.abs(found.values.to_numpy() - wanted).max()), float(np.abs(added).max())


def from_predict() -> float:
    """How far a net's values are from those of `predict` on rows mixed in the table: 2 to the 10 coalitions."""
    predictor, data, spec = trained("mlp", "diabetes", depth=2, width=32)
    whole = of_study(spec, data.facts, None, 0)
    material = Material(whole.rows.take(range(ROWS)), whole.background)
    found = explain(of_predictor(predictor), material, Request(method="exact"))
    columns, _ = columns_of(data.facts)
    background = split_frame(spec, "train").loc[list(material.background.labels), list(columns)].to_numpy()
    rows = split_frame(spec, "validation").loc[list(material.rows.labels), list(columns)].to_numpy()
    present, weights = every_coalition(len(columns)), size_weights(len(columns))
    worst = 0.0
    for row, label in zip(rows, material.rows.labels, strict=True):
        mixed = np.where(present[:, None, :], row, background[None])
        worth = predictor.predict(mixed.reshape(-1, len(columns))).reshape(len(present), -1).mean(axis=1)
        for place, column in enumerate(columns):
            without = np.flatnonzero(~present[:, place])
            value = weights[present[without].sum(axis=1)] @ (worth[without | 1 << place] - worth[without])
            worst = max(worst, abs(float(value) - float(found.values.loc[label, column])))
    return worst


def by_sampling(figures: Figures) -> None:
    """Kernel SHAP of 30 columns by the number of coalitions: its error, and its own standard error."""
    predictor, data, spec = trained("mlp", "breast_cancer", depth=2)
    material = of_study(spec, data.facts, None, 0)
    model = of_predictor(predictor)
    columns, players = columns_of(data.facts)
    games = [
        Game(model.outputs, row, material.background.x[:10], players, len(columns)) for row in material.rows.x[:10]
    ]
    truth = [shapley.kernel(game, 60_000, 99).values for game in games]
    print("coalitions   error   standard error   of the largest value")
    for coalitions in (256, 1024, 4096):
        found = [shapley.kernel(game, coalitions, 0) for game in games]
        error, own = (
            math.sqrt(float(np.mean(parts)))
            for parts in (
                [np.square(one.values - right) for one, right in zip(found, truth, strict=True)],
                [np.square(one.error) for one in found if one.error is not None],
            )
        )
        largest = float(np.mean([np.abs(one).max() for one in truth]))
        print(f"{coalitions:10}   {error:.4f}   {own:14.4f}   {error / largest:20.1%}")
        figures.add(f"error of {coalitions} coalitions, of the largest value", error / largest, "")
        figures.add(f"standard error by its own word, to the error, {coalitions} coalitions", own / error, "")


def by_deletion(figures: Figures) -> None:
    """What outputs are while parts go, by the values and in random order."""
    print("model           method      by the values   in random order   seconds")
    for trainer, source, methods in (
        ("mlp", "breast_cancer", ("kernel", "gradient", "occlusion", "lime")),
        ("cnn", "digits", ("gradient", "occlusion", "lime")),
    ):
        predictor, data, spec = trained(trainer, source)
        material = of_study(spec, data.facts, None, 0)
        for method in methods:
            began = time.monotonic()
            found = explain(of_predictor(predictor), material, Request(method=method))
            (check,) = [one for one in found.checks if one.name == "deletion"]
            seconds = time.monotonic() - began
            print(f"{source:15} {method:10}  {check.value:13.4f}   {check.limit:15.4f}   {seconds:7.1f}")
            figures.add(f"deletion, {source}, {method}", check.value, "")
        figures.add(f"deletion, {source}, random order", check.limit, "")


def main(figures: Figures) -> None:
    """Measure all."""
    import torch

    torch.set_num_threads(1)
    analytic, added = from_analysis()
    asked = from_predict()
    print(f"linear model, from the analytic values: {analytic:.1e}; from adding up: {added:.1e} (unit of the target)")
    print(f"net on 10 columns, from all 1,024 coalitions by predict: {asked:.1e} (unit of the target)")
    figures.add("linear model: largest difference from the analytic values", analytic, "")
    figures.add("linear model: largest difference from adding up", added, "")
    figures.add("net on 10 columns: largest difference from all coalitions", asked, "")
    by_sampling(figures)
    by_deletion(figures)


if __name__ == "__main__":
    run("explanations", main)
