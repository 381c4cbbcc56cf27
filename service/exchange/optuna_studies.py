"""Optuna's studies, in any of its storages: read for an import, written by an export."""

from __future__ import annotations

import contextlib
import sqlite3
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodfit.search_spaces.parameters import same
from goodfit.service.errors import InputError, did_you_mean
from goodfit.service.exchange.draft import Draft
from goodfit.service.objective import Objective
from goodfit.service.stored_spec import STORAGE_EXAMPLES as EXAMPLES
from goodfit.service.stored_spec import bounded

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

PREFIX = "optuna+"
SCHEMES = ("sqlite", "postgresql", "mysql", "mssql", "oracle", "journal")
BEST = 10  # configurations that a study begins with, where it cannot take over all results
MARK = "goodfit"  # the attribute by which an export knows its study again


def is_storage(source: str) -> bool:
    """Whether a text names a storage."""
    scheme = source.removeprefix(PREFIX).partition(":")[0].partition("+")[0]
    return source.startswith(PREFIX) or (scheme in SCHEMES and "://" in source)


@contextlib.contextmanager
def opened(source: str, *, create: bool = False) -> Iterator[BaseStorage]:
    """A storage by its URL: sqlite:///x.db, postgresql://..., journal://x.log; with or without `optuna+`.

    Raises:
        InputError: there is none, or what is there is no storage of Optuna's.
    """
    url = source.removeprefix(PREFIX)
    if url.startswith("journal:"):
        yield _journal(url, create=create)
        return
    _check_sqlite(url, create=create)
    with quiet():
        storage = _database(url)
        try:
            yield storage
        finally:
            storage.remove_session()
            storage.engine.dispose()


def _journal(url: str, *, create: bool) -> BaseStorage:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path = Path(url.removeprefix("journal:").removeprefix("//"))
    if not create and not path.is_file():
        raise InputError(f"{url}: there is no file {path}")
    with quiet():
        try:
            return JournalStorage(JournalFileBackend(str(path)))
        except Exception as error:
            raise InputError(f"{url}: is no journal of Optuna: {_first_line(error)}") from error


def _database(url: str) -> Any:
    from optuna.storages import RDBStorage

    try:
        return RDBStorage(url, engine_kwargs=bounded(url))
    except Exception as error:
        raise InputError(
            f"{_shown(url)}: cannot be opened as an Optuna storage: {_first_line(error)}; {EXAMPLES}"
        ) from error


def _check_sqlite(url: str, *, create: bool) -> None:
    """Refuse a file that is no storage, before Optuna makes its tables in it."""
    if not url.startswith("sqlite"):
        return
    written = url.partition("///")[2].partition("?")[0]
    if not written:
        raise InputError(f"{url}: names no file; {EXAMPLES}")
    path = Path(written)
    if not path.is_file():
        if create:
            if not path.parent.is_dir():
                raise InputError(f"{url}: there is no folder {path.parent}")
            return
        raise InputError(f"{url}: there is no file {path}")
    if path.stat().st_size == 0 and create:
        return
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error as error:
        raise InputError(f"{url}: {path} is no SQLite database: {error}") from error
    if not {"studies", "trials", "version_info"} <= tables:
        raise InputError(f"{url}: {path} is no Optuna storage: it lacks its tables; name another file")


def load(storage: BaseStorage, name: str | None, source: str) -> Study:
    """A study of a storage: the only one, or the one of this name."""
    import optuna

    names = [one.study_name for one in storage.get_all_studies()]
    if name is None and len(names) == 1:
        name = names[0]
    if not names:
        raise InputError(f"{_shown(source)}: has no study")
    if name is None:
        raise InputError(f"{_shown(source)}: has {len(names)} studies: name one by --study: {', '.join(names[:20])}")
    if name not in names:
        raise InputError(f"{_shown(source)}: has no study {name!r}; {did_you_mean(name, names)}")
    with quiet():
        return optuna.load_study(study_name=name, storage=storage)


def convert(study: Study, source: str, draft: Draft) -> None:
    """Write a study's space, objective and best configurations into a draft."""
    from optuna.trial import TrialState

    draft.called(study.study_name)
    draft.as_reported = True  # an objective of Optuna's is a trainer here, and reports its value
    trials = study.get_trials(deepcopy=False)
    _objectives(study, draft)
    names = _space(trials, draft)
    complete = [one for one in trials if one.state is TrialState.COMPLETE]
    steps = [max(one.intermediate_values) for one in trials if one.intermediate_values]
    first = min((min(one.intermediate_values) for one in trials if one.intermediate_values), default=1)
    if steps:
        draft.put("training", epochs=max(1, max(steps) + (first <= 0)))
    _warm_start(study, source, complete, names, draft)


