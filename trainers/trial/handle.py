"""The handle that a trainer gets: its configuration, its data, and the loop's three calls.

The loop belongs to the trainer; when to stop and where to checkpoint is decided here.
A checkpoint holds the registered objects, the curve so far and the early-stopping state, so a
resumed trial goes on as if it had never stopped. Generators are seeded anew at the start of each
epoch from (seed, epoch), so no generator's state has to be kept.
"""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from goodfit.spelling import close
from goodfit.trainers.errors import BadTrainer, Damaged, MetricMissing, Mismatch, NotResumable
from goodfit.trainers.files import make_folder, names_together, until_there, write_checkpoint
from goodfit.trainers.messages import EPOCH_SECONDS, PARAMS_MILLIONS, Assignment, Message, Noted, Reported
from goodfit.trainers.seeding import seed_generators
from goodfit.trainers.trial.checkpoint import keep_snapshot, read_saved, snapshot
from goodfit.trainers.trial.hyperparameters import built_with, with_own
from goodfit.trainers.trial.meter import Meter, usual_seconds
from goodfit.trainers.trial.metrics import must_be_finite, named, named_numbers
from goodfit.trainers.trial.notes import as_json, checked_key, text_or_number
from goodfit.trainers.trial.other_libraries import no_attribute, report_problem

if TYPE_CHECKING:
    from goodfit.trainers.data import Data

ARTIFACTS = "artifacts"  # in a trial's folder
AGAIN = "the trial is trained again from its start"
LOOP = "`for epoch in trial.epochs()`"
ONCE = "a trainer that trains in epochs calls it in that loop, once an epoch; one without the loop calls it once"
CHECKPOINT_SHARE = 0.05  # of the training time that checkpoints may cost
FIRST_COST = 0.005  # seconds that the first is taken to cost


class Stateful(Protocol):
    """A model, an optimizer, a schedule: anything that gives and takes its state."""

    def state_dict(self) -> Any: ...
    def load_state_dict(self, state: Any, /) -> Any: ...


class Channel(Protocol):
    """The way from a worker to the engine. `send` must not wait."""

    def send(self, message: Message) -> None: ...
    def stop_asked(self, trial: int) -> bool: ...
    def may_go_on(self, trial: int, epoch: int) -> bool:
        """Wait for the word whether a trial trains on after this epoch; False: it is to stop."""
        ...


def _nothing(*_: object) -> None:
    pass


class NotANumber(Exception):
    """The objective or a loss is NaN or infinite; training on is pointless."""


