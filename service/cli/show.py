"""`goodfit show`: one study, or one trial with its curve and its diagnosis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from goodfit.search_spaces.scalars import shortened
from goodfit.service.app import spec_of
from goodfit.service.cli.tables import gap_note, schedule_lines, tag_text
from goodfit.service.client import iso, trial_row
from goodfit.service.packed import PACK, pack_sentence, packs_of
from goodfit.service.queries.versions import version_rows
from goodfit.service.records import StudyState, Version, judged_by
from goodfit.service.screen.words import LONGEST_VALUE, cause, duration, number, verdict_counts, verdict_text
from goodfit.service.stored_spec import objective_of
from goodfit.trainers.readable import one_line

if TYPE_CHECKING:
    from rich.text import Text

    from goodfit.service.client import Listed, StudyHandle


FILES_SHOWN = 5
TRIALS_SHOWN = 12
PACKS_LOOKED_AT = 64  # trials
FAILURES = 100  # as many are shown; `trials --state FAILED` has all


def study_facts(study: StudyHandle) -> dict[str, Any]:
    """A study as `goodfit show --json` gives it; no call reads all its trials."""
    listed = study.listed
    record, spec = listed.study, spec_of(listed.study)
    failed = any(label.startswith("FAILED") for label in listed.tally.states)
    failures = [
        {"trial": trial.number, "state": trial.label, "message": trial.message, "log": study.log(trial.number)}
        for trial in (study.pages("FAILED", most=FAILURES) if failed else ())
    ]
    best, versions = study.best(1), study.versions()
    outside = [trial.number for trial in study.pages(parts=()) if spec.space.outside(trial.params)] if versions else []
    return {
        "study": record.name,
        "state": str(listed.state),
        "message": record.message,
        "waits_for": record.waits_for if not listed.state.at_rest else None,
        "note": record.note,
        "tags": dict(record.tags or {}),
        "submitter": record.submitter,
        "priority": record.priority,
        "metric": spec.objective.metric,
        "direction": spec.objective.direction,
        "trials": dict(listed.tally.states),
        "budget": spec.planned_trials(),
        "verdicts": dict(listed.tally.verdicts),
        "best": best[0].to_dict() if best else None,
        **({} if best or not record.objective.constraints else {"no_best": study.why_no_best()}),
        "failures": failures,
        "go_on": _go_on(study, listed, versions),
        "test_opened": iso(record.test_opened),
        "test_openings": record.test_openings,
        "created": iso(record.created),
        "started": iso(record.started),
        "ended": iso(record.ended),
        "seconds": round(record.seconds, 1),
        "mlflow_uri": study.mlflow_uri,
        "mlflow_run_id": record.mlflow_run_id,
        "model_uri": record.model_uri,
        "release": study.release if record.decided or "release" in record.spec else None,
        "spec": dict(record.spec),
        "versions": version_rows(versions),
        "outside": outside,
        "packs": _packs(study),
        "inputs": dict(record.inputs or {}) or None,
    }


def _packs(study: StudyHandle) -> Mapping[str, Any] | None:
    """How trials were trained together; all are read only where one of the first was."""
    if packs_of(list(study.pages(parts=(PACK,), most=PACKS_LOOKED_AT))) is None:
        return None
    return packs_of(list(study.pages(parts=(PACK,))))


def _go_on(study: StudyHandle, listed: Listed, versions: Sequence[Version]) -> str | None:
    """How to go on with a study at rest; None where nothing is left to do."""
    if not listed.state.at_rest:
        return None
    ways = [study.hint(f"resume {study.name}")]
    if listed.state is StudyState.DONE:
        ways = ways if versions and _edit_is_due(study, listed, versions) else []
    if any(label.startswith("FAILED") for label in listed.tally.states):
        ways.append(f"{study.hint(f'resume {study.name} --retry-failed')} trains what failed again")
    return "; ".join(ways) or None


def _edit_is_due(study: StudyHandle, listed: Listed, versions: Sequence[Version]) -> bool:
    from goodfit.service.app import edit_is_due  # with all that runs studies

    return edit_is_due(listed.study, versions, [*study.records(), *study.confirmations()])


def print_study(study: StudyHandle, facts: Mapping[str, Any]) -> None:
    """The page of `goodfit show NAME`."""
    _print_state(facts)
    goals = ", ".join(f"{one.direction} {one.metric}" for one in objective_of(facts["spec"]).all)
    line("search", f"{goals} with {facts['spec']['trainer']}")
    if constraints := facts["spec"].get("constraints"):
        line("constraints", ", ".join(constraints))
    for place, text in enumerate((facts["note"] or "").splitlines()):
        line("" if place else "note", text)
    if facts["tags"]:
        line("tags", tag_text(facts["tags"]))
    total = sum(facts["trials"].values())
    states = ", ".join(f"{label} {count}" for label, count in sorted(facts["trials"].items()))
    line("trials", f"{total}" + (f" of {facts['budget']}" if facts["budget"] else "") + f"  ({states})")
    line("verdicts", verdict_counts(facts["verdicts"]))
    _print_best(study, facts)
    _print_edits(facts)
    for part in ("code", "data"):
        if about := (facts["inputs"] or {}).get(part):
            line(part, _input_text(about, str((facts["spec"].get("data") or {}).get("source", "")) * (part == "data")))
    _print_time(facts)
    line("mlflow", f"{facts['mlflow_uri']}" + (f"  run {facts['mlflow_run_id']}" if facts["mlflow_run_id"] else ""))
    if facts["model_uri"]:
        line("model", facts["model_uri"])
    if facts["release"]:
        print_release(facts["release"])
    for failure in facts["failures"][:10]:
        line("failed", f"trial {failure['trial']} {failure['state']}: {cause(failure['message'], failure['log'])}")
    failed = sum(count for label, count in facts["trials"].items() if label.startswith("FAILED"))
    if failed > 10:
        line("", f"and {failed - 10} more: goodfit trials {facts['study']} --state FAILED")


def _print_time(facts: Mapping[str, Any]) -> None:
    line("time", f"{duration(facts['seconds'])}, since {facts['started'] or facts['created']}")
    if facts["packs"]:
        line("packs", pack_sentence(facts["packs"]))


def _print_best(study: StudyHandle, facts: Mapping[str, Any]) -> None:
    """The best configuration, or why there is none although trials were trained to their end."""
    best = facts["best"]
    if best:
        line("best", f"{number(best['value'])} (trial {best['trial']}, {best['verdict']}, gap {number(best['gap'])})")
        if best.get("values"):
            line("", ", ".join(f"{name} {number(value)}" for name, value in best["values"].items()))
        line("", ", ".join(f"{key}: {number(value)}" for key, value in best["params"].items()))
        for text in schedule_lines(best.get("schedule")):
            line("", text)
        if note := gap_note(study, best):
            line("", note)
    elif "no_best" in facts:
        line("best", facts["no_best"])


def _pairs(gate: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {limit:g}" for name, limit in gate.items())


def print_release(release: Mapping[str, Any]) -> None:
    """Whether a study's best model is released, and each gate that does not hold."""
    if release["trial"] is None or release["status"] is None:
        gates = [one if isinstance(one, str) else _pairs(one) for one in release["require"]]
        line("release", f"not decided; it requires {', '.join(gates) or 'nothing'}")
        return
    line("release", f"trial {release['trial']} is {release['status']}")
    if release["champion"] not in (None, release["trial"]):
        line("", f"the alias champion stays with trial {release['champion']}")
    for gate in release["gates"]:
        if not gate["held"]:
            line("", f"{gate['gate']}: {gate['reason']}")
    for one in [one for one in release["decisions"] if one["action"] != "release"][-1:]:
        line("", f"{one['text']}  ({one['at']})")


