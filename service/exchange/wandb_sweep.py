"""W&B sweeps: `wandb sweep FILE`, https://docs.wandb.ai/guides/sweeps/sweep-config-keys."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from goodfit.service.exchange.draft import Draft
from goodfit.service.exchange.foreign import Foreign, Key, count, number, plain
from goodfit.service.exchange.python_file import Literal, PythonFile, Table
from goodfit.service.exchange.ranges import Range, Say, even, normal, quantized

KEYS = ("method", "parameters")
METHODS = {"grid": "grid", "random": "random", "bayes": "bayesian"}
WHY = {
    "program": "no script is started: write a function train(trial) in it, or name a trainer by --trainer",
    "command": "nothing is started from a command line here; a trial has its parameters in trial.config",
    "tune": "a sweep that Ray Tune decides: import its param_space instead",
    "metrics.threshold": "the front is shown and measured without a reference point of yours",
    "metric.target": "reaching it marks a run; see budget.target",
    "early_terminate.strict": "trials are not stopped outside of the rungs here",
}
_INV = "inv_"
_VALUES = "_values"


def recognises(found: Foreign) -> bool:
    """Whether a document is a sweep; one that leaves its parameters to another tool is one, too."""
    keys = set(found.value)
    if "kind" in keys:
        return False
    started = keys & {"program", "job", "scheduler", "tune"} and keys & {"metric", "run_cap", "method", "tune"}
    return isinstance(found.look("parameters"), Mapping) or bool(started)


def in_python(file: PythonFile) -> Literal | None:
    """The sweep that a script gives to wandb.sweep as a dictionary; None where it has none."""
    if not file.imports("wandb"):
        return None
    found = (one for one in file.tables() if isinstance(one.values.get("parameters"), Table) and "method" in one.values)
    table = next(found, None)
    return Literal.of(table) if table is not None else None


def convert(found: Foreign, draft: Draft) -> None:
    """Write a sweep into a draft."""
    draft.called(str(found.get("name") or draft.name))
    _search(found, draft)
    _objective(found, draft)
    _parameters(found, draft, ("parameters",), "")
    _early(found, draft)
    if cap := count(found.get("run_cap")):
        draft.put("budget", trials=cap)
    if parallel := count(found.get("scheduler", "num_workers")):
        draft.put("resources", parallel=parallel)
    program = found.look("program")
    if isinstance(program, str) and program.endswith(".py"):
        draft.trainer = f"{program}:train"


def _search(found: Foreign, draft: Draft) -> None:
    method, line = str(found.get("method") or "random"), found.line("method")
    if method not in METHODS:
        draft.lose(line, "method", f"there is no method {method} here; the search is auto")
    draft.put("search", method=METHODS.get(method, "auto"))


def _objective(found: Foreign, draft: Draft) -> None:
    name = _metric(found, draft, ("metric",))
    for place, _ in found.items("metrics"):
        _metric(found, draft, ("metrics", place))
    for place, written in found.items("metric_constraints"):
        found.get("metric_constraints", place)
        draft.constraint(found.line("metric_constraints", place), "metric_constraints", str(written))
    if (target := number(found.get("metric", "target"))) is not None and name:
        draft.put("budget", target=target)


def _metric(found: Foreign, draft: Draft, path: tuple[Key, ...]) -> str | None:
    """An objective; its name, None where it has none."""
    name, goal = found.get(*path, "name"), found.get(*path, "goal")
    if not name:
        return None
    direction = "maximize" if str(goal).lower().startswith("max") else "minimize"
    draft.objective(found.line(*path, "name"), f"{path[0]}.name", str(name), direction)
    return str(name)


def _parameters(found: Foreign, draft: Draft, path: tuple[Key, ...], above: str) -> None:
    for name, written in found.items(*path):
        here, line = (*path, name), found.line(*path, name)
        own = f"{above}{name}"
        if isinstance(written, Mapping) and "parameters" in written:
            draft.lose(line, own, f"nested parameters are {own}_... here")
            _parameters(found, draft, (*here, "parameters"), f"{own}.")
            continue
        found.get(*here)
        if not isinstance(written, Mapping):
            draft.lose(line, own, "is no parameter: it has neither a value nor a range; it is fixed")
            draft.parameter(line, own, plain(written))
            continue
        _parameter(draft, line, own, plain(written))


def _parameter(draft: Draft, line: int, name: str, written: Mapping[str, Any]) -> None:
    def say(text: str) -> None:
        draft.lose(line, name, text)

    if "value" in written:
        draft.parameter(line, name, {"type": "fixed", "value": written["value"]})
        return
    if isinstance(values := written.get("values"), list) and values:
        if "probabilities" in written:
            say("probabilities do not carry over: all values are drawn alike")
        draft.parameter(line, name, values)
        return
    made = _range(written, say)
    if made is None:
        say("is left out: its range cannot be read; write it into the study file's space")
    else:
        draft.parameter(line, name, made)


def _range(written: Mapping[str, Any], say: Say) -> Range | None:
    low, high = number(written.get("min")), number(written.get("max"))
    kind = str(written.get("distribution") or "").lower()
    if "normal" in kind or kind in ("beta", "q_beta"):
        return _bell(kind, written, say)
    if low is None or high is None or low > high:
        return None
    whole = isinstance(low, int) and isinstance(high, int)
    if not kind:
        return even(low, high, whole=whole)
    maker, q = _DISTRIBUTIONS.get(kind), number(written.get("q", 1))
    if kind.startswith("q_") and "q" not in written:
        say("q is not given: its values are rounded to multiples of 1")
    try:
        return None if maker is None or q is None or q <= 0 else maker(low, high, q, say)
    except OverflowError:  # an exponent beyond all numbers
        return None


def _bell(kind: str, written: Mapping[str, Any], say: Say) -> Range | None:
    if "beta" in kind:
        say("a beta distribution is drawn evenly here, from 0 to 1")
        return even(0.0, 1.0)
    mean, deviation = number(written.get("mu", 0)), number(written.get("sigma", 1))
    if mean is None or deviation is None or deviation <= 0:
        return None
    q = (number(written.get("q", 1)) or 1) if kind.startswith("q_") else None
    try:
        return normal(mean, deviation, say, log="log" in kind, q=None if q is None else abs(q))
    except OverflowError:
        return None


def _exponents(low: float, high: float) -> tuple[float, float]:
    """The ends of a range that is given by natural logarithms."""
    return float(f"{math.exp(low):.6g}"), float(f"{math.exp(high):.6g}")


_DISTRIBUTIONS: Mapping[str, Callable[[float, float, float, Say], Range | None]] = {
    "uniform": lambda low, high, _q, _say: even(float(low), float(high)),
    "int_uniform": lambda low, high, _q, _say: even(low, high, whole=True),
    "q_uniform": quantized,
    "log_uniform": lambda low, high, _q, _say: even(*_exponents(low, high), log=True),
    "log_uniform_values": lambda low, high, _q, _say: even(float(low), float(high), log=True) if low > 0 else None,
    "q_log_uniform": lambda low, high, q, say: quantized(*_exponents(low, high), q, say, log=True),
    "q_log_uniform_values": lambda low, high, q, say: quantized(low, high, q, say, log=True) if low > 0 else None,
    "inv_log_uniform": lambda low, high, _q, _say: even(*_exponents(-high, -low), log=True),
    "inv_log_uniform_values": lambda low, high, _q, _say: even(float(low), float(high), log=True) if low > 0 else None,
}


def _early(found: Foreign, draft: Draft) -> None:
    """Hyperband, the one way in which sweeps stop runs early."""
    if found.look("early_terminate") is None:
        draft.put("pruning", method="none")
        return
    kind, line = str(found.get("early_terminate", "type") or "hyperband"), found.line("early_terminate")
    if kind != "hyperband":
        draft.lose(line, "early_terminate.type", f"there is no {kind} here; trials are not pruned")
        draft.put("pruning", method="none")
        return
    eta = count(found.get("early_terminate", "eta")) or 3
    least, most = count(found.get("early_terminate", "min_iter")), count(found.get("early_terminate", "max_iter"))
    rungs = count(found.get("early_terminate", "s"))
    if least is None and most is not None:
        least = int(most / eta ** min(rungs or 1, 64))
    elif rungs is not None and least is not None:
        line = found.line("early_terminate", "s")
        draft.lose(line, "early_terminate.s", "the number of rungs follows from the epochs")
    draft.put("pruning", method="hyperband", min_resource=max(1, least or 1), reduction_factor=max(2, eta))
    if most is not None and not draft.has_epochs():
        draft.put("training", epochs=most)
