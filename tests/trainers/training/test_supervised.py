"""The shared base of supervised nets: its hyperparameters, its training, its metrics."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from goodfit.testing.attempts import Line, assign, attempt, clock, handle
from goodfit.trainers.builtin.mlp import MLPConfig
from goodfit.trainers.data import Facts, load
from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.messages import Outcome, Pack
from goodfit.trainers.registry import Trainer, resolve
from goodfit.trainers.training import devices
from goodfit.trainers.training import loop as training
from goodfit.trainers.training.loop import Tensors, batches_of, epoch_order, evaluate, make_optimizer, rate_factor
from goodfit.trainers.training.supervised import SupervisedConfig, supervised
from goodfit.trainers.trial import Trial
from goodfit.trainers.worker.worker import Worker
from tests.training import DIABETES, DIGITS, IRIS

CPU = torch.device("cpu")
SMALL = {"width": 8, "depth": 1}


@pytest.fixture(autouse=True)
def no_more_names(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve("mlp"), resolve("cnn")
    monkeypatch.setattr("goodfit.trainers.registry._registered", {})


@dataclass(frozen=True)
class LinearConfig(SupervisedConfig):
    weight_decay: float = 0.0


def linear(config: LinearConfig, facts: Facts) -> nn.Module:
    """A linear model."""
    return nn.Sequential(nn.Flatten(), nn.Linear(facts.inputs, facts.outputs))


def train(trainer: Trainer, folder: Path, params: dict[str, Any], **changes: Any) -> Line:
    """Train a trainer of the tests' own, which a worker could not find by name."""
    line = Line()
    assignment = assign(folder, **{"data": IRIS, "metric": "val/loss", "direction": "minimize", **changes})
    data = load(assignment.data) if assignment.data else None
    trainer(Trial(assignment, trainer.configure(params), data, line, clock()))
    return line


@pytest.mark.parametrize(
    "module",
    [
        "goodfit",
        "goodfit.trainers.training.supervised",
        "goodfit.trainers.builtin.mlp",
        "goodfit.trainers.builtin.cnn",
        "goodfit.trainers.data",
    ],
)
def test_importing_it_imports_no_torch(module: str) -> None:
    code = f"import sys, {module}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_what_a_trainer_declares_is_known_without_torch() -> None:
    code = (
        "import sys; from goodfit.trainers.registry import resolve; mlp = resolve('mlp'); "
        "mlp.configure(mlp.defaults()); mlp.types();"
        "print(mlp.doc != '', 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True False"


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"learning_rate": 0.0}, "learning_rate: 0 is too small; give more than 0"),
        ({"learning_rate": float("nan")}, "learning_rate: nan is not a number"),
        ({"learning_rate": "fast"}, "learning_rate: 'fast' is not a number"),
        ({"batch_size": 0}, "batch_size: 0 is too small; give 1 or more"),
        ({"batch_size": 16.5}, "batch_size: 16.5 is not a whole number"),
        ({"batch_size": True}, "batch_size: True is not a whole number"),
        ({"dropout": 1.0}, "dropout: 1 is too large; give less than 1"),
        ({"dropout": -0.1}, "dropout: -0.1 is too small; give 0 or more"),
        ({"momentum": 1.0}, "momentum: 1 is too large"),
        ({"label_smoothing": 1.0}, "label_smoothing: 1 is too large"),
        ({"l1": -1.0}, "l1: -1 is too small"),
        ({"weight_decay": -1}, "weight_decay: -1 is too small"),
        ({"clip_norm": -1.0}, "clip_norm: -1 is too small"),
        ({"optimizer": "adamm"}, "optimizer: 'adamm' is unknown; did you mean adam? choose from: sgd, adam, adamw"),
        ({"schedule": "cosin"}, "schedule: 'cosin' is unknown; did you mean cosine?"),
        ({"depth": -1}, "depth: -1 is too small"),
        ({"activation": "relo"}, "activation: 'relo' is unknown; did you mean relu?"),
        ({"normalization": "batch", "batch_size": 1}, "batch_size: 1 is too small for normalization: batch"),
    ],
)
def test_a_value_out_of_range_is_refused_by_its_name(params: dict[str, Any], said: str) -> None:
    with pytest.raises(BadTrainer) as caught:
        resolve("mlp").configure(params)
    assert said in str(caught.value)