def _print_edits(facts: Mapping[str, Any]) -> None:
    for version in facts["versions"][1:]:
        line("edited", f"{version['text']}  ({version['at']})")
    if facts["outside"]:
        line("outside", f"{_few(facts['outside'])}: drawn before the space was narrowed; kept, and left out by models")


def _few(numbers: Sequence[int]) -> str:
    more = f" and {len(numbers) - TRIALS_SHOWN} more" if len(numbers) > TRIALS_SHOWN else ""
    return f"trial {', '.join(map(str, numbers[:TRIALS_SHOWN]))}{more}"


def _print_state(facts: Mapping[str, Any]) -> None:
    """Where a study is in its life, why, and how to go on with it."""
    line("study", f"{facts['study']}  {facts['state']}" + (f": {facts['message']}" if facts["message"] else ""))
    if facts["waits_for"]:
        line("", facts["waits_for"])
    if facts["priority"]:
        line("priority", str(facts["priority"]))
    if facts["go_on"]:
        line("go on", facts["go_on"])
    if facts["test_opened"]:
        times = f", {facts['test_openings']} times so far" if facts["test_openings"] > 1 else ""
        line("test split", f"first opened {facts['test_opened']}{times}, to confirm the best")


def _input_text(about: Mapping[str, Any], source: str) -> str:
    """The files of a study's code or data, as far as a line has room, or else its source, and their digest."""
    names = list(about.get("files") or ())
    more = f" and {len(names) - FILES_SHOWN} more" if len(names) > FILES_SHOWN else ""
    count = f"{about['count']:,} files" if about.get("count") and not names else ""
    return f"{', '.join(names[:FILES_SHOWN]) or count or source}{more}  ({about['digest']})".strip()


