"""A Hugging Face Trainer as a trainer: the example trains, stops, resumes; what cannot work is refused."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from goodfit.testing.attempts import Line, attempt, handle
from goodfit.trainers.errors import BadTrainer, NotResumable
from goodfit.trainers.messages import Outcome
from goodfit.trainers.trial import Trial
from tests.training import DIGITS

# It takes three seconds to import, in every process that collects tests.
pytestmark = pytest.mark.skipif(
    not (find_spec("transformers") and find_spec("accelerate")),
    reason="transformers is not installed: pip install 'goodfit[hugging-face]'",
)

EXAMPLE = Path(__file__).parents[3] / "examples" / "bring_your_own" / "my_hugging_face.py"
SETTINGS: dict[str, Any] = {
    "trainer": f"{EXAMPLE}:train",
    "data": DIGITS,
    "params": {"width": 16, "depth": 1, "dropout": 0.1},
    "epochs": 4,
}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("goodfit.trainers.registry._registered", {})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Line]:
    """A trial that trained to its end, and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("goodfit.trainers.registry._registered", {})
        return folder, attempt(folder, **SETTINGS)


def test_a_trainer_learns_and_reports_both_splits_at_each_evaluation(whole: tuple[Path, Line]) -> None:
    _, line = whole
    assert (line.ended.outcome, line.ended.message) == (Outcome.COMPLETE, None)
    assert [report.epoch for report in line.reports] == [1, 2, 3, 4]
    assert set(line.reports[0].metrics) == {"train/loss", "train/accuracy", "val/loss", "val/accuracy"}
    assert line.reports[-1].metrics["val/accuracy"] >= 0.6, "a tenth is chance"


def test_hugging_face_leaves_no_files_but_the_trials_own(whole: tuple[Path, Line]) -> None:
    left = {path.name for path in whole[0].rglob("*") if path.is_file()}
    assert left == {"best.pt", "last.pt", "facts.json"}


@pytest.mark.parametrize("checkpoint_epochs", [1, 100])
def test_pruning_stops_the_loop_and_a_resumed_trial_gives_the_same_curve(
    whole: tuple[Path, Line], tmp_path: Path, checkpoint_epochs: int
) -> None:
    first = attempt(tmp_path, stop_after=2, checkpoint_epochs=checkpoint_epochs, **SETTINGS)
    assert (len(first.reports), first.ended.outcome) == (2, Outcome.STOPPED)
    second = attempt(tmp_path, attempt=2, reported=2, **SETTINGS)
    assert first.curve + second.curve == whole[1].curve
    assert not (tmp_path / "hugging_face_resume").exists()


def test_a_paused_trial_goes_on_in_another_worker_with_the_same_curve(whole: tuple[Path, Line], tmp_path: Path) -> None:
    first = attempt(tmp_path, pauses=True, pause_at=1, checkpoint_epochs=100, **SETTINGS)
    assert (len(first.reports), first.ended.outcome) == (1, Outcome.STOPPED)
    assert first.reports[0].resumable
    second = attempt(tmp_path, reported=1, pause_at=2, **SETTINGS)
    assert first.curve + second.curve == whole[1].curve


def tiny(trial: Trial, *, model: Any = None, eval_dataset: Any = None, **settings: Any) -> Any:
    """A Hugging Face Trainer of a linear model on 40 rows."""
    import transformers

    from goodfit.trainers.integrations.hugging_face import arguments

    class Linear(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(2, 1)

        def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"loss": torch.nn.functional.mse_loss(self.layer(x).squeeze(1), labels)}

    points = torch.linspace(-1, 1, 40)
    rows = [{"x": torch.stack([x, x * x]), "labels": x} for x in points]
    build = {"model_init": Linear} if model == "init" else {"model": Linear()}
    settings = {"learning_rate": 0.1, "use_cpu": True, **settings}
    return transformers.Trainer(
        **build, args=arguments(trial, **settings), train_dataset=rows, eval_dataset=eval_dataset or rows
    )


def test_by_steps_an_epoch_of_the_trial_is_one_evaluation(tmp_path: Path) -> None:
    from goodfit.trainers.integrations.hugging_face import fit

    line = Line()
    trial = handle(tmp_path, line, metric="val/loss", direction="minimize", epochs=4)
    trainer = tiny(trial, eval_strategy="steps", eval_steps=3, logging_strategy="steps", logging_steps=3)
    fit(trial, trainer)
    assert [report.epoch for report in line.reports] == [1, 2, 3, 4]
    assert trainer.state.global_step == 12
    assert set(line.reports[0].metrics) == {"train/loss", "val/loss"}, "the train loss is the logged one"
    assert line.reports[-1].metrics["val/loss"] < line.reports[0].metrics["val/loss"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"eval_strategy": "no"}, "never evaluates"),
        ({"eval_strategy": "steps", "eval_steps": 0.1}, "eval_steps is 0.1"),
        ({"eval_dataset": {"validation": []}}, 'eval_dataset has validation; name them "train" and "val"'),
        ({"model": "init"}, "give model=, not model_init="),
    ],
)
def test_what_cannot_report_or_resume_is_refused(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    from goodfit.trainers.integrations.hugging_face import fit

    trial = handle(tmp_path, Line())
    with pytest.raises(BadTrainer, match=told):
        fit(trial, tiny(trial, **changes))


class Rates:
    """A callback that notes the learning rate and the weight decay that the optimizer has as each step begins."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.decays: list[float] = []

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        group = kwargs["optimizer"].param_groups[0]
        self.rates.append(group["lr"])
        self.decays.append(group["weight_decay"])


def member(folder: Path, line: Line, *, batch: int = 20, assigned: dict[str, Any], **settings: Any) -> Rates:
    """A member of a population, compared after 2 of 4 epochs of two steps each."""
    from transformers import TrainerCallback

    from goodfit.trainers.integrations.hugging_face import fit

    plain = {"metric": "val/loss", "direction": "minimize", "epochs": 4, "snapshots": 2, "checkpoint_epochs": 1}
    trial = handle(folder, line, **{**plain, **assigned})
    trainer = tiny(trial, per_device_train_batch_size=batch, max_grad_norm=0.0, **settings)
    rates: Rates = type("Callback", (Rates, TrainerCallback), {})()
    trainer.add_callback(rates)
    fit(trial, trainer)
    return rates


@pytest.mark.filterwarnings("ignore:.*train_batch_size")
def test_a_model_taken_over_goes_on_with_the_hyperparameters_of_its_own_trial(tmp_path: Path) -> None:
    before = member(tmp_path, Line(stop_after=2), assigned={}, learning_rate=0.1)
    assert before.rates == pytest.approx([0.1 * (1 - step / 8) for step in range(4)])
    taken = {"attempt": 2, "reported": 2}
    with pytest.raises(NotResumable, match="the batch size was 20 and is 10 now"):
        member(tmp_path, Line(), batch=10, assigned=taken, learning_rate=0.1)
    line = Line()
    after = member(tmp_path, line, assigned=taken, learning_rate=0.4, weight_decay=0.1)
    assert after.rates == pytest.approx([0.4 * (1 - step / 8) for step in range(4, 8)])
    assert (set(before.decays), set(after.decays)) == ({0.0}, {0.1})
    assert [report.epoch for report in line.reports] == [3, 4]
