"""A study's trials written into an Optuna storage, again and again without a trial twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from goodfit.service.errors import InputError
from goodfit.service.exchange import optuna_studies as storages

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial


def write(study: Study, target: str, origin: Mapping[str, Any], *, force: bool = False) -> int:
    """Bring a study of a storage to what a study in memory has.

    Args:
        study: in memory, of the records: `to_optuna`.
        target: the storage's URL.
        origin: what tells the study from all others.
        force: a study of that name that is another's is replaced.

    Returns:
        How many trials were written.

    Raises:
        InputError: the storage is none, or has a study of that name from elsewhere.
    """
    with storages.opened(target, create=True) as storage:
        there = _there(storage, study.study_name)
        if there is not None and there.user_attrs.get(storages.MARK) != dict(origin) and not force:
            raise InputError(
                f"{target.removeprefix(storages.PREFIX)}: has a study {study.study_name} that does not come from this "
                "one; name another storage, or replace it by --force"
            )
        kept = _kept(there, study) if there is not None else None
        if there is not None and kept is None:  # trials were trained again or judged anew: what ended cannot be changed
            storage.delete_study(there._study_id)  # noqa: SLF001 - Optuna's only way from a study to its id
            there = None
        return _add(storage, there or _made(storage, study, origin), study, kept or 0)


def _there(storage: BaseStorage, name: str) -> Study | None:
    if name not in [one.study_name for one in storage.get_all_studies()]:
        return None
    return storages.load(storage, name, "")


def _made(storage: BaseStorage, study: Study, origin: Mapping[str, Any]) -> Study:
    import optuna

    with storages.quiet():
        made = optuna.create_study(study_name=study.study_name, storage=storage, directions=study.directions)
        for name, value in study.user_attrs.items():
            made.set_user_attr(name, value)
        names = study.metric_names or _names(study)
        if len(names) == len(study.directions):
            made.set_metric_names(names)
        made.set_user_attr(storages.MARK, dict(origin))
    return made


def _names(study: Study) -> list[str]:
    """What the study in memory says that its values are."""
    return list(study.user_attrs.get("metrics") or [study.user_attrs["metric"]])


def _kept(there: Study, study: Study) -> int | None:
    """How many of the trials are there as they are; None: one of those that are there is another by now."""
    old, new = there.get_trials(deepcopy=False), study.get_trials(deepcopy=False)
    if len(old) > len(new) or there.directions != study.directions:
        return None
    return len(old) if all(map(_same, old, new)) else None


def _same(old: FrozenTrial, new: FrozenTrial) -> bool:
    return _facts(old) == _facts(new)


def _facts(trial: FrozenTrial) -> str:
    """All that an export writes of a trial, equal where it is equal; a NaN is equal to itself."""
    curve = sorted(trial.intermediate_values.items())
    return repr(
        (
            trial.state,
            trial.values,
            sorted(trial.params.items()),
            sorted(trial.distributions.items(), key=str),
            curve,
            _attrs(trial),
        )
    )


def _attrs(trial: FrozenTrial) -> list[tuple[str, Any]]:
    return sorted(trial.user_attrs.items())


def _add(storage: BaseStorage, there: Study, study: Study, kept: int) -> int:
    new = study.get_trials(deepcopy=False)[kept:]
    for trial in new:
        storage.create_new_trial(there._study_id, template_trial=trial)  # noqa: SLF001 - as Study.add_trial
    return len(new)
