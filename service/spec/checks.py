"""What only shows when the parts of a study meet: its trainer, its data, its space, its budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goodfit.search_spaces.document import nearest_file
from goodfit.search_spaces.flaws import KeyPath
from goodfit.search_spaces.grid import TooManyCases
from goodfit.search_spaces.space import Space
from goodfit.service.errors import StudyFileError, did_you_mean
from goodfit.service.objective import Constraint
from goodfit.service.spec.data import Data, adds_kind
from goodfit.service.spec.data_parameters import check_reaching, sections_of
from goodfit.service.spec.fairness import Fairness, group_metrics_of, is_group_metric, why_unknown
from goodfit.service.spec.fields import split_problem
from goodfit.service.spec.hyperparameters import check_hyperparameters
from goodfit.service.spec.population import check_population
from goodfit.service.spec.pruning import AutoPruning, Pruning
from goodfit.service.spec.release import Release, metrics_of
from goodfit.service.spec.search_methods import SEARCH_METHODS, too_few, unfit
from goodfit.service.spec.sections import Budget, Objective, Search
from goodfit.service.spec.study import StudySpec
from goodfit.trainers.errors import TrainersError
from goodfit.trainers.messages import COSTS
from goodfit.trainers.recognition import Api
from goodfit.trainers.registry import Trainer, resolve

OPEN_METHODS = ("auto", "bayesian", "random")  # for trainers that say their parameters as they run
FRONT_PRUNING = ("auto", "asha", "none")  # with several objectives, by non-dominated rank

TEST = "test/"  # how the metrics of gates begin that a confirmation scores

Say = Callable[[KeyPath, str], None]


@dataclass(frozen=True)
class Draft:
    """A study on the way to its spec.

    Attributes:
        trainer: None where it cannot be had.
        metric: the objective's, if it is one.
        source: of the data, a name or an absolute path.
        target: of the data.
        parts: the sections that are right by themselves.
        space: what could be read of the space, with the fixed parameters in it.
        fixed: the names under `fixed:`.
        values: the study as it was written.
    """

    trainer: Trainer | None
    metric: str | None
    source: str | None
    target: str | None
    parts: Mapping[str, Any]
    space: Space
    fixed: frozenset[str]
    values: Mapping[str, Any]

    def place(self, parameter: str) -> tuple[KeyPath, str]:
        """Where a parameter is written: the key, and what to put before a message."""
        if parameter in self.fixed:
            return ("fixed", parameter), ""
        if isinstance(self.values.get("space"), Mapping):
            return ("space", parameter), ""
        return ("space",), f"{parameter}: "


def find_trainer(reference: str | None, say: Say) -> Trainer | None:
    """The trainer that a study names, imported; says why where it cannot be had."""
    if reference is None:
        return None
    try:
        return resolve(reference)
    except TrainersError as error:
        say(("trainer",), str(error))
        return None


def check_draft(draft: Draft, say: Say) -> None:
    """Say what does not go together; looks only at parts that are right by themselves."""
    trainer = draft.trainer
    if trainer is not None and (missing := trainer.missing()):
        say(("trainer",), missing)
    if trainer is not None:
        for parameter, wrong in check_hyperparameters(trainer, draft.space):
            path, before = draft.place(parameter)
            say(path, before + wrong)
    nests = trainer is not None and trainer.api is not Api.GOODFIT
    sections = sections_of(draft.parts.get("data"), draft.parts.get("fairness"))
    for parameter, wrong in check_reaching(draft.space, sections, draft.values, dots_nest=nests):
        path, before = draft.place(parameter)
        say(path, before + wrong)
    named = _names_split(draft, trainer, say)
    _check_value(draft, trainer, say)
    task = _check_data(draft, trainer, say) or _own_task(draft, trainer)
    if trainer is not None and task is not None and named:
        for path, metric in _judged_by_metrics(draft):
            if wrong_metric := _metric_problem(metric, trainer, task, draft.parts.get("fairness")):
                say(path, wrong_metric)
    if "fairness" in draft.values and "data" not in draft.values:
        say(("fairness",), "names columns of the data, and there is no `data:`; write it, or take this out")
    check_search(draft, say)
    data = draft.parts.get("data")
    if "confirm" in draft.parts and (lack := unscored(data)):
        say(("confirm",), lack)


def is_foreign(trainer: Trainer | None, reference: str | None) -> bool:
    """Whether a trainer is written for another library, or may be, as it cannot be imported."""
    return ":" in (reference or "") if trainer is None else trainer.api is not Api.GOODFIT


def _names_split(draft: Draft, trainer: Trainer | None, say: Say) -> bool:
    """Whether metrics have their split, or the trainer's library knows none; else says so of those that have not."""
    if is_foreign(trainer, draft.parts.get("trainer")):
        return True
    wrong = [
        (path, text)
        for path, metric in _judged_by_metrics(draft)
        if not metric.startswith(TEST) and (text := split_problem(metric))
    ]
    for path, text in wrong:
        say(path, text)
    return not wrong


