"""Ray Tune's functions and classes as trainers: reports, checkpoints, stops and pauses, in one worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodfit.testing.attempts import Line, attempt
from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.messages import Fork, Outcome
from goodfit.trainers.registry import resolve

FUNCTION = """
import json, os, tempfile
from pathlib import Path
from ray import tune

def train(config):
    epoch, loss = 0, 8.0
    if (checkpoint := tune.get_checkpoint()) is not None:
        with checkpoint.as_directory() as folder:
            state = json.loads(Path(folder, "deep", "state.json").read_text())
        epoch, loss = state["epoch"], state["loss"]
    while epoch < 6:
        epoch, loss = epoch + 1, loss * config["optimizer"]["factor"]
        print("epoch", epoch)
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "deep"))
            Path(folder, "deep", "state.json").write_text(json.dumps({"epoch": epoch, "loss": loss}))
            given = tune.Checkpoint.from_directory(folder) if epoch % EVERY == 0 else None
            tune.report({"loss": loss, "deep": {"epoch": epoch}, "name": "x", "done": False}, checkpoint=given)
"""
CLASS = """
from ray import tune

class Train(tune.Trainable):
    def setup(self, config):
        self.loss, self.factor = 8.0, config["optimizer"]["factor"]

    def step(self):
        self.loss *= self.factor
        return {"loss": self.loss, "iteration": self.iteration, "done": self.iteration + 1 >= 6}

    def save_checkpoint(self, folder):
        return {"loss": self.loss}

    def load_checkpoint(self, checkpoint):
        self.loss = checkpoint["loss"]

    def cleanup(self):
        print("cleaned up")
"""
WHOLE = [(epoch, 8.0 / 2**epoch) for epoch in range(1, 7)]


def run(folder: Path, text: str, name: str = "train", **changes: object) -> Line:
    file = folder / "theirs.py"
    file.write_text(text)
    plain = {"params": {"optimizer.factor": 0.5}, "metric": "loss", "direction": "minimize", "epochs": 100}
    return attempt(folder / "t", trainer=f"{file}:{name}", **{**plain, **changes})  # type: ignore[arg-type]


def losses(line: Line) -> list[tuple[int, float]]:
    return [(epoch, metrics["loss"]) for epoch, metrics in line.curve]


@pytest.mark.parametrize(("text", "name"), [(FUNCTION.replace("EVERY", "1"), "train"), (CLASS, "Train")])
def test_each_report_is_an_epoch_and_a_pause_goes_on_from_the_checkpoint(tmp_path: Path, text: str, name: str):
    line = run(tmp_path, text, name)
    assert line.ended.outcome is Outcome.COMPLETE, line.ended.message
    assert losses(line) == WHOLE
    first = run(tmp_path, text, name, pause_at=2, pauses=True)
    assert (first.ended.outcome, losses(first)) == (Outcome.STOPPED, WHOLE[:2])
    assert all(report.resumable for report in first.reports)
    second = run(tmp_path, text, name, attempt=1, reported=2)
    assert (second.ended.outcome, losses(second)) == (Outcome.COMPLETE, WHOLE[2:])


def test_metrics_keep_their_names_and_what_is_no_number_is_left_out(tmp_path: Path):
    line = run(tmp_path, FUNCTION.replace("EVERY", "1"))
    assert line.curve[0][1] == {"loss": 4.0, "deep/epoch": 1.0}


def test_a_checkpoint_now_and_then_is_where_a_later_attempt_goes_on(tmp_path: Path):
    text = FUNCTION.replace("EVERY", "2")
    first = run(tmp_path, text, stop_after=3)
    assert [report.resumable for report in first.reports] == [False, True, False]
    second = run(tmp_path, text, attempt=2, reported=3)
    assert losses(second) == WHOLE[2:]


def test_without_checkpoints_another_attempt_starts_anew_and_says_nothing(tmp_path: Path):
    text = FUNCTION.replace("EVERY", "99")
    run(tmp_path, text, stop_after=3)
    second = run(tmp_path, text, attempt=2, reported=3)
    assert (losses(second), second.ended.message) == (WHOLE, None)


def test_the_epochs_of_the_study_end_it(tmp_path: Path):
    line = run(tmp_path, FUNCTION.replace("EVERY", "1"), epochs=4)
    assert (line.ended.outcome, losses(line)) == (Outcome.COMPLETE, WHOLE[:4])


def test_a_class_is_cleaned_up_and_writes_nothing_outside(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run(tmp_path, CLASS, "Train")
    assert "cleaned up" in capsys.readouterr().out


def test_a_report_without_the_objective_names_it_and_the_nearest(tmp_path: Path):
    line = run(tmp_path, "from ray import tune\ndef train(config):\n    tune.report({'mean_loss': 1, 'accuracy': 2})")
    assert line.ended.outcome is Outcome.UNUSABLE
    assert line.ended.message == (
        "the objective loss is not reported; reported are: mean_loss, accuracy; did you mean mean_loss? "
        "Change the objective, or report loss"
    )


RETURNS = "import ray.tune\ndef train(config):\n    return {'loss': config['optimizer']['factor']}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (RETURNS, [(1, 0.5)]),
        (RETURNS.replace("return", "yield"), [(1, 0.5)]),
    ],
)
def test_what_a_function_returns_is_its_report(tmp_path: Path, text: str, told: object):
    assert losses(run(tmp_path, text)) == told


def test_its_context_knows_the_trial_and_relative_files_are_its_own(tmp_path: Path):
    text = (
        "import os\nfrom ray import tune\ndef train(config):\n    context = tune.get_context()\n"
        "    assert context.get_trial_dir() == os.getcwd(), os.getcwd()\n    open('mine.txt', 'w').close()\n"
        "    assert context.get_trial_id() == '00007' and context.get_experiment_name() == 'a-study'\n"
        "    try:\n        tune.report({'loss': 1.0})\n    except Exception:\n        raise AssertionError from None"
    )
    here = Path.cwd()
    line = run(tmp_path, text, epochs=1)
    assert line.ended.outcome is Outcome.COMPLETE, line.ended.message
    assert (tmp_path / "t" / "files" / "mine.txt").exists()
    assert Path.cwd() == here


WRAPPED = """
from ray import tune

