"""The best configurations of a study, without reading all of its trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from typing_extensions import TypedDict  # typing's, on Python 3.11, is refused by pydantic

from goodfit.service.errors import InputError
from goodfit.service.json_values import Number, Rows, Values
from goodfit.service.objective import Objective
from goodfit.service.records import Study, Trial, judged_by, pareto_front
from goodfit.service.settings import Settings

if TYPE_CHECKING:
    from goodfit.service.diagnosis.confirmation import Confirmed
    from goodfit.service.ports import Trials


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
        params: the configuration; of a model whose parameters changed while it was trained, the last.
        verdict: good_fit, overfit, underfit, diverged or unfinished.
        gap: how much worse validation is than training at the best epoch, in the objective's
            unit; None where training does not report it.
        epochs: how many were trained.
        best_epoch: which of them was best.
        test: the confirmation on the test split: mean, std and seeds; None where none ran. Of a
            trainer that brings its own data, the objective itself on the fresh seeds.
        mlflow_run_id: its run in MLflow; None until MLflow has caught up.
        model_uri: the champion's registered model, or where the checkpoint of another lies.
        schedule: what the model was trained with from which epoch on, and in which trial; None where nothing changed.
        values: of a study with several objectives or constraints, what it is judged by, at the best epoch; else None.
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
    schedule: Rows | None = None
    values: Values | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, in the order of `goodfit best --json`; what few studies have, where they have it."""
        rare = [key for key in ("schedule", "values") if getattr(self, key) is None]
        return {key: value for key, value in asdict(self).items() if key not in rare}


def best_of(settings: Settings, store: Trials, study: Study, k: int, *, pareto: bool = False) -> list[Best]:
    """The best `k` configurations among the trials that were trained to their end and keep the constraints.

    Where the best were confirmed, the confirmed winner comes first, whatever its own value. Of several objectives, the
    Pareto front comes first; with `pareto` it is all there is, by the first objective.

    Raises:
        InputError: the Pareto front of one objective.
    """
    from goodfit.service.diagnosis.confirmation import Confirmed, best_first, candidates_of

    objective = study.objective
    if pareto and not objective.others:
        raise InputError(f"study {study.name} has one objective, {objective.metric}, and no Pareto front")
    trials = store.trials(study.id, parts=()) if pareto else enough_for_best(store, study.id, objective, k)
    order = pareto_front(trials, objective) if pareto else best_first(trials, objective)
    tests = {candidate.trial: Confirmed.of(candidate.judged) for candidate in candidates_of(trials, objective.metric)}
    return [_best(settings, study, trial, tests.get(trial.number)) for trial in order[:k]]


def enough_for_best(store: Trials, study_id: int, objective: Objective, k: int) -> Sequence[Trial]:
    """The trials of which the first `k` are best first as they are of all the trials, by number."""
    found = {trial.number: trial for trial in (*store.top(study_id, objective, k), *store.confirming(study_id))}
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
        schedule=trial.schedule,
        values=judged_by(trial, study.objective),
    )
