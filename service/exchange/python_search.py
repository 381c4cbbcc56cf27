"""Searches that are written in Python: Ray Tune's param_space, Syne Tune's config_space. The file is never run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from goodfit.service.exchange.draft import Draft
from goodfit.service.exchange.foreign import count, number
from goodfit.service.exchange.python_file import Call, Opaque, PythonFile, Table
from goodfit.service.exchange.ranges import Range, Say, even, normal, quantized, stepped_back

Made = Range | list[Any] | None
Maker = Callable[[Call, Say], Made]
_INNER = ("train_loop_config", "params", "config")  # of Ray Train: the trial gets what is below


def _ends(call: Call) -> tuple[Any, Any]:
    low, high = number(call.get(0, "lower", "low")), number(call.get(1, "upper", "high"))
    if low is None or high is None or low > high:
        raise ValueError("its range cannot be read")
    return low, high


def _step(call: Call, place: int = 2, otherwise: float | None = None) -> float:
    found = number(call.get(place, "q"))
    if found is None:
        found = otherwise
    if found is None or found <= 0:
        raise ValueError("its step cannot be read")
    return found


def _floats(call: Call, *, log: bool = False) -> Range:
    low, high = _ends(call)
    return even(float(low), float(high), log=log)


def _listed(call: Call) -> list[Any]:
    found = call.get(0, "categories", "values")
    if not isinstance(found, list) or not found or any(isinstance(one, (Opaque, Call, Table)) for one in found):
        raise ValueError("its values cannot be read")
    return list(found)


def _ordered(call: Call, say: Say) -> list[Any]:
    say("the order of its values does not carry over")
    return _listed(call)


def _finite(call: Call, say: Say, *, log: bool = False) -> Made:
    low, high = _ends(call)
    size = number(call.get(2, "size"))
    if size is None or size < 1:
        raise ValueError("its size cannot be read")
    whole = call.get(3, "cast_int") is True
    if size == 1 or log:
        if log:
            say("it is a range here, not so many values")
        return even(low, high, whole=whole, log=log)
    step = (high - low) / (int(size) - 1)
    if whole and not step.is_integer():
        say("its values are not evenly spaced whole numbers: it is a range here")
        return even(low, high, whole=True)
    return even(low, high, whole=whole, step=step)


def _bell(call: Call, say: Say, *, stepped: bool = False) -> Made:
    mean, deviation = number(call.get(0, "mean")), number(call.get(1, "sd"))
    mean, deviation = (0.0 if mean is None else mean), (1.0 if deviation is None else deviation)
    if deviation <= 0:
        raise ValueError("its deviation cannot be read")
    return normal(mean, deviation, say, q=_step(call) if stepped else None)


_BOTH: dict[str, Maker] = {
    "uniform": lambda call, _say: _floats(call),
    "loguniform": lambda call, _say: _floats(call, log=True),
    "choice": lambda call, _say: _listed(call),
}
RAY: Mapping[str, Maker] = {
    **_BOTH,
    "quniform": lambda call, say: quantized(*_ends(call), _step(call), say),
    "qloguniform": lambda call, say: quantized(*_ends(call), _step(call), say, log=True),
    "randn": _bell,
    "qrandn": lambda call, say: _bell(call, say, stepped=True),
    "randint": lambda call, _say: stepped_back(*_ends(call)),
    "lograndint": lambda call, _say: stepped_back(*_ends(call), log=True),
    "qrandint": lambda call, say: quantized(*_ends(call), _step(call, otherwise=1), say),
    "qlograndint": lambda call, say: quantized(*_ends(call), _step(call, otherwise=1), say, log=True),
    "grid_search": lambda call, _say: _listed(call),
}
SYNE: Mapping[str, Maker] = {
    **_BOTH,
    "quniform": RAY["quniform"],
    "randint": lambda call, _say: even(*_ends(call), whole=True),
    "lograndint": lambda call, _say: even(*_ends(call), whole=True, log=True),
    "reverseloguniform": lambda call, say: _reversed(call, say),
    "ordinal": _ordered,
    "logordinal": _ordered,
    "finrange": _finite,
    "logfinrange": lambda call, say: _finite(call, say, log=True),
}


def _reversed(call: Call, say: Say) -> Range:
    say("a reversed logarithmic range is drawn evenly here")
    return _floats(call)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one library writes a search in Python.

    Attributes:
        label: its name.
        packages: that such a file imports.
        makers: its distributions.
        own_trainers: whether what it tunes is a trainer here as it is.
    """

    label: str
    packages: Sequence[str]
    makers: Mapping[str, Maker]
    own_trainers: bool = False


