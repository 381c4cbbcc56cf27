"""What to change, as it follows from the verdict, the evidence and the trial's own hyperparameters.

Sentences only; nothing is advised for a hyperparameter that the trial does not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.diagnosis.finding import Diagnosis
from service.records import Verdict

MOST = 3  # sentences; more is a list to skip
LONG_WASTE = 0.5  # of the epochs after the best one, before a good fit is worth shortening


def advise(diagnosis: Diagnosis, params: Mapping[str, Any]) -> tuple[str, ...]:
    """At most three sentences, the most promising first."""
    told = {
        Verdict.OVERFIT: _against_overfitting,
        Verdict.UNDERFIT: _against_underfitting,
        Verdict.DIVERGED: _against_divergence,
        Verdict.UNFINISHED: _to_finish,
        Verdict.GOOD_FIT: _to_save_time,
    }[diagnosis.verdict](diagnosis, params)
    return tuple(told[:MOST])


def _against_overfitting(diagnosis: Diagnosis, params: Mapping[str, Any]) -> list[str]:
    told = []
    if diagnosis.onset and diagnosis.best_epoch and diagnosis.best_epoch >= diagnosis.onset:
        told.append(
            f"The objective was best at epoch {diagnosis.best_epoch}, after {diagnosis.judged_by} had turned at "
            f"{diagnosis.onset}: the model is right more often, but too sure of itself where it is wrong."
        )
    elif diagnosis.best_epoch:
        told.append(
            f"Stop at epoch {diagnosis.best_epoch}, the best: "
            f"nothing was won in the {diagnosis.wasted} after it (training: patience)."
        )
    raised = [text for name in ("dropout", "weight_decay", "l1", "label_smoothing") if (text := _above(params, name))]
    if raised:
        told.append(f"Regularize more: raise {_either(raised)}.")
    lowered = [text for name in ("width", "depth") if (text := _below(params, name))]
    if lowered:
        told.append(f"Or take a smaller net: {_either(lowered)}.")
    return told or ["Stop earlier, regularize more, or train on more data."]


def _against_underfitting(_: Diagnosis, params: Mapping[str, Any]) -> list[str]:
    told = []
    if "learning_rate" in params:
        told.append(
            f"Try another learning_rate than {_shown(params['learning_rate'])}: ten times more and ten times less."
        )
    raised = [text for name in ("width", "depth") if (text := _above(params, name))]
    if raised:
        told.append(f"Give the net more to learn with: {_either(raised)}.")
    strong = [text for name in ("dropout", "weight_decay", "l1", "label_smoothing") if (text := _below(params, name))]
    if strong:
        told.append(f"Regularize less: {_either(strong)}.")
    return told or ["Take a larger model, another learning rate, or less regularization."]


def _against_divergence(_: Diagnosis, params: Mapping[str, Any]) -> list[str]:
    told = []
    if lower := _below(params, "learning_rate"):
        told.append(f"Lower the step: {lower}.")
    if "clip_norm" in params and not params["clip_norm"]:
        told.append("Clip the gradients: clip_norm is off, 1.0 is a usual start.")
    elif lower := _below(params, "clip_norm"):
        told.append(f"Clip the gradients harder: {lower}.")
    if lower := _below(params, "momentum"):
        told.append(f"If that is not enough: {lower}.")
    return told or ["Take a smaller learning rate, or clip the gradients."]


def _to_finish(diagnosis: Diagnosis, params: Mapping[str, Any]) -> list[str]:
    told = [f"Train longer than {diagnosis.epochs} epoch{'' if diagnosis.epochs == 1 else 's'}."]
    if diagnosis.slope is not None and diagnosis.slope < 0 and (higher := _above(params, "learning_rate")):
        told.append(f"Or learn faster: {higher}.")
    return told


def _to_save_time(diagnosis: Diagnosis, _: Mapping[str, Any]) -> list[str]:
    if diagnosis.best_epoch is None or diagnosis.wasted < LONG_WASTE * diagnosis.epochs:
        return []
    return [
        f"{diagnosis.wasted} of {diagnosis.epochs} epochs came after the best one, at {diagnosis.best_epoch}: "
        "fewer epochs, or a smaller patience, would do."
    ]


def _above(params: Mapping[str, Any], name: str) -> str | None:
    number = _number(params, name)
    return None if number is None else f"{name} above {_shown(number)}"


def _below(params: Mapping[str, Any], name: str) -> str | None:
    number = _number(params, name)
    return f"{name} below {_shown(number)}" if number else None


def _number(params: Mapping[str, Any], name: str) -> float | None:
    value = params.get(name)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _either(choices: list[str]) -> str:
    return choices[0] if len(choices) == 1 else f"{', '.join(choices[:-1])} or {choices[-1]}"