def trial_facts(study: StudyHandle, trial: int) -> dict[str, Any]:
    """A trial as `goodfit show NAME TRIAL --json` gives it: its row, its diagnosis, its curve."""
    record, reports = study.one(trial), study.reports(trial)
    objective = study.record.objective
    judged = judged_by(record, objective)
    return {
        **trial_row(record),
        **({} if judged is None else {"values": judged}),
        **({"feasible": record.feasible} if objective.constraints else {}),
        "message": record.message,
        "schedule": record.schedule,
        "last_value": record.last_value,
        "metric": objective.metric,
        "code": record.code,
        "data": record.data,
        "outside": study.outside(record),
        "diagnosis": dict(record.diagnosis or {}) or None,
        "curve": [{"epoch": report.epoch, **report.metrics} for report in reports],
        "log": study.log(trial),
    }


def _print_params(facts: Mapping[str, Any]) -> None:
    line("params", ", ".join(f"{key}: {number(value)}" for key, value in facts["params"].items()))
    for text in schedule_lines(facts["schedule"]):
        line("", text)
    if facts["outside"]:
        line("outside", f"{', '.join(facts['outside'])}: the study was edited after this trial was drawn")


def print_trial(study: StudyHandle, facts: Mapping[str, Any]) -> None:
    """The page of `goodfit show NAME TRIAL`."""
    from goodfit.service.diagnosis.picture import sparkline

    line("trial", f"{facts['trial']}  {facts['state']}" + (f": {facts['message']}" if facts["message"] else ""))
    _print_params(facts)
    _print_values(facts)
    for part, now in ((part, (study.record.inputs or {}).get(part)) for part in ("code", "data")):
        if facts[part] and now and facts[part] != now["digest"]:
            line(part, f"{facts[part]}; trials that start now have {now['digest']}")
    diagnosis = facts["diagnosis"] or {}
    line("verdict", verdict_text(facts["verdict"]), f"  gap {number(facts['gap'])}")
    if note := gap_note(study, facts):
        line("", note)
    if diagnosis.get("reason"):
        line("", diagnosis["reason"])
    for sentence in diagnosis.get("advice", ()):
        line("advice", sentence)
    names = list(dict.fromkeys(name for row in facts["curve"] for name in row if name != "epoch"))
    shown = {name: shortened(one_line(name), LONGEST_VALUE) for name in names}
    width = max([13, *map(len, shown.values())]) + 1
    for name in names:
        values = [row[name] for row in facts["curve"] if name in row]
        line(f"{shown[name]:<{width}}", f"{sparkline(values)}  {number(values[0])} -> {number(values[-1])}")
    if facts["log"]:
        line("log", facts["log"])


def _print_values(facts: Mapping[str, Any]) -> None:
    """What a trial is judged by, at its best epoch."""
    if facts["best_epoch"]:
        where = f"at epoch {facts['best_epoch']} of {facts['epochs']}"
        line(facts["metric"], f"{number(facts['value'])} {where}, last {number(facts['last_value'])}")
    if facts.get("values"):
        judged = ", ".join(f"{name} {number(value)}" for name, value in facts["values"].items())
        line("judged by", judged + ("" if facts.get("feasible", True) else " (breaks the constraints)"))


def line(label: str, *parts: str | Text) -> None:
    """One line of a page, its label in bold."""
    from rich.text import Text

    from goodfit.service.screen.console import SafeConsole

    SafeConsole(soft_wrap=True, highlight=False).print(Text.assemble((f"{label:<14}", "bold"), *parts))
