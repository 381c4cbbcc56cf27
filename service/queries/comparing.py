"""Studies side by side: what `goodfit compare` gives. Pure: records in, plain JSON values out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from goodfit.service.app.best import Best
from goodfit.service.diagnosis.statistics import student_cdf
from goodfit.service.queries.source import Listed
from goodfit.service.records import Trial, is_candidate

LEVEL = 0.95  # of an interval
BEST = 5  # trials, for the spread of a study that was not confirmed


def comparison(studies: Sequence[tuple[Listed, Sequence[Trial], Best | None]]) -> dict[str, Any]:
    """Studies with their trials and their best, side by side.

    Returns:
        comparable: whether their values are of one metric, one direction and one data set; reasons: why not, each a
        sentence; notes: what else differs; studies: a row each. Of studies that are not comparable, verdicts, costs
        and configurations are.
    """
    rows = [_row(*one) for one in studies]
    reasons = list(_reasons(rows))
    return {"comparable": not reasons, "reasons": reasons, "notes": list(_notes(rows)), "studies": rows}


def _row(listed: Listed, trials: Sequence[Trial], best: Best | None) -> dict[str, Any]:
    study = listed.study
    objective = study.objective
    data: Mapping[str, Any] = study.spec.get("data") or {}
    verdicts: dict[str, int] = {}
    for trial in trials:
        if trial.verdict is not None:
            verdicts[str(trial.verdict)] = verdicts.get(str(trial.verdict), 0) + 1
    return {
        "study": study.name,
        "state": str(listed.state),
        "trainer": study.trainer,
        "metric": objective.metric,
        "direction": objective.direction,
        "data": data.get("source"),
        "data_digest": ((study.inputs or {}).get("data") or {}).get("digest"),
        "split": data.get("split"),
        "trials": len(trials),
        "epochs": sum(trial.epochs for trial in trials),
        "seconds": round(study.seconds, 1),
        "verdicts": verdicts,
        "best": None if best is None else best.to_dict(),
        "interval": _interval(trials, best, objective.sign),
        "curve": list(_curve(trials, study.started, objective.sign)),
    }


def _interval(trials: Sequence[Trial], best: Best | None, sign: float) -> dict[str, Any] | None:
    """How far the best value can be relied on: of fresh seeds where it was confirmed, else the spread of the best."""
    if best is None:
        return None
    if best.test is not None and best.test["seeds"] > 1 and best.test["std"] is not None:
        seeds, mean, std = best.test["seeds"], best.test["mean"], best.test["std"]
        half = _quantile(seeds - 1) * std / math.sqrt(seeds)
        of = f"{LEVEL:.0%} of the mean of {seeds} fresh seeds, on data that the search never saw"
        return {"low": mean - half, "high": mean + half, "of": of}
    values = sorted(
        (trial.value for trial in trials if is_candidate(trial) and trial.value is not None), key=lambda v: sign * v
    )
    top = values[:BEST]
    return {"low": min(top), "high": max(top), "of": f"the best {len(top)} trials; not confirmed"} if top else None


def _quantile(freedom: float) -> float:
    """The value that Student's t stays below with the level of an interval."""
    low, high = 0.0, 1000.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if student_cdf(middle, freedom) < (1 + LEVEL) / 2 else (low, middle)
    return high


def _curve(trials: Sequence[Trial], started: float | None, sign: float) -> Iterator[dict[str, float]]:
    """The best value so far, wherever a trial has made it better: after how many trials, and how many seconds."""
    ended = sorted((trial for trial in trials if trial.ended is not None), key=lambda trial: trial.ended or 0.0)
    best: float | None = None
    for count, trial in enumerate(ended, 1):
        value = trial.value
        if not is_candidate(trial) or value is None or not math.isfinite(value):
            continue
        if best is None or sign * value < sign * best:
            best = value
            yield {"trials": count, "seconds": round((trial.ended or 0.0) - (started or 0.0), 1), "value": value}


def _reasons(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Why the values of studies cannot be compared."""
    for key, what in (("metric", "metrics"), ("direction", "directions"), ("data", "data")):
        if len({row[key] for row in rows}) > 1:
            yield f"their {what} differ: {_each(rows, key)}"
    if len({row["data"] for row in rows}) == 1 < len({row["data_digest"] for row in rows if row["data_digest"]}):
        yield f"the content of their data differs, by its digest: {_each(rows, 'data_digest')}"


def _each(rows: Sequence[Mapping[str, Any]], key: str) -> str:
    return ", ".join(f"{row['study']} has {row[key] or 'none'}" for row in rows)


def _notes(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What else differs, though values can be compared."""
    if len({repr(row["split"]) for row in rows}) > 1:
        yield "their rows are split in different ways: they validate on other rows"
    running = [row["study"] for row in rows if row["state"] in ("QUEUED", "RUNNING")]
    if running:
        yield f"not ended yet: {', '.join(running)}"
    unconfirmed = [row["study"] for row in rows if row["best"] and not row["best"]["test"]]
    if unconfirmed:
        yield f"not confirmed on fresh seeds: {', '.join(unconfirmed)}; `goodfit confirm NAME` does that"
