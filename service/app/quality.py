"""A study's data judged by training: its labels, before there are trials by the trainer's defaults, then by the best.

The training is done in a process of its own (quality_process.py). Of a study in a home the result is kept beside its
trials, and found again while its best configuration and its data are the same.
"""

from __future__ import annotations

import json
import math
import pickle
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodfit.search_spaces.parameters import Choice, Fixed, Parameter, Value
from goodfit.service import errors
from goodfit.service.app.best import best_of
from goodfit.service.app.child_process import child_lines, child_log
from goodfit.service.app.code import own_code
from goodfit.service.app.homes import spec_here

if TYPE_CHECKING:
    from goodfit.service.ports import Store
    from goodfit.service.records import Study, Trial
    from goodfit.service.settings import Settings
    from goodfit.service.spec import StudySpec
    from goodfit.trainers.artifacts.places import Place
    from goodfit.trainers.data.label_table import LabelTable
    from goodfit.trainers.messages import Assignment
    from goodfit.trainers.registry import Trainer

FOLDER, TABLE, FACTS, GROWTH = "quality", "labels.npz", "labels.json", "growth.json"  # beside the trials of a study
CSV = "labels.csv"  # the table, as MLflow has it
TREATED = "treated.json"  # of training rows that a study acts on; a worker writes it
FORMAT = 1  # of the files of facts
FORMATS = {GROWTH: 2}  # of those with another: before, exponents were those of a coarse grid
OnEpoch = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Configuration:
    """What is trained to judge data.

    Attributes:
        spec: of the study, its code and data named as they lie here.
        params: with those that reach into the data.
        seed: of the trial.
        trial: its number; None: the trainer's defaults.
        schedule: of a member of a population, what its model was trained with from which epoch on.
        best_epoch: of the trial; None: not known, of defaults and of trials with folds.
    """

    spec: StudySpec
    params: Mapping[str, Value]
    seed: int = 0
    trial: int | None = None
    schedule: tuple[tuple[int, Mapping[str, Any]], ...] = ()
    best_epoch: int | None = None

    @property
    def words(self) -> str:
        """As sentences name it."""
        return "the trainer's defaults" if self.trial is None else f"the configuration of trial {self.trial}"


@dataclass(frozen=True, slots=True)
class LabelCheck:
    """The labels of a study's data, judged.

    Attributes:
        table: of all rows.
        shown: the likeliest wrong as people look at them; see trainers/worker/label_check.py.
        trial: whose configuration judged them; None: the trainer's defaults.
        data: the digest of the data.
    """

    table: LabelTable
    shown: list[dict[str, Any]]
    trial: int | None
    data: str | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, without the table."""
        return {"format": FORMAT, "trial": self.trial, "data": self.data, **self.table.summary(), "shown": self.shown}


def by_defaults(spec: StudySpec) -> Configuration:
    """The trainer's defaults, and the middle of what it has no default for; with what the study pins."""
    known = {**(spec.defaults or {}), **spec.fixed}
    middles = {item.name: _middle(item) for item in spec.space if item.name not in known and not item.when}
    return Configuration(spec, {**middles, **known})


def judging_params(spec: StudySpec) -> dict[str, Any]:
    """What judges the labels of training rows, where a trial may act on them: the trainer's defaults."""
    from goodfit.service.spec import for_trainer

    return for_trainer(by_defaults(spec).params) if spec.acts_on_labels else {}


def _middle(item: Parameter) -> Value:
    """A value in the middle of a range, or the first of several choices."""
    if isinstance(item, Fixed):
        return item.value
    if isinstance(item, Choice):
        return item.choices[0]
    middle = math.sqrt(item.low * item.high) if item.log else (item.low + item.high) / 2
    return item.low + item.step * round((middle - item.low) / item.step) if item.step else middle