def _objectives(study: Study, draft: Draft) -> None:
    names: Sequence[str | None] = study.metric_names or [None] * len(study.directions)
    for place, (name, direction) in enumerate(zip(names, study.directions, strict=True)):
        known = study.user_attrs.get("metric") if place == 0 else None
        metric = name or known or ("value" if len(study.directions) == 1 else f"value_{place}")
        if isinstance(metric, str) and metric.partition("/")[0] in ("val", "train"):
            draft.objectives.append(Objective(metric, direction.name.lower()))
        else:
            draft.objective(0, f"objective {place + 1}" if place else "objective", str(metric), direction.name.lower())


def _space(trials: Sequence[FrozenTrial], draft: Draft) -> dict[str, str]:
    """Write the parameters; their names here, by those that they have in the study."""
    held: dict[str, list[BaseDistribution]] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            versions = held.setdefault(name, [])
            if distribution not in versions:
                versions.append(distribution)
    own: dict[str, str] = {}
    for name, versions in held.items():
        own[name] = draft.own_name(0, name)
        if len(versions) > 1:
            draft.lose(0, name, f"had {len(versions)} ranges over the trials; it is the widest of them here")
        written = _parameter(versions)
        if name in held and isinstance(written, dict) and (needed := _condition(name, held, trials)):
            written["when"] = {own.get(key, key): value for key, value in needed.items()}
        elif any(name not in one.params for one in trials if one.params) and isinstance(written, dict):
            draft.lose(0, name, "is not in all trials, and no choice says in which: every trial has it here")
        if isinstance(written, dict):
            draft.space[own[name]] = written
        else:
            draft.fixed[own[name]] = written
    return own


def _parameter(versions: Sequence[BaseDistribution]) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    choices: list[Any] = []
    for one in versions:
        if isinstance(one, CategoricalDistribution):
            choices += [choice for choice in one.choices if not any(same(choice, other) for other in choices)]
    if choices:
        return {"type": "choice", "choices": choices} if len(choices) > 1 else choices[0]
    numbers = [one for one in versions if isinstance(one, (FloatDistribution, IntDistribution))]
    last = numbers[-1]
    low, high = min(one.low for one in numbers), max(one.high for one in numbers)
    if low == high:
        return low
    written: dict[str, Any] = {
        "type": "int" if isinstance(last, IntDistribution) else "float",
        "low": low,
        "high": high,
    }
    if last.log:
        written["log"] = True
    if last.step not in (None, 1) and len({(one.low, one.step) for one in numbers}) == 1:
        written["step"] = last.step
    return written


def _condition(
    name: str, held: Mapping[str, Sequence[BaseDistribution]], trials: Sequence[FrozenTrial]
) -> dict[str, Any] | None:
    """The choice of another parameter that says in which trials this one is; None: all have it, or nothing says it."""
    from optuna.distributions import CategoricalDistribution

    seen = [one for one in trials if one.params]
    if all(name in one.params for one in seen):
        return None
    for other in list(held)[: list(held).index(name)]:
        if not isinstance(held[other][0], CategoricalDistribution) or any(other not in one.params for one in seen):
            continue
        having = [one.params[other] for one in seen if name in one.params]
        lacking = [one.params[other] for one in seen if name not in one.params]
        if not any(same(a, b) for a in having for b in lacking):
            unique = [
                value for place, value in enumerate(having) if not any(same(value, one) for one in having[:place])
            ]
            return {other: unique[0] if len(unique) == 1 else unique}
    return None


def _warm_start(
    study: Study, source: str, complete: Sequence[FrozenTrial], names: Mapping[str, str], draft: Draft
) -> None:
    """All results, where their parameters have the same names here; else the best configurations to begin with."""
    from optuna.study import StudyDirection

    if not complete:
        return
    url = source.removeprefix(PREFIX)
    if all(name == own for name, own in names.items()) and not url.startswith("journal:"):
        draft.put("search", warm_start=[f"{PREFIX}{url}#{study.study_name}"])
        return
    sign = -1 if study.directions[0] is StudyDirection.MAXIMIZE else 1
    best = sorted(complete, key=lambda one: (sign * one.values[0], one.number))[:BEST]
    configurations = [
        {names[key]: value for key, value in one.params.items() if names[key] in draft.space} for one in best
    ]
    unique = [one for place, one in enumerate(configurations) if one and one not in configurations[:place]]
    draft.put("search", start_from=unique)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna from saying what it does, and that it may change."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)


def _shown(url: str) -> str:
    """A URL without its password."""
    head, at, tail = url.rpartition("@")
    if not at:
        return url
    scheme, slashes, account = head.partition("://")
    return f"{scheme}{slashes}{account.partition(':')[0]}@{tail}"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
