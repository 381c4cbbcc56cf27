"""The contract of trainers: they repeat themselves, resume, end when asked, and report what they declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from goodfit.testing.attempts import Line, assign, clock
from goodfit.trainers.data import load, load_sealed
from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.messages import Assignment, DataSpec, Outcome, Pack, Reported
from goodfit.trainers.registry import Trainer, resolve
from goodfit.trainers.seeding import seed_generators
from goodfit.trainers.trial import Trial
from goodfit.trainers.worker.worker import Worker


@dataclass(frozen=True)
class TrainerCase:
    """A trainer and what it is tested with: choose small data and a small model.

    Attributes:
        trainer: as a study names it: a name, `module:name` or `path.py:name`.
        data: what it is trained on; None where it brings its own.
        params: the hyperparameters of each trial; those left out have their defaults.
        metric: the objective.
        direction: of the objective.
        epochs: of each trial, at least three.
        bad: hyperparameters that its config has to refuse, one mapping a mistake.
        diverging: hyperparameters with which its loss is no number before the last epoch.
    """

    trainer: str
    data: DataSpec | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    metric: str = "val/loss"
    direction: str = "minimize"
    epochs: int = 4
    bad: Sequence[Mapping[str, Any]] = ()
    diverging: Mapping[str, Any] | None = None

    def attempt(self, folder: Path, stop_after: int | None = None, *, pauses: bool = False, **changes: Any) -> Line:
        """One attempt at a trial of it: what a worker sent."""
        line = Line(stop_after, pauses=pauses)
        Worker(line, clock(), capture=False).run(Pack((self.assignment(folder, **changes),)))
        return line

    def assignment(self, folder: Path, **changes: Any) -> Assignment:
        """What the worker of a trial gets."""
        plain = {name: getattr(self, name) for name in ("trainer", "data", "params", "metric", "direction", "epochs")}
        return assign(folder, **{**plain, "checkpoint_epochs": 1, **changes})

    def with_params(self, more: Mapping[str, Any]) -> Mapping[str, Any]:
        """Its hyperparameters with some changed."""
        return {**self.params, **more}


@dataclass(frozen=True)
class Whole:
    """A trial that was trained from its start to its end: its folder, and what its worker sent."""

    folder: Path
    line: Line


_TRAINED: dict[str, Whole] = {}


class TrainerContract:
    """What every trainer must do."""

    @pytest.fixture
    def case(self) -> TrainerCase:
        """The trainer under test."""
        raise NotImplementedError("override the fixture `case`: it returns a TrainerCase of your trainer")

    @pytest.fixture
    def trainer(self, case: TrainerCase) -> Trainer:
        """The trainer and what it declares."""
        return resolve(case.trainer)

    @pytest.fixture
    def whole(self, case: TrainerCase, tmp_path_factory: pytest.TempPathFactory) -> Whole:
        """One trial of the case, trained once for all tests."""
        if repr(case) not in _TRAINED:
            folder = tmp_path_factory.mktemp("whole")
            _TRAINED[repr(case)] = Whole(folder, case.attempt(folder))
        return _TRAINED[repr(case)]

    def test_a_trial_reports_each_epoch_and_completes(self, case: TrainerCase, whole: Whole) -> None:
        assert whole.line.ended.outcome is Outcome.COMPLETE, whole.line.ended.message
        assert [report.epoch for report in whole.line.reports] == list(range(1, case.epochs + 1))

    def test_the_same_seed_gives_the_same_curve(self, case: TrainerCase, whole: Whole, tmp_path: Path) -> None:
        """A confirmation trains a trial once more and has to meet the same model."""
        assert whole.line.curve
        assert case.attempt(tmp_path).curve == whole.line.curve

    def test_a_resumed_trial_gives_exactly_the_curve_of_an_uninterrupted_one(
        self, case: TrainerCase, whole: Whole, tmp_path: Path
    ) -> None:
        """It says to `trial.restore` all that training changes."""
        first = case.attempt(tmp_path, stop_after=2)
        second = case.attempt(tmp_path, attempt=2, reported=2)
        assert (first.ended.outcome, second.ended.outcome) == (Outcome.STOPPED, Outcome.COMPLETE), second.ended.message
        assert second.ended.message is None
        assert first.curve + second.curve == whole.line.curve
        for name in ("best.pt", "last.pt"):
            assert_equal(model_of(tmp_path / name), model_of(whole.folder / name))

    def test_a_paused_trial_goes_on_in_another_worker_with_the_curve_of_one_that_was_not(
        self, case: TrainerCase, whole: Whole, tmp_path: Path
    ) -> None:
        """No attempt is counted, and its checkpoint need not have been due."""
        first = case.attempt(tmp_path, pauses=True, pause_at=1, checkpoint_epochs=1000)
        assert (len(first.reports), first.ended.outcome) == (1, Outcome.STOPPED), first.ended.message
        if not first.reports[0].resumable:
            pytest.skip("it says nothing to trial.restore, so its trials are never paused")
        second = case.attempt(tmp_path, reported=1, pause_at=2)
        assert (second.ended.outcome, second.ended.message) == (Outcome.COMPLETE, None)
        assert first.curve + second.curve == whole.line.curve

    def test_a_stop_is_heard_at_the_next_epoch(self, case: TrainerCase, tmp_path: Path) -> None:
        line = case.attempt(tmp_path, stop_after=1)
        assert line.ended.outcome is Outcome.STOPPED, line.ended.message
        assert len(line.reports) == 1

    def test_a_loss_that_is_not_a_number_ends_the_trial_as_such(self, case: TrainerCase, tmp_path: Path) -> None:
        if case.diverging is None:
            pytest.skip("the case names no hyperparameters that make it diverge")
        line = case.attempt(tmp_path, params=case.with_params(case.diverging))
        assert line.ended.outcome is Outcome.NAN, line.ended.message

    def test_the_declared_metrics_are_those_that_are_reported(
        self, case: TrainerCase, trainer: Trainer, whole: Whole
    ) -> None:
        if trainer.metrics is None:
            pytest.skip("it declares no metrics")
        task = load(case.data).task if case.data else next(iter(trainer.metrics))
        reported = {name for report in whole.line.reports for name in report.metrics}
        declared = {f"{split}/{name}" for split in ("train", "val") for name in trainer.metrics[task]}
        assert case.metric in reported
        assert reported == declared

    def test_its_config_refuses_what_it_cannot_be(self, case: TrainerCase, trainer: Trainer, tmp_path: Path) -> None:
        """A bad value fails its trial alone, with a message that names the hyperparameter."""
        trainer.configure(case.params)
        wrong = [*case.bad, *([{"no_such_hyperparameter": 1}] if trainer.config else [])]
        if not wrong:
            pytest.skip("it has no config, and the case names no bad hyperparameters")
        for number, bad in enumerate(wrong):
            with pytest.raises(BadTrainer) as caught:
                trainer.configure(case.with_params(bad))
            assert any(name in str(caught.value) for name in bad)
            ended = case.attempt(tmp_path / str(number), params=case.with_params(bad)).ended
            assert (ended.outcome, ended.message) == (Outcome.ERROR, str(caught.value))

    def test_the_best_checkpoint_loads_into_the_model_that_build_gives(
        self, case: TrainerCase, trainer: Trainer, whole: Whole
    ) -> None:
        if trainer.build is None:
            pytest.skip("it declares no build: its models cannot be loaded again")
        model = trainer.build(trainer.configure(case.params), load(case.data).facts if case.data else None)
        best = model_of(whole.folder / "best.pt")
        model.load_state_dict(best)
        assert_equal(model.state_dict(), best)

    def test_the_training_does_not_depend_on_the_validation_rows(
        self, case: TrainerCase, trainer: Trainer, whole: Whole, tmp_path: Path
    ) -> None:
        """A confirmation trains with the test rows in their place; nothing that is learnt may change."""
        if case.data is None:
            pytest.skip("it brings its own data")
        line, assignment = Line(), case.assignment(tmp_path)
        seed_generators(assignment.seed, 0)
        trainer(Trial(assignment, trainer.configure(case.params), load_sealed(case.data), line, clock()))
        assert [on_training(report) for report in line.reports] == [
            on_training(report) for report in whole.line.reports
        ]


def on_training(report: Reported) -> Mapping[str, float]:
    """The metrics of an epoch on the training rows."""
    return {name: value for name, value in report.metrics.items() if name.startswith("train/")}


def model_of(file: Path) -> Any:
    """The model in a checkpoint; None where the trainer says nothing to `trial.restore`."""
    import torch

    if not file.exists():
        return None
    saved = torch.load(file, weights_only=True)
    return saved["model"] if "model" in saved else saved["objects"][0]


def assert_equal(one: Any, other: Any) -> None:
    """Checkpoints, or parts of them, that hold the same tensors and values."""
    import torch

    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, Mapping):
        assert one.keys() == other.keys()
        for name in one:
            assert_equal(one[name], other[name])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for mine, theirs in zip(one, other, strict=True):
            assert_equal(mine, theirs)
    else:
        assert one == other