def by_best(settings: Settings, store: Store, study: Study, spec: StudySpec) -> Configuration:
    """The best configuration of a study; the trainer's defaults while no trial is complete.

    Args:
        settings: the home.
        store: where the study is.
        study: the record.
        spec: what is trained with its configuration: its own, or a later one of the same trainer.
    """
    best = best_of(settings, store, study, 1)
    trial = store.trial(study.id, best[0].trial) if best else None
    return by_defaults(spec) if trial is None else by_trial(spec, trial)


def by_trial(spec: StudySpec, trial: Trial) -> Configuration:
    """The configuration of a trial."""
    from goodfit.service.spec import for_trainer

    params = {**(trial.proposed or {}), **trial.params}
    schedule = () if trial.schedule is None else tuple((one.epoch, for_trainer(one.params)) for one in trial.stretches)
    best_epoch = None if spec.data is not None and spec.data.split.folds else trial.best_epoch
    return Configuration(spec, params, trial.seed, trial.number, schedule, best_epoch)


def require_nets(trainer: Trainer) -> None:
    """TrainerError where a trainer does not say how its nets are built, which are to judge labels."""
    from goodfit.trainers.errors import BadTrainer
    from goodfit.trainers.worker.out_of_fold import require_build

    try:
        require_build(trainer)
    except BadTrainer as error:
        raise errors.TrainerError(str(error)) from error


def check_labels(used: Configuration, on_epoch: OnEpoch = lambda _done, _of: None) -> LabelCheck:
    """Judge the labels of the data of a configuration.

    Args:
        used: what is trained.
        on_epoch: gets the epochs that were trained, and how many there are at most.

    Raises:
        DataError: the data cannot be loaded, or their labels not be judged.
        TrainerError: the training failed, or the trainer's models cannot be asked.
    """
    from goodfit.trainers.data.label_table import LabelTable
    from goodfit.trainers.worker.label_check import FOLDS

    most = FOLDS * used.best_epoch if used.best_epoch else (FOLDS + 2) * used.spec.training.epochs
    with _done(used, "labels", lambda done: on_epoch(done, most)) as (folder, found):
        return LabelCheck(LabelTable.read(folder / TABLE), found["found"]["shown"], used.trial, found["data"])


def labels_of_study(
    settings: Settings, store: Store, study: Study, trial: Trial | None, on_epoch: OnEpoch
) -> LabelCheck:
    """The labels of a study's data, judged by its best configuration or by one of its trials', and kept beside it.

    Raises:
        InputError: the study has no data; DataError: they have changed since the trial was trained.
    """
    spec = spec_here(store, study)
    used = by_best(settings, store, study, spec) if trial is None else by_trial(spec, trial)
    if spec.data is None:
        raise errors.InputError(f"study {study.name} has no data: its trainer brings its own, and knows their labels")
    digest = _require_unchanged(study, spec, used, None if used.trial is None else store.trial(study.id, used.trial))
    place = settings.study_place(study) / FOLDER
    kept = kept_labels(place)
    if kept is not None and (kept.trial, kept.data) == (used.trial, digest):
        return kept
    found = check_labels(used, on_epoch)
    _warn([*keep_labels(place, found), *to_mlflow(settings, store, study)])
    return found


def check_growth(used: Configuration, on_epoch: OnEpoch = lambda _done, _of: None) -> dict[str, Any]:
    """What more rows would bring to a configuration; see trainers/worker/growth_check.py.

    Raises:
        DataError: the data cannot be loaded, or have too few rows; TrainerError: the training failed.
    """
    from goodfit.trainers.worker.growth_check import PARTS, SEEDS

    most = sum(PARTS) * SEEDS * used.spec.training.epochs
    with _done(used, "growth", lambda done: on_epoch(done, most)) as (_, found):
        return {"format": FORMATS[GROWTH], "trial": used.trial, "data": found["data"], **found["found"]}


