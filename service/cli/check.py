"""`goodfit check`: what a study file would do, without doing it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodfit.search_spaces.scalars import shortened
from goodfit.service import app

if TYPE_CHECKING:
    from goodfit.service.spec import StudySpec


def plan(
    spec: StudySpec, room: app.Room | None = None, with_earlier: Callable[[StudySpec], StudySpec] = lambda spec: spec
) -> dict[str, Any]:
    """The plan as `goodfit check --json` gives it; InputError for what cannot run.

    Args:
        spec: of the study.
        room: that the cluster has.
        with_earlier: looks up what earlier studies bring.
    """
    checked = app.check(spec)
    spec = with_earlier(spec)
    space = spec.space
    return {
        "study": spec.name,
        "trainer": spec.trainer,
        "written_for": str(checked.trainer.api),
        "data": None
        if spec.data is None
        else {
            "source": spec.data.source,
            "rows": checked.rows,
            "task": checked.task,
            "reason": checked.reason,
            "notes": list(checked.notes),
        },
        "objective": spec.goal.to_dict(),
        **({"objectives": [one.to_dict() for one in spec.goal.all]} if spec.more_objectives else {}),
        **({"constraints": [str(one) for one in spec.constraints]} if spec.constraints else {}),
        "groups": {column: list(groups) for column, groups in checked.groups.items()},
        "space": [parameter.describe() for parameter in space.parameters],
        "configurations": None if spec.open_space else space.cardinality(),
        "open_space": spec.open_space,
        "search": {"method": spec.search.method, "seed": spec.search.seed},
        "warm_start": [
            {"study": start.study, "trials": start.of, "in_space": len(start.trials)}
            for start in spec.search.warm_start
        ],
        "pruning": spec.pruning.method,
        "trials": spec.planned_trials(),
        "expected_complete": app.expected_complete(spec),
        "epochs": spec.training.epochs,
        "folds": spec.folds,
        "epochs_in_all": spec.budget.epochs,
        "minutes": spec.budget.minutes,
        "target": spec.budget.target,
        "confirm": None if spec.confirm is None else spec.confirm.model_dump(mode="json"),
        "release": [] if spec.release is None else [gate.written() for gate in spec.release.require],
        "resources": spec.resources.model_dump(mode="json"),
        "alone": app.why_alone(checked),
        "fingerprint": spec.fingerprint(),
        "notes": app.notes_of(spec, room),
    }


def print_plan(file: Path, planned: Mapping[str, Any]) -> None:
    """The page of `goodfit check`."""
    foreign = planned["written_for"] != "goodfit"
    trainer = f"{planned['trainer']}  ({planned['written_for']})" if foreign else planned["trainer"]
    lines = [("study", planned["study"]), ("trainer", trainer)]
    if planned["data"]:
        rows = planned["data"]["rows"]
        split = f"  ({', '.join(f'{count} {name}' for name, count in rows.items())})" if rows else ""
        lines.append(("data", f"{planned['data']['source']}{split}"))
        lines += _task(planned["data"])
    lines += [("groups", shortened(f"{by}: {', '.join(groups)}")) for by, groups in planned["groups"].items()]
    goals = planned.get("objectives", [planned["objective"]])
    lines.append(("objective", ", ".join(f"{one['direction']} {one['metric']}" for one in goals)))
    lines += [("", f"with {constraint}") for constraint in planned.get("constraints", ())]
    size = planned["configurations"]
    many = "infinitely many configurations" if size is None else app.counted(size, "configuration")
    learned = "said by the objective as it runs"
    space = f"{app.counted(len(planned['space']), 'parameter')}, {many}"
    lines.append(("space", learned if planned["open_space"] else space))
    lines += [("", shortened(text)) for text in planned["space"]]
    search = planned["search"]
    trials = app.counted(planned["trials"], "trial") if planned["trials"] else "as many trials as fit"
    limits = [f"{planned['epochs_in_all']:,} epochs in all"] if planned["epochs_in_all"] else []
    limits += [f"{planned['minutes']:g} minutes"] if planned["minutes"] else []
    limits += [f"until {planned['target']:g}"] if planned["target"] is not None else []
    lines.append(("plan", f"{search['method']} search (seed {search['seed']}), pruning {planned['pruning']}"))
    lines += [("", _brings(start, planned["open_space"])) for start in planned["warm_start"]]
    each = f"{app.counted(planned['folds'], 'fold')} of " if planned["folds"] else ""
    length = f"{each}at most {app.counted(planned['epochs'], 'epoch')}"
    lines.append(("", f"{trials} of {length}{''.join(f', {limit}' for limit in limits)}"))
    if planned["expected_complete"] is not None:
        lines.append(("", f"about {planned['expected_complete']} of them will train to the end, the others are pruned"))
    lines += _afterwards(planned)
    lines.append(("each trial", _per_trial(planned["resources"])))
    lines.append(("packs", _packs(planned["resources"]["pack"], planned["alone"])))
    for label, text in lines:
        print(f"{label:<11}{text}")
    for note in planned["notes"]:
        print(f"{'note':<11}{note}.")
    print(f"{file} is valid; run it with: goodfit run {file}")


def _afterwards(planned: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What becomes of the best when the search has ended: its confirmation, and what its release needs."""
    lines = []
    if confirm := planned["confirm"]:
        best = "the best configuration" if confirm["top"] == 1 else f"the best {confirm['top']} configurations"
        lines.append(("confirm", f"{best}, on {app.counted(confirm['seeds'], 'fresh seed')}, on the test split"))
    gates = [f"needs {_gate(gate)}" for gate in planned["release"]]
    return [*lines, *(("release" if gate is gates[0] else "", gate) for gate in gates)]


def _gate(gate: str | Mapping[str, float]) -> str:
    return gate if isinstance(gate, str) else ", ".join(f"{name}: {limit:g}" for name, limit in gate.items())


def _brings(start: Mapping[str, Any], open_space: bool) -> str:
    """What an earlier study brings."""
    if start["trials"] is None:
        return f"learns from {start['study']}, which the server looks up when the study is submitted"
    if open_space:
        return f"learns from {start['study']}, as its trials' ranges allow, and the best are tried first"
    kept = f"{start['in_space']} of its {app.counted(start['trials'], 'trial')}"
    return f"learns from {start['study']}: {kept} lie in this space, and the best are tried first"


def _task(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is learned from the data and why, and what to look at in how they were read."""
    because = f": {data['reason']}" if data["reason"] else ""
    task = [("task", f"{data['task']}{because}")] if data["task"] else []
    return [*task, *(("note", note) for note in data["notes"])]


def _packs(pack: int | str, alone: str | None) -> str:
    """Whether trials share a worker and train together, and why they do not."""
    if alone is not None:
        return f"none: {alone}"
    many = "as many trials as their number allows" if pack == "auto" else f"{pack} trials"
    return f"{many} share a worker, and train together where that is faster"


def _per_trial(resources: Mapping[str, Any]) -> str:
    """What a trial takes of the cluster, and how many run at once."""
    taken = [f"{resources['cpus']:g} CPU{'s' if resources['cpus'] != 1 else ''}"]
    taken += [f"{resources['gpus']:g} GPU{'s' if resources['gpus'] != 1 else ''}"] if resources["gpus"] else []
    taken += [f"{amount:g} {shortened(name)}" for name, amount in resources["custom"].items()]
    parallel = resources["parallel"]
    return f"{', '.join(taken)}; {'as many at once as fit' if parallel == 'auto' else f'{parallel} at once'}"
