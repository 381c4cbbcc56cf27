"""One worker's work, whichever executor hosts it: load the data once, run assignments.

Every way in which a trainer can end becomes one Ended message; the traceback goes to the trial's log file.
A worker may have several trials at once: they take turns in it, see training/packing/hub.py.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from goodfit.trainers.artifacts.places import place_of
from goodfit.trainers.artifacts.sync import Keeper
from goodfit.trainers.code import Code, moved, placed
from goodfit.trainers.environment import PRIVATE
from goodfit.trainers.errors import TrainersError
from goodfit.trainers.files import make_folder, until_there
from goodfit.trainers.importing import leave_source_tree, use_packages_of
from goodfit.trainers.messages import Assignment, DataSpec, Ended, Outcome, Pack
from goodfit.trainers.registry import Trainer, resolve
from goodfit.trainers.training.packing.hub import Hub
from goodfit.trainers.trial import Channel
from goodfit.trainers.worker import data_loading, late_compiler, memory, mlflow_calls
from goodfit.trainers.worker.attempt import Attempt, Trained
from goodfit.trainers.worker.baseline import trivial_scores
from goodfit.trainers.worker.failures import describe, judge, outcome_of
from goodfit.trainers.worker.isolation import Isolation, fingerprint, start_thread
from goodfit.trainers.worker.label_treatment import KEEP, Suspects, treated
from goodfit.trainers.worker.out_of_fold import Stopped, Training
from goodfit.trainers.worker.taking_over import take_over

if TYPE_CHECKING:
    from goodfit.trainers.data import Data
    from goodfit.trainers.node_cache import CacheSpec


@dataclass(frozen=True, slots=True)
class Setup:
    """What every assignment of a study shares."""

    trainer: str
    data: DataSpec | None
    threads: int = 1  # that a model may use: the CPUs of one trial
    gpus: float = 0.0  # its share of them; without one it does not see them
    paths: tuple[str, ...] = ()  # where a user's own modules are found
    code: Code | None = None  # what the study brings of its own
    elsewhere: bool = False  # the worker may be on a machine that is not its user's
    withheld: tuple[str, ...] = PRIVATE  # how the names of variables begin that trainers do not get
    keys: Mapping[str, str] = field(default_factory=dict)  # of the object store, for the trials' own files
    cache: CacheSpec | None = None  # where what is decoded and prepared is kept for all workers of a node


@dataclass(frozen=True, slots=True)
class _Loaded:
    """The data that were loaded last.

    Attributes:
        digest: of the source, as it was read.
        fingerprint: of what was made of it, as no trial had used it.
        trivial: by the name of a trainer, the scores of a trivial model on them.
    """

    spec: DataSpec
    data: Data
    digest: str
    fingerprint: int
    trivial: dict[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(slots=True)
class _Running:
    """A trial of the worker.

    Attributes:
        assignment: with its files in a folder of this machine.
        keep: called when files have changed that another attempt will need.
        isolated: whether what it changes is to be put back.
        ended: how it has ended.
        over: what is done when all has been put back.
    """

    assignment: Assignment
    keep: Callable[[], None] = lambda: None
    isolated: bool = False
    ended: Ended = field(init=False)
    over: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __post_init__(self) -> None:
        trial, attempt = self.assignment.trial, self.assignment.attempt
        self.ended = Ended(trial, attempt, Outcome.ERROR, "its thread ended without a word", worn=True)

    @contextlib.contextmanager
    def surviving(self) -> Iterator[None]:
        """Have an error end the trial, and not its worker; without an end the study would wait for it."""
        trial, attempt = self.assignment.trial, self.assignment.attempt
        try:
            yield
        except (TrainersError, OSError) as error:
            self.ended = Ended(trial, attempt, outcome_of(error), describe(error))
        except Exception as error:  # noqa: BLE001 - of Goodfit or its installation
            self.ended = Ended(trial, attempt, Outcome.ERROR, describe(error), worn=True)


class Worker:
    """Keeps what lives longer than a trial: imported trainers and loaded data."""

    def __init__(
        self,
        channel: Channel,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] | None = None,
        *,
        capture: bool = True,
        own_process: bool = True,
    ) -> None:
        self._channel = channel
        self._clock, self._ticks = clock, ticks or clock
        self._capture, self._own_process = capture, own_process
        self._data: _Loaded | None = None
        self._used = False  # whether a trial has ended since it was last seen that none had changed them
        self._suspects = Suspects()
        self._moved: tuple[str, str] | None = None  # where the study's code came from, and where its copy lies here
        streams = [(sys, "stdout"), (sys, "stderr")] if capture else []
        self.hub = Hub(start_thread, [*streams, (mlflow_calls, "_current"), (data_loading, "_current")])
        self._isolation = Isolation(own_process=own_process)

    def warm_up(self, setup: Setup) -> None:
        """Import and load what the first assignment will need.

        What is wrong with it is left for that assignment to find and to report.
        """
        if setup.keys:
            from goodfit.trainers.artifacts.object_store import use_keys

            use_keys(setup.keys)
        limit(setup.threads, setup.gpus)
        if self._own_process:
            late_compiler.put_off()
            memory.keep()
        if setup.cache is not None:
            from goodfit.trainers.data.reading import node

            node.use(setup.cache)
        if setup.elsewhere:
            leave_source_tree()
            use_packages_of("the workers")
        if setup.code is not None:
            self._lay_down(setup.code, setup.paths)
        sys.path.extend(path for path in setup.paths if path not in sys.path)
        with contextlib.suppress(Exception):
            resolve(self._here(setup.trainer))
            if setup.data is not None:
                self._load(self._data_here(setup.data))

    def _lay_down(self, code: Code, paths: tuple[str, ...]) -> None:
        """Have the study's own code on this machine; a copy is found before what is installed here, as it was there."""
        place = placed(code)
        if str(place) == code.root:
            return
        self._moved = (code.root, str(place))
        folders = [self._here(path) for path in paths if path == code.root or path.startswith(f"{code.root}/")]
        sys.path[:0] = list(dict.fromkeys([*folders, str(place)]))

    def _here(self, reference: str) -> str:
        return reference if self._moved is None else moved(reference, *self._moved)

    def _data_here(self, spec: DataSpec) -> DataSpec:
        translate = spec.augment.translate
        augment = spec.augment if translate is None else replace(spec.augment, translate=self._here(translate))
        return replace(spec, source=self._here(spec.source), augment=augment)

    def run(self, pack: Pack) -> None:
        """Train a pack to its end."""
        for assignment in pack.assignments:
            self.start(assignment)
        while not self.hub.is_idle:
            self.hub.take_turns()
            self.hub.train()

    def start(self, assignment: Assignment) -> None:
        """Begin a trial; it trains in the turns of the hub, sending every report and one Ended."""
        trial = _Running(self.placed(assignment))
        with contextlib.suppress(Exception):  # to import it is no change by a trial; if it fails, the trial says so
            resolve(trial.assignment.trainer)
        self.hub.start(partial(self._run, trial), partial(self._begin, trial), partial(self._end, trial))

    def placed(self, assignment: Assignment) -> Assignment:
        """The assignment with what the study brought named where it lies here; after `warm_up`."""
        data = None if assignment.data is None else self._data_here(assignment.data)
        return replace(assignment, trainer=self._here(assignment.trainer), data=data)

    def _begin(self, trial: _Running) -> None:
        with trial.surviving():
            if trial.assignment.place is not None:
                _keep_at_place(trial, trial.assignment.place)
            self._isolation.begin(trial.assignment.trainer)
            trial.isolated = True

    def _run(self, trial: _Running) -> None:
        """Train a trial, in a thread of its own."""
        if trial.isolated:
            with trial.surviving():
                trial.ended = self._attempt(trial.assignment, _LazyFile(trial.assignment), trial.keep)

    def _end(self, trial: _Running) -> None:
        """Leave nothing of a trial to the next, and say how it ended."""
        with trial.surviving(), trial.over:
            if trial.isolated:
                self._put_back(trial)
        self._channel.send(trial.ended)

    def _put_back(self, trial: _Running) -> None:
        left = self._isolation.end(trial.assignment.trainer)
        self._used = True
        if (resident := sys.modules.get("goodfit.trainers.training.resident")) is not None:
            resident.forget_changed()
        if left:
            text = f"--- attempt {trial.assignment.attempt}: the worker is replaced after it: {'; '.join(left)}\n"
            with contextlib.suppress(OSError):
                _LazyFile(trial.assignment).append(text)
            trial.ended = replace(trial.ended, worn=True)

    def _attempt(self, assignment: Assignment, log: _LazyFile, keep: Callable[[], None]) -> Ended:
        notices: list[str] = []
        trained: Trained | None = None
        trained_on: dict[str, None] = {}  # digests of its data

        def notice(text: str) -> None:
            notices.append(text)
            log.write(f"--- attempt {assignment.attempt}: {text}\n")

        try:
            until_there(partial(_begin, assignment))
            if until_there(partial(take_over, assignment)):
                keep()
            with _captured(log) if self._capture else contextlib.nullcontext():
                trainer: Trainer = resolve(assignment.trainer)
                load = partial(self._load_treated, trainer, assignment, trained_on)
                clocks, elsewhere = (self._clock, self._ticks), self.hub.elsewhere
                trained = Attempt(
                    trainer,
                    assignment,
                    load,
                    self._channel,
                    *clocks,
                    keep,
                    notice,
                    elsewhere=elsewhere,
                    trivial=self._trivial,
                ).run()
            for text in _of_cache():
                notice(text)
            outcome, message = trained.outcome, "; ".join(notices) or None
        except Stopped:
            outcome, message = Outcome.STOPPED, None
        except BaseException as error:  # noqa: BLE001 - whatever a trainer raises ends its trial, not the worker
            outcome, message = judge(error, assignment)
            if outcome not in (Outcome.NAN, Outcome.PRUNED):
                stamp = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="seconds")
                with contextlib.suppress(OSError):  # a full disk: the message has to do without its traceback
                    log.append(f"--- attempt {assignment.attempt}, {stamp}\n{traceback.format_exc()}")
        done = trained or Trained(outcome)
        trial, attempt = assignment.trial, assignment.attempt
        data = "+".join(trained_on) or None
        measured = done.curve, done.test, done.baseline, done.size, data
        return Ended(trial, attempt, outcome, message, *measured, value=done.value)

    def _load_treated(
        self, trainer: Trainer, assignment: Assignment, digests: dict[str, None], spec: DataSpec, *, test: bool = False
    ) -> Data:
        """The data, with what the study does about training rows whose labels are likely wrong.

        Their digest is added to `digests`.
        """
        data, digest = self._load(spec, test=test)
        digests[digest] = None
        if spec.labels == KEEP:
            return data

        def stop_asked() -> bool:
            return self._channel.stop_asked(assignment.trial)

        judge = Training(trainer, assignment, assignment.folder / "judging", stop_asked=stop_asked)
        return treated(data, self._suspects.of(judge, spec, _digest(spec)), spec.labels)

    def _load(self, spec: DataSpec, *, test: bool = False) -> tuple[Data, str]:
        """The data, and their digest."""
        from goodfit.trainers.data import load, load_sealed

        if test:  # not kept: the rows are of no use but once
            return load_sealed(spec), _digest(spec)
        if self._data is None or self._data.spec != spec or self._has_changed(self._data):
            self._data = None  # before the others are read: memory holds one of them at a time
            data = load(spec)
            self._data = _Loaded(spec, data, _digest(spec), _fingerprint(data))
        return self._data.data, self._data.digest

    def _has_changed(self, loaded: _Loaded) -> bool:
        """Whether a trainer has changed the data in place; looked at once for all trials that ended meanwhile."""
        if not self._used:
            return False
        self._used = False
        return _fingerprint(loaded.data) != loaded.fingerprint

    def _trivial(self, trainer: Trainer, data: Data | None) -> Mapping[str, float]:
        """As `trivial_scores`; of the loaded data once for all their trials."""
        loaded = self._data
        if loaded is None or data is not loaded.data:
            return trivial_scores(trainer, data)
        if trainer.name not in loaded.trivial:
            loaded.trivial[trainer.name] = trivial_scores(trainer, data)
        return loaded.trivial[trainer.name]


