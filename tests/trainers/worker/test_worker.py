"""One worker: every way in which a trainer can end becomes one Ended message."""

from __future__ import annotations

import errno
import threading
from pathlib import Path
from typing import Any

import pytest

from goodfit.testing.attempts import Line, assign, attempt, clock
from goodfit.trainers.messages import DataSpec, Outcome, Pack
from goodfit.trainers.worker.isolation import Isolation
from goodfit.trainers.worker.worker import Setup, Worker
from tests.training import IRIS, fill_disk, needs_full_disk

LOOP = "def train(trial):\n    for epoch in trial.epochs():\n        "
REPORT = "trial.report(train={'loss': 1.0}, val={'accuracy': 0.5})"


def a_trainer(folder: Path, text: str) -> str:
    file = folder / "theirs.py"
    file.write_text(text)
    return f"{file}:train"


def test_a_trial_that_trains_all_its_epochs_is_complete(tmp_path: Path) -> None:
    line = attempt(tmp_path / "t", trainer=a_trainer(tmp_path, LOOP + REPORT))
    assert line.ended.outcome is Outcome.COMPLETE
    assert [report.epoch for report in line.reports] == [1, 2, 3]


def test_the_end_tells_how_many_parameters_the_model_has(tmp_path: Path) -> None:
    model = "import torch\ndef train(trial):\n    trial.restore(torch.nn.Linear(4, 3))\n"
    text = model + LOOP.partition("\n")[2] + REPORT
    assert attempt(tmp_path / "t", trainer=a_trainer(tmp_path, text)).ended.size == 4 * 3 + 3
    (own := tmp_path / "own").mkdir()
    assert attempt(tmp_path / "u", trainer=a_trainer(own, LOOP + REPORT)).ended.size is None


def test_a_trial_that_was_asked_to_stop_is_stopped(tmp_path: Path) -> None:
    line = attempt(tmp_path / "t", stop_after=2, trainer=a_trainer(tmp_path, LOOP + REPORT))
    assert line.ended.outcome is Outcome.STOPPED
    assert len(line.reports) == 2


def test_a_trainer_that_raises_is_an_error_with_its_line_and_a_traceback_in_the_log(tmp_path: Path) -> None:
    line = attempt(tmp_path / "t", trainer=a_trainer(tmp_path, LOOP + "raise KeyError('depth')"))
    assert line.ended.outcome is Outcome.ERROR
    assert line.ended.message == "KeyError: 'depth' (theirs.py:3)"
    log = (tmp_path / "t" / "log.txt").read_text()
    assert "--- attempt 1, 1970-01-01T00:16:40+00:00" in log
    assert "Traceback" in log
    assert "raise KeyError('depth')" in log


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("ValueError('caf\\udce9 \\0 end')", "ValueError: caf\\udce9 \\x00 end (theirs.py:5)"),
        ("Mute()", "Mute: (RuntimeError in its __str__) (theirs.py:5)"),
        ("ValueError('long' * 1000)", f"ValueError: {'long' * 125}... (theirs.py:5)"),
    ],
)
def test_an_error_whose_words_cannot_be_had_or_kept_is_told_all_the_same(tmp_path: Path, error: str, told: str) -> None:
    mute = "class Mute(Exception):\n    def __str__(self):\n        raise RuntimeError\n"
    line = attempt(tmp_path / "t", trainer=a_trainer(tmp_path, f"{mute}def train(trial):\n    raise {error}"))
    assert line.ended.outcome is Outcome.ERROR
    assert line.ended.message == told
    assert "Traceback" in (tmp_path / "t" / "log.txt").read_text()


def test_a_trainer_that_exits_does_not_take_the_worker_with_it(tmp_path: Path) -> None:
    line = attempt(tmp_path / "t", trainer=a_trainer(tmp_path, "import sys\ndef train(trial):\n    sys.exit(1)"))
    assert line.ended.outcome is Outcome.ERROR
    assert "SystemExit" in str(line.ended.message)


def test_a_trainer_that_reports_nothing_is_an_error(tmp_path: Path) -> None:
    line = attempt(tmp_path / "t", trainer=a_trainer(tmp_path, "def train(trial): ..."))
    assert line.ended.outcome is Outcome.ERROR
    assert "without one trial.report" in str(line.ended.message)