def test_a_seed_decides_the_curve(tmp_path: Path) -> None:
    one, same, other = (
        attempt(tmp_path / name, data=IRIS, params={"dropout": 0.2}, seed=seed)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert one.curve == same.curve
    assert one.curve != other.curve


def test_what_a_trial_leaves_behind_does_not_change_the_next(tmp_path: Path) -> None:
    alone, line = attempt(tmp_path / "alone", data=IRIS, seed=1), Line()
    worker = Worker(line, clock(), capture=False)
    for seed in (5, 1):
        worker.run(Pack((assign(tmp_path / str(seed), data=IRIS, seed=seed, trial=seed),)))
    assert [(report.epoch, report.metrics) for report in line.reports if report.trial == 1] == alone.curve


def test_metrics_are_measured_without_dropout_smoothing_or_penalty(tmp_path: Path) -> None:
    trainer = resolve("mlp")
    config = trainer.configure({"dropout": 0.9, "label_smoothing": 0.5, "l1": 1.0})
    line, data = Line(), load(IRIS)
    trainer(Trial(assign(tmp_path, epochs=1), config, data, line, clock()))
    assert trainer.build is not None
    model = trainer.build(config, data.facts)
    model.load_state_dict(torch.load(tmp_path / "last.pt", weights_only=True)["objects"][0])
    model.eval()
    with torch.no_grad():
        logits = model(torch.from_numpy(data.train.x))
    y = torch.from_numpy(data.train.y)
    assert line.reports[0].metrics["train/loss"] == pytest.approx(
        float(nn.functional.cross_entropy(logits, y)), rel=1e-6
    )
    assert line.reports[0].metrics["train/accuracy"] == float((logits.argmax(1) == y).double().mean())


def test_regression_metrics_are_scikit_learns_in_the_datas_own_units() -> None:
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    data = load(DIABETES)
    model = linear(LinearConfig(), data.facts)
    metrics = evaluate(model, Tensors.of(data.validation, CPU), data.facts)
    told = data.preparation.original(training.predict(model, torch.from_numpy(data.validation.x), data.facts).numpy())
    true = data.preparation.original(data.validation.y)
    assert metrics["rmse"] == pytest.approx(root_mean_squared_error(true, told), rel=1e-6)
    assert metrics["mae"] == pytest.approx(mean_absolute_error(true, told), rel=1e-6)
    assert metrics["r2"] == pytest.approx(r2_score(true, told), rel=1e-6)
    assert metrics["loss"] == pytest.approx((metrics["rmse"] / data.preparation.target_std) ** 2, rel=1e-6)


def test_equal_targets_have_an_r2_of_zero_not_an_infinite_one() -> None:
    data = load(DIABETES)
    x, y = torch.from_numpy(data.validation.x), torch.zeros(len(data.validation))
    assert evaluate(linear(LinearConfig(), data.facts), Tensors(x, y), data.facts)["r2"] == 0.0


def test_metrics_do_not_depend_on_how_many_rows_are_measured_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    data = load(DIGITS)
    model, part = linear(LinearConfig(), data.facts), Tensors.of(data.train, CPU)
    whole = evaluate(model, part, data.facts)
    monkeypatch.setattr(training, "ROWS_AT_ONCE", 7)
    assert evaluate(model, part, data.facts) == pytest.approx(whole, rel=1e-6)


def test_large_training_splits_are_measured_on_the_same_rows_in_every_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    part = Tensors.of(load(IRIS).train, CPU)
    assert training._sample(part) is part
    monkeypatch.setattr(training, "TRAIN_ROWS_MEASURED", 30)
    one, torch_noise, other = training._sample(part), torch.rand(3), training._sample(part)
    assert len(one) == 30
    assert len(torch_noise) == 3
    assert torch.equal(one.x, other.x)
    assert len(set(one.y.tolist())) == 3


@pytest.mark.parametrize("size", [1, 2, 16, 89, 90, 91])
@pytest.mark.parametrize("rows", [2, 90, 97])
def test_every_row_is_in_one_batch_and_no_batch_has_one_row(rows: int, size: int) -> None:
    batches = batches_of(epoch_order(3, 1, rows), size)
    assert sorted(torch.cat(batches).tolist()) == list(range(rows))
    assert max(len(batch) for batch in batches) <= size + 1
    assert size == 1 or min(len(batch) for batch in batches) > 1


def test_batch_normalization_survives_a_last_batch_of_one_row(tmp_path: Path) -> None:
    rows = len(load(IRIS).train)
    line = attempt(tmp_path, data=IRIS, params={**SMALL, "normalization": "batch", "batch_size": rows - 1}, epochs=1)
    assert line.ended.outcome is Outcome.COMPLETE


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    first = epoch_order(3, 1, 100)
    torch.rand(10)
    assert torch.equal(epoch_order(3, 1, 100), first)
    assert not torch.equal(epoch_order(3, 2, 100), first)
    assert not torch.equal(epoch_order(4, 1, 100), first)


def test_schedules_go_as_they_are_described() -> None:
    assert [rate_factor("constant", done) for done in (0, 0.5, 0.99)] == [1, 1, 1]
    assert [rate_factor("cosine", done) for done in (0, 0.5, 1)] == pytest.approx([1, 0.5, 0])
    assert [rate_factor("step", done) for done in (0.49, 0.5, 0.75)] == pytest.approx([1, 0.1, 0.01])
    assert [rate_factor("onecycle", done) for done in (0, 0.3, 1)] == pytest.approx([0.04, 1, 4e-6])


def test_onecycle_follows_torchs_own() -> None:
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    steps = 101
    # torch's ends with the last step, ours after it: with one step more the two meet.
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=steps, cycle_momentum=False)
    peak = (0.3 * steps - 1) / (steps - 1)
    for step in range(steps - 1):
        done = step / (steps - 1)
        share = done / peak * 0.3 if done < peak else 0.3 + (done - peak) / (1 - peak) * 0.7
        assert rate_factor("onecycle", share) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-9)
        optimizer.step()
        theirs.step()


