"""A study's model card and data card, from its records and from its data as they lie here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import TypedDict  # typing's, on Python 3.11, is refused by pydantic

from goodfit.service import errors
from goodfit.service.app.homes import spec_here, spec_of
from goodfit.service.app.releasing import NO_MODEL, release_facts, verdicts_of
from goodfit.service.app.reports import facts_of_study
from goodfit.service.app.trail import chain_head
from goodfit.service.json_values import iso
from goodfit.service.records import StudyState, run_of

if TYPE_CHECKING:
    from goodfit.service.app.releasing import Verdicts
    from goodfit.service.cards import CardFacts, DataFacts
    from goodfit.service.ports import Store
    from goodfit.service.records import Report, Study, StudyRun, Trial
    from goodfit.service.report import ReportFacts
    from goodfit.service.settings import Settings
    from goodfit.service.spec import StudySpec

README, CROISSANT = "README.md", "croissant.json"
FOLDER = "card"  # of a study's run in MLflow
PACKAGES = ("torch", "numpy", "pandas", "scikit-learn", "optuna", "ray", "mlflow")  # that a card names
MOST_FILES = 10_000  # of a folder, that are looked at
HASHED_BYTES = 4 * 2**30  # of all files together
_BLOCK = 2**20


class Cards(TypedDict):
    """The files of a card by name, and what has to be known of them."""

    study: str
    trial: int
    files: dict[str, str]
    notes: list[str]


def cards_of(settings: Settings, store: Store, study: Study) -> Cards:
    """A study's model card (README.md), and its data card (croissant.json) where its data are those that it had.

    Raises:
        InputError: no trial was trained to its end within the constraints.
    """
    from goodfit.service.cards import data_card, model_card

    found = verdicts_of(store, study)
    if found.best is None:
        raise errors.InputError(f"study {study.name} has no model to describe: {NO_MODEL}")
    spec = spec_here(store, study)
    data = None if spec.data is None else data_facts(settings, spec, study)
    told = facts_of_study(settings, store, study)
    facts = _facts(store, study, spec, found, found.best, data, told)
    files, notes = {README: model_card(facts)}, []
    card = data_card(facts)
    if card is not None:
        files[CROISSANT] = json.dumps(card, indent=2, ensure_ascii=True) + "\n"
    if data is None:
        notes.append("no data card: the trainer brings its own data")
    elif data.problem:
        notes.append(data.problem + ("" if card is not None else "; no data card is written"))
    if not facts.confirmed:
        notes.append("the model was not confirmed, and the card says so: it has no score on a test split")
    notes.append("what the model is for, whom it may harm and its licence are for you to write: see the card's marks")
    return {"study": study.name, "trial": found.best.number, "files": files, "notes": notes}


def card_files(settings: Settings, store: Store, study: Study) -> dict[str, str]:
    """The cards of a study that is done by their paths in its run in MLflow; where there are none, a file says why."""
    if study.state is not StudyState.DONE:
        return {}
    try:
        found = cards_of(settings, store, study)["files"]
    except errors.InputError as error:  # its trainer or its data cannot be found here any more
        found = {"none.txt": f"{error}\n"}
    return {f"{FOLDER}/{name}": text for name, text in found.items()}


def released(store: Store, study: Study, told: ReportFacts) -> dict[str, Any]:
    """What a report says of the release: gates, decisions, and the model card without a look at the data."""
    from goodfit.service.cards import DataFacts, model_card

    found, spec = verdicts_of(store, study), spec_of(study)
    facts = dict(release_facts(store, study))
    if found.best is None:
        return {**facts, "card": None}
    data = None if spec.data is None else DataFacts(**_known(spec, study))
    return {**facts, "card": model_card(_facts(store, study, spec, found, found.best, data, told))}


def _facts(
    store: Store,
    study: Study,
    spec: StudySpec,
    found: Verdicts,
    best: Trial,
    data: DataFacts | None,
    told: ReportFacts,
) -> CardFacts:
    from goodfit.service.cards import CardFacts, group_rows, scores_of
    from goodfit.service.release import metrics_of

    run = run_of(store.runs(study.id), best)
    metrics = metrics_of(best, found.trials, found.curve)
    report = (data.report if data is not None else None) or {}
    return CardFacts(
        name=study.name,
        trainer=_short(spec.trainer),
        trial=best.number,
        metric=spec.objective.metric,
        direction=spec.objective.direction,
        confirmed=bool(told.answer["confirmed"]),
        verdict=None if best.verdict is None else str(best.verdict),
        gap=best.gap,
        params=best.params,
        epochs=best.epochs,
        size=best.size or next((one.size for one in found.trials if one.confirms == best.number and one.size), None),
        scores=scores_of(best, found.trials, {key: value for key, value in metrics.items() if "test/" not in key}),
        groups=_groups(told) or group_rows(metrics),
        sure=list(told.answer["sure"]),
        limits=[*_limits(told), *report.get("notes", ())],
        data=data,
        costs=_costs(store, study, best, found.curve),
        origin=_origin(run),
        release=dict(release_facts(store, study)),
        fingerprint=study.fingerprint,
        audit_head=chain_head(store, study.name),
        ended=(iso(study.ended) or "")[:10] or None,
        model_uri=study.model_uri if study.champion == best.number else None,
        task=report.get("task"),
        kind=report.get("kind"),
    )


def _short(trainer: str) -> str:
    """A trainer's name; of a file its own, without where it lies."""
    file, colon, name = trainer.rpartition(":")
    return f"{Path(file).name}:{name}" if colon and file.endswith(".py") else trainer


