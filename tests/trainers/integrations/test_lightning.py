"""A LightningModule as a trainer: the example trains, stops, resumes; what cannot work is refused."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from goodfit.testing.attempts import Line, attempt, handle
from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.messages import DataSpec, Fork, Outcome
from goodfit.trainers.prediction.model_folder import load_model, read_facts, save_model

pytestmark = [
    # Lightning takes two seconds to import, in every process that collects tests.
    pytest.mark.skipif(
        find_spec("lightning") is None, reason="lightning is not installed: pip install 'goodfit[lightning]'"
    ),
    pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning", "ignore:.*does not have many workers"),
]

TRAINER = f"{Path(__file__).parents[3]}/examples/bring_your_own/my_lightning.py:train"
SETTINGS: dict[str, Any] = {
    "trainer": TRAINER,
    "data": DataSpec("breast_cancer"),
    "epochs": 5,
    "metric": "val/loss",
    "direction": "minimize",
}


SPARSE = """
import lightning, torch
from lightning.pytorch.callbacks import LearningRateMonitor
from torch.utils.data import DataLoader, TensorDataset
from goodfit.trainers.integrations.lightning import fit

class Net(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(1, 1)
    def training_step(self, batch, index):
        return self.line(batch[0]).square().mean()
    def validation_step(self, batch, index):
        self.log("val_loss", self.line(batch[0]).square().mean())
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.5)

def train(trial):
    rows = DataLoader(TensorDataset(torch.ones(4, 1)), 2)
    fit(trial, Net(), rows, rows, check_val_every_n_epoch=2, callbacks=[LearningRateMonitor("epoch")])
"""


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goodfit.trainers.registry._registered", {})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Line]:
    """A trial that trained to its end, and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("goodfit.trainers.registry._registered", {})
        return folder, attempt(folder, **SETTINGS)


def test_a_module_learns_and_reports_both_splits_each_epoch(whole: tuple[Path, Line]) -> None:
    _, line = whole
    assert (line.ended.outcome, line.ended.message) == (Outcome.COMPLETE, None)
    assert [report.epoch for report in line.reports] == [1, 2, 3, 4, 5]
    assert set(line.reports[0].metrics) == {"train/loss", "train/accuracy", "val/loss", "val/accuracy"}
    assert line.reports[-1].metrics["val/accuracy"] >= 0.93, "62% are benign"
    assert line.reports[-1].metrics["train/loss"] < 0.6 * line.reports[0].metrics["train/loss"]


def test_lightning_leaves_no_files_but_the_trials_own(whole: tuple[Path, Line]) -> None:
    assert {path.name for path in whole[0].iterdir()} == {"best.pt", "last.pt", "facts.json"}


def test_its_best_model_can_be_loaded_again(whole: tuple[Path, Line], tmp_path: Path) -> None:
    folder, _ = whole
    save_model(tmp_path / "model", TRAINER, {}, read_facts(folder), folder / "best.pt")
    predictor = load_model(tmp_path / "model")
    assert predictor.predict(predictor.example())[0] in predictor.facts.classes


@pytest.mark.parametrize("checkpoint_epochs", [1, 2, 100])
def test_pruning_stops_the_loop_and_a_resumed_trial_gives_the_same_curve(
    whole: tuple[Path, Line], tmp_path: Path, checkpoint_epochs: int
) -> None:
    first = attempt(tmp_path, stop_after=3, checkpoint_epochs=checkpoint_epochs, **SETTINGS)
    assert (len(first.reports), first.ended.outcome) == (3, Outcome.STOPPED)
    second = attempt(tmp_path, attempt=2, reported=3, **SETTINGS)
    assert first.curve + second.curve == whole[1].curve


def test_a_paused_trial_goes_on_in_another_worker_with_the_same_curve(whole: tuple[Path, Line], tmp_path: Path) -> None:
    first = attempt(tmp_path, pauses=True, pause_at=2, checkpoint_epochs=100, **SETTINGS)
    assert (len(first.reports), first.ended.outcome) == (2, Outcome.STOPPED)
    assert all(report.resumable and report.seconds > 0 for report in first.reports)
    second = attempt(tmp_path, reported=2, pause_at=3, **SETTINGS)
    assert first.curve + second.curve == whole[1].curve


def test_early_stopping_ends_the_loop(tmp_path: Path) -> None:
    line = attempt(tmp_path, params={"learning_rate": 0.5}, patience=1, **{**SETTINGS, "epochs": 50})
    assert (line.reports[-1].final, line.ended.outcome) == (True, Outcome.COMPLETE)
    assert len(line.reports) < 50