def growth_of_study(settings: Settings, store: Store, study: Study, on_epoch: OnEpoch) -> dict[str, Any]:
    """What more rows would bring to the best configuration of a study; kept beside it.

    Raises:
        InputError: the study has no data; DataError: they have changed since the trial was trained.
    """
    spec = spec_here(store, study)
    used = by_best(settings, store, study, spec)
    if spec.data is None:
        raise errors.InputError(f"study {study.name} has no data: its trainer brings its own, and knows their rows")
    digest = _require_unchanged(study, spec, used, None if used.trial is None else store.trial(study.id, used.trial))
    place = settings.study_place(study) / FOLDER
    kept = kept_facts(place, GROWTH)
    if kept is not None and (kept["trial"], kept["data"]) == (used.trial, digest):
        return kept
    found = check_growth(used, on_epoch)
    _warn([*keep_facts(place, GROWTH, found), *to_mlflow(settings, store, study)])
    return found


def _warn(notes: list[str]) -> None:
    for note in notes:
        warnings.warn(note, stacklevel=3)


def keep_facts(place: Place, name: str, facts: Mapping[str, Any]) -> list[str]:
    """Keep plain JSON values where they are found again; says what kept it from that."""
    return _keep(place, {name: lambda file: file.write_text(json.dumps(facts), encoding="utf-8")})


def keep_labels(place: Place, found: LabelCheck) -> list[str]:
    """Keep what was found where it is found again; likewise."""
    facts = json.dumps(found.to_dict())
    return _keep(place, {TABLE: found.table.write, FACTS: lambda file: file.write_text(facts, encoding="utf-8")})


def _keep(place: Place, writers: Mapping[str, Callable[[Path], object]]) -> list[str]:
    """Keep files by their names; what training took minutes to find is not lost where they cannot be kept.

    The folder of the study is never made here: where that is gone, its disk is.
    """
    from goodfit.trainers.errors import PlaceAway

    try:
        if place.folder is not None:
            place.folder.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="goodfit-quality-") as scratch:
            for name, write in writers.items():
                write(Path(scratch, name))
                place.put(Path(scratch, name), name)
    except (OSError, PlaceAway) as error:
        return [f"it is not kept with the study: {error}"]
    return []


def kept_labels(place: Place) -> LabelCheck | None:
    """What was found before; None where nothing was, or nothing that can be read."""
    from goodfit.trainers.data.label_table import LabelTable
    from goodfit.trainers.errors import Damaged

    facts = kept_facts(place, FACTS)
    if facts is None or not place.exists(TABLE):
        return None
    with place.local(TABLE) as files:
        try:
            return LabelCheck(LabelTable.read(files / TABLE), list(facts["shown"]), facts["trial"], facts["data"])
        except Damaged:
            return None  # it is made again


def kept_facts(place: Place, name: str) -> dict[str, Any] | None:
    """What was found before, for people; None where nothing was, or nothing that this version can read."""
    kept = place.read(name)
    if kept is None:
        return None
    try:
        facts = json.loads(kept)
    except ValueError:  # cut off by a full disk: it is made again
        return None
    return facts if isinstance(facts, dict) and facts.get("format") == FORMATS.get(name, FORMAT) else None


def quality_files(settings: Settings, study: Study) -> dict[str, str]:
    """What is kept of a study's data, by file name, as its run in MLflow has it: the table of labels as CSV."""
    place = settings.study_place(study) / FOLDER
    found = {name: place.read(name) for name in (FACTS, TREATED, GROWTH)}
    files = {name: content.decode("utf-8", "replace") for name, content in found.items() if content is not None}
    labels = kept_labels(place)
    return files if labels is None else {**files, CSV: labels.table.frame().to_csv(index=False)}


def to_mlflow(settings: Settings, store: Store, study: Study) -> list[str]:
    """Bring what was found of a study's data to its run in MLflow; what is to be said of it.

    A study that has not ended yet does so itself at its end.
    """
    from goodfit.service.app.reports import report_of
    from goodfit.service.tracker import CONCLUDED, keep_files

    if study.mlflow_run_id is None or study.state not in CONCLUDED:
        return []
    try:
        with tempfile.TemporaryDirectory(prefix="goodfit-quality-") as scratch:
            files = {**quality_files(settings, study), "report.html": report_of(settings, store, study)}
            for name, text in files.items():
                Path(scratch, name).write_text(text, encoding="utf-8", errors="backslashreplace")
            keep_files(settings.tracking_uri, study.mlflow_run_id, Path(scratch), None)
    except (OSError, errors.TrackingError) as error:
        return [f"MLflow does not have it: {error}"]
    return []