DIALECTS = (
    Dialect("Syne Tune", ("syne_tune", "sagemaker_tune"), SYNE),
    Dialect("Ray Tune", ("ray",), RAY, own_trainers=True),
)


def dialect_of(file: PythonFile) -> Dialect | None:
    """Which library's search a file defines, by what it imports and calls."""
    for dialect in DIALECTS:
        if any(map(file.imports, dialect.packages)) and _space(file, dialect) is not None:
            return dialect
    return next((one for one in DIALECTS[::-1] if _space(file, one) is not None), None)


def convert(file: PythonFile, dialect: Dialect, draft: Draft) -> None:
    """Write what a file searches into a draft."""
    if dialect.own_trainers and (trained := _trained(file)) and "://" not in file.name:
        draft.trainer, draft.dots, draft.as_reported = f"{file.name}:{trained}", True, True
    table = _space(file, dialect)
    if table is not None:
        _take(table, dialect, draft, "")
    _arguments(file, draft)


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
    """The first dictionary with one of the distributions in it; of nested ones the outermost."""
    return next((table for table in file.tables() if any(_domains(table, dialect))), None)


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


def _parameter(draft: Draft, line: int, name: str, value: Any, dialect: Dialect) -> None:
    def say(text: str) -> None:
        draft.lose(line, name, text)

    if isinstance(value, Call) and value.name in dialect.makers:
        try:
            made = dialect.makers[value.name](value, say)
        except (ValueError, OverflowError) as error:
            say(f"is left out: {error}")
            return
        if value.name == "grid_search":
            draft.put("search", method="grid")
        draft.parameter(line, name, made)
    elif isinstance(value, (Call, Opaque)):
        what = f"{value.name}(...)" if isinstance(value, Call) else value.text
        say(f"is left out: {what} is code, which is not run; write its range into the study file's space")
    elif isinstance(value, list):
        if any(isinstance(one, (Call, Opaque, Table)) for one in value):
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
    "HyperbandScheduler": "asha",
    "HyperBandScheduler": "hyperband",
    "HyperBandForBOHB": "hyperband",
    "SyncHyperband": "hyperband",
    "MedianStoppingRule": "median",
}
_TRIALS = ("num_samples", "max_num_trials_started", "max_num_trials_finished", "max_num_trials_completed")


def _arguments(file: PythonFile, draft: Draft) -> None:
    """What the calls of a file say of the objective, the schedulers and the budget; the first one counts."""
    metric: tuple[int, str] | None = None
    mode: str | None = None
    for call in file.calls():
        named = call.named
        if metric is None and isinstance(named.get("metric"), str):
            metric = call.line, named["metric"]
        mode = mode or (str(named["mode"]) if named.get("mode") in ("min", "max") else None)
        if named.get("do_minimize") is False:
            mode = mode or "max"
        _budget(call, draft)
        if call.name in _SCHEDULERS:
            _scheduler(call, draft)
        elif "Population" in call.name or call.name in ("PB2", "PBT"):
            draft.lose(
                call.line, call.name, "population-based training is `search: {method: pbt}`; see the documentation"
            )
        elif call.name.endswith("Search") and call.name[0].isupper():
            draft.lose(call.line, call.name, "is not taken over: the search is Goodfit's own; see `search:`")
    if metric is not None:
        draft.objective(metric[0], "metric", metric[1], "maximize" if mode == "max" else "minimize")


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


def _scheduler(call: Call, draft: Draft) -> None:
    if "pruning" in draft.sections:
        return
    method = _SCHEDULERS[call.name]
    draft.put("pruning", method=method)
    factor = count(call.named.get("reduction_factor"))
    if factor is not None and factor >= 2 and method != "median":
        draft.put("pruning", reduction_factor=factor)
    if (grace := count(call.named.get("grace_period"))) is not None:
        draft.put("pruning", **{"n_warmup_steps" if method == "median" else "min_resource": grace})
    if (most := count(call.named.get("max_t"))) is not None:
        draft.put("training", epochs=most)