@pytest.mark.parametrize(
    ("name", "kind"), [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)]
)
def test_the_optimizer_is_the_one_that_was_named(name: Any, kind: type) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    optimizer = make_optimizer(model, MLPConfig(optimizer=name, learning_rate=0.5, momentum=0.7, weight_decay=0.3))
    assert type(optimizer) is kind
    weights, rest = optimizer.param_groups
    assert (weights["lr"], weights["weight_decay"], rest["weight_decay"]) == (0.5, 0.3, 0.0)
    assert (len(weights["params"]), len(rest["params"])) == (1, 3)
    assert weights.get("momentum", 0.7) == 0.7


def one_step(folder: Path, **params: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """The weights of a linear model before and after one step of plain gradient descent on all rows."""
    trainer = supervised("linear", LinearConfig)(linear)
    plain = {"optimizer": "sgd", "schedule": "constant", "learning_rate": 0.5, "momentum": 0.0, "batch_size": 1000}
    torch.manual_seed(0)
    before: torch.Tensor = linear(LinearConfig(), load(IRIS).facts)[1].weight.detach()  # type: ignore[index]
    torch.manual_seed(0)
    train(trainer, folder, {**plain, **params}, epochs=1)
    return before, torch.load(folder / "last.pt", weights_only=True)["objects"][0]["1.weight"]


def test_weight_decay_and_l1_pull_on_the_weights(tmp_path: Path) -> None:
    before, free = one_step(tmp_path / "free")
    _, decayed = one_step(tmp_path / "decayed", weight_decay=0.1)
    _, sparse = one_step(tmp_path / "sparse", l1=0.1)
    assert torch.allclose(decayed, free - 0.5 * 0.1 * before, atol=1e-6)
    assert torch.allclose(sparse, free - 0.5 * 0.1 * before.sign(), atol=1e-6)


def test_label_smoothing_changes_what_is_trained_on(tmp_path: Path) -> None:
    before, free = one_step(tmp_path / "free")
    _, smooth = one_step(tmp_path / "smooth", label_smoothing=0.5)
    assert (smooth - before).norm() < 0.7 * (free - before).norm()


def test_clipping_bounds_a_step(tmp_path: Path) -> None:
    before, free = one_step(tmp_path / "free")
    _, clipped = one_step(tmp_path / "clipped", clip_norm=1e-2)
    assert (free - before).norm() > 0.1
    assert 0.9 * 0.5 * 1e-2 < (clipped - before).norm() <= 0.5 * 1e-2 * 1.001  # the bias has the rest of the norm


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_learns_and_is_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: torch.dtype
) -> None:
    monkeypatch.setattr(devices, "half_precision", lambda device: half)
    settings: dict[str, Any] = {"data": IRIS, "epochs": 20, "checkpoint_epochs": 1}
    attempt(tmp_path, stop_after=3, **settings)
    saved = torch.load(tmp_path / "last.pt", weights_only=True)["objects"]
    assert len(saved) == (3 if half is torch.float16 else 2)
    line = attempt(tmp_path, attempt=2, **settings)
    assert line.ended.outcome is Outcome.COMPLETE
    assert line.reports[-1].metrics["val/accuracy"] > 0.8