def train(config, start, factors):
    loss = start
    for factor in factors:
        loss *= factor
        tune.report({"loss": loss})

class Train(tune.Trainable):
    def setup(self, config, start, factors):
        self.loss, self.factors = start, factors

    def step(self):
        self.loss *= self.factors[self.iteration]
        return {"loss": self.loss, "done": self.iteration == 5}

GIVEN = {"start": 8.0, "factors": [0.5] * 6}
function = tune.with_parameters(tune.with_resources(train, {"cpu": 2}), **GIVEN)
kind = tune.with_resources(tune.with_parameters(Train, **GIVEN), {"cpu": 2})
"""


@pytest.mark.parametrize("name", ["function", "kind"])
def test_what_a_trainable_is_wrapped_in_comes_with_it(tmp_path: Path, name: str):
    assert losses(run(tmp_path, WRAPPED, name)) == WHOLE


@pytest.mark.parametrize("name", ["train", "Train"])
def test_a_trainable_that_lacks_parameters_says_how_to_give_them(tmp_path: Path, name: str):
    (tmp_path / "theirs.py").write_text(WRAPPED)
    with pytest.raises(BadTrainer, match=rf"NAME = tune.with_parameters\({name}, ...\), and write .*theirs.py:NAME"):
        resolve(f"{tmp_path}/theirs.py:{name}")


OPTIMIZED = """
import os, tempfile, torch
from ray import tune

