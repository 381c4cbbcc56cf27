"""What a home keeps and how large it is; and what of it can go.

Of a study that nobody runs the checkpoints go that no resume needs: those to go on from of trials that are complete or
were pruned, and where so many are to be kept, the models beyond those of the best. Trials, curves and decisions stay:
a replay, a rerun, a warm start and a confirmation need nothing of what goes.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodfit.service import errors
from goodfit.service.app.homes import spec_of
from goodfit.service.app.liveness import is_held, live_state
from goodfit.service.app.retention import superfluous
from goodfit.service.diagnosis.confirmation import best_first
from goodfit.service.diagnosis.front import front_of
from goodfit.service.records import Study, StudyState, Trial, TrialState, ranked
from goodfit.service.settings import Settings, is_dead, owner

if TYPE_CHECKING:
    from goodfit.service.ports import Store
    from goodfit.trainers.node_cache import NodeCache

_OVER = (TrialState.COMPLETE, TrialState.PRUNED)  # others may go on from their checkpoints, with --retry-failed, say
_MODEL = "best.pt"
COLLECTING_SECONDS = 600.0  # for what is removed of a study under its lease


@dataclass(frozen=True, slots=True)
class Use:
    """What a study keeps in a home, in bytes.

    Attributes:
        checkpoints: to go on from.
        models: the best of each trial.
        logs: of its trials, and all else that they left; of its runners and its mirror.
        given: the function and the data that it was given in Python.
        mlflow: its artifacts in MLflow, where these are in the home.
        goes: what of it can go, as files of its trials.
        removable: how much that is.
        why_not: why nothing of it can go now; None: it can.
    """

    study: str
    state: str
    checkpoints: int
    models: int
    logs: int
    given: int
    mlflow: int
    goes: tuple[str, ...]
    removable: int
    why_not: str | None = None

    @property
    def total(self) -> int:
        return self.checkpoints + self.models + self.logs + self.given + self.mlflow

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        sizes = {name: getattr(self, name) for name in ("checkpoints", "models", "logs", "given", "mlflow")}
        facts = {"removable": self.removable, "files": len(self.goes), "why_not": self.why_not}
        return {"study": self.study, "state": self.state, **sizes, "total": self.total, **facts}


def uses_of(settings: Settings, store: Store, names: Collection[str], keep: int | None, now: float) -> list[Use]:
    """What studies keep, the largest first.

    Args:
        settings: the home.
        store: its studies.
        names: of the studies; none: all.
        keep: how many models of each study stay; None: as many as the study says.
        now: seconds since the epoch.
    """
    found = [store.study(name) for name in names] if names else store.studies()
    return sorted((_use(settings, store, study, keep, now) for study in found), key=lambda use: -use.total)


def collect(settings: Settings, store: Store, name: str, keep: int | None, now: float) -> int:
    """Remove what of a study can go; how many bytes that were.

    Raises:
        StudyHeld: somebody runs it.
        HomeError: a file cannot be removed; the others are gone.
    """
    lease = store.acquire(store.study(name).id, owner(), now, COLLECTING_SECONDS, is_dead)
    try:
        study = store.study(name)
        place = settings.study_place(study) / "trials"
        sizes = sizes_of(place.folder)
        gone = 0
        for file in _goes(store, study, sizes, keep):
            place.drop(file)
            gone += sizes[file]
        return gone
    except OSError as error:
        raise errors.HomeError(
            f"files of study {name} cannot be removed: {error}; they may belong to another user"
        ) from error
    finally:
        store.release(lease)


def _use(settings: Settings, store: Store, study: Study, keep: int | None, now: float) -> Use:
    folder = (settings.study_place(study) / "trials").folder
    sizes = sizes_of(folder)
    models = sum(size for name, size in sizes.items() if name.endswith(_MODEL) and name.count("/") == 1)
    checkpoints = sum(size for name, size in sizes.items() if name.endswith(".pt")) - models
    own_logs = (settings.mirror_log(study.name), settings.runner_log(study.name))
    logs = sum(sizes.values()) - models - checkpoints + sum(_size(log) for log in own_logs)
    state = live_state(store, study, now)
    why_not = None
    if state is StudyState.RUNNING or is_held(store, study, now):
        why_not = "it runs"
    elif folder is None:
        why_not = "its files are in an object store, whose own rules for old objects apply"
    goes = () if why_not else tuple(_goes(store, study, sizes, keep))
    return Use(
        study=study.name,
        state=str(state),
        checkpoints=checkpoints,
        models=models,
        logs=logs,
        given=sum(sizes_of(settings.given_folder(study.name)).values()),
        mlflow=_of_mlflow(settings, study),
        goes=goes,
        removable=sum(sizes[name] for name in goes),
        why_not=why_not,
    )


def _goes(store: Store, study: Study, sizes: Mapping[str, int], keep: int | None) -> Iterator[str]:
    """The files among a study's trials that can go."""
    trials = store.trials(study.id)
    over = {trial.number for trial in trials if trial.state in _OVER}
    spec = spec_of(study)
    most = spec.training.keep if keep is None else keep
    kept = over if most is None else _kept(study, trials, most, spec.confirm.top if spec.confirm else 0)
    return superfluous(sizes, over, kept, snapshots=study.state is not StudyState.DONE)


def _kept(study: Study, trials: list[Trial], most: int, candidates: int) -> set[int]:
    """The trials whose models stay: the best in whatever order they are asked for, the front, the champion."""
    objective = study.objective
    ordered = sorted(trials, key=lambda trial: trial.number)
    searched = [trial for trial in ordered if trial.confirms is None]
    more = most if study.state is StudyState.DONE else max(most, candidates)
    kept = {trial.number for trial in (*best_first(ordered, objective)[:most], *ranked(searched, objective)[:more])}
    if objective.others:
        kept |= set(front_of(searched, objective, study.front_box).trials)
    return kept | ({study.champion} if study.champion is not None else set())


def _of_mlflow(settings: Settings, study: Study) -> int:
    """The artifacts of a study's experiment, whose folder is named as the experiment: as the study, mostly."""
    root = settings.mlflow_artifacts
    return 0 if root is None else sum(sizes_of(root / study.name).values())


def cache_of(settings: Settings) -> NodeCache:
    """The cache of a home on this node."""
    from goodfit.trainers.node_cache import NodeCache

    return NodeCache(settings.cache_folder, settings.cache)


def home_size(settings: Settings) -> int:
    """What a home keeps, databases and all, and the folder of studies' files where that is elsewhere.

    The cache, which has a bound of its own, does not count.
    """
    home, artifacts = settings.home, settings.artifacts
    roots = [home]
    if isinstance(artifacts, Path) and not artifacts.is_relative_to(home):
        roots.append(artifacts)
    cached = sum(sizes_of(settings.cache_folder).values())
    return sum(sum(sizes_of(root).values()) for root in roots) - cached


def sizes_of(folder: Path | None) -> dict[str, int]:
    """The size of each file below a folder, by its path there; HomeError where one may not be looked at."""
    if folder is None or not folder.is_dir():
        return {}

    def refused(error: OSError) -> None:
        raise errors.HomeError(f"cannot look at {error.filename}: {error.strerror}; it may belong to another user")

    found = {}
    for parent, _, names in os.walk(folder, onerror=refused):
        for name in names:
            path = Path(parent, name)
            found[path.relative_to(folder).as_posix()] = _size(path)
    return found


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:  # it has gone meanwhile
        return 0
