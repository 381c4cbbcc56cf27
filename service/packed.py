"""How trials were trained together, and what that saved: by the costs that their epochs were reported with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from goodfit.service.records import Report, Trial
from goodfit.trainers.messages import EPOCH_SECONDS, PACK_SAVED, PACK_SIZE

PACK = "pack"  # among a trial's diagnosis
PART = 8  # a study has so many times the trials that train at once, or `pack: auto` has fewer share a worker


def packed(curve: Iterable[Report]) -> dict[str, Any]:
    """Of one trial, as it is kept with its diagnosis: the mean size of its packs, its seconds, and those saved."""
    size = seconds = saved = 0.0
    before = 0  # the epoch of the last sample
    shared = False
    for report in curve:
        costs = report.costs
        if costs is None:
            continue
        epochs, before = report.epoch - before, report.epoch
        shared |= PACK_SIZE in costs
        size += epochs * costs.get(PACK_SIZE, 1.0)
        seconds += epochs * costs.get(EPOCH_SECONDS, 0.0)
        saved += costs.get(PACK_SAVED, 0.0)
    return {PACK: {"size": size / before, "seconds": seconds, "saved_seconds": saved}} if shared else {}


def packs_of(trials: Sequence[Trial]) -> Mapping[str, Any] | None:
    """Of a study: how many trials were trained together with others, and what it saved; None where none was."""
    found = [trial.diagnosis[PACK] for trial in trials if trial.diagnosis and trial.diagnosis.get(PACK)]
    if not found:
        return None
    return {
        "trials": len(found),
        "size": round(sum(one["size"] for one in found) / len(found), 1),
        "seconds": round(sum(one["seconds"] for one in found), 1),
        "saved_seconds": round(sum(one["saved_seconds"] for one in found), 1),
    }


def pack_sentence(packs: Mapping[str, Any]) -> str:
    """It in one line."""
    took, saved = packs["seconds"], packs["saved_seconds"]
    text = f"{packs['trials']:,} trials were trained together, {packs['size']:g} at a time on average"
    return f"{text}: {took:,.0f} s of workers in place of about {took + saved:,.0f} s" if saved > 0 else text