class State:
    def __init__(self, config):
        self.model = torch.nn.Linear(1, 1)
        self.optimizer = torch.optim.SGD(self.model.parameters(), 2 * config["rate"], weight_decay=config["decay"])
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda epoch: 0.5 ** (epoch // 3))
        self.parts = {"model": self.model, "optimizer": self.optimizer, "schedule": self.schedule}

    def epoch(self):
        loss = self.model(torch.ones(1, 1)).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        group = dict(self.optimizer.param_groups[0])
        self.optimizer.step()
        self.schedule.step()
        return {"loss": loss.item(), "rate": group["lr"], "decay": group["weight_decay"]}

    def save(self, folder):
        torch.save({name: part.state_dict() for name, part in self.parts.items()}, os.path.join(folder, "state.pt"))

    def load(self, folder):
        state = torch.load(os.path.join(folder, "state.pt"))
        for name, part in self.parts.items():
            part.load_state_dict(state[name])

def train(config):
    state = State(config)
    if (checkpoint := tune.get_checkpoint()) is not None:
        with checkpoint.as_directory() as folder:
            state.load(folder)
    while True:
        metrics = state.epoch()
        with tempfile.TemporaryDirectory() as folder:
            state.save(folder)
            tune.report(metrics, checkpoint=tune.Checkpoint.from_directory(folder))

class Train(tune.Trainable):
    def setup(self, config):
        self.state = State(config)

    def step(self):
        return self.state.epoch()

    def save_checkpoint(self, folder):
        self.state.save(folder)

    def load_checkpoint(self, folder):
        self.state.load(folder)
"""


@pytest.mark.parametrize("name", ["train", "Train"])
def test_a_model_taken_over_is_trained_at_the_members_own_rate_though_its_code_loads_the_others(
    tmp_path: Path, name: str
):
    first, later = {"rate": 0.05, "decay": 0.0}, {"rate": 0.01, "decay": 0.1}
    study = {"epochs": 6, "seed": 5, "checkpoint_epochs": 1}
    source = run(tmp_path, OPTIMIZED, name, params=first, pause_at=2, pauses=True, snapshots=2, **study)
    fork = Fork(7, 2, tmp_path / "t")
    (tmp_path / "1").mkdir()
    taken = run(tmp_path / "1", OPTIMIZED, name, params=later, trial=1, reported=2, fork=fork, snapshots=2, **study)
    assert taken.ended.outcome is Outcome.COMPLETE, taken.ended.message
    rates = [metrics["rate"] for _, metrics in source.curve + taken.curve]
    assert rates == pytest.approx([0.1, 0.1, 0.02, 0.01, 0.01, 0.01])
    assert [metrics["decay"] for _, metrics in taken.curve] == [0.1] * 4
    (tmp_path / "2").mkdir()
    whole = run(tmp_path / "2", OPTIMIZED, name, schedule=((1, first), (3, later)), **study)
    assert whole.curve == source.curve + taken.curve


def test_a_member_that_gives_no_checkpoint_where_others_take_over_says_what_to_do(tmp_path: Path):
    line = run(tmp_path, FUNCTION.replace("EVERY", "2"), snapshots=3)
    assert line.ended.outcome is Outcome.UNUSABLE
    assert "gave no checkpoint at epoch 3" in str(line.ended.message)


def test_a_class_without_checkpoints_is_no_member_of_a_population(tmp_path: Path):
    line = run(tmp_path, CLASS.replace("save_checkpoint", "other"), "Train", snapshots=3)
    assert (line.ended.outcome, line.curve) == (Outcome.UNUSABLE, [])
    assert "Train keeps none: give it save_checkpoint and load_checkpoint" in str(line.ended.message)


def test_a_function_that_reports_no_number_or_nothing_ends_the_study(tmp_path: Path):
    text = "from ray import tune\ndef train(config):\n    {}\n"
    said = {
        "pass": "the function ended without one tune.report",
        "tune.report({'loss': 'low'})": "the objective loss is reported as 'low', not a number",
    }
    for place, (body, message) in enumerate(said.items()):
        (tmp_path / str(place)).mkdir()
        line = run(tmp_path / str(place), text.format(body), "train")
        assert line.ended.outcome is Outcome.UNUSABLE
        assert message in str(line.ended.message)
