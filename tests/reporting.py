"""Simulated studies as a report gets them: facts without a store, of any size, with names that try to break out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from goodfit.search_spaces import Parameter, Space
from goodfit.service.diagnosis.confirmation import candidates_of, seed_noise
from goodfit.service.diagnosis.health import Facts
from goodfit.service.diagnosis.study import diagnose_study
from goodfit.service.diagnosis.trial import diagnose_trial
from goodfit.service.objective import Objective
from goodfit.service.records import Decision, Failure, Report, Study, StudyState, Trial, TrialState
from goodfit.service.report import ReportFacts, facts_of
from goodfit.service.spec import StudySpec

METRIC, DIRECTION = "val/accuracy", "maximize"
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
SPACE: list[dict[str, Any]] = [
    {"name": "learning_rate", "type": "float", "low": 1e-4, "high": 1e-1, "log": True},
    {"name": "weight_decay", "type": "float", "low": 1e-6, "high": 1e-1, "log": True},
    {"name": "dropout", "type": "float", "low": 0.0, "high": 0.6},
    {"name": "depth", "type": "int", "low": 1, "high": 6},
    {"name": "width", "type": "int", "low": 16, "high": 512, "log": True},
    {"name": "batch_size", "type": "choice", "choices": [16, 32, 64, 128]},
    {"name": "activation", "type": "choice", "choices": ["relu", "gelu", "tanh", "silu"]},
    {"name": "optimizer", "type": "choice", "choices": ["adamw", "sgd"]},
    {"name": "momentum", "type": "float", "low": 0.5, "high": 0.99, "when": {"optimizer": "sgd"}},
    {"name": "schedule", "type": "choice", "choices": ["constant", "cosine", "onecycle"]},
]
SHARES = {
    "value": {"learning_rate": 0.46, "depth": 0.18, "dropout": 0.12, "width": 0.1, "optimizer": 0.06, "momentum": 0.03,
              "batch_size": 0.02, "activation": 0.01, "weight_decay": 0.01, "schedule": 0.01},
    "gap": {"dropout": 0.41, "weight_decay": 0.2, "width": 0.17, "depth": 0.1, "learning_rate": 0.05,
            "batch_size": 0.03, "activation": 0.02, "optimizer": 0.02},
}  # fmt: skip


@dataclass(frozen=True)
class Simulated:
    """What facts_of takes, and the facts."""

    study: Study
    spec: StudySpec
    trials: Sequence[Trial]
    reports: Sequence[Report]
    facts: ReportFacts


def simulate(
    count: int,
    *,
    epochs: int = 30,
    seed: int = 0,
    name: str = "digits-mlp",
    extra: Sequence[Parameter] = (),
    state: StudyState = StudyState.DONE,
    confirm: bool = True,
    failing: bool = False,
) -> Simulated:
    """A study of simulated training: all verdicts, pruned and failed trials, and a confirmation of the best three."""
    random = np.random.default_rng(seed)
    spec = spec_of(name, count, epochs, extra)
    trials: list[Trial] = []
    reports: list[Report] = []
    for number in range(count):
        params = spec.space.walk(lambda item: _draw(random, item))
        trial, curve = _trained(random, number, params, epochs, failing=failing)
        trials.append(trial)
        reports += curve
    if confirm and not failing:
        trials += _confirmations(random, trials)
    return gathered(spec, trials, reports, state)


def spec_of(name: str, count: int, epochs: int, extra: Sequence[Parameter] = ()) -> StudySpec:
    """A study file; its name and the extra parameters are not checked, so that any text can be tried."""
    values = {
        "name": "study",
        "trainer": "mlp",
        "data": {"source": "digits"},
        "space": SPACE,
        "objective": {"metric": METRIC, "direction": DIRECTION},
        "training": {"epochs": epochs},
        "budget": {"trials": max(1, count)},
    }
    spec = StudySpec.from_dict(values)
    return spec.model_copy(update={"name": name, "space": Space((*spec.space.parameters, *extra))})


def gathered(
    spec: StudySpec,
    trials: Sequence[Trial],
    reports: Sequence[Report],
    state: StudyState = StudyState.DONE,
    decisions: Sequence[Decision] = (),
) -> Simulated:
    """The facts of records, diagnosed."""
    study = Study(spec.name, {}, "f" * 12, 1.7e9, state=state, started=1.7e9, ended=1.7e9 + 3600, seconds=3600.0)
    searched = [trial for trial in trials if trial.confirms is None]
    candidates = candidates_of(trials, METRIC)
    known = Facts(
        objective=spec.goal,
        epochs=spec.training.epochs,
        pruning="asha",
        noise=seed_noise(candidates),
        baseline=0.1,
    )
    enough = sum(trial.state is TrialState.COMPLETE for trial in searched) >= 10
    names = set(spec.space.names)
    shares = {
        target: {key: share for key, share in SHARES[target].items() if key in names and enough} for target in SHARES
    }
    found = diagnose_study(searched, reports, spec.space, known, importances=shares, confirmed=candidates)
    return Simulated(study, spec, trials, reports, facts_of(study, spec, trials, reports, found, decisions))


def _draw(random: np.random.Generator, item: Any) -> Any:
    if hasattr(item, "choices"):
        return item.choices[int(random.integers(len(item.choices)))]
    unit = random.random()
    value = item.low * (item.high / item.low) ** unit if item.log else item.low + (item.high - item.low) * unit
    return round(value) if isinstance(item.low, int) else float(value)


def _trained(
    random: np.random.Generator, number: int, params: Mapping[str, Any], epochs: int, *, failing: bool
) -> tuple[Trial, list[Report]]:
    rate = math.log10(params.get("learning_rate", 1e-2))
    ended = {"attempts": 1, "started": 1.7e9 + 10 * number, "ended": 1.7e9 + 10 * number + 7.5}
    if failing:
        text = "RuntimeError: CUDA out of memory" if number % 3 else f"ValueError: {EVIL}"
        return Trial(number, params, number, TrialState.FAILED, Failure.ERROR, text, **ended), []
    broken = rate > -1.25 and random.random() < 0.8
    overfits = params.get("dropout", 0.3) < 0.2 and params.get("depth", 3) > 3
    height = 0.97 - 0.06 * (rate + 2.2) ** 2 - 0.01 * abs(params.get("depth", 3) - 3) + random.normal(0, 0.01)
    pruned = not broken and number > 10 and height < 0.9 and random.random() < 0.7
    last = 4 if broken else max(2, epochs // 4) if pruned else epochs
    step = np.arange(1, last + 1) / epochs
    rise = 1 - np.exp(-step * (2 if height < 0.8 else 8))
    train = np.clip(0.1 + (min(1.0, height + 0.02) - 0.1) * rise + random.normal(0, 0.003, last), 0, 1)
    fall = 0.25 * np.clip(step - 0.35, 0, None) if overfits else 0.0
    validation = np.clip(0.1 + (height - 0.12) * rise - fall + random.normal(0, 0.006, last), 0, 1)
    train_loss, loss = 2.3 * (1.02 - train), 2.3 * (1.05 - validation) + (2 * np.asarray(fall) if overfits else 0)
    if broken:
        loss[-1] = train_loss[-1] = math.nan
    names = ("train/accuracy", "val/accuracy", "train/loss", "val/loss")
    columns = zip(train.tolist(), validation.tolist(), train_loss.tolist(), loss.tolist(), strict=True)
    reports = [
        Report(number, epoch, dict(zip(names, values, strict=True)), 0.0) for epoch, values in enumerate(columns, 1)
    ]
    told = diagnose_trial(reports, Objective(METRIC, DIRECTION), reachable=0.95, baselines={METRIC: 0.1}, params=params)
    best = int(np.argmax(validation))
    state = TrialState.FAILED if broken else TrialState.PRUNED if pruned else TrialState.COMPLETE
    trial = Trial(
        number,
        params,
        number,
        state,
        Failure.NAN if broken else None,
        "val/loss is nan at epoch 4" if broken else None,
        epochs=last,
        value=None if broken else float(validation[best]),
        last_value=float(validation[-1]),
        best_epoch=best + 1,
        verdict=told.verdict,
        gap=float(train[best] - validation[best]),
        diagnosis=told.to_dict(),
        **ended,
    )
    return trial, reports


def _confirmations(random: np.random.Generator, trials: Sequence[Trial]) -> list[Trial]:
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE and trial.value is not None]
    top = sorted(complete, key=lambda trial: -(trial.value or 0))[:3]
    made: list[Trial] = []
    for trial in top:
        for _ in range(3):
            value = (trial.value or 0) - 0.015 + float(random.normal(0, 0.004))
            number = len(trials) + len(made)
            test = {"accuracy": value - 0.002, "loss": 0.2}
            made.append(replace(trial, number=number, confirms=trial.number, value=value, test=test))
    return made
