"""The answer of a study in sentences: the best configuration, how sure it is, and what to do next."""

from __future__ import annotations

import io
import shlex
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from goodfit.service.diagnosis.confirmation import on_test
from goodfit.service.diagnosis.feasibility import why_none_feasible
from goodfit.service.objective import Objective
from goodfit.service.records import Study, StudyState, Trial, TrialState, pareto_front
from goodfit.service.spec import StudySpec
from goodfit.service.spec.checks import unscored

TEST_SPLIT = "the test split"
CONFIRM = "confirm={top: 3, seeds: 3}"
_ENDED_EARLY = {
    StudyState.INTERRUPTED: "was interrupted",
    StudyState.STOPPED: "was stopped",
    StudyState.FAILED: "has failed",
}
FEWEST_TO_CONFIRM = 2  # complete trials: of one there is no choice that luck could have made


def answer_of(study: Study, spec: StudySpec, trials: Sequence[Trial], found: Mapping[str, Any]) -> dict[str, Any]:
    """What the top of the page says.

    Args:
        study: the record.
        spec: its file.
        trials: all of the study, confirmations among them.
        found: its diagnosis, in plain JSON values.

    Returns:
        trial (None where none was trained to its end), headline, confirmed, sure and next (sentences; what is next
        with its `--set` edits), command (all edits in one), yaml (the configuration).
    """
    winner, best = found["winner"], found["best"]
    number = winner["trial"] if winner else best
    chosen = next((trial for trial in trials if trial.number == number), None)
    steps = list(_next(study, spec, trials, found))
    return {
        "trial": number,
        "headline": _headline(study, trials, chosen, spec.goal),
        "confirmed": winner is not None,
        "split": judged_on(trials),
        "sure": list(_sure(found, judged_on(trials))) if chosen else [],
        "next": steps,
        "command": _command(study.name, [change for step in steps for change in step["set"]]),
        "yaml": _yaml(spec, chosen) if chosen else "",
    }


def why_no_gap(metric: str, reported: Collection[str]) -> str:
    """Why a trial with a value has no gap.

    Args:
        metric: the objective.
        reported: the metrics of the trial, of any epoch.
    """
    split, _, name = metric.partition("/")
    if split != "val" or not name:
        return f"no gap: {metric} is not a validation metric (val/...)"
    when = " at the best epoch" if f"train/{name}" in reported else ""
    return f"no gap: the trainer does not report train/{name}{when}"


def judged_on(trials: Sequence[Trial]) -> str:
    """What confirmations were scored on."""
    return TEST_SPLIT if any(trial.test for trial in trials) else "fresh seeds"


def _headline(study: Study, trials: Sequence[Trial], chosen: Trial | None, objective: Objective) -> str:
    if chosen is not None and objective.others:
        count = len(pareto_front(trials, objective))
        on = f"{count} trials are on the Pareto front" if count > 1 else "One trial is on the Pareto front"
        return f"{on}; trial {chosen.number} is the best by {objective.metric}"
    if chosen is not None:
        return f"Trial {chosen.number} is the best configuration"
    if none := why_none_feasible(trials, objective):
        return f"No trial is the best: {none}"
    searched = [trial for trial in trials if trial.confirms is None]
    if not searched:
        return "No trial has started yet"
    failed = [trial for trial in searched if trial.state is TrialState.FAILED]
    if len(failed) == len(searched):
        reason, count = Counter(trial.message or trial.label for trial in failed).most_common(1)[0]
        if len(failed) == 1:
            return f"The only trial failed: {reason}"
        return f"All {len(failed)} trials failed; {'most often' if count > 1 else 'one of them'}: {reason}"
    still = " yet" if study.state in {StudyState.QUEUED, StudyState.RUNNING} else ""
    if len(searched) == 1:
        return f"The only trial was not trained to its end{still}"
    return f"None of {len(searched)} trials was trained to its end{still}"


