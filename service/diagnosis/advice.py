"""What to change, as it follows from the verdict, the evidence and the trial's own hyperparameters.

Sentences only, each with its reason. Nothing is advised for a hyperparameter that the trial does not have,
nor beyond the range in which it makes sense (levers.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from goodfit.service.diagnosis.finding import Diagnosis
from goodfit.service.diagnosis.levers import (
    CAPACITY,
    CLIP_NORM,
    LABEL_SMOOTHING,
    MOMENTUM,
    VARIATIONS,
    either,
    excessive,
    has,
    learning_rate,
    lowered,
    raised,
    regularizers,
    shown,
    usual,
)
from goodfit.service.objective import MINIMIZE, Objective
from goodfit.service.records import Verdict

Params = Mapping[str, Any]

MOST = 3  # sentences; more is a list to skip
CHOICES = 4  # in one of them
LONG_WASTE = 0.5  # of the epochs after the best one, before a good fit is worth shortening
SPARE = 5  # epochs after the best one that are worth training
FEWEST = 5  # epochs; as in the rule
LATE = 2 / 3  # of the epochs: where the best one is earlier, the objective has settled
CLASSES = {"val/accuracy", "val/balanced_accuracy", "val/f1"}  # that a loss can part from
STOP = "training: {stop_on: overfit}"


def advise(diagnosis: Diagnosis, params: Params, objective: Objective, *, pruned: bool = False) -> tuple[str, ...]:
    """At most three sentences, the most promising first.

    Args:
        diagnosis: without advice yet.
        params: the trial's hyperparameters.
        objective: of the study; the diagnosis may be by the validation loss in its place.
        pruned: whether the trial was stopped by the study's pruning, or gave itself up.
    """
    metric = objective.metric
    loss = diagnosis.judged_by != metric or objective.direction == MINIMIZE
    match diagnosis.verdict:
        case Verdict.OVERFIT:
            advice = _against_overfitting(diagnosis, params, metric, loss=loss)
        case Verdict.UNDERFIT:
            advice = _against_underfitting(diagnosis, params, loss=loss)
        case Verdict.DIVERGED:
            advice = _against_divergence(diagnosis, params)
        case Verdict.UNFINISHED:
            advice = _of_pruned(diagnosis) if pruned else _to_finish(diagnosis, params, metric, loss=loss)
        case Verdict.GOOD_FIT:
            advice = _to_save_time(diagnosis)
    return tuple(advice[:MOST])


def _against_overfitting(diagnosis: Diagnosis, params: Params, metric: str, *, loss: bool) -> list[str]:
    happened = f"{diagnosis.judged_by} has {'risen' if loss else 'fallen'} since epoch {diagnosis.onset}"
    if diagnosis.train_gain is not None:
        went = ("fell" if loss else "rose") if diagnosis.train_gain > 0 else "got no worse"
        happened += f" while {_train(diagnosis.judged_by)} {went}"
    best = diagnosis.best_epoch
    later = diagnosis.judged_by != metric and bool(diagnosis.onset and best and best >= diagnosis.onset)
    levers = (*regularizers(params), LABEL_SMOOTHING, *VARIATIONS)
    if later:
        happened += f", yet {metric} was best at epoch {best}"
        if metric in CLASSES:
            happened += ": the model is right more often, but too sure of itself where it is wrong"
            levers = (LABEL_SMOOTHING, *regularizers(params), *VARIATIONS)
    more = raised(levers, params)[:CHOICES]
    stop = f"stop at epoch {best} ({STOP})" if best and not later else ""
    advice = [f"{happened}: raise {either(more)}{f', or {stop}' if stop else ''}."] if more else []
    if not more:
        advice += [f"{happened}{f': {stop}' if stop else ''}.", _no_lever(has(levers, params))]
    if smaller := lowered(CAPACITY, params):
        advice.append(f"The net is large enough to memorize single rows: try {either(smaller)}.")
    return advice


def _no_lever(spent: bool) -> str:
    if spent:
        return "Regularization is already as strong as is useful: use more training rows, or a smaller net."
    return "None of this trial's hyperparameters is known to regularize: add dropout or weight_decay to the space."


def _against_underfitting(diagnosis: Diagnosis, params: Params, *, loss: bool) -> list[str]:
    happened = f"{diagnosis.judged_by} {'fell' if loss else 'rose'} no further than {shown(diagnosis.level)}"
    advice: list[str] = []
    if strong := excessive((*regularizers(params), LABEL_SMOOTHING), params):
        advice.append(f"lower {either(strong)}: that much keeps a net from learning at all")
    rate = learning_rate(params)
    value = rate.value(params)
    if value is not None and not rate.low <= value <= rate.high:
        off = rate.raised(params) if value < rate.low else rate.lowered(params)
        advice.append(f"try {off}: {usual(params)}")
    if params.get("prepare.scale") == "none":
        advice.append("try prepare.scale standard: at none, columns of large numbers drown the others")
    if larger := raised(CAPACITY, params):
        advice.append(f"give the net more to learn with: {either(larger)}")
    if not strong and (weaker := lowered(regularizers(params), params)):
        advice.append(f"regularize less: {either(weaker)}")
    if value is not None and rate.low <= value <= rate.high:
        others = [shown(other) for other in (value * 10, value / 10) if rate.low <= other <= rate.high]
        if others:
            advice.append(f"try {rate.key(params)} {' and '.join(others)} in place of {shown(value)}")
    if not advice:
        missing = [lever.name for lever in (rate, CAPACITY[0]) if not has([lever], params)]
        add = f": add {either(missing)} to the space" if missing else ""
        advice = [f"none of this trial's hyperparameters is known to give a net more room{add}"]
    return _sentences(happened, advice)


def _against_divergence(diagnosis: Diagnosis, params: Params) -> list[str]:
    since = f"The trial diverged at epoch {diagnosis.onset}"
    advice: list[str] = []
    rate = learning_rate(params)
    value = rate.value(params)
    if value is not None and value > rate.low:
        advice.append(f"lower the step: {rate.key(params)} below {shown(value)} ({usual(params)})")
    clip = params.get("clip_norm", ...)
    if clip is None or clip == 0:
        advice.append("clip the gradients: clip_norm is off, 1.0 is a usual start")
    elif lower := lowered([CLIP_NORM], params):
        advice.append(f"clip the gradients harder: {lower[0]}")
    if params.get("prepare.scale") == "none":
        advice.append("scale the inputs: prepare.scale standard in place of none")
    if params.get("optimizer", "sgd") == "sgd" and (lower := lowered([MOMENTUM], params)):
        advice.append(f"if that is not enough: {lower[0]}" if advice else f"lower the step: {lower[0]}")
    if value is not None and value <= rate.low:
        advice.append(
            f"{rate.key(params)} {shown(value)} is too small to do this alone: look for NaN and huge values in the data"
        )
    if not advice:
        advice = [
            "none of this trial's hyperparameters is known to set the step: add learning_rate or clip_norm to the space"
        ]
    return _sentences(since, advice)


def _to_finish(diagnosis: Diagnosis, params: Params, metric: str, *, loss: bool) -> list[str]:
    epochs, slope = diagnosis.epochs, diagnosis.slope
    if epochs < FEWEST:
        return [f"A trend needs {FEWEST} epochs, and there {'was' if epochs == 1 else 'were'} {epochs or 'none'}."]
    if slope is None or slope >= 0:
        return [f"Train longer than {epochs} epochs (training: {{epochs: {2 * epochs}}})."]
    way = "falling" if loss else "rising"
    trend = f"{diagnosis.judged_by} was still {way} by {-slope:.2g} an epoch"
    best = diagnosis.best_epoch
    if diagnosis.judged_by != metric and best and best < LATE * epochs:
        return [f"{trend}, yet {metric} was best at epoch {best} of {epochs}: more epochs may not improve it."]
    more = max(1, epochs // 5)
    if not _impossible(-slope * more, diagnosis.level, loss=loss):
        trend += f", so {more} more would win up to {-slope * more:.2g}"
    advice = [f"{trend}: train longer than {epochs} (training: {{epochs: {2 * epochs}}})."]
    if faster := learning_rate(params).raised(params):
        advice.append(f"Or learn faster: {faster}.")
    return advice


def _impossible(gain: float, level: float | None, *, loss: bool) -> bool:
    """Whether a gain would take a loss below 0, or a share such as an accuracy above 1."""
    if level is None:
        return False
    return 0 < level < gain if loss else 0 < level <= 1 < level + gain


def _of_pruned(diagnosis: Diagnosis) -> list[str]:
    epochs = diagnosis.epochs
    return [f"It was pruned after {epochs} epoch{'' if epochs == 1 else 's'}: how it would have ended is not known."]


def _to_save_time(diagnosis: Diagnosis) -> list[str]:
    if diagnosis.best_epoch is None or diagnosis.wasted < LONG_WASTE * diagnosis.epochs:
        return []
    if diagnosis.best_epoch + SPARE >= diagnosis.epochs:
        return []
    return [
        f"{diagnosis.wasted} of {diagnosis.epochs} epochs came after the best one, at {diagnosis.best_epoch}: "
        f"fewer epochs or a smaller patience would do (training: {{epochs: {diagnosis.best_epoch + SPARE}}})."
    ]


def _train(judged_by: str) -> str:
    """The counterpart's name of a validation metric."""
    split, _, name = judged_by.partition("/")
    return f"train/{name}" if split == "val" and name else "training"


def _sentences(happened: str, advice: list[str]) -> list[str]:
    """The first with what happened, the others by themselves."""
    first, *others = advice
    return [f"{happened}: {first}.", *(f"{text[0].upper()}{text[1:]}." for text in others)]