class Trial:
    """One attempt at one configuration, as its trainer sees it.

    Attributes:
        config: the trainer's config dataclass, or a Config where it has none.
        data: the training and validation splits, or None where the study names no data.
        seed: 31 bits, the trial's own.
        number: its number in the study.
    """

    def __init__(
        self,
        assignment: Assignment,
        config: Any,
        data: Data | None,
        channel: Channel,
        clock: Callable[[], float] = time.time,
        keep: Callable[[], None] = _nothing,
        notice: Callable[[str], None] = _nothing,
        sleep: Callable[[float], None] = time.sleep,
        ticks: Callable[[], float] | None = None,
        elsewhere: Callable[[], float] = lambda: 0.0,
        *,
        keeps_object: bool = False,
    ) -> None:
        self._keep, self._notice, self._sleep = keep, notice, sleep
        self.config = config
        self.data = data
        self.seed = assignment.seed
        self.number = assignment.trial
        self._folder = assignment.folder
        self._assignment = assignment
        self._channel = channel
        self._clock = clock  # seconds since the epoch, which may be set back
        tick = ticks or clock
        # Seconds for periods, without those that were spent on other trials.
        self._ticks: Callable[[], float] = lambda: tick() - elsewhere()
        self._objects: tuple[Stateful, ...] = ()
        self._built: list[Any] = []  # of each of them, the hyperparameters that it began with
        self._curve: list[tuple[int, dict[str, float], float]] = []
        self._best: tuple[int, float] | None = None
        self._measured = False  # whether the objective has been reported
        self._not_measured = False  # whether it was given as None
        self._best_state: Any = None  # not yet on disk
        self._keeps_object = keeps_object  # the best model as the object that it is, beside its state
        self._not_kept: dict[str, Any] | None = None  # why it cannot be
        self._over = False
        self._returned: float | None = None
        self._epoch = 0
        self._training = 0  # the epoch that epochs() has given out
        self._reported_alone = False  # whether its one report came without that loop
        self._timed = assignment.pause_at is not None or EPOCH_SECONDS in assignment.wanted
        self._began_at = self._ticks() if self._timed else 0.0  # when that was
        self._epoch_seconds: list[float] = []  # of this attempt, where somebody asks what epochs cost
        self._saved_epoch = 0
        self._facts_written = False
        self._saved_at, self._save_cost = -math.inf, FIRST_COST
        self._meter = Meter(clock=lambda: time.perf_counter() - elsewhere())
        self._notes = dict(assignment.notes)

    if not TYPE_CHECKING:  # a checker would take any name for an attribute

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(no_attribute(name), name=name, obj=self)

    @property
    def folder(self) -> Path:
        """Where it may leave files of its own; made when it is read, and waited for while its disk is away."""
        return self._made(self._folder)

    @property
    def artifacts(self) -> Path:
        """The same for files for people, such as pictures of samples; they go to MLflow when it has ended."""
        return self._made(self._folder / ARTIFACTS)

    @property
    def size(self) -> int | None:
        """How many parameters its model has; None where it is not torch's, or was not registered."""
        model = self._objects[0] if self._objects else None
        torch = sys.modules.get("torch")
        if torch is None or not isinstance(model, torch.nn.Module):
            return None
        return sum(int(weight.numel()) for weight in model.parameters())

    @property
    def epochs_total(self) -> int:
        """How many epochs the trial may train: what a learning-rate schedule needs to know."""
        return self._assignment.epochs

    @property
    def epoch(self) -> int:
        """The last epoch reported; 0 before the first."""
        return self._epoch

    @property
    def best_epoch(self) -> int:
        """The epoch with the best objective so far; 0 before the first report of a number."""
        return self._best[0] if self._best else 0

    @property
    def _last(self) -> int:
        """The epoch after which it ends."""
        return self._assignment.until or self._assignment.epochs

    @property
    def _holds_epoch(self) -> bool:
        """Whether what is registered is in the state of the last epoch: a given checkpoint may be of an earlier one."""
        return all(getattr(item, "current", True) for item in self._objects)

    @property
    def finished(self) -> bool:
        """Whether the trial ended of its own accord: all its epochs, or out of patience."""
        return self._over

    def restore(self, *objects: Stateful) -> int:
        """Register what a checkpoint holds and, on a later attempt, load it.

        Optimizers and learning-rate schedules of torch keep the hyperparameters that they were built with, where those
        are others than the checkpoint's (see hyperparameters.py).

        Args:
            objects: everything whose state the training changes, always in the same order,
                the model first: its state at the best epoch is kept as well.

        Returns:
            The epochs that are already trained: 0 on a first attempt.

        Raises:
            Mismatch: the checkpoint does not fit these objects; the trial is trained again from its start.
        """
        self._objects, self._saved_at = objects, self._ticks()
        self._built = [built_with(item) for item in objects]
        saved = self._saved() if objects and not self._assignment.fresh else None
        if saved is None:
            return 0
        until_there(lambda: self._write_model(objects[0], None), self._sleep)
        try:
            self._adopt(saved)
        except Exception as error:  # of a file that was changed, or a trainer that was
            first = (str(error).strip().splitlines() or [""])[0]
            raise Mismatch(
                f"{self._folder / 'last.pt'} does not fit what the trainer restores: {type(error).__name__}: {first}"
            ) from error
        for epoch, metrics, at in self._curve:
            if epoch > self._assignment.reported:
                final = self._over and epoch == self._epoch
                self._channel.send(Reported(self.number, self._assignment.attempt, epoch, metrics, at, final))
        return self._epoch

    def _adopt(self, saved: Mapping[str, Any]) -> None:
        """Go on as a checkpoint says; any error where it is none, or of other objects."""
        before = saved.get("built") or [None] * len(self._objects)
        for item, state, then, now in zip(self._objects, saved["objects"], before, self._built, strict=True):
            item.load_state_dict(with_own(state, then, now))
        self._curve = [(int(epoch), named_numbers(metrics), float(at)) for epoch, metrics, at in saved["curve"]]
        self._best = None if saved["best"] is None else (int(saved["best"][0]), float(saved["best"][1]))
        self._measured = any(self._assignment.metric in metrics for _, metrics, _ in self._curve)
        self._epoch = self._saved_epoch = int(saved["epoch"])
        self._over = bool(saved["over"])
        if self._assignment.fork is None and (notes := dict(saved.get("notes") or {})) != self._notes:
            self._notes |= notes
            self._send_notes(notes)

    def _saved(self) -> dict[str, Any] | None:
        """What an earlier attempt saved; None where there is nothing, or nothing that can be used."""
        try:
            saved = until_there(lambda: read_saved(self._folder, self._assignment.root), self._sleep)
        except Damaged as error:
            if self._assignment.fork is not None:
                raise
            self._notice(f"{error}; {AGAIN}")
            return None
        if saved is None and self._assignment.fork is not None:
            raise Damaged(f"{self._folder / 'last.pt'} is missing, of the model that this trial took over")
        needed = any(not getattr(item, "optional", False) for item in self._objects)
        if saved is None and self._assignment.reported and needed:
            self._notice(f"{self._folder / 'last.pt'} is missing; {AGAIN}")
        return saved

    def epochs(self) -> Iterator[int]:
        """The epochs still to train, from 1; ends when the trial is pruned, stopped early or cancelled."""
        if self._reported_alone:
            raise BadTrainer(f"trial.report was called before {LOOP}; {ONCE}")
        while self._epoch < self._last and not self._over and not self._stop_asked() and self._goes_on():
            epoch = self._epoch + 1
            seed_generators(self.seed, epoch)
            self._training = epoch
            if self._timed:
                self._began_at = self._ticks()
            self._meter.begin()
            yield epoch
            if self._epoch != epoch:
                raise BadTrainer(
                    f"epoch {epoch} ended without trial.report(train=..., val=...); "
                    "an epoch without validation is reported by trial.report(train=...)"
                )

    def report(
        self, train: Mapping[str, Any] | None = None, val: Mapping[str, Any] | None = None, **others: object
    ) -> None:
        """Send the epoch's metrics. Does not wait for anyone.

        A trainer without `for epoch in trial.epochs()` reports once: that is its result, and the trial is complete when
        it returns.

        An epoch without validation has no `val`; one metric that was not measured may be None.

        Args:
            train: metrics on the training split, by plain names: {"loss": 0.3, "accuracy": 0.9}.
            val: the same on the validation split.
            others: nothing; what other libraries' reports take is refused with what to write instead.

        Raises:
            BadTrainer: called twice in an epoch, or without that loop; or a metric is no number.
            MetricMissing: the first validation lacks the study's objective, or an epoch that has it lacks another
                metric that the study is judged by.
        """
        if problem := report_problem(train, val, others):
            raise BadTrainer(problem)
        metrics = {**named("train", train or {}), **named("val", val or {})}
        names = [f"{split}/{name}" for split, named in (("train", train), ("val", val)) for name in named or {}]
        split = self._assignment.metric.partition("/")[0]
        self._take(metrics, names, complete=any(name.startswith(f"{split}/") for name in names))

    def _take(self, metrics: dict[str, float], names: Collection[str], *, complete: bool) -> None:
        """Keep and send an epoch's metrics.

        Args:
            metrics: as they are sent.
            names: of these, and of those that were given as None.
            complete: whether the objective would be among them.
        """
        epoch = self._epoch + 1
        if self._training == 0 and not self._reported_alone:
            self._reported_alone = True
            if self._over:  # an earlier attempt has reported it
                return
        elif epoch != self._training:
            raise BadTrainer(self._twice())
        if self._assignment.must_resume and not self._objects:
            raise NotResumable(
                "the study goes on from checkpoints, and the trainer keeps none: it must call "
                "trial.restore(model, optimizer) before `for epoch in trial.epochs()`"
            )
        value = self._objective(metrics, names, complete)
        if self._timed:
            self._epoch_seconds.append(max(0.0, self._ticks() - self._began_at))
        metrics |= self._asked_costs()
        if value is not None:
            self._require_wanted(metrics)
        self._epoch = epoch
        improved = value is not None and self._note_best(epoch, value)
        broken = [name for name, number in metrics.items() if must_be_finite(name, self._assignment.metric, number)]
        out_of_patience = value is not None and self._out_of_patience(epoch)
        self._over = bool(broken) or epoch >= self._last or out_of_patience or self._reported_alone
        at, costs = self._clock(), self._meter.end(last=self._over)
        self._curve.append((epoch, metrics, at))
        if improved and self._objects:
            self._best_state = snapshot(self._objects[0].state_dict())
        if not broken:
            self._checkpoint_if_due(self._ticks())
        timed = self._assignment.pause_at is not None and not self._reported_alone
        seconds = usual_seconds(self._epoch_seconds) if timed else math.nan
        attempt, resumable = self._assignment.attempt, bool(self._objects) and self._holds_epoch
        self._channel.send(Reported(self.number, attempt, epoch, metrics, at, self._over, seconds, resumable, costs))
        if broken:
            raise NotANumber(f"{broken[0]} is {metrics[broken[0]]} at epoch {epoch}")

    def _twice(self) -> str:
        if self._reported_alone:
            return f"trial.report was called twice without {LOOP}; {ONCE}"
        return f"trial.report was called twice in epoch {self._epoch}; call it once an epoch, in that loop"

    def note(self, key: str, value: Any) -> None:
        """Keep a text or a number with the trial, beside its metrics; the last value of a key counts.

        It is shown in `trials()` as `notes.KEY`, in MLflow as a tag of that name, and is a user attribute in Optuna.

        Args:
            key: up to 100 characters; a trial has up to 100 notes.
            value: text of up to 5,000 characters, or a number.

        Raises:
            BadTrainer: the key or the value is something else.
        """
        self._keep_note(checked_key(key, self._notes), text_or_number(key, value))

    def _keep_note(self, key: str, value: Any) -> None:
        kept = as_json(key, value)
        if key in self._notes and self._notes[key] == kept and type(self._notes[key]) is type(kept):
            return
        self._notes[key] = kept
        self._send_notes({key: kept})

    def _send_notes(self, notes: Mapping[str, Any]) -> None:
        self._channel.send(Noted(self.number, self._assignment.attempt, notes))

    def waited(self, seconds: float, rows: int = 0) -> None:
        """Say how long this epoch has waited for its data: the diagnosis names a trial that waits more than it trains.

        The built-in trainers do so. It is of use in a trainer that reads its batches itself while it trains.

        Args:
            seconds: added to what was said of this epoch before.
            rows: that it has trained on meanwhile, for the rows a second; 0: not known.
        """
        self._meter.waited(seconds, rows)

    def _packed(self, members: int, saved: float) -> None:
        """Say how many trials this epoch was trained with, this one among them, and the seconds that it saved."""
        self._meter.packed(members, saved)

    def _made(self, folder: Path) -> Path:
        """A folder of the trial's that its trainer writes to. The study's is not made: its disk may be away."""
        until_there(lambda: make_folder(folder, self._assignment.root), self._sleep)
        return folder

    def _stop_asked(self) -> bool:
        return self._channel.stop_asked(self.number)

    def _goes_on(self) -> bool:
        pause = self._assignment.pause_at
        return pause is None or self._epoch < pause or self._channel.may_go_on(self.number, self._epoch)

    def _require_objective(self) -> None:
        """An error where no report has the objective: of the trial where it was None, else of the whole study."""
        if not self._measured and self._not_measured:
            raise BadTrainer(
                f"the objective {self._assignment.metric} was None in every epoch: nothing ranks the trial"
            )
        if not self._measured:
            reported = dict.fromkeys(name for _, metrics, _ in self._curve for name in metrics)
            raise self._missing(reported)

    def _objective(self, metrics: Mapping[str, float], names: Collection[str], complete: bool) -> float | None:
        """The objective's value; None in an epoch that does not measure it."""
        objective = self._assignment.metric
        if objective in metrics:
            self._measured = True
            return metrics[objective]
        self._not_measured |= objective in names
        if not self._measured and objective not in names and complete:
            raise self._missing(names)  # misspelt in the study, most likely; not to be found out at the last epoch
        return None

    def _asked_costs(self) -> dict[str, float]:
        """What the study asks of what training costs, as far as it is known."""
        found: dict[str, float] = {}
        if PARAMS_MILLIONS in self._assignment.wanted and self.size is not None:
            found[PARAMS_MILLIONS] = self.size / 1e6
        if EPOCH_SECONDS in self._assignment.wanted:
            found[EPOCH_SECONDS] = statistics.median(self._epoch_seconds)
        return found

    def _require_wanted(self, metrics: Mapping[str, float]) -> None:
        """An error where an epoch that has the objective lacks something else that the study is judged by."""
        missing = next((name for name in self._assignment.wanted if name not in metrics), None)
        if missing is None:
            return
        if missing == PARAMS_MILLIONS:
            raise MetricMissing(
                f"{missing} is not known: the trainer has no torch model that it gives to trial.restore(model, "
                "optimizer) before its first report. Register it there, or take the constraint or objective out"
            )
        near = close(missing, metrics)
        raise MetricMissing(
            f"the study is judged by {missing}, which is not reported with the objective at epoch {self._epoch + 1}; "
            f"{f'did you mean {near}? ' if near else ''}the trainer reports: {', '.join(metrics)}. "
            "Report it in every epoch that has the objective, or change the study's objective or constraint"
        )

    def _missing(self, names: Collection[str]) -> MetricMissing:
        objective = self._assignment.metric
        split, _, name = objective.rpartition("/")
        if not split:
            near = close(objective, names)
            hint = f"; did you mean {near}?" if near else "."
            reported = ", ".join(names) or "nothing"
            return MetricMissing(
                f"the objective {objective} is not reported; reported are: {reported}{hint} "
                f"Change the objective, or report {objective}"
            )
        return MetricMissing(
            f"the objective {objective} is not reported; the trainer reports: {', '.join(names) or 'nothing'}. "
            f"Change the objective, or report it by {split}={{{name!r}: ...}} (None in an epoch without it)"
        )

    def _note_best(self, epoch: int, value: float) -> bool:
        sign = 1.0 if self._assignment.direction == "maximize" else -1.0
        if math.isnan(value) or (self._best and sign * (value - self._best[1]) <= 0):
            return False
        self._best = (epoch, value)
        return True

    def _out_of_patience(self, epoch: int) -> bool:
        patience = self._assignment.patience
        best_epoch = self._best[0] if self._best else 0
        return patience is not None and epoch - best_epoch >= patience

    def _checkpoint_if_due(self, now: float) -> None:
        if not self._objects:
            return
        every = self._assignment.checkpoint_epochs
        if every is not None:
            due = self._epoch // every > self._saved_epoch // every
        else:
            due = now - self._saved_at >= self._save_cost / CHECKPOINT_SHARE
        if self._snapshot_due and not self._holds_epoch:
            raise NotResumable(
                f"members of the population take over each other's models after every {self._assignment.snapshots} "
                f"epochs, and the trainer gave no checkpoint at epoch {self._epoch}; report one there "
                "(tune.report(..., checkpoint=...)), or make `search.interval` a multiple of the epochs between its "
                "checkpoints"
            )
        if due or self._over or self._snapshot_due:
            self.save()

    @property
    def _snapshot_due(self) -> bool:
        every = self._assignment.snapshots
        return every is not None and self._epoch % every == 0 and not self._over

    def save(self) -> None:
        """Write last.pt and, if a better epoch has come since, best.pt; each whole or not at all."""
        if not self._objects or self._saved_epoch == self._epoch or not self._holds_epoch:
            return
        start = self._ticks()
        until_there(self._write, self._sleep)
        self._saved_epoch = self._epoch
        self._saved_at = self._ticks()
        self._save_cost = self._saved_at - start

    def _write(self) -> None:
        make_folder(self._folder, self._assignment.root)
        better = None if self._best is None or self._best_state is None else (self._best[0], self._best_state)
        self._write_model(self._objects[0], better)
        self._best_state = None
        last = {
            "epoch": self._epoch,
            "objects": [item.state_dict() for item in self._objects],
            "built": self._built,
            "curve": self._curve,
            "best": self._best,
            "over": self._over,
            "notes": self._notes,
        }
        if self._snapshot_due:
            keep_snapshot(self._folder, self._assignment.root, last, self._assignment.snapshots or 1)
        write_checkpoint(self._folder / "last.pt", last)
        self._keep()

    def _write_model(self, item: Any, best: tuple[int, Any] | None) -> None:
        """All that a Predictor needs: best.pt, and the facts once an attempt, so that a damaged file does not stay.

        Args:
            item: the model.
            best: its best epoch and its state then; None: best.pt has them.
        """
        with names_together():
            if self.data is not None and not self._facts_written:
                self.data.facts.write(self._folder / "facts.json")
            if best is not None:
                self._write_best(item, *best)
        self._facts_written = True

    def _write_best(self, item: Any, epoch: int, state: Any) -> None:
        best = {"epoch": epoch, "model": state}
        if self._keeps_object:
            from goodfit.trainers.trial.own_model import OBJECT, kept

            best[OBJECT] = self._not_kept or kept(item, state)
            self._not_kept = best[OBJECT] if "why" in best[OBJECT] else None  # it is not tried again
        write_checkpoint(self._folder / "best.pt", best)

    def _keep_returned(self, value: object) -> None:
        """Keep a model that the trainer returned, where it registered none and it is the one that was measured."""
        if value is None or self._objects or not self._keeps_object or not self._over or self.best_epoch != self.epoch:
            return
        from goodfit.trainers.trial.own_model import Whole, is_model

        if not is_model(value):
            return
        item = value if hasattr(value, "state_dict") and hasattr(value, "load_state_dict") else Whole(value)
        try:
            state = snapshot(item.state_dict())
        except Exception as error:  # noqa: BLE001 - whatever the user's objects raise; the trial was trained
            self._notice(f"the {type(value).__name__} that the trainer returned cannot be kept: {error}")
            return
        until_there(lambda: self._write_returned(item, state), self._sleep)
        self._keep()

    def _write_returned(self, item: Any, state: Any) -> None:
        make_folder(self._folder, self._assignment.root)
        self._write_model(item, (self.epoch, state))