def _sure(found: Mapping[str, Any], split: str) -> Iterator[str]:
    """How far the answer can be trusted, the most important first."""
    serious = [finding for finding in found["findings"] if finding["severity"] == "serious"]
    if serious:
        count = "1 serious finding" if len(serious) == 1 else f"{len(serious)} serious findings"
        yield f"Do not rely on it yet: {count} below."
    winner, optimism, noise = found["winner"], found["optimism"], found["noise"]
    if winner is not None:
        error = f" ± {_number(winner['error'])} (standard error)" if winner["error"] is not None else ""
        metric = on_test(found["metric"]) if split == TEST_SPLIT else found["metric"]
        yield f"Confirmed: {metric} {_number(winner['mean'])}{error} on {split}."
        yield f"Why this one: {winner['reason']}."
    elif optimism is not None:
        yield f"Not confirmed: {_of(optimism['trials'])}, measured on the same validation data that chose it."
        if equal := found["equal"]:
            trials = "trial has" if equal == 1 else "trials have"
            yield f"{equal} other complete {trials} the same score: the first of them stands here."
    if optimism is not None:
        yield from _luck(optimism, confirmed=winner is not None, split=split)
    if noise is not None and noise["tied"]:
        others = noise["trials"] - 1
        which = f"{noise['tied']} of the {others} other complete trials" if others > 1 else "the other complete trial"
        yield (
            f"By validation alone {which} cannot be distinguished "
            f"from the best: the noise of a score is {_number(noise['sigma'])} (from {noise['source']})."
        )


def _of(count: int) -> str:
    return "the only complete trial" if count == 1 else f"the best of {count} complete trials"


def _luck(optimism: Mapping[str, Any], *, confirmed: bool, split: str) -> Iterator[str]:
    best = f"trial {optimism['trial']}"
    found = optimism["found_on_test"] if optimism["found_on_test"] is not None else optimism["found"]
    judged = optimism["test"] if optimism["found_on_test"] is not None else optimism["confirmed"]
    if confirmed and found is not None:
        way = f"{_number(found)} too good" if found > 0 else f"{_number(-found)} better" if found else "just as good"
        yield (
            f"Optimism: the best by validation, {best}, had {_number(optimism['validation'])} there and "
            f"{_number(judged)} on {split}, {way}."
        )
    elif optimism["expected"] and not confirmed:
        yield (
            f"Luck alone is expected to have given it {_number(optimism['expected'])}; "
            f"without that it would be {_number(optimism['deflated'])}."
        )
    elif not confirmed and optimism["trials"] > 1 and optimism["expected"] is None:
        yield "How much of its lead is luck is not known: nothing was trained twice."


def _going_on(study: Study, trials: Sequence[Trial]) -> Iterator[dict[str, Any]]:
    """How to go on with a study that ended before its time; what failed is trained again only where that is said."""
    if study.state not in _ENDED_EARLY:
        return
    why = f" ({study.message})" if study.message else ""
    text = f"The study {_ENDED_EARLY[study.state]}{why}. "
    command = f"goodfit resume {shlex.quote(study.name)}"
    if study.state is StudyState.FAILED and any(trial.state is TrialState.FAILED for trial in trials):
        text += "Once the cause is fixed, train again what failed:"
        command += " --retry-failed"
    else:
        text += "Everything is saved; go on with:"
    yield {"text": text, "set": [], "command": command}


def _next(study: Study, spec: StudySpec, trials: Sequence[Trial], found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Steps, the most urgent first; each `--set` key once."""
    yield from _going_on(study, trials)
    taken: set[str] = set()
    for finding in found["findings"]:
        changes = [
            change for change in (finding["edit"] or {"set": []})["set"] if change.partition("=")[0] not in taken
        ]
        if changes:
            taken |= {change.partition("=")[0] for change in changes}
            yield {"text": finding["text"], "set": changes, "command": None}
    if found["winner"] is None and spec.confirm is None and found["complete"] >= FEWEST_TO_CONFIRM:
        if "confirm" not in taken and (spec.data is None or unscored(spec.data) is None):
            where = "" if spec.data is None else f" and the {'' if study.test_opened else 'untouched '}test split"
            text = f"Confirm the best configurations on fresh seeds{where}."
            yield {"text": text, "set": [CONFIRM], "command": None}
    elif not taken and found["best"] is not None and study.state is StudyState.DONE:
        text = "No finding calls for an edit of the study file. The configuration, for programs:"
        yield {"text": text, "set": [], "command": f"goodfit best {shlex.quote(study.name)} -k 1 --yaml"}


def _command(name: str, changes: Sequence[str]) -> str | None:
    """The study again, under a new name, with these changes; the file is where the user keeps it."""
    if not changes:
        return None
    sets = " ".join(f"--set {shlex.quote(change)}" for change in changes)
    return f"goodfit run {shlex.quote(name + '.yaml')} --new {sets}"


def _yaml(spec: StudySpec, trial: Trial) -> str:
    """The configuration as the study file takes it, with what changed while it was trained."""
    from ruamel.yaml import YAML

    stream = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 10_000
    schedule = {"schedule": trial.changes} if trial.schedule is not None else {}
    yaml.dump({"trainer": spec.trainer, "fixed": dict(trial.stretches[0].params), **schedule}, stream)
    return stream.getvalue()


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
