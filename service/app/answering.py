"""What is asked of a study most: its state as it is now, and its best configurations. Neither reads all its trials."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from typing_extensions import TypedDict  # typing's, on Python 3.11, is refused by pydantic

from goodfit.service.json_values import Number, Values
from goodfit.service.objective import Objective
from goodfit.service.records import Study, StudyState, Trial
from goodfit.service.settings import Settings, is_dead

if TYPE_CHECKING:
    from goodfit.service.diagnosis.confirmation import Confirmed
    from goodfit.service.ports import Store


class TestScore(TypedDict):
    """A confirmation: the objective on fresh seeds."""

    mean: Number
    std: Number | None  # None of one seed alone
    seeds: int


@dataclass(frozen=True, slots=True)
class Best:
    """One of the best configurations of a study.

    Attributes:
        trial: the trial's number.
        value: the objective at its best epoch, the one whose checkpoint is kept.
        params: the configuration.
        verdict: good_fit, overfit, underfit, diverged or unfinished.
        gap: how much worse validation is than training at the best epoch, in the objective's
            unit; None where training does not report it.
        epochs: how many were trained.
        best_epoch: which of them was best.
        test: the confirmation on the test split: mean, std and seeds; None where none ran. Of a
            trainer that brings its own data, the objective itself on the fresh seeds.
        mlflow_run_id: its run in MLflow; None until MLflow has caught up.
        model_uri: the champion's registered model, or where the checkpoint of another lies.
    """

    trial: int
    value: Number
    params: Values
    verdict: str | None
    gap: Number | None
    epochs: int
    best_epoch: int
    test: TestScore | None
    mlflow_run_id: str | None
    model_uri: str | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, in the order of `goodfit best --json`."""
        return asdict(self)


def best_of(settings: Settings, store: Store, study: Study, k: int) -> list[Best]:
    """The best `k` configurations among the trials that were trained to their end.

    Where the best were confirmed, the confirmed winner comes first, whatever its own value.
    """
    from goodfit.service.diagnosis.confirmation import Confirmed, best_first, candidates_of

    objective = study.objective
    trials = enough_for_best(store, study.id, objective, k)
    order = best_first(trials, objective)
    tests = {candidate.trial: Confirmed.of(candidate.judged) for candidate in candidates_of(trials, objective.metric)}
    return [_best(settings, study, trial, tests.get(trial.number)) for trial in order[:k]]


def enough_for_best(store: Store, study_id: int, objective: Objective, k: int) -> Sequence[Trial]:
    """The trials of which the first `k` are best first as they are of all the trials, by number."""
    found = {
        trial.number: trial for trial in (*store.top(study_id, objective.direction, k), *store.confirming(study_id))
    }
    return [found[number] for number in sorted(found)]


def _best(settings: Settings, study: Study, trial: Trial, test: Confirmed | None) -> Best:
    place = settings.trial_place(study, trial.number)
    uri = place.uri("best.pt") if place.exists("best.pt") else None
    return Best(
        trial=trial.number,
        value=trial.value if trial.value is not None else math.nan,
        params=dict(trial.params),
        verdict=str(trial.verdict) if trial.verdict else None,
        gap=trial.gap,
        epochs=trial.epochs,
        best_epoch=trial.best_epoch or 0,
        test=None if test is None else TestScore(mean=test.mean, std=test.std, seeds=test.seeds),
        mlflow_run_id=trial.mlflow_run_id,
        model_uri=study.model_uri if study.champion == trial.number and study.model_uri else uri,
    )


def live_state(store: Store, study: Study, now: float) -> StudyState:
    """A study's state, told from the lease: what says RUNNING with nobody running it was interrupted.

    A study of the service stays RUNNING: the service gives it another runner.
    """
    if study.state is not StudyState.RUNNING or study.queued is not None:
        return study.state
    return StudyState.RUNNING if is_held(store, study, now) else StudyState.INTERRUPTED


def is_held(store: Store, study: Study, now: float) -> bool:
    """Whether somebody who is alive, as far as can be told, holds the study."""
    lease = store.holder(study.id)
    return lease is not None and lease.until >= now and not is_dead(lease.owner)


def how_it_was_lost(store: Store, study: Study, now: float) -> str | None:
    """That the process which ran a study here ended without saving, and what may be why; None where it did not."""
    if study.state is not StudyState.RUNNING or live_state(store, study, now) is not StudyState.INTERRUPTED:
        return None
    lost = store.page_of_trials(study.id, labels=("RUNNING",), limit=3, told=())
    at = f" while it trained trial {lost[0].number}" if len(lost) == 1 else ""
    return (
        f"the process that ran study {study.name} ended{at} without saving: it was killed, or a trainer ended it "
        "(os._exit, a crash of a library). With --executor local trainers run in the command's own process; without "
        "it, in processes of theirs"
    )


def planned_trials(spec: Mapping[str, Any]) -> int | None:
    """How many trials a spec's search has at most: its budget, or all configurations that there are; None: any number.

    As StudySpec.planned_trials, without what it takes to validate a spec: a listing has many of them.
    """
    from goodfit.search_spaces.parse import from_list

    limits = [(spec.get("budget") or {}).get("trials")]
    search = spec.get("search") or {}
    try:
        space = from_list(spec.get("space"))
        if search.get("method") == "grid":
            limits.append(space.grid_size())
        elif not search.get("repeats"):
            limits.append(space.cardinality())
    except ValueError:  # another version's
        pass
    return min((limit for limit in limits if limit is not None), default=None)


def how_it_failed(study: Study, states: Mapping[str, int], hint: Callable[[str], str]) -> str:
    """That a study failed, why, and how to go on with it.

    Args:
        study: FAILED.
        states: how many of its trials are in which state, by Trial.label.
        hint: how people type a command.
    """
    failed = sum(count for label, count in states.items() if label.startswith("FAILED"))
    if failed:
        go_on = f"once the cause is mended, {hint(f'resume {study.name} --retry-failed')} trains what failed again"
    else:
        go_on = f"once the cause is mended, go on with {hint(f'resume {study.name}')}"
    return f"study {study.name} failed: {study.message}; {go_on}; see {hint(f'trials {study.name}')}"
