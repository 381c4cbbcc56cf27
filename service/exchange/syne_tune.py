"""Syne Tune's configuration spaces as JSON: what config_space_to_json_dict gives, or a tuner's metadata.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from goodfit.service.exchange.draft import Draft
from goodfit.service.exchange.foreign import Foreign, Key, number, plain
from goodfit.service.exchange.ranges import even

KEYS = ("config_space, or parameters with domain_cls",)
WHY = {
    "entrypoint": "no script is started: write a function train(trial), or name a trainer by --trainer",
    "backend": "trials run on Ray",
    "scheduler_name": "see `search:` and `pruning:`",
}


def recognises(found: Foreign) -> bool:
    """Whether a document has a configuration space."""
    return "config_space" in found.value or any(_is_domain(value) for _, value in found.items())


def _is_domain(value: object) -> bool:
    return isinstance(value, Mapping) and "domain_cls" in value


def convert(found: Foreign, draft: Draft) -> None:
    """Write a space, and what a tuner's metadata say of the objective, into a draft."""
    at: tuple[Key, ...] = ("config_space",) if "config_space" in found.value else ()
    if at and isinstance(text := found.look(*at), str):  # JSON within JSON
        inner = json.loads(text)
        found.get(*at)
        for name, value in inner.items():
            _parameter(draft, found.line(*at), name, value)
    for name, value in found.items(*at):
        if at or _is_domain(value):
            found.get(*at, name)
            _parameter(draft, found.line(*at, name), str(name), plain(value))
    names, mode = found.get("metric_names"), found.get("metric_mode")
    for place, metric in enumerate(names if isinstance(names, list) else []):
        how = mode[place] if isinstance(mode, list) and place < len(mode) else mode
        direction = "maximize" if how == "max" else "minimize"
        draft.objective(found.line("metric_names"), "metric_names", str(metric), direction)


def _parameter(draft: Draft, line: int, name: str, value: Any) -> None:
    if not _is_domain(value):
        draft.parameter(line, name, {"type": "fixed", "value": value} if isinstance(value, (list, dict)) else value)
        return
    kind, given = value["domain_cls"], value.get("domain_kwargs") or {}
    log = "log" in str(value.get("sampler_cls", "")).lower()
    low, high = number(given.get("lower")), number(given.get("upper"))
    if isinstance(values := given.get("categories", given.get("values")), list) and values:
        if kind.startswith(("Ordinal", "FiniteRange")):
            draft.lose(line, name, "the order of its values does not carry over")
        draft.parameter(line, name, values)
    elif low is None or high is None or low > high:
        draft.lose(line, name, f"is left out: a {kind} whose range cannot be read")
    elif kind == "FiniteRange":
        size = max(1, int(number(given.get("size")) or 1))
        whole, log = given.get("cast_int") is True, given.get("log_scale") is True
        step = (high - low) / (size - 1) if size > 1 and not log else None
        draft.parameter(line, name, even(low, high, whole=whole, log=log, step=step))
    else:
        whole = kind == "Integer"
        draft.parameter(
            line, name, even(low if whole else float(low), high if whole else float(high), whole=whole, log=log)
        )
