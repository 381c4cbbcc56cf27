"""What MLflow is shown of a study and its trials: metrics, params, tags, names. Pure; no MLflow here.

All of it follows from the store alone, times included, so that pushing it twice gives the same.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goodfit.service.diagnosis.confirmation import best_first
from goodfit.service.diagnosis.front import Front
from goodfit.service.objective import Objective
from goodfit.service.records import FINISHED, Report, Study, StudyState, Trial, TrialState, is_candidate
from goodfit.service.release import Standing
from goodfit.service.stored_spec import search_of
from goodfit.trainers.errors import Damaged
from goodfit.trainers.groups.names import MORE_IS_BETTER as OF_GROUPS
from goodfit.trainers.readable import json_text, readable
from goodfit.trainers.worker.mlflow_notes import FILE, read_notes

# MLflow's own limits (mlflow/utils/validation.py, 3.17)
NAME_LENGTH = 250
PARAM_LENGTH = 6000
TAG_LENGTH = 8000

_REFUSED = re.compile(r"[^\w/.\- :]|[\ud800-\udfff]")
# fmt: off
_MORE_IS_BETTER = frozenset({
    "acc", "accuracy", "ap", "auc", "auprc", "auroc", "bleu", "correlation", "dice", "f1", "fbeta", "iou", "jaccard",
    "kappa", "map", "mcc", "ndcg", "precision", "psnr", "r2", "recall", "return", "reward", "rouge", "score",
    "sensitivity", "specificity", "ssim", "top1", "top5",
})
# fmt: on
TRIAL, CONFIRMATION = "goodfit.trial", "goodfit.confirmation"  # the tag with the number of a trial's run
BEGAN = "goodfit.began"  # the tag with the attempt with which a run's curve begins, where that is not the first
ORIGIN = "goodfit.origin"  # the tag with the trial whose model it took over, and after which epoch
AUDIT = "goodfit.audit"  # the tag of a study's run with the last hash of its audit log, as it was then
NOTES = "notes."  # how the tags of a trainer's notes begin
# Metrics of a trial that has ended, at its best epoch, and the first of a study, by trials. Their names have no slash:
# on a run's own page MLflow has a section for such metrics first, which would be empty.
BEST_VALUE, BEST_GAP = "best_value", "best_gap"
SYSTEM = "system/"  # how the names begin that MLflow's view of system metrics shows
DIAGNOSED = ("severity", "confidence", "gap", "regret", "onset", "wasted")  # of a diagnosis, also as metrics
_TRIAL_STATUS = {
    TrialState.QUEUED: "SCHEDULED",
    TrialState.RUNNING: "RUNNING",
    TrialState.PAUSED: "SCHEDULED",
    TrialState.COMPLETE: "FINISHED",
    TrialState.PRUNED: "KILLED",
    TrialState.FAILED: "FAILED",
    TrialState.CANCELLED: "KILLED",
}
_STUDY_STATUS = {
    StudyState.QUEUED: "SCHEDULED",
    StudyState.RUNNING: "RUNNING",
    StudyState.INTERRUPTED: "KILLED",
    StudyState.STOPPED: "KILLED",
    StudyState.DONE: "FINISHED",
    StudyState.FAILED: "FAILED",
}


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a metric. A run has each (key, step) once."""

    key: str
    step: int
    value: float
    at: int  # milliseconds since the epoch

    @property
    def place(self) -> tuple[str, int]:
        return self.key, self.step


def identity(study: Study) -> str:
    """Tells a study from others of the same name, in other homes or at other times."""
    return f"{study.fingerprint}-{study.created:.6f}"


def milliseconds(seconds: float) -> int:
    """A time as MLflow has it."""
    return max(0, int(seconds * 1000))