def _check_value(draft: Draft, trainer: Trainer | None, say: Say) -> None:
    """Say that an Optuna objective is judged by what it returns: by `value`, or by several values in their order."""
    if draft.metric is None or trainer is None or trainer.api is not Api.OPTUNA:
        return
    others: Sequence[Objective] = draft.parts.get("more_objectives", ())
    if not others and draft.metric != "value":
        say(
            ("objective", "metric"), f"is {draft.metric}; an Optuna objective is judged by what it returns: write value"
        )
    for index, one in enumerate(others, start=1):
        if one.metric in COSTS:
            say(
                ("objective", index, "metric"),
                f"is {one.metric}, which is measured and not returned; give what the objective returns another name",
            )


def _judged_by_metrics(draft: Draft) -> Iterator[tuple[KeyPath, str]]:
    parts = draft.parts
    release: Release | None = parts.get("release")
    return _judged_by(draft.metric, parts.get("more_objectives", ()), parts.get("constraints", ()), release)


def _judged_by(
    metric: str | None, others: Sequence[Objective], constraints: Sequence[Constraint], release: Release | None
) -> Iterator[tuple[KeyPath, str]]:
    """The metrics that a study is judged by, each with its key; not the costs, which are measured of every trial."""
    if metric is not None:
        yield (("objective", 0, "metric") if others else ("objective", "metric")), metric
    for index, one in enumerate(others, start=1):
        if one.metric not in COSTS:
            yield ("objective", index, "metric"), one.metric
    for index, bound in enumerate(constraints):
        if bound.metric not in COSTS:
            yield ("constraints", index), bound.metric
    for index, name in metrics_of(release.require if release is not None else ()):
        yield ("release", "require", index), name


def unscored(data: Data | None) -> str | None:
    """Why a study with these data cannot be confirmed; None where it can."""
    if data is None or data.split.test > 0 or data.split.column is not None:
        return None
    return "is scored on the test split, and data.split.test is 0; give it rows, such as 0.2"


def unending(search: Search, budget: Budget, space: Space, *, open_space: bool = False) -> str | None:
    """What such a search needs of a budget to come to an end; None where it has it."""
    if search.method == "grid" or search.trains_population:
        return None
    if any(end is not None for end in (budget.trials, budget.epochs, budget.minutes)):
        return None
    if not search.repeats and not open_space and space.cardinality() is not None:
        return None  # it ends when all configurations were tried
    return f"trials, epochs or minutes: the {search.method} search has no end of its own"


def _own_task(draft: Draft, trainer: Trainer | None) -> str | None:
    """The task of a trainer that brings its own data and declares one task."""
    if trainer is None or trainer.metrics is None or trainer.kinds or "data" in draft.values:
        return None
    return next(iter(trainer.metrics)) if len(trainer.metrics) == 1 else None


def check_metric(spec: StudySpec, trainer: Trainer, task: str, groups: Sequence[str] = ()) -> None:
    """Whether the trainer reports what the study is judged by; for data whose task is known once they are loaded.

    Args:
        spec: of the study.
        trainer: its trainer.
        task: of its data.
        groups: the names of those in the data, where it compares groups and the data were loaded.

    Raises:
        StudyFileError: it does not.
    """
    judged_by = _judged_by(spec.objective.metric, spec.more_objectives, spec.constraints, spec.release)
    found = [(path, _metric_problem(metric, trainer, task, spec.fairness, groups)) for path, metric in judged_by]
    if problems := [spec.origin.problem(path, wrong) for path, wrong in found if wrong]:
        raise StudyFileError(spec.origin.file, problems)


def _metric_problem(
    metric: str, trainer: Trainer, task: str, fairness: Fairness | None, groups: Sequence[str] = ()
) -> str | None:
    if trainer.metrics is None or task not in trainer.metrics:
        return None
    if fairness is None and (unknown := why_unknown(metric)):
        return unknown
    compared = () if fairness is None else tuple(group_metrics_of(fairness))
    splits = ("test/", "val/", "train/") if metric.startswith(TEST) else ("val/", "train/")
    known = [f"{split}{name}" for split in splits for name in (*trainer.metrics[task], *compared)]
    if fairness is not None and is_group_metric(metric, fairness):
        group = metric.split("/", 2)[2]
        strange = bool(groups) and group not in groups
        return f"there is no group {group} in the data; {did_you_mean(group, groups)}" if strange else None
    if metric in known:
        return None
    return f"trainer {trainer.name} does not report {metric} for {task}; {did_you_mean(metric, known)}"


