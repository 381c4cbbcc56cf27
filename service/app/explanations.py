"""Explanations of a study's models: made from its data, kept with its files, shown in its report and in MLflow.

The model is that of a trial at its best epoch; rows come from the data that it was trained on. The last explanation of
each trial is kept: of all its rows (`global.json` and pictures), and of rows that were named (`rows.json`).
"""

from __future__ import annotations

import contextlib
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodfit.service import errors
from goodfit.service.app.homes import spec_here
from goodfit.service.app.models import load_model, require_checkpoint
from goodfit.service.app.reports import EXPLANATIONS, ROWS, WHOLE, report_of
from goodfit.service.app.rows import trial_data
from goodfit.service.records import FINISHED, Study, Trial
from goodfit.trainers.readable import brief, readable

if TYPE_CHECKING:
    from goodfit.service.ports import Store
    from goodfit.service.settings import Settings
    from goodfit.trainers.data import Facts
    from goodfit.trainers.explaining.explaining import Request
    from goodfit.trainers.explaining.explanation import Explanation
    from goodfit.trainers.explaining.models import Explained
    from goodfit.trainers.explaining.samples import Material
    from goodfit.trainers.prediction.predictor import Predictor

OnRow = Callable[[int, int], None]
MOST_ROWS = 1000  # that are named at once
LARGEST_ROW = 2**53
# Trainers whose models make something instead of answering for a row.
MAKERS = {
    "gan": "its generator makes images from noise",
    "diffusion": "it makes images from noise",
    "rl": "it acts in an environment, and has no rows of data",
    "language-model": "it writes text token by token",
    "seq2seq": "it writes a translation token by token",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be explained, and how.

    Attributes:
        rows: by their numbers in the data; None: some of the validation split.
        data: rows that are given, in a form that the model's `predict` takes.
        model: takes the place of the trial's own: a torch module, or a function of prepared rows.
        method, output, coalitions, seed, seconds: see Request.
    """

    rows: Sequence[int] | None = None
    data: Any = None
    model: Any = None
    method: str | None = None
    output: Any = None
    coalitions: int = 1024
    seed: int = 0
    seconds: float = 120.0

    def request(self) -> Request:
        """As the trainers' room takes it; InputError names all that is wrong."""
        from goodfit.trainers.explaining.explaining import Request

        problems = []
        if self.method is not None and not _is(self.method, str):
            problems.append(f"method {self.method}: give its name, such as exact")
        if not (_is(self.seconds, Real) and math.isfinite(self.seconds) and self.seconds > 0):
            problems.append(f"seconds {self.seconds}: give a positive number of seconds")
        if not (_is(self.coalitions, Integral) and 16 <= self.coalitions <= 1_000_000):
            problems.append(f"coalitions {self.coalitions}: give 16 to 1,000,000")
        if not (_is(self.seed, Integral) and self.seed >= 0):
            problems.append(f"seed {self.seed}: give 0 or more")
        if self.rows is not None and self.data is not None:
            problems.append("rows and data exclude each other: name rows of the study, or give your own")
        if self.rows is not None:
            problems += _wrong_rows(self.rows)
        if problems:
            raise errors.InputError("; ".join(problems))
        return Request(self.method, self.output, self.coalitions, self.seed, self.seconds)


def _is(value: object, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _wrong_rows(rows: object) -> list[str]:
    """What is wrong with rows as they were named."""
    if isinstance(rows, (str, bytes, Mapping)) or not (isinstance(rows, Iterable) and isinstance(rows, Sized)):
        return [f"rows: {rows!r} is no list; give the numbers of rows, such as [17, 40]"]
    if not 0 < len(rows) <= MOST_ROWS:
        return [f"rows: {len(rows)} are named; give 1 to {MOST_ROWS:,}"]
    if odd := [row for row in rows if not _is_row(row)]:
        return [f"rows: {brief(odd[0])} is no row; give their numbers, such as [17, 40]"]
    return []


def _is_row(row: object) -> bool:
    """Whether it may be the number of a row; numpy's and pandas' whole ones may be floats."""
    whole = _is(row, Integral) or (_is(row, Real) and float(row).is_integer())  # type: ignore[arg-type]
    return whole and abs(row) < LARGEST_ROW  # type: ignore[arg-type]


def explain_trial(
    settings: Settings, store: Store, study: Study, trial: Trial, wanted: Wanted, on_row: OnRow
) -> Explanation:
    """Explain a trial's model, and keep the explanation unless its rows or its model were given.

    Args:
        settings: the home.
        store: where the study is.
        study: whose trial it is.
        trial: whose model, at its best epoch.
        wanted: what and how.
        on_row: gets how many rows are explained, of how many.

    Raises:
        InputError: there is no such row, output or method, or the trainer's models cannot be explained.
        TrainerError: the trial kept no checkpoint, or its model cannot be rebuilt; DataError: its data have changed.
    """
    request = wanted.request()
    _refuse_makers(study, store)
    with _problems(study):
        model = _model(settings, store, study, trial, wanted.model)
        material = _material(store, study, trial, model.facts, wanted)
        found = _explained(model, material, request, on_row, study, trial)
    if trial.state not in FINISHED:
        note = f"trial {trial.number} is {trial.label}: this is its model so far"
        found = replace(found, notes=(*found.notes, note))
    if wanted.data is None and wanted.model is None:
        found = replace(found, notes=(*found.notes, *_kept(settings, store, study, trial, found, wanted.rows is None)))
    return found


def explain_predictor(predictor: Predictor, study: str, trial: int, wanted: Wanted, on_row: OnRow) -> Explanation:
    """Explain a model that came from a server on rows that are given; nothing is kept."""
    from goodfit.trainers.errors import TrainersError
    from goodfit.trainers.explaining.given import of_predictor
    from goodfit.trainers.explaining.samples import given

    request = wanted.request()
    try:
        model = of_predictor(predictor)
        found = _run(model, given(wanted.data, predictor.facts, None), request, on_row)
    except TrainersError as error:
        raise errors.InputError(f"study {study}: {error}") from error
    return replace(found, study=study, trial=trial)


def _refuse_makers(study: Study, store: Store) -> None:
    """InputError for studies whose models have no rows to be explained."""
    spec = spec_here(store, study)
    if (why := MAKERS.get(spec.trainer)) is not None:
        raise errors.InputError(
            f"models of trainer {spec.trainer} cannot be explained: {why}, so there is no prediction for a row; models "
            "of classification, regression and forecasting can be"
        )
    if spec.data is None:
        raise errors.InputError(
            f"study {study.name} names no data (`data:`), so it is not known what its model's inputs and outputs mean, "
            "and there is nothing to explain it by"
        )


@contextlib.contextmanager
def _problems(study: Study) -> Iterator[None]:
    """What the trainers' room finds wrong, as an error of the study."""
    from goodfit.trainers.errors import DataProblem, TrainersError

    try:
        yield
    except DataProblem as error:
        raise errors.InputError(f"study {study.name}: {error}") from error
    except TrainersError as error:
        raise errors.TrainerError(f"study {study.name}: {error}") from error
    except (errors.GoodfitError, OSError, MemoryError):
        raise
    except (Exception, SystemExit) as error:  # whatever a model of the user's raises
        raise errors.TrainerError(
            f"study {study.name}: the model fails on rows of the data: {type(error).__name__}: {readable(str(error))}"
        ) from error


def _model(settings: Settings, store: Store, study: Study, trial: Trial, given: Any) -> Explained:
    """The trial's model, an estimator that it kept, or the model that is given with the trial's data."""
    from goodfit.trainers.explaining.given import of_given
    from goodfit.trainers.explaining.models import of_estimator

    if given is not None:
        return of_given(given, _facts(settings, study, trial))
    try:
        return of_given(load_model(settings, store, study, trial), _facts(settings, study, trial))
    except errors.TrainerError as error:
        estimator = _estimator(settings, study, trial)
        if estimator is not None:
            return of_estimator(estimator, _facts(settings, study, trial))
        raise errors.TrainerError(
            f"{error}; or give the model: study.explain({trial.number}, model=net), a torch module or a function of "
            "prepared rows"
        ) from error


def _facts(settings: Settings, study: Study, trial: Trial) -> Facts:
    """What the trial left of its data."""
    from goodfit.trainers.prediction.model_folder import facts_if_any

    with settings.trial_place(study, trial.number).local("facts.json") as files:
        facts = facts_if_any(files)
    if facts is None:
        raise errors.TrainerError(
            f"trial {trial.number} of {study.name} left no facts of its data: was it ever trained?"
        )
    return facts


def _estimator(settings: Settings, study: Study, trial: Trial) -> Any:
    """The estimator of a trial whose checkpoint is one of scikit-learn's; None where it is none."""
    from goodfit.trainers.files import read_checkpoint
    from goodfit.trainers.integrations import scikit

    place = settings.trial_place(study, trial.number)
    require_checkpoint(study, trial, place)
    with place.local("best.pt") as files:
        state = read_checkpoint(files / "best.pt")["model"]
        if not isinstance(state, Mapping) or set(state) != {"pickle"}:
            return None
        return scikit.load(files / "best.pt")


def _material(store: Store, study: Study, trial: Trial, facts: Facts, wanted: Wanted) -> Material:
    """The rows to explain, and the background."""
    from goodfit.trainers.explaining import samples

    fold = _best_fold(store, study, trial)
    data = trial_data(store, study, trial, fold)
    rows = list(dict.fromkeys(wanted.rows)) if wanted.rows is not None else None
    if wanted.data is None:
        return samples.of_study(data, facts, rows, wanted.seed)
    return samples.given(wanted.data, facts, samples.of_study(data, facts, None, wanted.seed).background)


def _best_fold(store: Store, study: Study, trial: Trial) -> int | None:
    """The fold whose model a trial of a cross-validation keeps, from 1; None without folds."""
    spec = spec_here(store, study)
    if not spec.folds:
        return None
    objective = study.objective
    name = f"fold/{objective.metric}"
    values = {
        report.epoch: report.metrics[name] for report in store.reports(study.id, trial.number) if name in report.metrics
    }
    if not values:
        raise errors.InputError(f"trial {trial.number} of study {study.name} has no fold that was trained to its end")
    choose = max if objective.direction == "maximize" else min
    best = choose(values.values())
    return next(epoch for epoch, value in values.items() if value == best)


def _run(model: Explained, material: Material, request: Request, on_row: OnRow) -> Explanation:
    from goodfit.trainers.explaining.explaining import explain

    return explain(model, material, request, on_row)


def _explained(
    model: Explained, material: Material, request: Request, on_row: OnRow, study: Study, trial: Trial
) -> Explanation:
    found = _run(model, material, request, on_row)
    return replace(found, study=study.name, trial=trial.number)


def _kept(settings: Settings, store: Store, study: Study, trial: Trial, found: Explanation, whole: bool) -> list[str]:
    """Keep an explanation with the study's files and its trial's run in MLflow; says what could not be."""
    from goodfit.trainers.errors import PlaceAway
    from goodfit.trainers.explaining.files import write
    from goodfit.trainers.files import write_json

    place = settings.study_place(study) / EXPLANATIONS / f"{trial.number:05d}"
    try:
        with tempfile.TemporaryDirectory(prefix="goodfit-") as scratch:
            folder = Path(scratch)
            write_json(folder / (WHOLE if whole else ROWS), found.to_dict())
            write(found, folder, "all" if whole else "rows")
            for file in sorted(path for path in folder.rglob("*") if path.is_file()):
                place.put(file, file.relative_to(folder).as_posix())
            return _mirrored(settings, store, study, trial, folder)
    except (OSError, PlaceAway) as error:
        return [f"it is not kept: {error}"]


def _mirrored(settings: Settings, store: Store, study: Study, trial: Trial, folder: Path) -> list[str]:
    """Bring the files to the trial's run, and the report that shows them to the study's; what is to be said of it."""
    from goodfit.service.tracker import keep_files

    if trial.mlflow_run_id is None:
        return ["MLflow does not have it: the trial has no run there yet"]
    try:
        keep_files(settings.tracking_uri, trial.mlflow_run_id, folder, EXPLANATIONS)
        if study.mlflow_run_id is not None:
            (folder / "report.html").write_text(report_of(settings, store, study), encoding="utf-8")
            keep_files(settings.tracking_uri, study.mlflow_run_id, folder / "report.html", None)
    except errors.TrackingError as error:
        return [f"MLflow does not have it: {error}"]
    return []