def _keep_at_place(trial: _Running, url: str) -> None:
    """Have a trial's files kept at an object store; it writes to a scratch folder of its own."""
    scratch = trial.over.enter_context(tempfile.TemporaryDirectory(prefix="goodfit-"))
    own = trial.assignment = replace(trial.assignment, folder=Path(scratch, f"{trial.assignment.trial:05d}"))
    keeper = Keeper(own.folder, place_of(url))
    until_there(keeper.begin if own.attempt == 1 and not own.reported else keeper.pull)
    trial.keep = keeper.push
    trial.over.callback(until_there, keeper.push)  # the log, to its last line
    trial.over.enter_context(keeper.following(own.log.name))


def _of_cache() -> list[str]:
    """What the node's cache could not do for the data, since this was asked last."""
    node = sys.modules.get("goodfit.trainers.data.reading.node")
    return [] if node is None else list(node.notices())


def _digest(spec: DataSpec) -> str:
    """What the data are that were just read."""
    from goodfit.trainers.data.fingerprint import fingerprint

    found = fingerprint(spec)
    return "gone" if found is None else found.digest


def _fingerprint(data: Data) -> int:
    """What shows whether a trainer has changed the data in memory, which the next trial gets, too."""
    from goodfit.trainers.data import Data, Facts, Preparation, Split

    return fingerprint(data, lambda kind: kind in (Data, Split, Facts, Preparation))