def test_a_nan_ends_the_trial_without_a_log(tmp_path: Path) -> None:
    report = "trial.report(train={'loss': float('nan')}, val={'accuracy': 0.5})"
    line = attempt(tmp_path / "t", trainer=a_trainer(tmp_path, LOOP + report))
    assert (line.ended.outcome, line.ended.message) == (Outcome.NAN, "train/loss is nan at epoch 1")
    assert not (tmp_path / "t" / "log.txt").exists()


def test_an_objective_in_no_report_makes_the_study_unusable_at_the_end(tmp_path: Path) -> None:
    line = attempt(tmp_path / "t", trainer=a_trainer(tmp_path, LOOP + "trial.report(train={'loss': 1.0})"))
    assert line.ended.outcome is Outcome.UNUSABLE
    assert [report.metrics for report in line.reports] == [{"train/loss": 1.0}] * 3


def test_an_objective_that_is_none_in_every_epoch_fails_its_trial_alone(tmp_path: Path) -> None:
    line = attempt(tmp_path / "t", trainer=a_trainer(tmp_path, LOOP + "trial.report(val={'accuracy': None})"))
    assert (line.ended.outcome, line.ended.message) == (
        Outcome.ERROR,
        "the objective val/accuracy was None in every epoch: nothing ranks the trial",
    )


def test_a_missing_parameter_points_to_the_users_line(tmp_path: Path) -> None:
    text = "def train(trial):\n    lr = 1\n    lr = trial.config['lr']\n"
    line = attempt(tmp_path / "t", trainer=a_trainer(tmp_path, text), params={"learning_rate": 0.1})
    assert "no parameter 'lr'; it has: learning_rate; did you mean 'learning_rate'? (theirs.py:3)" in str(
        line.ended.message
    )


def test_a_missing_field_of_a_config_dataclass_names_those_that_are_there(tmp_path: Path) -> None:
    text = """
from dataclasses import dataclass
from goodfit import register

@dataclass(frozen=True)
class Config:
    width: int = 8
    learning_rate: float = 0.1

@register("theirs", config=Config)
def train(trial):
    print(trial.config.lr)
"""
    line = attempt(tmp_path / "t", trainer=a_trainer(tmp_path, text))
    assert "no attribute 'lr'; it has: width, learning_rate (theirs.py:12)" in str(line.ended.message)


def test_optunas_trial_pruned_is_pruned_and_leaves_no_traceback(tmp_path: Path) -> None:
    text = f"import optuna\nclass Mine(optuna.TrialPruned): ...\n{LOOP}{REPORT}\n        raise Mine"
    line = attempt(tmp_path / "t", trainer=a_trainer(tmp_path, text))
    assert (line.ended.outcome, len(line.reports)) == (Outcome.PRUNED, 1)
    assert not (tmp_path / "t" / "log.txt").exists()


def test_no_memory_is_out_of_memory(tmp_path: Path) -> None:
    line = attempt(tmp_path / "t", trainer=a_trainer(tmp_path, "def train(trial):\n    raise MemoryError"))
    assert line.ended.outcome is Outcome.OOM


def test_a_gpu_without_memory_is_out_of_memory(tmp_path: Path) -> None:
    text = "import torch\ndef train(trial):\n    raise torch.OutOfMemoryError('CUDA out of memory')"
    line = attempt(tmp_path / "t", trainer=a_trainer(tmp_path, text))
    assert line.ended.outcome is Outcome.OOM


def test_an_objective_that_is_never_reported_makes_the_study_unusable(tmp_path: Path) -> None:
    line = attempt(tmp_path / "t", trainer=a_trainer(tmp_path, LOOP + REPORT), metric="val/f1")
    assert line.ended.outcome is Outcome.UNUSABLE
    assert "val/f1 is not reported" in str(line.ended.message)


def test_an_unknown_trainer_makes_the_study_unusable(tmp_path: Path) -> None:
    assert attempt(tmp_path / "t", trainer="cnm").ended.outcome is Outcome.UNUSABLE


def test_broken_data_make_the_study_unusable(tmp_path: Path) -> None:
    line = attempt(tmp_path / "t", trainer="mlp", data=DataSpec(str(tmp_path / "gone.csv"), "y"))
    assert line.ended.outcome is Outcome.UNUSABLE
    assert "gone.csv" in str(line.ended.message)


def test_a_package_that_is_missed_while_training_is_told_with_what_to_install(tmp_path: Path) -> None:
    text = "def train(trial):\n    import no_such_package.layers"
    ended = attempt(tmp_path / "t", trainer=a_trainer(tmp_path, text)).ended
    assert ended.outcome is Outcome.ERROR
    need = "the trainer needs the package no_such_package, which is not installed: pip install no_such_package"
    assert str(ended.message).startswith(need)


