"""What a study takes over from earlier ones, looked up once, when it is made: after that, its spec has it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodfit.search_spaces.values import BadValue
from goodfit.service import errors
from goodfit.service.records import Failure, Trial, TrialState, losses_of
from goodfit.service.stored_spec import without_password

if TYPE_CHECKING:
    from goodfit.service.objective import Objective
    from goodfit.service.ports import Store
    from goodfit.service.spec import StudySpec
    from goodfit.service.spec.warm_start import Source, WarmStart


def warm_started(spec: StudySpec, store: Store | None, *, fresh: bool = False) -> StudySpec:
    """The spec with what its `warm_start` brings; with what is kept, where the same study is there already.

    Args:
        spec: as it was read.
        store: where the earlier studies are; None: there are none yet.
        fresh: whether it is another study even if one of its name and spec is there.

    Raises:
        StudyFileError: with every source that is not there, or brings nothing.
    """
    starts = spec.search.warm_start
    if starts and store is not None and not fresh:
        with contextlib.suppress(errors.UnknownStudy):
            there = store.study(spec.name)
            if spec.is_same(there.spec):
                return spec.with_search(warm_start=type(spec).from_dict(there.spec).search.warm_start)
    found: list[WarmStart] = []
    problems: list[errors.Problem] = []
    for index, start in enumerate(starts):
        try:
            found.append(_brought(spec, start, store))
        except (BadValue, errors.InputError) as error:
            problems.append(spec.origin.problem(("search", "warm_start", index), str(error)))
    if problems:
        raise errors.StudyFileError(spec.origin.file, problems)
    return spec.with_search(warm_start=tuple(found)) if found else spec


def _brought(spec: StudySpec, start: WarmStart, store: Store | None) -> WarmStart:
    from goodfit.service.spec.warm_start import OPTUNA, Source, brought, require_trials, whole

    if start.of is not None:
        source = Source.sent(start)
    elif start.study.startswith(OPTUNA):
        from goodfit.service.sampler.optuna_storage import optuna_source

        source = optuna_source(start.study.removeprefix(OPTUNA))
    elif store is None:
        raise errors.UnknownStudy(f"there is no study {start.study!r}, nor any other yet")
    else:
        source = study_source(store, start.study)
    name = without_password(start.study)
    if spec.open_space:  # each trial takes what lies in the ranges that it asks for
        require_trials(name, source)
        return whole(name, source, without=spec.fixed)
    return brought(name, source, spec.space, spec.defaults or {})


def sent(written: str, folder: Path) -> dict[str, Any]:
    """An entry that names a file or a storage, as it is sent to a server.

    Args:
        written: the entry.
        folder: of the study file.

    Raises:
        InputError: there is no such file or storage.
    """
    from goodfit.service.sampler.optuna_storage import optuna_source
    from goodfit.service.spec.warm_start import OPTUNA, WarmStart, named, whole

    try:
        start = named(WarmStart(study=written), lambda path: _located(folder, path))
    except BadValue as error:
        raise errors.InputError(f"search.warm_start: {written}: {error}") from error
    if start.study.startswith(OPTUNA):
        start = whole(without_password(start.study), optuna_source(start.study.removeprefix(OPTUNA)))
    return start.model_dump(mode="json")


def study_source(store: Store, name: str) -> Source:
    """The trials of a study, the best first.

    Raises:
        InputError: there is no such study, or its trials have no one order.
    """
    from goodfit.search_spaces.parameters import Fixed
    from goodfit.service.spec import StudySpec
    from goodfit.service.spec.warm_start import Source

    study = store.study(name)
    space = StudySpec.from_dict(study.spec).space
    searched = frozenset(item.name for item in space if not isinstance(item, Fixed))
    trials, objective = store.trials(study.id), study.objective
    fronts = _fronts(trials, objective) if objective.others else {}
    ordered = [(order, trial) for trial in trials if (order := _order(trial, objective, fronts)) is not None]
    ordered.sort(key=lambda one: (one[0], one[1].number))
    return Source.ranked([trial.params for _, trial in ordered], searched)


def _fronts(trials: Sequence[Trial], objective: Objective) -> dict[int, int]:
    """The non-dominated ranks of complete trials, where a study has several objectives."""
    from goodfit.service.pareto import ranks

    complete = [one for one in trials if one.state is TrialState.COMPLETE and one.confirms is None]
    placed = [(one.number, point) for one in complete if (point := losses_of(one, objective)) is not None]
    return dict(zip([number for number, _ in placed], ranks([point for _, point in placed]), strict=True))


def _order(trial: Trial, objective: Objective, fronts: Mapping[int, int]) -> tuple[int, float, float] | None:
    """Where a trial stands among others, as the sampler has it (observed.py); None where it says nothing."""
    if trial.confirms is not None:
        return None
    if trial.failure is Failure.NAN:
        return 3, float(-trial.epochs), 0.0
    if trial.state not in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.PAUSED) or trial.value is None:
        return None
    if broken := objective.violation({**(trial.measured or {}), objective.metric: trial.value}):
        return 2, 0.0, broken
    if trial.number in fronts:
        return 0, 0.0, float(fronts[trial.number])
    value = trial.value if trial.state is TrialState.COMPLETE else trial.last_value
    if value is None or math.isnan(value):
        return None
    early = trial.state is not TrialState.COMPLETE
    return int(early), float(-trial.epochs) if early else 0.0, objective.sign * value


def _located(folder: Path, path: str) -> Path:
    """A file beside the study file, or else from here."""
    beside = folder / Path(path).expanduser()
    return beside if beside.exists() else Path(path).expanduser().resolve()
