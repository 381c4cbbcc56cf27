"""Listings: studies, trials and best configurations, as tables, CSV, YAML and plain values."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from goodfit.service.client import iso, trial_row
from goodfit.service.errors import InputError, did_you_mean
from goodfit.service.records import StudyState, Trial
from goodfit.service.screen.words import duration, number, verdict_text
from goodfit.trainers.readable import readable

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from goodfit.service.client import Source, Studies, StudyHandle

LAID_OUT = 500  # rows that are laid out to the width of a terminal, in colours


def study_rows(studies: Studies, state: str | None = None, submitter: str | None = None) -> list[dict[str, Any]]:
    """The studies as `goodfit ls --json` gives them."""
    states = () if state is None else (_state(state),)
    return [
        {
            "study": study.name,
            "state": str(listed.state),
            "trials": dict(listed.tally.states),
            "budget": listed.planned,
            "trainer": study.trainer,
            "created": iso(study.created),
            "seconds": round(study.seconds, 1),
            "submitter": study.submitter,
            "priority": study.priority,
            "waits_for": study.waits_for if not listed.state.at_rest else None,
            "note": study.note,
            "tags": dict(study.tags or {}),
        }
        for listed in studies.listed(states, submitter)
        for study in (listed.study,)
    ]


def _state(word: str) -> StudyState:
    names = [str(one) for one in StudyState]
    if word.upper() not in names:
        raise InputError(f"--state {word}: {did_you_mean(word.upper(), names)}")
    return StudyState(word.upper())


def print_studies(rows: Sequence[Mapping[str, Any]], source: Source) -> None:
    """The table of `goodfit ls`."""
    if not rows:
        print(f"no such studies in {source.place} yet; run one with {source.hint('run FILE')}")
        return
    paused = ["paused"] if any(row["trials"].get("PAUSED") for row in rows) else []
    waiting = ["waits for"] if any(row["waits_for"] for row in rows) else []
    who = ["submitter"] if any(row["submitter"] for row in rows) else []
    first = ["priority"] if any(row["priority"] for row in rows) else []
    tags = ["tags"] if any(row["tags"] for row in rows) else []
    out = table(
        *("study", "state", "trials", "complete", "pruned", "failed", *paused, "time", "created (UTC)"),
        *(*who, *first, *tags, *waiting),
    )
    for row in rows:
        states = row["trials"]
        failed = sum(count for label, count in states.items() if label.startswith("FAILED"))
        total = f"{sum(states.values())} of {row['budget']}" if row["budget"] else str(sum(states.values()))
        complete, pruned = states.get("COMPLETE", 0), states.get("PRUNED", 0)
        created = str(row["created"])[:16].replace("T", " ")
        idle = [states.get("PAUSED", 0)] * len(paused)
        cells = (row["study"], row["state"], total, complete, pruned, failed, *idle, duration(row["seconds"]), created)
        more = [row["submitter"] or "-"] * len(who) + [row["priority"]] * len(first)
        more += [tag_text(row["tags"])] * len(tags)
        more += [row["waits_for"] or ""] * len(waiting)
        out.add_row(*(str(cell) for cell in (*cells, *more)))
    show(out)


def tag_text(tags: Mapping[str, str]) -> str:
    """Tags in a line."""
    return ", ".join(f"{key}={value}" for key, value in tags.items())


def best_facts(study: StudyHandle, k: int) -> dict[str, Any]:
    """The best configurations as `goodfit best --json` gives them."""
    return {**_judged_by(study), "best": [best.to_dict() for best in study.best(k)]}


def front_facts(study: StudyHandle, k: int | None) -> dict[str, Any]:
    """The Pareto front as `goodfit best --pareto --json` gives it: all of it, or the first `k`."""
    front = study.front().to_dict()
    found = study.best(pareto=True) if k is None else study.best(k, pareto=True)
    volume = {key: front[key] for key in ("hypervolume", "reference")}
    return {**_judged_by(study), **volume, "best": [best.to_dict() for best in found]}


def _judged_by(study: StudyHandle) -> dict[str, Any]:
    """The study, its objective; where there are several, all of them, and its constraints."""
    objective = study.record.objective
    found: dict[str, Any] = {"study": study.name, **objective.to_dict()}
    if objective.others:
        found["objectives"] = [one.to_dict() for one in objective.all]
    if objective.constraints:
        found["constraints"] = [str(one) for one in objective.constraints]
    return found


def gap_note(study: StudyHandle, row: Mapping[str, Any] | None) -> str:
    """Why a trial with a value has no gap; empty where there is nothing to explain."""
    if row is None or row["value"] is None or row["gap"] is not None:
        return ""
    from goodfit.service.report.answer import why_no_gap  # with the diagnosis, which `goodfit ls` can do without

    metric = study.record.objective.metric
    if row["verdict"] is None and metric.startswith("val/"):
        failed = str(row.get("state")).startswith("FAILED")
        return "no gap: a failed trial is not judged" if failed else "no gap yet: a trial is judged when it has ended"
    reported = {key for report in study.reports(row["trial"]) for key in report.metrics}
    return why_no_gap(metric, reported)


def print_best(study: StudyHandle, facts: Mapping[str, Any]) -> None:
    """The table of `goodfit best`, and the best configuration below it."""
    rows = facts["best"]
    if not rows:
        print(study.why_no_best())
        return
    varying = varying_keys([row["params"] for row in rows])
    confirmed = ["test"] if any(row["test"] for row in rows) else []
    others = [name for name in rows[0].get("values") or {} if name != facts["metric"]]
    out = table("trial", facts["metric"], *others, *confirmed, "verdict", "gap", "epoch", *varying)
    for row in rows:
        cells: list[str | Text] = [str(row["trial"]), number(row["value"])]
        cells += [number(row["values"][name]) for name in others]
        cells += [_tested(row["test"])] if confirmed else []
        cells += [verdict_text(row["verdict"]), number(row["gap"]), f"{row['best_epoch']} of {row['epochs']}"]
        out.add_row(*cells, *(number(row["params"].get(key)) for key in varying))
    show(out)
    top = rows[0]
    shown = ", ".join(f"{key}: {number(value)}" for key, value in top["params"].items())
    seeds = top["test"]["seeds"] if top["test"] else 0
    sure = f", confirmed on {seeds} fresh seed{'' if seeds == 1 else 's'}" if seeds else ""
    if "hypervolume" in facts:
        print(f"Pareto front: {len(rows)} of its trials, hypervolume {number(facts['hypervolume'])}")
    goal = ", ".join(f"{one['direction']} {one['metric']}" for one in facts.get("objectives", [facts]))
    kept = f", {' and '.join(facts['constraints'])}" if "constraints" in facts else ""
    head = f"best of {facts['study']} ({goal}{kept}): trial {top['trial']}{sure}"
    print(f"{head}\n  {{{shown}}}")
    for text in schedule_lines(top.get("schedule")):
        print(f"  {text}")
    if note := gap_note(study, top):
        print(f"  {note}")
    if top["model_uri"]:
        print(f"  model: {top['model_uri']}")


def schedule_lines(schedule: Sequence[Mapping[str, Any]] | None) -> list[str]:
    """What a model was trained with one after the other: of each stretch what is new in it."""
    lines: list[str] = []
    before: Mapping[str, Any] = {}
    for one in schedule or ():
        new = [f"{name}: {number(value)}" for name, value in one["params"].items() if before.get(name) != value]
        lines.append(f"from epoch {one['epoch']} (trial {one['trial']}): {', '.join(new) or 'as before'}")
        before = one["params"]
    return lines


def _tested(test: Mapping[str, Any] | None) -> str:
    """The mean over the fresh seeds, and how far they spread."""
    if test is None:
        return "-"
    return number(test["mean"]) + (f" ± {test['std']:.2g}" if test["std"] is not None else "")


def print_trials(study: StudyHandle, trials: Sequence[Trial]) -> None:
    """The table of `goodfit trials`."""
    if not trials:
        print(f"no such trials in study {study.name}")
        return
    varying = varying_keys([trial.params for trial in trials])
    space = study.spec.space if study.versions() else None
    beyond = [trial.number for trial in trials if space is not None and space.outside(trial.params)]
    out = table("trial", "state", study.record.objective.metric, "verdict", "gap", "epoch", *varying)
    for trial in trials:
        epoch = f"{trial.best_epoch} of {trial.epochs}" if trial.best_epoch else str(trial.epochs)
        cells: list[str | Text] = [
            f"{trial.number}*" if trial.number in beyond else str(trial.number),
            trial.label,
            number(trial.value),
            verdict_text(trial.verdict),
            number(trial.gap),
            epoch,
        ]
        out.add_row(*cells, *(number(trial.params.get(key)) for key in varying))
    show(out)
    if beyond:
        print("* outside of the space as it is now: drawn before the study was edited")
    valued = [trial for trial in trials if trial.value is not None]
    if valued and all(trial.gap is None for trial in valued):  # of the judged ones there is more to say
        print(gap_note(study, trial_row(next((trial for trial in valued if trial.verdict is not None), valued[0]))))


def varying_keys(configurations: Sequence[Mapping[str, Any]]) -> list[str]:
    """The parameters that differ between configurations; all of them where there is only one."""
    keys = list(dict.fromkeys(key for params in configurations for key in params))
    if len(configurations) < 2:
        return keys
    return [key for key in keys if len({repr(params.get(key)) for params in configurations}) > 1]


def table(*columns: str) -> Table:
    """A table with these columns."""
    from rich import box
    from rich.table import Table

    out = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        out.add_column(column, overflow="fold")
    return out


def show(out: Table) -> None:
    """Print to standard output; as wide as it needs to be where that is no terminal. Brackets are the user's own."""
    if out.row_count > LAID_OUT:
        sys.stdout.writelines(_lines(out))
        return
    from goodfit.service.screen.console import SafeConsole

    console = SafeConsole(soft_wrap=False, markup=False)
    if not console.is_terminal:
        console = SafeConsole(width=240, no_color=True, markup=False)
    console.print(out)


def _lines(out: Table) -> Iterator[str]:
    """A long table as plain lines, as wide as it needs to be: Rich takes a second to lay out a thousand rows."""
    from rich.cells import cell_len

    columns = [[readable(str(cell)) for cell in (column.header, *column.cells)] for column in out.columns]
    widths = [max(map(cell_len, cells)) for cells in columns]
    for row, cells in enumerate(zip(*columns, strict=True)):
        padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(cells, widths, strict=True))
        yield f" {'   '.join(padded)}".rstrip() + "\n"
        if row == 0:
            yield f" {'─' * (sum(widths) + 3 * (len(widths) - 1))}\n"