@functools.lru_cache(maxsize=10_000)
def safe_name(name: str) -> str:
    """A name that MLflow takes for a metric or a param, the same for the same name, different for different ones.

    MLflow takes letters, digits, `_ - . / :` and spaces, in what would be a normal relative
    path, up to 250 characters. Other names get `_` for what is refused and end in six digits of
    their hash: `val/f1@0.5` becomes `val/f1_0.5-0ab1c2`.
    """
    path = posixpath.normpath(_REFUSED.sub("_", name)).lstrip("./") or "_"
    if path == name and len(path) <= NAME_LENGTH:
        return name
    digest = hashlib.blake2b(name.encode("utf-8", "backslashreplace"), digest_size=3).hexdigest()
    return f"{path[: NAME_LENGTH - 7]}-{digest}"


def cut(text: str, limit: int) -> str:
    """The text made safe, or as much of it as fits with a note of how long it was."""
    text = readable(text)
    if len(text) <= limit:
        return text
    note = f"... (cut: {len(text)} characters)"
    return text[: limit - len(note)] + note


def params(values: Mapping[str, Any]) -> dict[str, str]:
    """A configuration as MLflow's params: text."""
    return {safe_name(name): cut(str(value), PARAM_LENGTH) for name, value in values.items()}


def study_params(study: Study) -> dict[str, str]:
    """What the study file says, but for its space, as dotted names: `search.method`."""
    told = {**study.spec, **({"search": search_of(study.spec)} if "search" in study.spec else {})}
    return params(dict(_leaves({key: value for key, value in told.items() if key != "space"})))


