"""What a trial has in Optuna, Ray Tune and the like, and what to write here in its place.

Somebody who comes from there writes `trial.suggest_float` by habit: the error says what takes its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_INSTEAD = {
    **dict.fromkeys(("params", "hparams", "hyperparameters"), "its hyperparameters are in trial.config"),
    "should_prune": "the loop `for epoch in trial.epochs()` ends when the trial is pruned",
    **dict.fromkeys(
        ("set_user_attr", "user_attrs", "set_attr"),
        "texts and numbers are kept by trial.note(key, value), files in trial.artifacts",
    ),
    **dict.fromkeys(("log", "log_metric", "log_metrics"), "metrics go to trial.report(train={...}, val={...})"),
    "study": "a trainer sees its own trial alone",
}
_SUGGEST = "hyperparameters are declared in the study file under `space:`, and a trial's are in trial.config"
_REPORT = (
    "trial.report takes the metrics of the epoch by name, such as trial.report(train={'loss': 0.3}, val={'loss': 0.4})"
)


def no_attribute(name: str) -> str:
    """The message for an attribute that a Trial does not have."""
    instead = _SUGGEST if name.startswith("suggest") else _INSTEAD.get(name)
    return f"Goodfit's trial has no {name!r}" + (f": {instead}" if instead else "")


def report_problem(train: Any, val: Any, others: Iterable[str]) -> str | None:
    """What is wrong with how trial.report was called; None where nothing is."""
    if names := list(others):
        problem = f"{_REPORT}; it does not take {', '.join(names)}"
        return f"{problem}: the epochs are counted by `for epoch in trial.epochs()`" if "step" in names else problem
    for value in (train, val):
        if value is not None and not isinstance(value, Mapping):
            return f"{_REPORT}; got {type(value).__name__} {value!r:.40}"
    return None