def test_validation_in_some_epochs_and_a_learning_rate_monitor(tmp_path: Path) -> None:
    (tmp_path / "sparse.py").write_text(SPARSE)
    line = attempt(
        tmp_path / "t", trainer=f"{tmp_path / 'sparse.py'}:train", epochs=5, metric="val/loss", direction="minimize"
    )
    assert (line.ended.outcome, line.ended.message) == (Outcome.COMPLETE, None)
    assert ["val/loss" in report.metrics for report in line.reports] == [False, True, False, True, False]
    assert [report.metrics["train/lr-SGD"] for report in line.reports] == [0.5] * 5
    assert {path.name for path in (tmp_path / "t").iterdir()} == {"best.pt", "last.pt"}


def test_a_loss_that_is_no_number_ends_the_trial_as_one(tmp_path: Path) -> None:
    line = attempt(tmp_path, params={"learning_rate": float("inf")}, **SETTINGS)
    assert line.ended.outcome is Outcome.NAN


@pytest.mark.parametrize("setting", ["max_epochs", "max_steps", "enable_checkpointing"])
def test_what_the_study_decides_is_refused_as_a_setting(tmp_path: Path, setting: str) -> None:
    import lightning

    from goodfit.trainers.integrations.lightning import fit

    with pytest.raises(BadTrainer, match=f"{setting} is not for the trainer to set"):
        fit(handle(tmp_path, Line()), lightning.LightningModule(), None, **{setting: 1})


def test_a_module_of_another_package_is_refused_by_its_name(tmp_path: Path) -> None:
    import pytorch_lightning

    from goodfit.trainers.integrations.lightning import fit

    module: Any = pytorch_lightning.LightningModule()
    with pytest.raises(BadTrainer, match=r"pytorch_lightning\..*derive it from lightning\.LightningModule"):
        fit(handle(tmp_path, Line()), module)


def test_logged_metrics_go_to_their_split_by_plain_names() -> None:
    from goodfit.trainers.integrations.lightning import by_split

    logged = {
        "train_loss": 1, "train_loss_step": 2, "train_loss_epoch": 1, "train/top_5": 3, "val_loss": 4, "val/f1": 5,
        "val_per_step": 6, "learning_rate": 7,
    }  # fmt: skip
    assert by_split(logged) == ({"loss": 1, "top_5": 3}, {"loss": 4, "f1": 5, "per_step": 6})


CHANGING = """
import lightning, torch
from torch.utils.data import DataLoader, TensorDataset
from goodfit.trainers.integrations.lightning import fit

class Net(lightning.LightningModule):
    def __init__(self, config):
        super().__init__()
        self.line, self.config = torch.nn.Linear(1, 1, bias=False), config
    def training_step(self, batch, index):
        loss = self.line(batch[0]).square().mean()
        self.log("train_loss", loss, on_epoch=True)
        self.log("train_rate", self.optimizers().param_groups[0]["lr"])
        self.log("train_decay", self.optimizers().param_groups[0]["weight_decay"])
        return loss
    def validation_step(self, batch, index):
        self.log("val_loss", self.line(batch[0]).square().mean())
        self.log("val_weight", self.line.weight.sum())
    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), self.config.rate, weight_decay=self.config.decay)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 3, 0.1)]

def train(trial):
    rows = DataLoader(TensorDataset(torch.ones(4, 1)), 2)
    fit(trial, Net(trial.config), rows, rows)
"""


def test_a_model_taken_over_goes_on_with_the_hyperparameters_of_its_own_trial(tmp_path: Path) -> None:
    (tmp_path / "changing.py").write_text(CHANGING)
    study: dict[str, Any] = {"trainer": f"{tmp_path / 'changing.py'}:train", "epochs": 5, "metric": "val/loss"}
    study |= {"direction": "minimize", "checkpoint_epochs": 1, "seed": 5}
    first, later = {"rate": 0.01, "decay": 0.0}, {"rate": 0.05, "decay": 0.1}
    source = attempt(tmp_path / "0", trial=0, params=first, pause_at=2, pauses=True, snapshots=2, **study)
    line = attempt(
        tmp_path / "1", trial=1, params=later, reported=2, fork=Fork(0, 2, tmp_path / "0"), snapshots=2, **study
    )
    assert (line.ended.outcome, line.ended.message) == (Outcome.COMPLETE, None)
    assert [metrics["train/rate"] for _, metrics in line.curve] == pytest.approx([0.05, 0.005, 0.005])
    assert [metrics["train/decay"] for _, metrics in line.curve] == pytest.approx([0.1] * 3)
    step = source.curve[-1][1]["val/weight"] - line.curve[0][1]["val/weight"]
    assert 0 < abs(step) < 0.3, "two steps of the new rate from the weights of the other"
    whole = attempt(tmp_path / "whole", schedule=((1, first), (3, later)), **study)
    assert whole.curve == source.curve + line.curve