def limit(threads: int, gpus: float) -> None:
    """Keep a model to its share of the machine, in torch and in the libraries under numpy."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    if not gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)


def _begin(assignment: Assignment) -> None:
    """Let an attempt from the start begin in an empty folder, and another without what a killed one had half written.

    The log of the attempts before stays.
    """
    folder = assignment.folder
    if assignment.root is not None and not assignment.root.is_dir():
        raise FileNotFoundError(errno.ENOENT, "the folder of the study does not exist", str(assignment.root))
    if not folder.is_dir():
        return
    if assignment.attempt == 1 and assignment.fresh:
        shutil.rmtree(folder)
    elif assignment.fresh:
        for entry in folder.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry != assignment.log:
                entry.unlink()
    for part in folder.rglob("*.part"):
        part.unlink(missing_ok=True)


class _LazyFile:
    """A text file that is made at the first write: most trials print nothing."""

    def __init__(self, assignment: Assignment) -> None:
        self._path, self._root = assignment.log, assignment.root

    def write(self, text: str) -> int:
        """Write to its end; where its folder is away, once that is back."""
        return until_there(partial(self.append, text))

    def append(self, text: str) -> int:
        """The same without a wait."""
        make_folder(self._path.parent, self._root)
        with self._path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            return file.write(text)

    def flush(self) -> None:
        """Every write is on its way when it returns."""

    def isatty(self) -> bool:
        return False


@contextlib.contextmanager
def _captured(log: _LazyFile) -> Iterator[None]:
    """Send what a trainer prints to its trial's log."""
    with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        yield