def test_a_diverging_trial_ends_as_nan(tmp_path: Path) -> None:
    params = {"optimizer": "sgd", "learning_rate": 1e20, "schedule": "constant"}
    line = attempt(tmp_path, data=DIABETES, params=params, metric="val/r2")
    assert line.ended.outcome is Outcome.NAN
    assert "loss is" in str(line.ended.message)


def test_a_trainer_that_needs_data_says_so(tmp_path: Path) -> None:
    assert "trainer mlp needs data" in str(attempt(tmp_path).ended.message)


def test_data_of_another_kind_do_not_suit(tmp_path: Path) -> None:
    ended = attempt(tmp_path, trainer="cnn", data=IRIS).ended
    assert ended.outcome is Outcome.UNUSABLE
    assert ended.message == "trainer cnn takes data of kind image, and iris is of kind table"


def test_a_model_with_the_wrong_number_of_outputs_is_refused(tmp_path: Path) -> None:
    trainer = supervised("wide", LinearConfig)(lambda config, facts: nn.Linear(facts.inputs, 7))
    with pytest.raises(BadTrainer, match=r"the model gives \(32, 7\) for 32 rows; .* needs facts\.outputs = 3"):
        train(trainer, tmp_path, {})


def test_a_loss_of_ones_own_trains_and_is_reported(tmp_path: Path) -> None:
    smoothings = []

    def absolute(outputs: torch.Tensor, y: torch.Tensor, smoothing: float) -> torch.Tensor:
        smoothings.append(smoothing)
        return (outputs - y).abs().mean()

    trainer = supervised("absolute", LinearConfig, loss=absolute)(linear)
    line = train(trainer, tmp_path, {"label_smoothing": 0.25}, data=DIABETES, epochs=2)
    metrics = line.reports[-1].metrics
    assert metrics["val/loss"] == pytest.approx(metrics["val/mae"] / load(DIABETES).preparation.target_std, rel=1e-5)
    assert set(smoothings) == {0.25, 0.0}


def test_a_build_model_and_a_config_make_a_trainer() -> None:
    trainer = supervised("linear", LinearConfig, shapes=["batch_size"], kinds=["table"])(linear)
    assert resolve("linear") is trainer
    assert (trainer.name, trainer.doc, trainer.build) == ("linear", "A linear model.", linear)
    assert (trainer.config, trainer.shapes, trainer.kinds) == (
        LinearConfig,
        frozenset({"batch_size"}),
        frozenset({"table"}),
    )
    assert trainer.defaults()["weight_decay"] == 0.0


def test_the_schedule_sees_the_budget_of_epochs(tmp_path: Path) -> None:
    rates = []
    data = load(IRIS)
    trial = handle(tmp_path, Line(), data, epochs=4)
    trial.config = LinearConfig(schedule="cosine", learning_rate=1.0, batch_size=45)
    state = training.Training(linear(trial.config, data.facts), trial, data.facts, training.default_loss(data.task))
    for epoch in (1, 2, 3, 4):
        state.epoch(epoch, Tensors.of(data.train, CPU))
        rates.append(state.stateful[1].param_groups[0]["lr"])
    assert rates == pytest.approx([rate_factor("cosine", (2 * epoch - 1) / 8) for epoch in (1, 2, 3, 4)])
