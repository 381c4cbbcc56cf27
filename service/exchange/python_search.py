"""Searches that are written in Python: Ray Tune's param_space, Syne Tune's config_space. The file is never run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from goodfit.search_spaces.parse import parse_space
from goodfit.service.exchange.draft import Draft
from goodfit.service.exchange.foreign import count, number
from goodfit.service.exchange.python_dialects import DIALECTS, Dialect
from goodfit.service.exchange.python_file import Call, Drawn, Either, Opaque, PythonFile, Table
from goodfit.service.exchange.ranges import even

_INNER = ("train_loop_config", "params", "config")  # of Ray Train: the trial gets what is below


def dialect_of(file: PythonFile) -> Dialect | None:
    """Which library's search a file defines, by what it imports and calls."""
    for dialect in DIALECTS:
        if any(map(file.imports, dialect.packages)) and _space(file, dialect) is not None:
            return dialect
    found = (one for one in DIALECTS if any(map(file.imports, one.packages)) and _mutations(file))
    return next(found, next((one for one in DIALECTS[::-1] if _space(file, one) is not None), None))


def convert(file: PythonFile, dialect: Dialect, draft: Draft) -> None:
    """Write what a file searches into a draft."""
    if dialect.own_trainers and (trained := _trained(file)) and "://" not in file.name:
        draft.trainer, draft.dots, draft.as_reported = f"{file.name}:{trained}", True, True
    table = _space(file, dialect) or _given(file)
    if table is not None:
        _take(table, dialect, draft, "")
    if table is not None:
        _grid(table, draft)
    _arguments(file, dialect, draft)
    _finish_population(draft)


def _trained(file: PythonFile) -> str | None:
    """The function or class that is tuned, where the file has it."""
    for call in file.calls():
        if call.name not in ("Tuner", "run"):
            continue
        found = call.get(0, "trainable", "run_or_experiment")
        while isinstance(found, Call) and found.name in ("with_resources", "with_parameters"):
            found = found.get(0, "trainable")
        if isinstance(found, Opaque) and found.text in file.defined:
            return found.text
    return None


def _space(file: PythonFile, dialect: Dialect) -> Table | None:
    """The first dictionary with one of the distributions in it; of nested ones the outermost.

    What a population changes while it trains is none: a part of it is given elsewhere.
    """
    changing = {table.line for table in _mutations(file)}
    found = (table for table in file.tables() if table.line not in changing and any(_domains(table, dialect)))
    return next(found, None)


def _mutations(file: PythonFile) -> list[Table]:
    """What populations change while they train."""
    given = [
        call.named.get(name)
        for call in file.calls()
        if call.name in _POPULATIONS
        for name in ("hyperparam_mutations", "hyperparam_bounds")
    ]
    return [one for one in given if isinstance(one, Table)]


def _given(file: PythonFile) -> Table | None:
    """The mapping that a search is started with, where it has no distributions."""
    for call in file.calls():
        found = call.named.get("param_space") if call.name == "Tuner" else None
        found = call.named.get("config") if call.name == "run" else found
        if isinstance(found, Table):
            return found
    return None


def _finish_population(draft: Draft) -> None:
    """Of a population Ray Tune's num_samples is the size."""
    search, budget = draft.sections.get("search", {}), draft.sections.get("budget", {})
    if search.get("method") in _POPULATIONS.values() and "population" not in search and "trials" in budget:
        search["population"] = budget.pop("trials")


def _domains(table: Table, dialect: Dialect) -> Iterator[bool]:
    for value in table.values.values():
        if isinstance(value, Table):
            yield from _domains(value, dialect)
        elif isinstance(value, Call) and value.name in dialect.makers:
            yield True


def _take(table: Table, dialect: Dialect, draft: Draft, above: str) -> None:
    for name, value in table.values.items():
        line = table.lines.get(name, table.line)
        own = f"{above}{name}"
        if isinstance(value, Table) and (value.values or not above):
            inner = above if name in _INNER else f"{own}."
            if inner and not draft.dots:
                draft.lose(line, own, f"nested parameters are {inner.replace('.', '_')}... here")
            _take(value, dialect, draft, inner)
        else:
            _parameter(draft, line, own, value, dialect)


def _grid(table: Table, draft: Draft) -> None:
    """Search by grid where all that is searched has so many values; beside ranges they are drawn like those."""
    listed = [name for name, value in table.values.items() if isinstance(value, Call) and value.name == "grid_search"]
    if not listed:
        return
    if not parse_space(draft.space, []).ungridded():
        draft.put("search", method="grid")
        return
    for name in listed:
        why = "grid_search beside ranges: its values are drawn as those are, and not each of them in turn"
        draft.lose(table.lines.get(name, table.line), name, why)


