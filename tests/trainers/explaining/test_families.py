"""Explanations of images, texts, series and tables, of modules whose attributions are known."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from goodfit.trainers.data import Facts, Preparation
from goodfit.trainers.data.preparing.tokens import Tokenizer
from goodfit.trainers.errors import BadTrainer, DataProblem
from goodfit.trainers.explaining.explaining import Request, explain
from goodfit.trainers.explaining.given import of_given
from goodfit.trainers.explaining.gradients import grad_cam, integrated, integrated_tokens
from goodfit.trainers.explaining.images import patches
from goodfit.trainers.explaining.models import FunctionModel, TorchModel
from goodfit.trainers.explaining.pictures import as_html, pictures
from goodfit.trainers.explaining.samples import Material, Sample, check_size, given
from goodfit.trainers.prediction.predictor import Predictor

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from captum.attr import IntegratedGradients, LayerGradCam, LayerIntegratedGradients


def facts_of(kind: str, shape: tuple[int, ...], task: str = "regression", **more: Any) -> Facts:
    preparation = more.pop("preparation", Preparation(None, (0.0,), (1.0,)))
    classes = ("no", "yes", "so") if task == "classification" else ()
    return Facts("made", task, kind, shape, classes, more.pop("features", ()), {}, preparation, **more)


def material(x: np.ndarray, raw: pd.DataFrame | None = None, most: int = 3) -> Material:
    rows = Sample(x[:most], tuple(range(most)), None if raw is None else raw.iloc[:most])
    return Material(rows, Sample(x[most:], tuple(range(most, len(x)))))


def seeded(make: Any) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module: nn.Module = make()
    return module.eval()


def net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(144, 3))


def images(count: int = 8, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, channels, 8, 8)).astype(np.float32)


@pytest.mark.parametrize("end", [nn.Identity(), nn.Flatten(0)])
def test_a_net_with_one_output_for_two_classes_is_told_what_is_needed(end: nn.Module) -> None:
    facts = replace(facts_of("table", (3,), "classification"), classes=("no", "yes"))
    module = nn.Sequential(nn.Linear(3, 1), nn.Sigmoid(), end).eval()
    with pytest.raises(BadTrainer, match="needs 2 numbers a row: one logit for each class, trained by cross_entropy"):
        explain(of_given(module, facts), material(np.zeros((8, 3), dtype=np.float32)), Request())


def test_images_are_explained_by_three_methods_that_are_those_of_captum() -> None:
    module, x = seeded(net), images()
    facts = facts_of("image", (1, 8, 8), "classification")
    found = explain(of_given(module, facts), material(x), Request(output="yes"))
    assert found.methods == ("gradient", "gradcam", "occlusion")
    assert {check.name for check in found.checks} == {"convergence delta", "deletion"}
    assert all(check.passed for check in found.checks if check.method != "gradcam")
    model = TorchModel(Predictor(module, facts, "net", {}), precise=True)
    row, mean = x[0], x[3:].mean(axis=(0, 2, 3), keepdims=True)
    inputs, base = torch.from_numpy(x[:1]).double(), torch.full((1, 1, 8, 8), float(mean.squeeze())).double()
    ours = integrated(model, row, base.numpy().astype(np.float64), 1)
    theirs = IntegratedGradients(model.tensor).attribute(inputs, base, target=1, n_steps=200, method="gausslegendre")
    assert np.abs(ours.values - theirs[0].detach().numpy()).max() < 1e-3 * np.abs(ours.values).max()
    layer = model.module[2]  # type: ignore[index]
    cam = LayerGradCam(model.tensor, layer).attribute(inputs, target=1, relu_attributions=True)
    wide = torch.nn.functional.interpolate(cam, size=(8, 8), mode="bilinear", align_corners=False)
    assert np.abs(grad_cam(model, layer, row, 1) - wide[0, 0].detach().numpy()).max() < 1e-9
    assert {"image", "gradient"} <= set(found.to_dict()["rows"][0]["pictures"])


def test_what_a_linear_model_sees_in_an_image_is_its_weights_by_every_method() -> None:
    module, x = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(2 * 64, 1))), images(channels=2)
    weights = module[1].weight.detach().numpy().reshape(2, 8, 8)  # type: ignore[index]
    mean = x[3:].mean(axis=(0, 2, 3)).reshape(2, 1, 1)
    wanted = (weights * (x[0] - mean)).sum(axis=0)
    model = of_given(module, facts_of("image", (2, 8, 8)))
    for method in ("gradient", "occlusion"):
        found = explain(model, material(x), Request(method=method))
        assert np.abs(found.rows[0].maps[method] - wanted).max() < 1e-5
    with pytest.raises(DataProblem, match=r"needs a torch.nn.Conv2d"):
        explain(model, material(x), Request(method="gradcam"))
    notes = explain(model, material(x), Request()).notes
    assert any("Grad-CAM is left out" in note for note in notes)


def test_a_large_image_is_a_grid_of_patches_and_one_that_is_too_large_is_refused() -> None:
    players, count = patches((3, 224, 100))
    assert players.shape == (3, 224, 100)
    assert count <= 14 * 14
    assert (players[0] == players[2]).all()
    with pytest.raises(DataProblem, match=r"48,000,000 numbers \(3x4000x4000\); up to 16,777,216 are explained"):
        check_size(facts_of("image", (3, 4000, 4000)))


class Words(nn.Module):
    """Adds up a number for each token; bends the sum where that is wanted."""

    def __init__(self, bend: bool) -> None:
        super().__init__()
        self.table, self.head, self.bend = nn.Embedding(8, 5), nn.Linear(5, 1), bend

    def forward(self, ids: Tensor) -> Tensor:
        mask = (ids != 0).unsqueeze(2)
        total = (self.table(ids) * mask).sum(dim=1)
        return self.head(torch.tanh(total) if self.bend else total)


TEXTS = ["a b c", "b b d unseen", "c d e a b c d", "a", "d e"]


def texts(bend: bool) -> tuple[TorchModel, Material]:
    tokens = Tokenizer("word", 6, ("a", "b", "c", "d", "e"))
    facts = facts_of("text", (6,), preparation=Preparation(None, (), (), tokens=tokens), features=("words",))
    model = of_given(seeded(lambda: Words(bend)), facts)
    assert isinstance(model, TorchModel)
    return model, material(tokens.encode(TEXTS), pd.DataFrame({"words": TEXTS}))


def test_tokens_of_a_linear_model_have_their_weights_and_unseen_ones_nothing() -> None:
    model, held = texts(bend=False)
    table, head = model.module.table.weight, model.module.head.weight[0]  # type: ignore[union-attr,index]
    worth = ((table - table[1]) @ head).detach().numpy()  # type: ignore[operator,index]
    for method in ("gradient", "kernel", "occlusion"):
        found = explain(model, held, Request(method=method))
        assert [row.shown for row in found.rows][1] == ("b", "b", "d", "unseen")
        assert np.abs(found.rows[0].values - worth[[2, 3, 4]]).max() < 1e-5
        assert np.abs(found.rows[1].values - [worth[3], worth[3], worth[5], 0]).max() < 1e-5
        assert all(check.passed for check in found.checks)
    assert any("1 of 3 texts are longer than the 6 tokens" in note for note in found.notes)
    assert set(found.parts) <= {"a", "b", "c", "d", "e", "unseen"}
    assert "token" in found.values.columns


def test_tokens_by_gradients_are_those_of_captum() -> None:
    model, held = texts(bend=True)
    ids = held.rows.x[2]
    ours = integrated_tokens(model, ids, np.ones(6, dtype=np.int64), 0)
    table = model.module.table  # type: ignore[union-attr]
    theirs = LayerIntegratedGradients(model.tensor, table).attribute(
        torch.from_numpy(ids[None]), torch.ones(1, 6, dtype=torch.long), target=0, n_steps=200, method="gausslegendre"
    )
    assert np.abs(ours.values - theirs[0].sum(dim=1).detach().numpy()).max() < 1e-4


class Steps(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.linspace(-1, 1, 5 * 2 * 3).reshape(3, 5, 2))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("nsc,hsc->nh", x, self.weights)


def test_series_are_explained_by_step_and_channel_and_a_forecast_by_the_mean_of_its_steps() -> None:
    x = np.random.default_rng(0).normal(size=(8, 5, 2)).astype(np.float32)
    facts = facts_of("series", (5, 2), "forecasting", horizon=3, features=("load", "heat"))
    model = of_given(seeded(Steps), facts)
    weights = np.linspace(-1, 1, 30).reshape(3, 5, 2)
    for output, wanted in ((None, weights.mean(axis=0)), (2, weights[1]), ("step 2", weights[1])):
        for method in ("gradient", "kernel", "occlusion"):
            found = explain(model, material(x), Request(method=method, output=output))
            cells = wanted * (x[0] - x[3:].mean(axis=0))
            assert np.abs(found.rows[0].maps[method] - cells).max() < 1e-6
            assert np.abs(found.values.loc[0].to_numpy() - cells.sum(axis=0)).max() < 1e-6
            assert list(found.parts) == ["load", "heat"]
    assert found.output == "step 2"
    with pytest.raises(DataProblem, match="the outputs are step 1, step 2, step 3, mean of 3 steps"):
        explain(model, material(x), Request(output=4))


@pytest.mark.parametrize("columns", [1, 12, 200])
def test_one_column_and_hundreds_are_explained_in_bounded_work(columns: int) -> None:
    x = np.random.default_rng(0).normal(size=(8, columns)).astype(np.float32)
    names = tuple(f"c{place}" for place in range(columns))
    facts = facts_of("table", (columns,), features=names)
    rows = 0

    def curved(given: np.ndarray) -> np.ndarray:
        nonlocal rows
        rows += len(given)
        return np.tanh(given.astype(np.float64).sum(axis=1) / columns**0.5)

    found = explain(FunctionModel(curved, facts, "curved"), material(x, most=2), Request(coalitions=64))
    assert found.method == {1: "exact", 12: "kernel", 200: "kernel"}[columns]
    assert {"additivity"} <= {check.name for check in found.checks}
    assert next(check for check in found.checks if check.name == "additivity").passed
    assert ("sampling error" in {check.name for check in found.checks}) == (columns > 1)
    assert rows < 100_000
    assert any("needs rows with their targets" in note for note in found.notes)


def test_time_bounds_the_rows_and_not_their_values() -> None:
    x = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    facts = facts_of("table", (3,), features=("a", "b", "c"))
    model = FunctionModel(lambda given: given.sum(axis=1) ** 2, facts, "square")
    from goodfit.trainers.explaining import explaining

    ticks = iter(range(10**6))

    class Ticking(explaining.Timed):
        def __init__(self, outputs: Any, seconds: float) -> None:
            super().__init__(outputs, seconds, lambda: float(next(ticks)))

    whole = explain(model, material(x), Request())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explaining, "Timed", Ticking)
        part = explain(model, material(x), Request(seconds=2.5))
    assert 0 < len(part.rows) < 3
    assert any("rows were explained within 2.5 s" in note for note in part.notes)
    assert (part.rows[0].values == whole.rows[0].values).all()


def test_pictures_hold_no_markup_of_names_and_a_notebook_shows_them() -> None:
    evil = "<script>alert(1)</script>"
    x = np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32)
    facts = facts_of("table", (2,), features=(evil, "b"))
    model = FunctionModel(lambda given: given.sum(axis=1), facts, "sum")
    rows = replace(material(x).rows, labels=(evil, "../x", 3))
    found = explain(model, replace(material(x), rows=rows), Request())
    drawn = pictures(found)
    assert all("/" not in name and "<" not in name for name in drawn)
    assert all("<script" not in picture for picture in (*drawn.values(), as_html(found)))


def test_models_that_answer_for_no_row_are_refused() -> None:
    with pytest.raises(DataProblem, match="writes or scores texts piece by piece"):
        FunctionModel(lambda x: x, facts_of("pairs", (4,), "translation"), "f")
    facts = facts_of("table", (2,), features=("a", "b"))
    with pytest.raises(DataProblem, match="there are no rows to explain"):
        given(pd.DataFrame({"a": [], "b": []}), facts, None)
