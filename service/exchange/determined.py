"""Determined's experiment configurations, `det experiment create FILE`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from goodfit.service.exchange.draft import Draft
from goodfit.service.exchange.foreign import MOST, Foreign, Key, count, number, plain
from goodfit.service.exchange.ranges import Range, even

KEYS = ("searcher", "hyperparameters")
METHODS = {"grid": "grid", "random": "random", "single": "random"}
HALVING = ("adaptive_asha", "asha", "adaptive", "adaptive_simple", "sync_halving")
TYPES = ("const", "int", "double", "log", "categorical")
EXPONENT = 200  # decimal, of the ends of a logarithmic range
UNITS = ("epochs", "batches", "records")
WHY = {
    "entrypoint": "no script is started: write a function train(trial), or name a trainer by --trainer",
    "environment": "trials run in Goodfit's own environment; see `requirements:`",
    "data": "what the trainer reads; see `data:`",
    "checkpoint_storage": "files lie in the home, or where GOODFIT_ARTIFACTS says",
    "records_per_epoch": "an epoch is what the trainer reports",
    "min_validation_period": "a trainer reports each epoch",
    "min_checkpoint_period": "see training.checkpoint_epochs",
    "scheduling_unit": "a trainer reports each epoch",
    "resources": "see `resources:`",
}


def recognises(found: Foreign) -> bool:
    """Whether a document is an experiment's configuration."""
    return isinstance(found.look("searcher"), Mapping) and "hyperparameters" in found.value


def convert(found: Foreign, draft: Draft) -> None:
    """Write a configuration into a draft."""
    draft.called(str(found.get("name") or draft.name))
    _searcher(found, draft)
    _parameters(found, draft, ("hyperparameters",), "")
    restarts = number(found.get("max_restarts"))
    if isinstance(restarts, int) and restarts >= 0:
        draft.put("training", retries=restarts)
    if slots := count(found.get("resources", "slots_per_trial")):
        draft.put("resources", gpus=slots)


def _searcher(found: Foreign, draft: Draft) -> None:
    name, line = str(found.get("searcher", "name") or "adaptive_asha"), found.line("searcher", "name")
    if name not in (*METHODS, *HALVING):
        draft.lose(line, "searcher.name", f"Determined's {name} does not carry over; the search is auto")
    draft.put("search", method=METHODS.get(name, "random" if name in HALVING else "auto"))
    if metric := found.get("searcher", "metric"):
        smaller = found.get("searcher", "smaller_is_better")
        direction = "maximize" if smaller is False else "minimize"
        draft.objective(found.line("searcher", "metric"), "searcher.metric", str(metric), direction)
    if trials := count(found.get("searcher", "max_trials")) or (1 if name == "single" else None):
        draft.put("budget", trials=trials)
    if parallel := count(found.get("searcher", "max_concurrent_trials")):
        draft.put("resources", parallel=parallel)
    if (seed := count(found.get("reproducibility", "experiment_seed"))) is not None:
        draft.put("search", seed=seed)
    _length(found, draft)
    if name in HALVING:
        divisor = count(found.get("searcher", "divisor")) or 4
        draft.put("pruning", method="asha", reduction_factor=max(2, divisor))
    else:
        draft.put("pruning", method="none")


def _length(found: Foreign, draft: Draft) -> None:
    for key in ("max_length", "max_time"):
        written = found.look("searcher", key)
        if written is None:
            continue
        line, place = found.line("searcher", key), f"searcher.{key}"
        found.get("searcher", key)
        unit = next((one for one in UNITS if isinstance(written, Mapping) and one in written), None)
        amount = number(written[unit]) if unit is not None else number(written)
        if unit == "epochs" or (unit is None and found.get("searcher", "time_metric") in ("epoch", "epochs")):
            draft.put("training", epochs=count(amount) or 1)
        elif amount is not None and (epochs := _as_epochs(found, unit, amount)) is not None:
            draft.put("training", epochs=epochs)
            draft.lose(line, place, f"{amount:g} {unit} are {epochs} epochs, by records_per_epoch")
        elif amount is not None:
            draft.lose(line, place, f"{amount:g} {unit or 'units'} are no number of epochs: set training.epochs")


def _as_epochs(found: Foreign, unit: str | None, amount: float) -> int | None:
    """How many epochs a number of batches or records is; None where the file does not say it."""
    records = number(found.look("records_per_epoch"))
    size = number(found.look("hyperparameters", "global_batch_size")) if unit == "batches" else 1
    if (
        unit not in ("batches", "records")
        or not records
        or records < 1
        or not size
        or not 0 < max(size, amount) <= MOST
    ):
        return None
    return count(max(1, round(amount * size / records)))


def _parameters(found: Foreign, draft: Draft, path: tuple[Key, ...], above: str) -> None:
    for name, written in found.items(*path):
        here, line, own = (*path, name), found.line(*path, name), f"{above}{name}"
        if isinstance(written, Mapping) and written.get("type") not in TYPES:
            draft.lose(line, own, f"nested hyperparameters are {own}_... here")
            _parameters(found, draft, here, f"{own}.")
            continue
        found.get(*here)
        value = plain(written)
        if not isinstance(written, Mapping):
            draft.parameter(line, own, {"type": "fixed", "value": value} if isinstance(value, list) else value)
        elif (made := _parameter(value)) is not None:
            draft.parameter(line, own, made)
        else:
            draft.lose(line, own, f"is left out: a {value['type']} without its {_needs(value['type'])}")


def _needs(kind: str) -> str:
    return {"const": "val", "categorical": "vals"}.get(kind, "minval and maxval")


def _parameter(written: Mapping[str, Any]) -> Any:
    kind, low, high = written["type"], number(written.get("minval")), number(written.get("maxval"))
    if kind == "const":
        return written.get("val")
    if kind == "categorical":
        values = written.get("vals")
        return values if isinstance(values, list) and values else None
    if low is None or high is None or low > high:
        return None
    made: Range
    if kind == "log":
        base = number(written.get("base", 10))
        if base is None or base <= 1 or max(abs(low), abs(high)) * math.log10(base) > EXPONENT:
            return None
        made = even(float(f"{base**low:.6g}"), float(f"{base**high:.6g}"), log=True)
    else:
        made = even(low, high, whole=True) if kind == "int" else even(float(low), float(high))
    points = count(written.get("count"))
    return made if points is None else {**made, "points": points}