def test_a_full_disk_is_told_apart(tmp_path: Path) -> None:
    text = f"def train(trial):\n    raise OSError({errno.ENOSPC}, 'No space left on device')"
    assert attempt(tmp_path / "t", trainer=a_trainer(tmp_path, text)).ended.outcome is Outcome.NO_DISK


@needs_full_disk
def test_a_checkpoint_on_a_full_disk_is_told_apart_and_needs_no_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_disk(monkeypatch)
    line = attempt(tmp_path / "t", trainer="mlp", data=IRIS, epochs=1)
    assert line.ended.outcome is Outcome.NO_DISK
    assert [item.name for item in (tmp_path / "t").glob("*.pt")] == []


def test_what_a_trainer_prints_goes_to_its_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trainer = a_trainer(tmp_path, LOOP + "print('epoch', epoch); " + REPORT)
    attempt(tmp_path / "t", capture=True, trainer=trainer)
    assert (tmp_path / "t" / "log.txt").read_text() == "epoch 1\nepoch 2\nepoch 3\n"
    assert capsys.readouterr().out == ""


def test_in_the_users_own_process_prints_reach_the_user(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    attempt(tmp_path / "t", trainer=a_trainer(tmp_path, LOOP + "print('hello'); " + REPORT), epochs=1)
    assert capsys.readouterr().out == "hello\n"


def test_the_data_are_loaded_once_for_many_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import goodfit.trainers.data

    loaded, load = [], goodfit.trainers.data.load

    def counted(spec: DataSpec) -> goodfit.trainers.data.Data:
        loaded.append(spec)
        return load(spec)

    monkeypatch.setattr(goodfit.trainers.data, "load", counted)
    worker = Worker(Line(), clock(), capture=False)
    worker.warm_up(Setup("mlp", IRIS))
    worker.run(Pack((assign(tmp_path / "a", data=IRIS, epochs=1), assign(tmp_path / "b", data=IRIS, epochs=1))))
    assert loaded == [IRIS]


@pytest.mark.parametrize("step", ["begin", "end"])
def test_where_a_trial_cannot_be_kept_apart_it_ends_and_its_worker_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def broken(isolation: Isolation, trainer: str) -> None:
        raise RuntimeError(f"no {step} of {trainer}")

    monkeypatch.setattr(Isolation, step, broken)
    ended = attempt(tmp_path / "t", trainer="mlp", data=IRIS, epochs=1).ended
    assert (ended.outcome, ended.worn) == (Outcome.ERROR, True)
    assert f"no {step} of mlp" in (ended.message or "")


def test_a_trial_takes_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started, start = [], threading.Thread.start

    def counted(thread: threading.Thread) -> None:
        started.append(thread.name)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", counted)
    attempt(tmp_path / "t", trainer=a_trainer(tmp_path, LOOP + REPORT))
    assert started == ["goodfit-trial"]


def test_what_is_wrong_with_the_study_is_left_for_its_first_trial_to_say(tmp_path: Path) -> None:
    Worker(Line(), clock()).warm_up(Setup("no-such-trainer", DataSpec(str(tmp_path / "gone.csv"))))


def test_a_trial_leaves_the_facts_of_its_data_beside_its_checkpoints(tmp_path: Path) -> None:
    attempt(tmp_path / "t", trainer="mlp", data=IRIS, epochs=1)
    assert {item.name for item in (tmp_path / "t").iterdir()} == {"best.pt", "last.pt", "facts.json"}


@pytest.mark.parametrize("data", [DataSpec("iris"), DataSpec("iris", folds=2, keep=True)], ids=["plain", "folds"])
def test_an_attempt_that_begins_anew_trains_from_the_start_and_keeps_the_log(tmp_path: Path, data: DataSpec) -> None:
    epochs: dict[str, Any] = {"epochs": 2, "data": data, "params": {"depth": 1, "width": 8}}
    whole = attempt(tmp_path / "whole", **epochs)
    attempt(tmp_path / "again", **epochs | {"seed": 5})
    (tmp_path / "again" / "log.txt").write_text("what the first attempt printed\n")
    fresh = attempt(tmp_path / "again", attempt=2, began=2, **epochs)
    assert fresh.curve == whole.curve
    assert "what the first attempt printed" in (tmp_path / "again" / "log.txt").read_text()
    goes_on = attempt(tmp_path / "again", attempt=3, began=2, reported=0, **epochs)
    assert goes_on.curve == whole.curve
