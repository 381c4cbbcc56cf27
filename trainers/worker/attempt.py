"""One attempt at a trial: trained once, or for cross-validation once a fold.

With folds, a trial reports once a fold: the mean over the folds so far, each at its own best epoch,
so that trials can be pruned before all their folds are trained; beside each mean stands the value
of this fold alone, as `fold/val/loss`. The trainer knows nothing of it: each fold has a folder and
checkpoints of its own. What a fold came to is kept there, so a later attempt trains no fold twice.
The model of the trial is that of its best fold.

A confirmation is scored on the test split as well, whatever its trainer: the same training is done
once more, up to the best epoch by validation, with the test rows in the place of the validation rows.
The model is the same then (on a GPU, as far as its arithmetic repeats), nothing about it was chosen by
the test rows, and they are read for this alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from goodfit.trainers.errors import BadTrainer, Damaged, Mismatch
from goodfit.trainers.files import copied, make_folder, names_together, read_json, until_there, write_json
from goodfit.trainers.messages import Assignment, DataSpec, EndSearch, Message, Noted, Outcome, Reported
from goodfit.trainers.seeding import seed_generators
from goodfit.trainers.trial import AGAIN, ARTIFACTS, Channel, Trial
from goodfit.trainers.worker.baseline import trivial_scores
from goodfit.trainers.worker.data_loading import timed
from goodfit.trainers.worker.mlflow_calls import noted
from goodfit.trainers.worker.mlflow_notes import FILE, Notes

if TYPE_CHECKING:
    from goodfit.trainers.data import Data
    from goodfit.trainers.registry import Trainer

Metrics = Mapping[str, float]
RESULT = "fold.json"


class Load(Protocol):
    """Loads the data of a spec; for `test`, with the test rows in the place of the validation rows."""

    def __call__(self, spec: DataSpec, *, test: bool = False) -> Data: ...


@dataclass(frozen=True, slots=True)
class Trained:
    """How an attempt ended.

    Attributes:
        outcome: COMPLETE or STOPPED.
        curve: of a complete trial with folds, the mean of their curves: its epochs are those that
            all folds have.
        test: of a complete trial that was to be scored on the test split, its metrics.
        size: of a complete trial, its model's parameters.
    """

    outcome: Outcome
    curve: tuple[Metrics, ...] = ()
    test: Metrics | None = None
    baseline: Metrics = field(default_factory=dict)  # of a trivial model; with folds the mean over them
    size: int | None = None
    value: float | None = None  # that the trainer has returned, where that is not its last report


@dataclass(frozen=True, slots=True)
class FoldResult:
    """What one fold came to.

    Attributes:
        best: which of its epochs, from 0, has the best objective.
        curve: its metrics, epoch by epoch.
        test: at the best epoch, on the test split, where that is asked for.
    """

    best: int
    curve: tuple[Metrics, ...]
    test: Metrics | None = None
    baseline: Metrics = field(default_factory=dict)
    size: int | None = None

    @property
    def metrics(self) -> Metrics:
        """At the best epoch."""
        return self.curve[self.best]

    @classmethod
    def of(cls, curve: Mapping[int, Metrics], assignment: Assignment) -> FoldResult:
        """From a fold's reports by epoch; some epochs may lack the objective, not all."""
        epochs = tuple(curve[epoch] for epoch in sorted(curve))
        measured = [index for index, metrics in enumerate(epochs) if assignment.metric in metrics]
        return cls(measured[_best([epochs[index][assignment.metric] for index in measured], assignment)], epochs)

    def write(self, folder: Path) -> None:
        write_json(folder / RESULT, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> FoldResult | None:
        """None where the fold has not been trained to its end; Damaged where the file says nothing of use."""
        path = folder / RESULT
        try:
            kept = read_json(path)
        except FileNotFoundError:
            return None
        try:
            curve = tuple(_numbers(metrics) for metrics in kept["curve"])
            found = cls(kept["best"], curve, kept["test"], kept["baseline"], kept.get("size"))
            found.metrics  # noqa: B018 - its best epoch is one that it has
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise Damaged(f"{path} is damaged: {type(error).__name__}: {error}") from error
        return found


class _Listener:
    """A channel that keeps the curve to itself, and asks what the trial's own is asked.

    Args:
        channel: the trial's own.
        notes: whether what is noted goes there; what is noted of the test split must not.
    """

    def __init__(self, channel: Channel, *, notes: bool) -> None:
        self.curve: dict[int, Metrics] = {}
        self._channel, self._notes = channel, notes

    def send(self, message: Message) -> None:
        if isinstance(message, Reported):
            self.curve[message.epoch] = message.metrics
        elif isinstance(message, EndSearch) or (isinstance(message, Noted) and self._notes):
            self._channel.send(message)

    def stop_asked(self, trial: int) -> bool:
        return self._channel.stop_asked(trial)

    def may_go_on(self, trial: int, epoch: int) -> bool:  # noqa: ARG002 - the trial's own epochs are the folds
        return not self.stop_asked(trial)


class _Stretch:
    """A channel by which a trial ends after an epoch, as one does that is paused there."""

    def __init__(self, channel: Channel, end: int) -> None:
        self._channel, self._end = channel, end

    def send(self, message: Message) -> None:
        self._channel.send(message)

    def stop_asked(self, trial: int) -> bool:
        return self._channel.stop_asked(trial)

    def may_go_on(self, trial: int, epoch: int) -> bool:
        return epoch < self._end and not self.stop_asked(trial)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a trial: its trainer, what it is to train, and the way to the engine."""

    trainer: Trainer
    assignment: Assignment
    load: Load
    channel: Channel
    clock: Callable[[], float]
    ticks: Callable[[], float]
    keep: Callable[[], None]  # called when files have changed that another attempt will need
    notice: Callable[[str], None]  # gets what the trial's user should know of it
    elsewhere: Callable[[], float] = lambda: 0.0  # seconds that the worker spent on other trials
    trivial: Callable[[Trainer, Data | None], Metrics] = trivial_scores

    def run(self) -> Trained:
        """Train, all folds where there are folds, and score on the test split where that is asked for."""
        spec = self.assignment.data
        if spec is not None and spec.folds is not None:
            return self._folds(spec, spec.folds)
        trial = self._once(self.assignment, self.channel)
        if trial is None:
            return Trained(Outcome.STOPPED)
        trivial = self.trivial(self.trainer, trial.data)
        if not self.assignment.test:
            return Trained(Outcome.COMPLETE, baseline=trivial, size=trial.size, value=trial._returned)  # noqa: SLF001 - not for trainers
        test = self._scored(self.assignment, trial.best_epoch)
        return Trained(Outcome.STOPPED) if test is None else Trained(Outcome.COMPLETE, (), test, trivial, trial.size)

    def _once(self, part: Assignment, channel: Channel, *, test: bool = False) -> Trial | None:
        """Train one model; None where it was stopped before its end."""
        data = None if part.data is None else self.load(part.data, test=test)
        trial = self._scheduled(part, data, channel) if part.schedule else self._again(part, data, channel)
        if not trial.finished and channel.stop_asked(part.trial):
            return None
        if not trial.epoch:
            raise BadTrainer("the trainer ended without one trial.report(train=..., val=...)")
        trial._require_objective()  # noqa: SLF001 - not for trainers
        return trial

    def _scheduled(self, part: Assignment, data: Data | None, channel: Channel) -> Trial:
        """Train with one configuration after the other, each from the checkpoint of the one before."""
        ends = [first - 1 for first, _ in part.schedule[1:]]
        reported = part.reported
        for (_, params), end in zip(part.schedule, [*ends, None], strict=True):
            own = replace(part, params=params, reported=reported, pause_at=part.pause_at if end is None else end)
            trial = self._again(own, data, channel if end is None else _Stretch(channel, end))
            if end is None or trial.finished or trial.epoch < end:  # it has come to its end, or was stopped
                break
            reported = max(reported, trial.epoch)
        return trial

    def _again(self, part: Assignment, data: Data | None, channel: Channel) -> Trial:
        """Train; once more from the start where what an earlier attempt saved does not fit."""
        config = self.trainer.configure(part.params)
        try:
            return self._trained(part, config, data, channel)
        except Mismatch as error:  # found when the trainer had begun: what it has built may be half restored
            if part.fork is not None or part.schedule:
                raise
            self.notice(f"{error}; {AGAIN}")
            return self._trained(replace(part, began=part.attempt, reported=0), config, data, channel)

    def _trained(self, part: Assignment, config: Any, data: Data | None, channel: Channel) -> Trial:
        """Run the trainer to its end; the handle that it had."""
        notes = Notes(lambda: trial.artifacts)

        def keep() -> None:
            notes.write()
            self.keep()

        own = self.trainer.keeps_object
        ticks, elsewhere = self.ticks, self.elsewhere
        trial = Trial(
            part,
            config,
            data,
            channel,
            self.clock,
            keep,
            self.notice,
            ticks=ticks,
            elsewhere=elsewhere,
            keeps_object=own,
        )
        until_there(partial(notes.go_on, part.folder / ARTIFACTS / FILE))
        seed_generators(part.seed, 0)
        with noted(notes), timed(trial.waited):
            returned = self.trainer(trial)
        trial.save()
        trial._keep_returned(returned)  # noqa: SLF001 - not for trainers
        return trial

    def _scored(self, part: Assignment, best_epoch: int) -> Metrics | None:
        """The metrics on the test split at the best epoch; None where it was stopped."""
        folder = part.folder / "test"
        listener = _Listener(self.channel, notes=False)
        again = replace(part, folder=folder, until=best_epoch, patience=None, reported=0, test=False, pause_at=None)
        if self._once(again, listener, test=True) is None:
            return None
        if best_epoch not in listener.curve:
            raise BadTrainer(
                f"the same training as before ended before epoch {best_epoch}; a trainer must repeat itself"
            )
        if folder.is_dir():
            shutil.rmtree(folder)
        found = listener.curve[best_epoch]
        return {name.removeprefix("val/"): value for name, value in found.items() if name.startswith("val/")}

    def _folds(self, spec: DataSpec, count: int) -> Trained:
        whole = self.assignment
        results: list[FoldResult] = []
        for fold in range(count):
            folder = whole.folder / f"fold-{fold + 1}"
            part = replace(whole, folder=folder, data=replace(spec, fold=fold), reported=0, pause_at=None)
            result = self._finished_fold(folder) or self._fold(part)
            if result is None:
                return Trained(Outcome.STOPPED)
            results.append(result)
            until_there(partial(_take_over, whole, results))
            until_there(self.keep)
            last = len(results) == count
            if len(results) > whole.reported:
                self.channel.send(_report(whole, results, self.clock(), final=last))
            if not last and not self._may_go_on(len(results)):
                return Trained(Outcome.STOPPED)
        epochs = min(len(result.curve) for result in results)
        curve = tuple(_mean([one.curve[epoch] for one in results]) for epoch in range(epochs))
        tests = [result.test for result in results if result.test is not None]
        trivial = _mean([result.baseline for result in results])
        return Trained(Outcome.COMPLETE, curve, _mean(tests) if tests else None, trivial, results[-1].size)

    def _may_go_on(self, folds: int) -> bool:
        whole = self.assignment
        if self.channel.stop_asked(whole.trial):
            return False
        return whole.pause_at is None or folds < whole.pause_at or self.channel.may_go_on(whole.trial, folds)

    def _fold(self, part: Assignment) -> FoldResult | None:
        """Train one fold and keep what it came to; None where it was stopped."""
        listener = _Listener(self.channel, notes=True)
        trial = self._once(part, listener)
        if trial is None:
            return None
        trivial = self.trivial(self.trainer, trial.data)
        result = replace(FoldResult.of(listener.curve, part), baseline=trivial, size=trial.size)
        if part.test:
            test = self._scored(part, result.best + 1)
            if test is None:
                return None
            result = replace(result, test=test)
        until_there(partial(_keep_result, part, result))
        return result

    def _finished_fold(self, folder: Path) -> FoldResult | None:
        """What an earlier attempt made of a fold; None where there is nothing, or nothing that can be used."""
        try:
            return until_there(partial(FoldResult.read, folder))
        except Damaged as error:
            self.notice(f"{error}; this fold is trained again")
            return None


def _numbers(metrics: Mapping[str, Any]) -> Metrics:
    return {name: float(number) for name, number in metrics.items()}


def _keep_result(part: Assignment, result: FoldResult) -> None:
    make_folder(part.folder, part.root)
    result.write(part.folder)


def _report(assignment: Assignment, results: Sequence[FoldResult], at: float, *, final: bool) -> Reported:
    """The mean over the folds so far, and the last one alone."""
    alone = {f"fold/{name}": value for name, value in results[-1].metrics.items()}
    metrics = {**_mean([result.metrics for result in results]), **alone}
    return Reported(assignment.trial, assignment.attempt, len(results), metrics, at, final)


def _take_over(assignment: Assignment, results: Sequence[FoldResult]) -> None:
    """Put the last fold's artifacts, and its model if it is the best so far, where a trial's are."""
    make_folder(assignment.folder, assignment.root)
    folder = assignment.folder / f"fold-{len(results)}"
    if (artifacts := folder / ARTIFACTS).is_dir():
        shutil.copytree(artifacts, assignment.folder / ARTIFACTS / folder.name, dirs_exist_ok=True)
    if _best([result.metrics[assignment.metric] for result in results], assignment) == len(results) - 1:
        with names_together():
            for name in ("best.pt", "facts.json"):
                if (folder / name).exists():
                    copied(folder / name, assignment.folder / name)


def _best(values: Sequence[float], assignment: Assignment) -> int:
    """The place of the best of these values of the objective, the first of equals."""
    choose = max if assignment.direction == "maximize" else min
    return values.index(choose(values))


def _mean(folds: Sequence[Metrics]) -> dict[str, float]:
    """Each metric's mean over the folds; of those metrics that all of them have."""
    shared = [name for name in folds[0] if all(name in metrics for metrics in folds)]
    return {name: sum(metrics[name] for metrics in folds) / len(folds) for name in shared}