def is_unchanged(study: Study, spec: StudySpec, trial: Trial | None) -> bool:
    """Whether the data are those that a trial of a study was trained on, or of none those that the study began with."""
    return _digests(study, spec, {} if trial is None else trial.params, trial)[0]


def _require_unchanged(study: Study, spec: StudySpec, used: Configuration, trial: Trial | None) -> str | None:
    """The digest of the data; DataError where they are not those that the trial was trained on."""
    unchanged, now = _digests(study, spec, used.params, trial)
    if not unchanged and now is None and spec.data is not None:
        raise errors.DataError(
            f"the data of study {study.name} are not here any more: {spec.data.source}; put them back"
        )
    if not unchanged:
        raise errors.DataError(
            f"the data of study {study.name} have changed since its trials were trained, so that its rows are not "
            "known any more; judge the data as they are now with `goodfit data FILE --labels` (or --more)"
        )
    return now


def _digests(study: Study, spec: StudySpec, params: Mapping[str, Any], trial: Trial | None) -> tuple[bool, str | None]:
    """Whether the digest of the data is that which the trial or the study has, and what it is now."""
    from goodfit.trainers.data.fingerprint import fingerprint

    data = spec.data_spec(params)
    found = None if data is None else fingerprint(data)
    kept = trial.data if trial is not None else ((study.inputs or {}).get("data") or {}).get("digest")
    now = None if found is None else found.digest
    return kept is None or kept.rpartition("+")[2] == now, now


@contextmanager
def _done(used: Configuration, wanted: str, on_epoch: Callable[[int], None]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Have a process do a job; the folder of its results, which goes with the context, and its last line."""
    from goodfit.service.app.quality_process import Job
    from goodfit.trainers.worker.worker import Setup

    code, share = own_code(used.spec), used.spec.resources
    threads = max(1, math.floor(share.cpus))
    paths = tuple(path for path in sys.path if path)
    with tempfile.TemporaryDirectory(prefix="goodfit-quality-") as scratch:
        folder = Path(scratch)
        setup = Setup(used.spec.trainer, None, threads, share.gpus, paths, code=code)
        file = folder / "job.pickle"
        file.write_bytes(pickle.dumps(Job(setup, _assignment(used), wanted, folder)))
        with child_lines("quality_process", folder, file, threads) as lines:
            yield folder, _last(lines, folder, on_epoch)


def _last(lines: Iterator[str], folder: Path, on_epoch: Callable[[int], None]) -> dict[str, Any]:
    for line in lines:
        said = json.loads(line)
        if "epoch" in said:
            on_epoch(said["epoch"])
        elif "found" in said:
            return dict(said)
        elif "problem" in said:
            raise errors.DataError(said["problem"])
        else:
            raise errors.TrainerError(said["failure"])
    raise errors.TrainerError("; ".join(["the process that trained has ended", *child_log(folder)]))


def _assignment(used: Configuration) -> Assignment:
    from goodfit.service.spec import for_trainer
    from goodfit.trainers.messages import Assignment

    spec = used.spec
    return Assignment(
        study=spec.name,
        trial=used.trial or 0,
        attempt=1,
        trainer=spec.trainer,
        params=for_trainer(used.params),
        data=spec.data_spec(used.params),
        seed=used.seed,
        epochs=spec.training.epochs,
        metric=spec.objective.metric,
        direction=spec.objective.direction,
        folder=Path("trained"),
        patience=spec.training.patience,
        schedule=used.schedule,
        until=used.best_epoch,
    )
