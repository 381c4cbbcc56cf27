"""Where a study comes from, as MLflow shows it: the tags of its Source column, and files. Pure; no MLflow here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from goodfit.service.records import Study, StudyRun, Trial, run_of
from goodfit.service.tracker.content import TAG_LENGTH, cut
from goodfit.trainers.readable import json_text

FOLDER = "provenance"  # of the artifacts of a study's run; each run of the study has a folder in it


def trial_origin(study: Study, trial: Trial, runs: Sequence[StudyRun]) -> dict[str, str]:
    """The tags of a trial's run: its source, its seed, and the machine that trained it."""
    run = run_of(runs, trial)
    return {**_tags(study, run), "goodfit.seed": str(trial.seed)}


def study_origin(study: Study, runs: Sequence[StudyRun]) -> dict[str, str]:
    """The same of the study's run, as it was run last."""
    run = runs[-1] if runs else None
    seeds = (
        {} if run is None else {key: value for key, value in run.facts.get("seeds", {}).items() if value is not None}
    )
    return {**_tags(study, run), **{f"goodfit.seed.{name}": str(seed) for name, seed in seeds.items()}}


def _tags(study: Study, run: StudyRun | None) -> dict[str, str]:
    facts: Mapping[str, Any] = {} if run is None else run.facts
    git: Mapping[str, Any] = facts.get("git") or {}
    machine: Mapping[str, Any] = facts.get("machine") or {}
    tags = {
        "mlflow.source.name": facts.get("source") or study.trainer,
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": git.get("commit"),
        "mlflow.source.git.branch": git.get("branch"),
        "goodfit.git.dirty": None if git.get("dirty") is None else str(git["dirty"]).lower(),
        "goodfit.machine": None if not machine else _machine(machine),
        "goodfit.python": facts.get("python"),
    }
    return {key: cut(str(value), TAG_LENGTH) for key, value in tags.items() if value}


def _machine(machine: Mapping[str, Any]) -> str:
    gpus = machine.get("gpus") or ["no GPU"]
    return f"{machine.get('host')}: {machine.get('cpus')} x {machine.get('processor')}, {', '.join(gpus)}"


def origin_files(runs: Sequence[StudyRun], sources: Mapping[str, str]) -> dict[str, str]:
    """What is kept of each run as files: packages, uncommitted changes, the study's own code, and all facts."""
    files = {}
    for run in runs:
        folder, facts = f"{FOLDER}/run-{run.number}", run.facts
        git = facts.get("git") or {}
        files[f"{folder}/facts.json"] = json_text({**facts, "git": {**git, "diff": None} if git else None})
        versions = facts.get("packages", {})
        files[f"{folder}/requirements.txt"] = "".join(f"{name}=={number}\n" for name, number in versions.items())
        if git.get("diff"):
            files[f"{folder}/uncommitted.diff"] = git["diff"]
        for name, digest in ((facts.get("code") or {}).get("files") or {}).items():
            if digest in sources:
                files[f"{folder}/code/{name}"] = sources[digest]
    return files