def _parameter(draft: Draft, line: int, name: str, value: Any, dialect: Dialect) -> None:
    def say(text: str) -> None:
        draft.lose(line, name, text)

    if isinstance(value, Either) and not isinstance(value.value, (Opaque, Either)):
        say(f"{value.text}: the script's switches are off here")
        value = value.value
    if isinstance(value, Call) and value.name in dialect.makers:
        try:
            made = dialect.makers[value.name](value, say)
        except (ValueError, OverflowError) as error:
            say(f"is left out: {error}")
            return
        draft.parameter(line, name, made)
    elif isinstance(value, (Call, Opaque, Either)):
        what = f"{value.name}(...)" if isinstance(value, Call) else value.text
        say(f"is left out: {what} is code, which is not run; write its range into the study file's space")
    elif isinstance(value, list):
        if any(isinstance(one, (Call, Opaque, Table, Either)) for one in value):
            say("is left out: a list with code in it")
        else:
            draft.parameter(line, name, {"type": "fixed", "value": value})
    elif value is None or isinstance(value, (bool, int, float, str)):
        draft.parameter(line, name, value)
    else:
        say("is left out: its value has no form in a study file")


_SCHEDULERS = {
    "ASHAScheduler": "asha",
    "AsyncHyperBandScheduler": "asha",
    "ASHA": "asha",
    "ASHACQR": "asha",
    "MOBSTER": "asha",
    "MOASHA": "asha",
    "HyperbandScheduler": "asha",
    "HyperBandScheduler": "hyperband",
    "HyperBandForBOHB": "hyperband",
    "SyncHyperband": "hyperband",
    "MedianStoppingRule": "median",
}
_WITH_MODELS = ("ASHACQR", "MOBSTER", "HyperBandForBOHB")  # schedulers that propose by a model of their own
_TRIALS = ("num_samples", "max_num_trials_started", "max_num_trials_finished", "max_num_trials_completed")


_METHODS = {
    "random": "random",
    "RandomSearch": "random",
    "grid": "grid",
    "GridSearch": "grid",
    "bayesopt": "gp",
    "BayesianOptimization": "gp",
    "bayesopt_constrained": "bayesian",
    "kde": "bayesian",
    "KDE": "bayesian",
    "TPE": "bayesian",
    "BORE": "bayesian",
}
_POPULATIONS = {"PopulationBasedTraining": "pbt", "PBT": "pbt", "PB2": "pb2"}
_MEASURE = re.compile(r"loss|error|acc|reward|score|auc|f1|return")  # of what is reported, what may be optimized
_EPOCHS = ("training_iteration", "epoch", "step", "iter", "resource")  # what counts a trial's reports


def _arguments(file: PythonFile, dialect: Dialect, draft: Draft) -> None:
    """What the calls of a file say of the objective, the search, the schedulers and the budget."""
    metrics: tuple[int, list[str]] | None = None
    modes: list[str] = []
    for call in file.calls():
        found = _texts(call.named.get("metric")) or (
            _texts(call.named.get("metrics")) if call.name[:1].isupper() else []
        )
        if metrics is None and found:
            metrics = call.line, found
        given = [one for one in _texts(call.named.get("mode")) if one in ("min", "max")]
        modes = modes or given or (["max"] if call.named.get("do_minimize") is False else [])
        _budget(call, draft)
        _stop(call, draft)
        if call.name in _SCHEDULERS:
            _scheduler(call, draft, dialect)
        elif call.name in _POPULATIONS:
            _population(call, draft, dialect)
        elif dialect.own_trainers and call.name.endswith("Search") and call.name[0].isupper():
            draft.lose(call.line, call.name, "is not taken over: the search is Goodfit's own; see `search:`")
        if not dialect.own_trainers:
            _searcher(call, draft)
    if metrics is None and draft.as_reported:
        metrics = _reported(file, draft)
    if metrics is not None:
        line, names = metrics
        for place, name in enumerate(names):
            mode = modes[place] if place < len(modes) else (modes or ["min"])[-1]
            draft.objective(line, "metric", name, "maximize" if mode == "max" else "minimize")


def _reported(file: PythonFile, draft: Draft) -> tuple[int, list[str]] | None:
    """The first metric that the file's own function reports, where the file says of none that it is optimized."""
    for call in file.calls():
        given = call.get(0, "metrics")
        if call.name == "report" and isinstance(given, Table) and given.values:
            name = next(filter(_MEASURE.search, given.values), next(iter(given.values)))
            draft.lose(call.line, "objective", f"the file names no metric; {name}, which is reported here, is a guess")
            return call.line, [name]
    return None


def _texts(value: Any) -> list[str]:
    """A text, or a list of texts."""
    found = value if isinstance(value, list) else [value]
    return list(found) if all(isinstance(one, str) for one in found) else []


