"""Ray Tune's functions and Trainable classes as trainers, unchanged.

A function runs in a session of Ray's own kind: `tune.report`, `tune.get_checkpoint` and `tune.get_context` find it
where Ray looks for one. Each report is an epoch. A checkpoint that it reports is kept with the trial's own, so a trial
that was paused or killed gets it back from `tune.get_checkpoint`; a class saves and loads by its own methods.

As in Ray Tune the working folder is the trial's own while it trains, unless RAY_CHDIR_TO_TRIAL_DIR is 0.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from numbers import Number
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ray.train._internal import session as ray_session
from ray.tune import Checkpoint, PlacementGroupFactory, Trainable, with_resources
from ray.tune.result import DEFAULT_METRIC, DONE, TIME_TOTAL_S, TRIAL_INFO

from goodfit.trainers.errors import BadTrainer, MetricMissing, NotResumable
from goodfit.trainers.integrations.bridge import Epochs
from goodfit.trainers.integrations.built import Built
from goodfit.trainers.trial import Inside, Trial

FOLDER = "files"  # in a trial's folder: what the function writes without saying where
_ITERATION = "training_iteration"
_OURS = ("done", "should_checkpoint")  # words to Ray Tune, and no metrics


def train_function(function: Callable[[dict[str, Any]], Any], trial: Trial) -> None:
    """Train by a function that takes its configuration and calls `tune.report`, or returns its metrics."""
    with tempfile.TemporaryDirectory(prefix="goodfit-") as scratch:
        session = _Session(trial, Path(scratch), getattr(function, "__name__", "trainable"))
        if not session.begin():
            return
        with _in_session(session), _in_folder(trial), session.built.watching(), contextlib.suppress(_Over):
            session.take_returned(function(nested(trial.config)))
            session.end()


def train_class(kind: type[Trainable], trial: Trial) -> None:
    """Train by a Trainable: a step is an epoch."""
    inside, saves = Inside(trial), kind.save_checkpoint is not Trainable.save_checkpoint
    if inside.changes and not saves:
        raise NotResumable(
            f"the study goes on from checkpoints, and {kind.__name__} keeps none: give it save_checkpoint and "
            "load_checkpoint, or take another search method than pbt and pb2"
        )
    built = Built(watch=inside.changes)
    with _in_folder(trial), built.watching():
        trainable = _made(kind, trial)
        try:
            kept = _KeptTrainable(trainable, built)
            if saves:
                trial.restore(kept)
            for _ in trial.epochs():
                trainable.train()
                inside.report(measured(trainable.last, inside.objective))
                if trainable.last.get(DONE):
                    inside.finish()
            trial.save()  # before the class takes down what it consists of
        finally:
            trainable.stop()


def requested(trainable: Any) -> dict[str, float] | None:
    """What a trainable requests of the cluster by `tune.with_resources` or `default_resource_request`; None: nothing.

    Args:
        trainable: a function or a class.

    Raises:
        BadTrainer: it cannot be known before a trial has its configuration, or is more than one node's.
    """
    request = getattr(trainable, "_resources", None)
    if isinstance(trainable, type) and issubclass(trainable, Trainable):
        request = _class_request(trainable)
    if request is None:
        return None
    if not isinstance(request, PlacementGroupFactory):
        raise BadTrainer("requests resources that depend on its configuration")
    if len(request.bundles) != 1:
        raise BadTrainer(
            f"requests {len(request.bundles)} bundles of resources for a trial, and a trial has one worker"
        )
    return {name: float(amount) for name, amount in request.bundles[0].items() if amount}


def requested_as(resources: Any) -> dict[str, float] | None:
    """What `tune.with_resources(..., resources)` requests; BadTrainer as by requested, and where Ray refuses it."""
    try:
        return requested(with_resources(lambda _: None, resources))
    except (TypeError, ValueError) as error:
        raise BadTrainer(f"requests {resources!r:.80}: {error}") from error


def _class_request(kind: type[Trainable]) -> Any:
    given = kind.default_resource_request
    if given.__func__ is Trainable.default_resource_request.__func__:  # type: ignore[attr-defined]
        return None
    try:
        return given({})
    except Exception as error:
        raise BadTrainer("requests resources that depend on its configuration") from error


class _Over(SystemExit):
    """The trial has ended, as Ray Tune ends a function: by an exit that `except Exception` lets pass."""


class _Session:
    """What Ray's functions for trainables find: reports and checkpoints go to the trial.

    Attributes:
        world_rank: None says that this is a trial and no worker of Ray Train; likewise the others.
    """

    world_rank = local_rank = node_rank = world_size = local_world_size = None
    accelerator = dataset_shard = metadata = None

    def __init__(self, trial: Trial, scratch: Path, name: str) -> None:
        self._trial, self._inside, self._scratch = trial, Inside(trial), scratch
        self.built = Built(watch=self._inside.changes)
        self._epochs, self._kept = Epochs(trial), _KeptFiles(self.built)
        self.experiment_name = self._inside.study
        self.trial_id = self.run_id = f"{trial.number:05d}"
        self.trial_name = f"{name}_{self.trial_id}"
        self.trial_resources = PlacementGroupFactory([{"CPU": 1}])
        self._state: dict[str, Any] = {}

    @property
    def trial_dir(self) -> str:
        return str(self._trial.folder / FOLDER)

    def begin(self) -> bool:
        """Load what an earlier attempt kept, and begin the next epoch; False: there is none."""
        self._trial.restore(self._kept)
        return self._epochs.begin()

    @property
    def loaded_checkpoint(self) -> Any:
        """The last checkpoint that was reported, by this attempt or by one before."""
        if self._kept.files is None:
            return None
        folder = self._scratch / "checkpoint"
        shutil.rmtree(folder, ignore_errors=True)
        write_files(self._kept.files, folder)
        return Checkpoint.from_directory(folder)

    def report(self, metrics: Mapping[str, Any], checkpoint: Checkpoint | None = None) -> None:
        """An epoch, with the checkpoint from which another attempt can go on after it."""
        if not isinstance(metrics, Mapping):
            raise BadTrainer(
                f"tune.report takes a mapping of metrics, such as {{'loss': 0.3}}, and got {metrics!r:.60}"
            )
        if checkpoint is not None:
            with checkpoint.as_directory() as folder:
                self._kept.files = read_files(Path(folder))
        self._kept.current = checkpoint is not None
        self._inside.report(measured(metrics, self._inside.objective))
        if not metrics.get(DONE) and self._epochs.begin():
            return
        self._trial.save()
        raise _Over(0)

    def take_returned(self, returned: Any) -> None:
        """Report what a function returns or yields in the place of calling `tune.report`."""
        if returned is None:
            return
        if isinstance(returned, Iterator):
            for one in returned:
                self.take_returned(one)
        elif isinstance(returned, Mapping):
            self.report(returned)
        elif isinstance(returned, Number):
            self.report({DEFAULT_METRIC: returned})
        else:
            raise BadTrainer(
                f"the function returns {type(returned).__name__}, where Ray Tune takes a mapping of metrics or a number"
            )

    def end(self) -> None:
        """The function has come to its end."""
        if not self._trial.epoch:
            report = f"tune.report({{{self._inside.objective!r}: ...}})"
            raise MetricMissing(f"the function ended without one {report}, and returned no metrics")
        self._inside.finish()

    def get_state(self, key: str) -> Any:
        return self._state.get(key)

    def set_state(self, key: str, value: Any) -> None:
        self._state[key] = value


class _KeptFiles:
    """The files of the last checkpoint that a function reported.

    Attributes:
        files: by their paths in its folder; None before the first.
        current: whether they are of the last epoch: only then can another attempt go on from there.
        optional: nothing is missing where none was kept; the function may report no checkpoints.
    """

    optional = True

    def __init__(self, built: Built) -> None:
        self.files: dict[str, Any] | None = None
        self.current = False
        self._built = built

    def state_dict(self) -> dict[str, Any]:
        return {"files": dict(self.files or {}), "built": self._built.kept()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        new = isinstance(state.get("files"), Mapping)  # before it was the files themselves
        self.files = dict(state["files"] if new else state)
        self._built.restore(state["built"] if new else [])


class _KeptTrainable:
    """A Trainable as something that a checkpoint holds: the files that it saves itself to."""

    def __init__(self, trainable: Any, built: Built) -> None:
        self._trainable, self._built = trainable, built

    def state_dict(self) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="goodfit-") as folder:
            self._trainable.save(folder)
            files = read_files(Path(folder))
        progress = {"iteration": self._trainable.iteration, "seconds": self._trainable.seconds}
        return {"files": files, **progress, "built": self._built.kept()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._built.restore(state.get("built", []))
        with tempfile.TemporaryDirectory(prefix="goodfit-") as folder:
            write_files(state["files"], Path(folder))
            progress = {_ITERATION: state["iteration"], TIME_TOTAL_S: state["seconds"]}
            self._trainable.restore(ray_session._TrainingResult(Checkpoint.from_directory(folder), progress))  # noqa: SLF001


def read_files(folder: Path) -> dict[str, Any]:
    """The files below a folder, by their paths in it, each as a tensor of bytes."""
    import torch

    found = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = bytearray(file.read_bytes())
        tensor = torch.frombuffer(content, dtype=torch.uint8) if content else torch.zeros(0, dtype=torch.uint8)
        found[file.relative_to(folder).as_posix()] = tensor
    return found


def write_files(files: Mapping[str, Any], folder: Path) -> None:
    """Write what read_files gave into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.numpy().tobytes())