def _leaves(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{key}.")
        elif value is not None:
            yield f"{above}{key}", value


def trial_tags(study: Study, trial: Trial) -> dict[str, str]:
    """What a trial's run is found and filtered by; empty: what it has none of, any more."""
    diagnosis = trial.diagnosis or {}
    tags: dict[str, Any] = {
        "goodfit.study": study.name,
        CONFIRMATION if trial.confirms is not None else TRIAL: trial.number,
        "goodfit.confirms": trial.confirms,
        "goodfit.severity": diagnosis.get("severity"),
        "goodfit.confidence": diagnosis.get("confidence"),
        "goodfit.gap": trial.gap,
        "goodfit.feasible": None if trial.violation is None else str(trial.feasible).lower(),
        "goodfit.code": trial.code,
        "goodfit.data": trial.data,
        "goodfit.state": trial.label,
        "goodfit.attempt": trial.attempts,
        BEGAN: trial.began if trial.began > 1 else None,
        ORIGIN: trial.origin,
        "goodfit.verdict": trial.verdict,
        "goodfit.failure": trial.message if trial.failure else None,
        "goodfit.message": None if trial.failure else trial.message,
    }
    tags |= {safe_name(f"{NOTES}{key}"): note_text(value) for key, value in (trial.notes or {}).items()}
    return {key: "" if value is None else cut(str(value), TAG_LENGTH) for key, value in tags.items()}


def note_text(value: Any) -> str:
    """A note as MLflow has it."""
    return value if isinstance(value, str) else json.dumps(value)


def study_tags(study: Study, best: Trial | None, front: Front | None = None) -> dict[str, str]:
    """The same for the study's run."""
    tags: dict[str, Any] = {
        "goodfit.study": study.name,
        "goodfit.state": study.state,
        "goodfit.message": study.message,
        "goodfit.best_trial": best.number if best else None,
    }
    if front is not None:
        tags["goodfit.front"] = ", ".join(map(str, front.trials))
        tags["goodfit.hypervolume"] = f"{front.hypervolume:.6g}"
    told = {key: "" if value is None else cut(str(value), TAG_LENGTH) for key, value in tags.items()}
    return annotation(study) | told


def release_tags(stands: Standing, trial: int) -> dict[str, str]:
    """What was decided of a trial's model."""
    told = {"goodfit.release": stands.status(trial) or "", "goodfit.release_reason": stands.reason(trial)}
    return {key: cut(value, TAG_LENGTH) for key, value in told.items()}


def annotation(study: Study) -> dict[str, str]:
    """What people have noted: MLflow shows the note as the run's description."""
    tags = {safe_name(key): cut(str(value), TAG_LENGTH) for key, value in (study.tags or {}).items()}
    return tags | {"mlflow.note.content": cut(study.note or "", TAG_LENGTH)}


def trial_status(trial: Trial) -> str:
    """MLflow's status of a run; it has no word for pruned."""
    return _TRIAL_STATUS[trial.state]


def study_status(study: Study) -> str:
    """MLflow's status of the study's run; one that can be resumed was killed."""
    return _STUDY_STATUS[study.state]


def trial_name(trial: Trial) -> str:
    """Of a trial's run."""
    if trial.confirms is not None:
        return f"confirmation {trial.number} of trial {trial.confirms}"
    return f"trial {trial.number}"


def number_in(tags: Mapping[str, str]) -> int | None:
    """The number of the trial or confirmation that a run with these tags belongs to; None for the study's own."""
    number = tags.get(TRIAL, tags.get(CONFIRMATION))
    return None if number is None else int(number)


def tells_of(tags: Mapping[str, str], trial: Trial) -> bool:
    """Whether a run with these tags has the curve of this trial, and not one of a model that it has no more."""
    return int(tags.get(BEGAN) or 1) == trial.began and (tags.get(ORIGIN) or None) == trial.origin


def trial_points(trial: Trial, reports: Iterable[Report], objective: Objective) -> list[Point]:
    """A trial's curves by epoch: what it reported, `gap/...`: how much worse validation is, `system/...`: what it cost.

    Of one that has ended also `best_value` and `best_gap`, the numbers of its verdict, `diagnosis/...`, and of a
    confirmation its scores on the test split, `test/...`.
    """
    points = []
    if trial.state in FINISHED:
        numbers = {f"test/{name}": value for name, value in (trial.test or {}).items()}
        judged = {"gap": trial.gap, **(trial.diagnosis or {})}
        numbers |= {f"diagnosis/{key}": judged[key] for key in DIAGNOSED if judged.get(key) is not None}
        own = ((BEST_VALUE, trial.value), (BEST_GAP, trial.gap))
        numbers |= {key: value for key, value in own if value is not None}
        at = milliseconds(ended(trial))
        points += [Point(safe_name(key), trial.epochs, value, at) for key, value in numbers.items()]
    for report in reports:
        at = milliseconds(report.at)
        for key, value in {**report.metrics, **_gaps(report.metrics, objective)}.items():
            points.append(Point(safe_name(key), report.epoch, value, at))
        points += [Point(f"{SYSTEM}{key}", report.epoch, value, at) for key, value in (report.costs or {}).items()]
    return points


def logged_by_trainer(artifacts: Path) -> tuple[list[Point], dict[str, str], dict[str, str]]:
    """The metrics, params and tags that a trainer has logged by MLflow's own calls; none where it has not."""
    try:
        found, logged, texts = read_notes(artifacts / FILE)
    except FileNotFoundError:
        return [], {}, {}
    except Damaged as error:  # the run has all else; it says what it lacks
        return [], {}, {"goodfit.damaged": cut(str(error), TAG_LENGTH)}
    points = [Point(safe_name(name), step, value, at) for name, step, value, at in found]
    tags = {safe_name(name): cut(text, TAG_LENGTH) for name, text in texts.items()}
    return points, params(logged), tags


def _gaps(metrics: Mapping[str, float], objective: Objective) -> dict[str, float]:
    gaps = {}
    for key, train in metrics.items():
        split, _, name = key.partition("/")
        if split == "train" and (val := metrics.get(f"val/{name}")) is not None:
            gaps[f"gap/{name}"] = train - val if more_is_better(name, objective) else val - train
    return gaps


@functools.lru_cache(maxsize=10_000)
def more_is_better(name: str, objective: Objective) -> bool:
    """Whether more of a metric is better: as the study says of its objective, else by the metric's name.

    A metric of an unknown name counts as an error: less is better.
    """
    if objective.metric.partition("/")[2] == name:
        return objective.sign < 0
    if name.partition("/")[0] in OF_GROUPS:
        return True
    return not _MORE_IS_BETTER.isdisjoint(re.split(r"[^a-z0-9]+", name.lower()))


def best_of(trials: Iterable[Trial], objective: Objective) -> Trial | None:
    """The winner: the confirmed one where there is one, else the complete trial with the best value."""
    everything = sorted(trials, key=lambda trial: trial.number)
    return next(iter(best_first(everything, objective)), None)


def front_points(front: Front, trials: Iterable[Trial]) -> list[Point]:
    """`study/hypervolume` by trial number, of a study that has ended: what it is counted from is known then alone."""
    at = {trial.number: milliseconds(ended(trial)) for trial in trials}
    return [Point("study/hypervolume", number, volume, at[number]) for number, volume in front.volumes]


def study_points(trials: Iterable[Trial], objective: Objective) -> list[Point]:
    """The study's summary by trial number, from its finished trials.

    `study/trial_value` and `study/trial_gap` come as trials end. `best_value` and the counts (`trials/complete`,
    `verdicts/overfit`, ...) at step n tell of trials 0 to n, and come when all of these have
    ended: so a point, once there, never changes. (A trial that is trained again comes in with the next.)
    """
    finished = sorted((trial for trial in trials if trial.state in FINISHED), key=lambda trial: trial.number)
    points = [point for trial in finished if trial.confirms is None for point in _own_points(trial)]
    return points + list(_running_points(finished, objective))


def _own_points(trial: Trial) -> Iterator[Point]:
    at = milliseconds(ended(trial))
    for key, value in (("study/trial_value", trial.value), ("study/trial_gap", trial.gap)):
        if value is not None:
            yield Point(key, trial.number, value, at)


def _running_points(finished: Sequence[Trial], objective: Objective) -> Iterator[Point]:
    counts: Counter[str] = Counter()
    best = math.nan
    latest = 0.0
    for expected, trial in enumerate(finished):
        if trial.number != expected:
            return
        if trial.confirms is not None:
            continue
        latest = max(latest, ended(trial))
        at = milliseconds(latest)
        counted = [f"trials/{trial.state.lower()}"] + ([f"verdicts/{trial.verdict}"] if trial.verdict else [])
        for key in counted:
            counts[key] += 1
            yield Point(key, trial.number, counts[key], at)
        value = trial.value
        if is_candidate(trial) and value is not None:
            best = objective.best((best, value))
        if not math.isnan(best):
            yield Point(BEST_VALUE, trial.number, best, at)


def started(trial: Trial, study: Study) -> float:
    """When a trial started; one that never did, when it ended."""
    return next(at for at in (trial.started, trial.ended, study.started, study.created) if at is not None)


def ended(trial: Trial) -> float:
    """When a finished trial ended."""
    return next((at for at in (trial.ended, trial.started) if at is not None), 0.0)


def schedule_json(trial: Trial) -> dict[str, str]:
    """What a trial's model was trained with one after the other, as a file; none where nothing changed."""
    return {} if trial.schedule is None else {"schedule.json": json_text(_plain(list(trial.schedule)))}


def diagnosis_json(trial: Trial) -> str:
    """The trial's diagnosis as a file for people and programs."""
    found = {
        "trial": trial.number,
        "state": trial.label,
        "verdict": trial.verdict,
        "gap": trial.gap,
        "value": trial.value,
        "best_epoch": trial.best_epoch,
        "message": trial.message,
        **(trial.diagnosis or {}),
    }
    return json_text(_plain(found))


def study_json(study: Study) -> str:
    """The study file as it was validated."""
    return json_text(_plain(study.spec))


def _plain(value: Any) -> Any:
    """Without NaN and infinities, which JSON does not know."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