def _searcher(call: Call, draft: Draft) -> None:
    """What Syne Tune's schedulers say of the search: its method, its seed, and a metric that is held to 0."""
    named = call.get(-1, "searcher") or (call.name if call.name in _METHODS else None)
    if isinstance(named, str) and "method" not in draft.sections.get("search", {}):
        method = _METHODS.get(named)
        if method is None:
            draft.lose(call.line, "searcher", f"there is no {named} here; the search is auto")
        draft.put("search", method=method or "auto")
    if (seed := count(call.named.get("random_seed"))) is not None:
        draft.sections.setdefault("search", {}).setdefault("seed", seed)
    options = call.named.get("search_options")
    held = options.values.get("constraint_attr") if isinstance(options, Table) else call.named.get("constraint_attr")
    if isinstance(held, str):
        draft.constraint(call.line, "constraint_attr", f"{held} <= 0")


def _population(call: Call, draft: Draft, dialect: Dialect) -> None:
    """Population-based training: its size, how often members are compared, and what changes as they train."""
    search: dict[str, Any] = {"method": _POPULATIONS[call.name]}
    if (size := count(call.named.get("population_size"))) is not None:
        search["population"] = size
    unit = call.named.get("time_attr", "time_total_s" if dialect.own_trainers else "epoch")
    interval = count(call.named.get("perturbation_interval"))
    if interval is not None and unit in _EPOCHS:
        search["interval"] = interval
    elif interval is not None:
        draft.lose(call.line, "perturbation_interval", f"{interval} of {unit}: members are compared by epochs here")
    if (most := count(call.named.get("max_t"))) is not None:
        _end_after(most, draft)
    draft.put("search", **search)
    for name in ("hyperparam_mutations", "hyperparam_bounds"):
        if isinstance(changing := call.named.get(name), Table):
            _changing(changing, draft, dialect, bounds=name == "hyperparam_bounds")


def _changing(table: Table, draft: Draft, dialect: Dialect, *, bounds: bool) -> None:
    """The parameters that change while members train; their values in the param_space are those to begin with."""
    for name, value in table.values.items():
        line = table.lines.get(name, table.line)
        own = draft.names.get(name, name)
        if own in draft.space:
            continue
        if own in draft.fixed:
            draft.lose(line, name, f"members begin with values of its range, not all with {draft.fixed.pop(own)}")
        if isinstance(value, Drawn):
            value = value.value
        if isinstance(value, list) and bounds and len(value) == 2 and all(number(one) is not None for one in value):
            draft.parameter(line, name, even(float(value[0]), float(value[1])))
        elif (
            isinstance(value, list)
            and value
            and not any(isinstance(one, (Opaque, Call, Table, Either)) for one in value)
        ):
            draft.parameter(line, name, value)
        else:
            _parameter(draft, line, name, value, dialect)


def _budget(call: Call, draft: Draft) -> None:
    budget = draft.sections.setdefault("budget", {})
    for name in _TRIALS:
        if (trials := count(call.named.get(name))) is not None:
            budget.setdefault("trials", trials)
    seconds = number(call.named.get("max_wallclock_time", call.named.get("time_budget_s")))
    if seconds is not None and seconds > 0:
        budget.setdefault("minutes", round(seconds / 60, 4))
    if (parallel := count(call.named.get("n_workers", call.named.get("max_concurrent_trials")))) is not None:
        draft.sections.setdefault("resources", {}).setdefault("parallel", parallel)


def _stop(call: Call, draft: Draft) -> None:
    """Where a trial ends by what it reports: its iterations are its epochs."""
    found = call.named.get("stop")
    if not isinstance(found, Table):
        return
    for name, value in found.values.items():
        at = value.value if isinstance(value, Either) else value
        if name == "training_iteration" and (most := count(at)) is not None:
            _end_after(most, draft)
        elif name != "done":  # which trainables report, and which ends a trial here as there
            why = "no trial ends here by a value that it reports; budget.target ends the study"
            draft.lose(found.lines.get(name, call.line), f"stop.{name}", why)


def _end_after(most: int, draft: Draft) -> None:
    """A trial ends after so many epochs, or before, where the file says so elsewhere."""
    training = draft.sections.setdefault("training", {})
    training["epochs"] = min(most, training.get("epochs", most))


def _scheduler(call: Call, draft: Draft, dialect: Dialect) -> None:
    if call.name in _WITH_MODELS:
        draft.lose(call.line, call.name, "its model of the search is not taken over; see `search:`")
    if "pruning" in draft.sections:
        return
    method = _SCHEDULERS[call.name]
    draft.put("pruning", method=method)
    factor = count(call.named.get("reduction_factor", dialect.reduction_factor))
    if factor is not None and factor >= 2 and method != "median":
        draft.put("pruning", reduction_factor=factor)
    if (grace := count(call.named.get("grace_period"))) is not None:
        draft.put("pruning", **{"n_warmup_steps" if method == "median" else "min_resource": grace})
    if (most := count(call.named.get("max_t"))) is not None:
        _end_after(most, draft)