def measured(result: Mapping[str, Any], objective: str) -> dict[str, Any]:
    """The metrics of what is reported; MetricMissing where the objective is there and is no number."""
    found = metrics_of(result)
    if objective not in found and objective in result:
        raise MetricMissing(f"the objective {objective} is reported as {result[objective]!r:.60}, not a number")
    return found


def metrics_of(result: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """The numbers among what is reported, those of mappings within it under names with slashes, as in Ray Tune."""
    found: dict[str, Any] = {}
    for name, value in result.items():
        if isinstance(value, Mapping):
            found |= metrics_of(value, f"{above}{name}/")
        elif name not in _OURS and (value is None or _is_number(value)):
            found[f"{above}{name}"] = value
    return found


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, Number) or (getattr(value, "shape", None) == () and hasattr(value, "item"))


def nested(params: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration as Ray Tune gives it: {"optimizer": {"lr": 0.1}} for {"optimizer.lr": 0.1}."""
    config: dict[str, Any] = {}
    for name, value in params.items():
        *above, last = name.split(".")
        place = config
        for part in above:
            place = place.setdefault(part, {})
        place[last] = value
    return config


def _made(kind: type[Trainable], trial: Trial) -> Any:
    """A Trainable that writes to the trial's folder, and keeps what its last step returned."""
    folder = str(trial.folder / FOLDER)

    class Kept(kind):  # type: ignore[misc,valid-type]
        last: Mapping[str, Any]

        def _setup_logdir(self) -> None:
            self._logdir = folder

        def step(self) -> dict[str, Any]:
            self.last = super().step()
            return self.last  # type: ignore[return-value]

        @property
        def seconds(self) -> float:
            return float(self._time_total)

    Kept.__name__, Kept.__qualname__, Kept.__module__ = kind.__name__, kind.__qualname__, kind.__module__
    number = f"{trial.number:05d}"
    info = SimpleNamespace(
        trial_name=f"{kind.__name__}_{number}", trial_id=number, trial_resources=PlacementGroupFactory([{"CPU": 1}])
    )
    return Kept({**nested(trial.config), TRIAL_INFO: info})


@contextlib.contextmanager
def _in_session(session: _Session) -> Iterator[None]:
    """Have Ray's functions find the session; there is one trial at a time in a worker's process."""
    before = ray_session._session  # noqa: SLF001 - Ray has no public way to it
    ray_session._session = session  # type: ignore[assignment]  # noqa: SLF001
    try:
        yield
    finally:
        ray_session._session = before  # noqa: SLF001


@contextlib.contextmanager
def _in_folder(trial: Trial) -> Iterator[None]:
    """Have what is written without a path lie in the trial's own folder: other trials write under the same names."""
    folder = trial.folder / FOLDER
    folder.mkdir(exist_ok=True)
    before = Path.cwd()
    if os.environ.get("RAY_CHDIR_TO_TRIAL_DIR", "1") != "0":
        os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        with contextlib.suppress(OSError):
            folder.rmdir()  # where nothing was written
