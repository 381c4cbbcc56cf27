"""Studies side by side: what `goodfit compare` gives. Pure: records in, plain JSON values out."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from goodfit.service.app.best import Best
from goodfit.service.diagnosis.lead import LEVEL, Scores, interval_of, lead_by_search, lead_by_seeds
from goodfit.service.objective import Objective
from goodfit.service.queries.source import Listed
from goodfit.service.records import Trial, is_candidate
from goodfit.service.stored_spec import search_of

LONGEST = 200  # characters of a value of a study file
_NOT_COMPARED = ("name", "space")  # of a study file, key by key

Row = Mapping[str, Any]


def comparison(studies: Sequence[tuple[Listed, Sequence[Trial], Best | None]]) -> dict[str, Any]:
    """Studies with their trials and their best, side by side.

    Returns:
        comparable: whether their values are of one metric, one direction and one data set; reasons: why not, each a
        sentence; answer: which is the best and by how much, in sentences; leader, leads: the same for programs, where
        they are comparable; notes: what else differs; studies: a row each; params, settings: the keys of the best
        configurations and of the study files that differ, with their values. Of studies that are not comparable,
        verdicts, costs and configurations are.
    """
    rows = [_row(*one) for one in studies]
    reasons = list(_reasons(rows))
    found: dict[str, Any] = {"comparable": not reasons, "reasons": reasons, "leader": None, "leads": []}
    if not reasons:
        found |= _leads(studies)
    return {
        **found,
        "answer": list(_answer(found)),
        "notes": list(_notes(rows)),
        "studies": rows,
        "params": _different([row["best"]["params"] if row["best"] else {} for row in rows]),
        "settings": _different([dict(_settings(listed.study.spec)) for listed, _, _ in studies]),
    }


def _row(listed: Listed, trials: Sequence[Trial], best: Best | None) -> dict[str, Any]:
    study = listed.study
    objective = study.objective
    data: Row = study.spec.get("data") or {}
    interval = None if best is None else interval_of(_scores(trials, best), objective)
    return {
        "study": study.name,
        "state": str(listed.state),
        "trainer": study.trainer,
        "metric": objective.metric,
        "direction": objective.direction,
        "data": data.get("source"),
        "data_digest": _digest(study.inputs, "data"),
        "code_digest": _digest(study.inputs, "code"),
        "split": data.get("split"),
        "method": (study.spec.get("search") or {}).get("method"),
        "pruning": (study.spec.get("pruning") or {}).get("method"),
        "trials": len(trials),
        "planned": listed.planned,
        "states": dict(Counter(str(trial.state) for trial in trials)),
        "epochs": sum(trial.epochs for trial in trials),
        "seconds": round(study.seconds, 1),
        "verdicts": dict(Counter(str(trial.verdict) for trial in trials if trial.verdict is not None)),
        "best": None if best is None else best.to_dict(),
        "interval": None if interval is None else asdict(interval),
        "curve": list(_curve(trials, study.started, objective)),
    }


def _digest(inputs: Row | None, part: str) -> str | None:
    return ((inputs or {}).get(part) or {}).get("digest")


def _scores(trials: Sequence[Trial], best: Best) -> Scores:
    values = (trial.value for trial in trials if is_candidate(trial))
    candidates = tuple(value for value in values if value is not None and math.isfinite(value))
    test = best.test
    if test is None:
        return Scores(best.value, candidates)
    return Scores(best.value, candidates, test["mean"], test["std"], test["seeds"])


def _curve(trials: Sequence[Trial], started: float | None, objective: Objective) -> Iterator[dict[str, float]]:
    """The best value so far, wherever a trial has made it better: after how many trials, epochs and seconds."""
    ended = sorted((trial for trial in trials if trial.ended is not None), key=lambda trial: trial.ended or 0.0)
    best, epochs = math.nan, 0
    for count, trial in enumerate(ended, 1):
        epochs += trial.epochs
        value = trial.value
        if not is_candidate(trial) or value is None or not math.isfinite(value) or not objective.better(value, best):
            continue
        best = value
        seconds = round((trial.ended or 0.0) - (started or 0.0), 1)
        yield {"trials": count, "epochs": epochs, "seconds": seconds, "value": value}


def _reasons(rows: Sequence[Row]) -> Iterator[str]:
    """Why the values of studies cannot be compared."""
    for key, what in (("metric", "metrics"), ("direction", "directions"), ("data", "data")):
        if len({row[key] for row in rows}) > 1:
            yield f"their {what} differ: {_each(rows, key)}"
    if len({row["data"] for row in rows}) == 1 < len({row["data_digest"] for row in rows if row["data_digest"]}):
        yield f"the content of their data differs, by its digest: {_each(rows, 'data_digest')}"


def _each(rows: Sequence[Row], key: str) -> str:
    return ", ".join(f"{row['study']} has {row[key] or 'none'}" for row in rows)


def _leads(studies: Sequence[tuple[Listed, Sequence[Trial], Best | None]]) -> dict[str, Any]:
    """The study with the best value, and its lead over each of the others."""
    objective = studies[0][0].study.objective
    scores = {listed.study.name: _scores(trials, best) for listed, trials, best in studies if best is not None}
    if len(scores) < 2:
        return {}
    confirmed = all(one.confirmed for one in scores.values())
    leader = min(scores, key=lambda name: objective.sign * (scores[name].mean if confirmed else scores[name].value))
    lead_of = lead_by_seeds if confirmed else lead_by_search
    leads = {name: lead_of(scores[leader], one, objective) for name, one in scores.items() if name != leader}
    return {
        "leader": leader,
        "leads": [{"over": name, **asdict(lead), "clear": lead.clear} for name, lead in leads.items()],
    }


def _answer(found: Row) -> Iterator[str]:
    if not found["comparable"]:
        yield f"The values cannot be compared: {'; '.join(found['reasons'])}."
        yield "Verdicts, gaps within a study, costs and configurations can."
    elif not found["leads"]:
        yield "Fewer than two of the studies have a best trial."
    yield from (_sentence(found["leader"], lead) for lead in found["leads"])


def _sentence(leader: str, lead: Row) -> str:
    values = f"{_number(lead['value'])} against {_number(lead['against'])}"
    if lead["low"] is None:
        return f"{leader} is ahead of {lead['over']}: {values}, by {lead['of']}; how sure that is, is not known."
    interval = f"{LEVEL:.0%} interval {_number(lead['low'])} to {_number(lead['high'])}"
    surely = "is better than" if lead["confirmed"] else "is ahead of"
    which = surely if lead["clear"] else "cannot be distinguished from"
    return f"{leader} {which} {lead['over']}: {values}, {_number(lead['by'])} better ({interval}), by {lead['of']}."


def _number(value: float) -> str:
    return f"{value:.4g}"


def _notes(rows: Sequence[Row]) -> Iterator[str]:
    """What else differs, though values can be compared."""
    if len({repr(row["split"]) for row in rows}) > 1:
        yield "their rows are split in different ways: they validate on other rows"
    if len({row["code_digest"] for row in rows}) > 1 and len({row["trainer"] for row in rows}) == 1:
        yield f"their code differs, by its digest: {_each(rows, 'code_digest')}"
    running = [row["study"] for row in rows if row["state"] in ("QUEUED", "RUNNING")]
    if running:
        yield f"not ended yet: {', '.join(running)}"
    unconfirmed = [row["study"] for row in rows if row["best"] and not row["best"]["test"]]
    if unconfirmed:
        yield f"not confirmed on fresh seeds: {', '.join(unconfirmed)}; `goodfit confirm NAME` does that"


def _settings(spec: Row) -> Iterator[tuple[str, Any]]:
    """A study file key by key, `training.epochs`, and its space parameter by parameter."""
    known = {**spec, **({"search": search_of(spec)} if "search" in spec else {})}
    yield from _leaves({key: value for key, value in known.items() if key not in _NOT_COMPARED})
    space = spec.get("space")
    items = space if isinstance(space, list) else []
    named = space.items() if isinstance(space, Mapping) else ((one.get("name"), one) for one in items)
    for name, one in named:
        what = {key: value for key, value in one.items() if key != "name"} if isinstance(one, Mapping) else one
        yield f"space.{name}", _text(what)


def _leaves(values: Row, above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{key}.")
        elif value is not None:
            yield f"{above}{key}", _text(value) if isinstance(value, (list, tuple)) else value


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        text = ", ".join(f"{key}: {_text(item)}" for key, item in value.items() if item is not None)
    else:
        text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _different(given: Sequence[Row]) -> list[dict[str, Any]]:
    """The keys with different values, each with the value that each has; None where one has none."""
    keys = dict.fromkeys(key for values in given for key in values)
    found = ({"key": key, "values": [values.get(key) for values in given]} for key in keys)
    return [one for one in found if any(value != one["values"][0] for value in one["values"])]