def _check_data(draft: Draft, trainer: Trainer | None, say: Say) -> str | None:
    """Say what is wrong with the data; returns the task of a built-in data set."""
    from goodfit.trainers.data import DATASETS, is_path

    source = draft.source
    _check_images(draft, say)
    if source is None:
        if trainer is not None and trainer.kinds and "data" not in draft.values:
            say(("data",), f"is missing; trainer {trainer.name} needs data, such as {{source: {_suiting(trainer)}}}")
        return None
    if _is_added(draft):
        return None  # its package says what is wrong with it when the data are loaded
    if source not in DATASETS:
        if is_path(source):
            if _is_running_text(draft):
                return _check_running_text(Path(source), draft.target, trainer, say)
            if trainer is not None and trainer.kinds == {"corpus"}:
                say(("data", "source"), f"trainer {trainer.name} takes running text; give a .txt file")
                return None
            _check_file(Path(source), draft.target, say, labelled=_has_annotators(draft))
        else:
            say(
                ("data", "source"),
                f"there is no data set {source!r}; {did_you_mean(source, DATASETS)}, or give a file's path",
            )
        return None
    found = DATASETS[source]
    if trainer is not None and trainer.kinds and found.kind not in trainer.kinds:
        takes = " or ".join(sorted(trainer.kinds))
        say(("data", "source"), f"{source} is {found.kind} data; trainer {trainer.name} takes {takes} data")
    elif trainer is not None and trainer.metrics is not None and found.task not in trainer.metrics:
        does = " and ".join(sorted(trainer.metrics))
        say(("data", "source"), f"{source} is for {found.task}; trainer {trainer.name} does {does}")
    return found.task


def _is_added(draft: Draft) -> bool:
    """Whether the data are of a kind that an installed package adds."""
    data = draft.values.get("data")
    return isinstance(data, Mapping) and adds_kind(data.get("kind"))


def _suiting(trainer: Trainer) -> str:
    from goodfit.trainers.data import DATASETS

    return next((name for name, found in DATASETS.items() if found.kind in trainer.kinds), "...")


def _is_running_text(draft: Draft) -> bool:
    """Whether the data are a .txt file of which the study does not say that it is something else."""
    data = draft.values.get("data")
    kind = data.get("kind") if isinstance(data, Mapping) else None
    return kind is None and Path(str(draft.source)).suffix.lower() == ".txt"


def _check_running_text(path: Path, target: str | None, trainer: Trainer | None, say: Say) -> str:
    """Say what is wrong with a .txt file as data; returns its task."""
    from goodfit.trainers.data.reading.formats import TABLES

    if trainer is not None and trainer.kinds and "corpus" not in trainer.kinds:
        takes = " or ".join(sorted(trainer.kinds))
        instead = f"give a {', '.join(TABLES)} or .npz file"
        say(("data", "source"), f"{path} is running text; trainer {trainer.name} takes {takes} data: {instead}")
    elif target is not None:
        say(("data", "target"), f"{path} is running text, which has no column {target}; leave target out")
    else:
        _check_exists(path, say)
    return "language-modelling"


def _has_annotators(draft: Draft) -> bool:
    """Whether the consensus of annotators is the target where none is named."""
    data = draft.values.get("data")
    return isinstance(data, Mapping) and bool(data.get("annotators"))


def _check_file(path: Path, target: str | None, say: Say, *, labelled: bool) -> None:
    """Say what is wrong with a file as data; `labelled`: without a target, too."""
    from goodfit.trainers.data.reading.formats import LATER

    source = ("data", "source")
    if path.is_dir():
        _check_folder(path, target, say)
    elif ".py:" in str(path):
        _check_exists(Path(str(path).rpartition(":")[0]), say)
    elif path.exists() and _is_image(path):
        say(source, f"{path} is one image; give the folder that has a sub-folder of images for each class")
    elif (later := LATER.get(path.suffix.lower())) is not None:
        say(source, f"{path}: {later}s are not supported yet: give a .csv, .parquet, .jsonl or .npz file")
    elif not _check_exists(path, say):
        return
    elif _is_table(path) and target is None and not labelled:
        say(("data", "target"), "is missing; write the column to predict")


def _is_image(path: Path) -> bool:
    from goodfit.trainers.data.reading.pixels import SUFFIXES

    return path.suffix.lower() in SUFFIXES


def _is_table(path: Path) -> bool:
    """Whether a file's name says that it has columns."""
    from goodfit.trainers.data.reading.content import PACKED
    from goodfit.trainers.data.reading.formats import TABLES

    name = path.stem if path.suffix.lower() in PACKED else path.name
    return Path(name).suffix.lower() in TABLES


