"""Katib experiments: `kind: Experiment` of kubeflow.org, v1beta1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from goodfit.service.errors import InputError
from goodfit.service.exchange.draft import Draft
from goodfit.service.exchange.foreign import Foreign, count, number, plain
from goodfit.service.exchange.ranges import Range, even

KEYS = ("apiVersion: kubeflow.org/...", "kind: Experiment", "spec.parameters")
METHODS = {
    "random": "random",
    "grid": "grid",
    "tpe": "bayesian",
    "multivariate-tpe": "bayesian",
    "bayesianoptimization": "gp",
    "cmaes": "cmaes",
    "sobol": "qmc",
    "hyperband": "random",
    "pbt": "pbt",
}
WHY = {
    "spec.trialTemplate": "no jobs of Kubernetes are started; write train(trial), or name a trainer by --trainer",
    "spec.metricsCollectorSpec": "a trainer reports its metrics by trial.report",
    "spec.objective.additionalMetricNames": "every metric that a trainer reports is kept",
    "spec.objective.metricStrategies": "a trial's value is its best one, at the epoch whose checkpoint is kept",
    "spec.resumePolicy": "every study can be resumed",
    "spec.algorithm.algorithmSettings": "settings of Katib's own algorithm",
    "metadata.namespace": "there are no namespaces",
}


def recognises(found: Foreign) -> bool:
    """Whether a document is an experiment."""
    return str(found.look("apiVersion") or "").startswith("kubeflow.org/") and found.look("kind") == "Experiment"


def convert(found: Foreign, draft: Draft) -> None:
    """Write an experiment into a draft; InputError where it searches no hyperparameters."""
    for key in ("apiVersion", "kind"):
        found.get(key)
    draft.called(str(found.get("metadata", "name") or found.get("metadata", "generateName") or draft.name))
    if not found.look("spec", "parameters"):
        nas = found.look("spec", "nasConfig") is not None
        line = found.line("spec", "nasConfig" if nas else "parameters")
        why = (
            "nasConfig searches an architecture, not hyperparameters" if nas else "spec.parameters is missing or empty"
        )
        raise InputError(f"{draft.origin}: line {line}: {why}: there is nothing to import")
    _objective(found, draft)
    _algorithm(found, draft)
    _stopping(found, draft)
    for place, written in found.items("spec", "parameters"):
        found.get("spec", "parameters", place)
        _parameter(draft, found.line("spec", "parameters", place), plain(written))
    for key, section, name in (
        ("maxTrialCount", "budget", "trials"),
        ("parallelTrialCount", "resources", "parallel"),
        ("maxFailedTrialCount", "budget", "failures"),
    ):
        if (most := count(found.get("spec", key))) is not None:
            draft.put(section, **{name: most})
    if (failures := found.get("spec", "maxFailedTrialCount")) is not None:
        why = "failures that are alike end a study, while none of its trials has succeeded"
        draft.lose(found.line("spec", "maxFailedTrialCount"), "maxFailedTrialCount", f"{failures}: {why}")


def _objective(found: Foreign, draft: Draft) -> None:
    at = ("spec", "objective")
    metric, kind = found.get(*at, "objectiveMetricName"), found.get(*at, "type")
    direction = "maximize" if str(kind).lower() == "maximize" else "minimize"
    if metric:
        draft.objective(found.line(*at, "objectiveMetricName"), "objectiveMetricName", str(metric), direction)
    if (goal := number(found.get(*at, "goal"))) is not None:
        draft.put("budget", target=goal)


def _algorithm(found: Foreign, draft: Draft) -> None:
    at = ("spec", "algorithm")
    name = str(found.get(*at, "algorithmName") or "random").lower()
    settings = _settings(found, at)
    method = METHODS.get(name)
    if method is None:
        draft.lose(found.line(*at, "algorithmName"), "algorithmName", f"there is no {name} here; the search is auto")
    draft.put("search", method=method or "auto")
    if (seed := count(settings.pop("random_state", settings.pop("seed", None)))) is not None:
        draft.put("search", seed=seed)
    if name == "hyperband":
        eta = count(settings.pop("eta", 3)) or 3
        draft.put("pruning", method="hyperband", reduction_factor=max(2, eta))
        if (most := count(settings.pop("r_l", None))) is not None:
            draft.put("training", epochs=most)
        settings.pop("resource_name", None)
    elif name == "pbt" and (size := count(settings.pop("n_population", None))):
        draft.put("search", population=size)
    for place, setting in found.items(*at, "algorithmSettings"):
        found.get(*at, "algorithmSettings", place)
        if isinstance(setting, Mapping) and setting.get("name") in settings:
            key, line = str(setting["name"]), found.line(*at, "algorithmSettings", place)
            draft.lose(line, key, f"a setting of Katib's {name}; see `search:` and `pruning:`")


def _stopping(found: Foreign, draft: Draft) -> None:
    at = ("spec", "earlyStopping")
    if found.look(*at) is None:
        draft.sections.setdefault("pruning", {"method": "none"})
        return
    name, settings = str(found.get(*at, "algorithmName")), _settings(found, at)
    found.get(*at, "algorithmSettings")
    if name != "medianstop":
        draft.lose(found.line(*at), "earlyStopping", f"there is no {name} here; trials are pruned by median")
    startup, warmup = count(settings.get("min_trials_required", 3)), count(settings.get("start_step", 4))
    draft.put("pruning", method="median", n_startup_trials=startup or 0, n_warmup_steps=warmup or 0)


def _settings(found: Foreign, at: tuple[str, ...]) -> dict[str, Any]:
    rows = [plain(row) for _, row in found.items(*at, "algorithmSettings")]
    return {str(row.get("name")): row.get("value") for row in rows if isinstance(row, Mapping)}


def _parameter(draft: Draft, line: int, written: Any) -> None:
    name = str(written.get("name", "parameter")) if isinstance(written, Mapping) else "parameter"
    space = written.get("feasibleSpace") if isinstance(written, Mapping) else None
    kind = str(written.get("parameterType", "")) if isinstance(written, Mapping) else ""
    if not isinstance(space, Mapping):
        draft.lose(line, name, "is left out: it has no feasibleSpace")
    elif isinstance(values := space.get("list"), list) and values:
        draft.parameter(line, name, _typed(list(dict.fromkeys(map(str, values)))))
    elif (made := _range(draft, line, name, kind, space)) is not None:
        draft.parameter(line, name, made)
    else:
        draft.lose(line, name, f"is left out: the range of a {kind or 'parameter'} cannot be read")


def _typed(values: list[str]) -> list[Any]:
    """Values that all are numbers as numbers: Katib writes texts."""
    numbers = [number(value) for value in values]
    if all(one is not None for one in numbers):
        return numbers
    words = {"true": True, "false": False}
    return (
        [words[value.lower()] for value in values] if all(value.lower() in words for value in values) else list(values)
    )


def _range(draft: Draft, line: int, name: str, kind: str, space: Mapping[str, Any]) -> Range | None:
    low, high, step = (number(space.get(key)) for key in ("min", "max", "step"))
    if low is None or high is None or low > high:
        return None
    shape = str(space.get("distribution") or "uniform").lower().replace("_", "")
    log = shape.startswith("log") and low > 0
    if "normal" in shape:
        draft.lose(line, name, f"a {shape} distribution between the ends is drawn evenly here")
    if log and step:
        draft.lose(line, name, f"a logarithmic range has no steps here: its values are not rounded to {step:g}")
        step = None
    if kind == "int":
        return even(low, high, whole=True, log=log, step=step)
    return even(float(low), float(high), log=log, step=step)