def _limits(told: ReportFacts) -> list[str]:
    """What the diagnosis has found, and what a look at the labels has."""
    found = [f"{finding['severity']}: {finding['text']}" for finding in told.diagnosis["findings"]]
    found += [str(text) for text in (told.fairness or {}).get("broken", ())]
    labels: Mapping[str, Any] = told.labels or {}
    if labels.get("share"):
        found.append(f"{labels['share']:.2%} of the rows may be labelled wrong ({labels.get('issues')} rows)")
    return found


def _groups(told: ReportFacts) -> list[dict[str, Any]]:
    """The groups of people that the study compares: of each rate its value and interval."""
    audit: Mapping[str, Any] = told.fairness or {}
    return [
        {"split": audit["measured_on"], "group": one["name"], "rates": {"rows": one["count"], **one["rates"]}}
        for one in audit.get("groups", ())
    ]


def _costs(store: Store, study: Study, best: Trial, curve: Sequence[Report]) -> dict[str, Any]:
    spent: dict[str, float] = {}
    for report in curve:
        for name, value in (report.costs or {}).items():
            if name.endswith("energy_joules"):
                spent[name] = max(spent.get(name, 0.0), value)
    took = None if best.started is None or best.ended is None else max(0.0, best.ended - best.started)
    trials = store.trials(study.id, parts=())
    return {
        "seconds": study.seconds,
        "trials": sum(trial.confirms is None for trial in trials),
        "epochs": sum(trial.epochs for trial in trials),
        "training_seconds": took,
        "joules": sum(spent.values()) if spent else None,
    }


def _origin(run: StudyRun | None) -> dict[str, Any]:
    if run is None:
        return {}
    facts, packages = dict(run.facts), run.facts.get("packages") or {}
    return {**facts, "packages": {name: packages[name] for name in PACKAGES if name in packages}}


def data_facts(settings: Settings, spec: StudySpec, study: Study) -> DataFacts:
    """What is known of a study's data; where they are no longer those that it had, only what the study has kept."""
    from goodfit.service.app.kept_data import KeptData
    from goodfit.service.cards import DataFacts, DataFile
    from goodfit.trainers.errors import DataProblem

    data, asked = spec.data, spec.data_spec()
    if data is None or asked is None:
        raise ValueError("a study without data")
    kept = (study.inputs or {}).get("data") or {}
    known = _known(spec, study)
    built_in, place = known["built_in"], Path(data.source)
    found = KeptData(settings, study, asked)
    now = found.digest()
    if now is None:
        return DataFacts(**known, problem=f"the data of the study are not here any more: {known['name']}")
    if kept.get("digest") is not None and now != kept["digest"]:
        why = f"the data have changed since the study: their digest was {kept['digest']}, and is {now} now"
        return DataFacts(**known, problem=why)
    try:
        report = found.report()
    except DataProblem as error:
        return DataFacts(**known, problem=f"the data cannot be read: {_without_place(str(error), place)}")
    files = [] if built_in else [DataFile(*one) for one in found.files(lambda: _files(place))]
    readable = len(files) == 1 and _has_columns(place, report)
    report = {**report, "notes": [_without_place(str(note), place) for note in report.get("notes", ())]}
    return DataFacts(**known, files=files, report=report, columns_readable=readable)


def _known(spec: StudySpec, study: Study) -> dict[str, Any]:
    """What the study itself says of its data."""
    from goodfit.trainers.data import DATASETS

    if spec.data is None:
        raise ValueError("a study without data")
    built_in, place = spec.data.source in DATASETS, Path(spec.data.source)
    return {
        "name": spec.data.source if built_in else place.name or "data",
        "built_in": built_in,
        "digest": ((study.inputs or {}).get("data") or {}).get("digest"),
        "target": spec.data.target,
        "split": spec.data.split.model_dump(mode="json"),
        "folder": not built_in and place.is_dir(),
    }


def _without_place(text: str, place: Path) -> str:
    """A text without where the data lie on this machine: a card is for others."""
    return text.replace(str(place), place.name)


def _files(place: Path) -> list[tuple[str, str, int]]:
    """Names, SHA-256 and bytes of the files of the data; of more than HASHED_BYTES none are read."""
    below = () if place.is_file() else place.rglob("*")
    paths = sorted(path for path in below if path.is_file())[:MOST_FILES] or [place]
    try:
        sizes = [path.stat().st_size for path in paths]
        if sum(sizes) > HASHED_BYTES:
            return []
        names = [path.name if path is place else path.relative_to(place).as_posix() for path in paths]
        return list(zip(names, map(_sha256, paths), sizes, strict=True))
    except OSError:  # one that went away meanwhile
        return []


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _has_columns(place: Path, report: Mapping[str, Any]) -> bool:
    """Whether a table has its columns' names in a form that other readers take by them: for CSV, in a first line."""
    names = [str(one["name"]) for one in report.get("columns") or ()]
    if place.suffix.lower() != ".csv":
        return True
    import csv

    with place.open(encoding="utf-8", errors="replace", newline="") as file:
        head = next(csv.reader([file.readline(_BLOCK)]), [])
    return bool(names) and set(names) <= set(head)