def _check_folder(path: Path, target: str | None, say: Say) -> None:
    """Say what is wrong with a folder as data, as far as it can be told without opening an image."""
    if target is not None:
        say(("data", "target"), "is for tables; the names of a folder's sub-folders are the classes: leave it out")
    elif not any(place.is_dir() for place in path.iterdir()):
        say(("data", "source"), f"{path} is a folder without sub-folders; images lie in a sub-folder for each class")


def _check_images(draft: Draft, say: Say) -> None:
    """Say where a preparation of images stands with other data."""
    data: Data | None = draft.parts.get("data")
    if data is None or draft.source is None or Path(draft.source).is_dir():
        return
    for key, value in (("size", data.prepare.size), ("mode", data.prepare.mode)):
        if value is not None:
            say(("data", "prepare", key), f"is for a folder of images, and {draft.source} is none; leave it out")


def _check_exists(path: Path, say: Say) -> bool:
    """Say that there is no such file, with the nearest beside it."""
    if not path.exists():
        say(("data", "source"), f"there is no file {path}{nearest_file(path)}")
        return False
    return True


def _check_grid_size(draft: Draft, say: Say) -> None:
    """Say where the grid's points cannot be numbered."""
    if draft.space.ungridded():
        return
    try:
        draft.space.grid_size()
    except TooManyCases as error:
        say(("search", "method"), f"grid: {error}; search at random, or make conditions depend on fewer parameters")


def _check_plateau(search: Search, budget: Budget, say: Say) -> None:
    if budget.plateau and search.method != "auto":
        say(("budget", "plateau"), f"is told by the auto search alone, and this one is {search.method}; leave it out")


def _needs_space(method: str) -> str:
    return (
        f"{method} has to know the space, and an Optuna objective says it as it runs: write `space:`, "
        f"or take {' or '.join(OPEN_METHODS[1:])}"
    )


def _check_several(draft: Draft, search: Search, budget: Budget, say: Say) -> None:
    """Say what is for one objective alone."""
    known = SEARCH_METHODS.get(search.method)
    if known is None or not known.several:
        say(("search", "method"), f"{search.method} is for one objective; with several, take auto, bayesian or nsga2")
    if budget.plateau and search.method == "auto":
        say(("budget", "plateau"), "is for one objective; leave it out")
    pruning: Pruning = draft.parts.get("pruning") or AutoPruning()
    if pruning.method not in FRONT_PRUNING:
        say(
            ("pruning", "method"),
            f"{pruning.method} is for one objective; with several, take {' or '.join(FRONT_PRUNING)}",
        )


def check_search(draft: Draft, say: Say) -> None:
    """Say what does not go together of the search, its space, its budget and its pruning."""
    if any(name in draft.values and name not in draft.parts for name in ("search", "budget")):
        return
    search: Search = draft.parts.get("search") or Search()
    if draft.parts.get("open_space") and search.method not in OPEN_METHODS:
        say(("search", "method"), _needs_space(search.method))
        return
    budget: Budget = draft.parts.get("budget") or Budget()
    _check_plateau(search, budget, say)
    _check_method(search.method, draft, say)
    if draft.parts.get("more_objectives"):
        _check_several(draft, search, budget, say)
    if search.trains_population:
        if draft.parts.get("constraints"):
            say(
                ("constraints",),
                f"{search.method} compares its members by the objective alone; take auto, or leave them out",
            )
        check_population(search, draft.parts, draft.values, draft.space, draft.trainer, say)
    elif search.method == "grid":
        _check_grid(search, draft, say)
    elif need := unending(search, budget, draft.space, open_space=bool(draft.parts.get("open_space"))):
        say(("budget",), f"needs {need}" if "budget" in draft.values else f"is missing; write {need}")


def _check_method(method: str, draft: Draft, say: Say) -> None:
    """Say where a search method does not fit the space, and what to take instead."""
    for parameter, wrong in unfit(method, draft.space):
        path, before = draft.place(parameter)
        say(path, before + wrong)
    if "space" in draft.values and (lack := too_few(method, draft.space)):
        say(("search", "method"), lack)


def _check_grid(search: Search, draft: Draft, say: Say) -> None:
    if draft.values.get("control"):
        say(("control",), "a grid tries every point, there is nothing to be held against; leave it out")
    for parameter in draft.space.ungridded():
        path, before = draft.place(parameter)
        say(path, f"{before}needs step or points to be searched by a grid")
    _check_grid_size(draft, say)
    if "try_defaults" in search.model_fields_set and search.try_defaults:
        say(("search", "try_defaults"), "a grid has its points of its own; leave it out, or search at random")
    for key in ("start_from", "warm_start", "repeats"):
        if getattr(search, key):
            say(("search", key), "a grid tries each of its points once; leave it out, or search at random")
