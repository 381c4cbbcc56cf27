"""A trial trained again from its record: with its configuration, seed, data and code, in a folder of its own.

The study is only read. The training is that of a worker, in a process of its own (rerun_process.py); a trial that was
pruned or stopped is trained to the epoch at which its curve ends, a member of a population with all that its model was
trained with. The test split is not opened: a confirmation is trained again without its test scores.
"""

from __future__ import annotations

import json
import math
import pickle
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodfit.service import errors
from goodfit.service.app.child_process import child_lines, child_log
from goodfit.service.app.code import own_code, with_code
from goodfit.service.app.homes import spec_of
from goodfit.service.app.inputs import code_digest, difference_of
from goodfit.service.app.provenance import packages
from goodfit.service.app.run import assignment_of
from goodfit.service.records import Study, StudyRun, Trial, TrialState, run_of
from goodfit.trainers.messages import COSTS, PACK_SIZE

if TYPE_CHECKING:
    from goodfit.service.ports import Store
    from goodfit.service.settings import Settings
    from goodfit.service.spec import StudySpec
    from goodfit.trainers.code import Code
    from goodfit.trainers.messages import Assignment
    from goodfit.trainers.worker.worker import Setup

Metrics = Mapping[str, float]
Curve = Mapping[int, Metrics]
WATCHED = (
    "torch",
    "numpy",
    "scikit-learn",
    "lightning",
    "transformers",
    "goodfit",
)  # whose versions may change a curve
RETURNED = "the returned value"
PACK_TOLERANCE = 1e-4  # relative: batched and single matrix products are not equal to the bit


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric of an epoch that came out otherwise; None: it is missing on that side."""

    epoch: int
    metric: str
    recorded: float | None
    rerun: float | None

    @property
    def amount(self) -> float:
        """How far they are apart; infinite where one is missing or not finite."""
        if self.recorded is None or self.rerun is None:
            return math.inf
        apart = abs(self.rerun - self.recorded)
        return apart if math.isfinite(apart) else math.inf


@dataclass(frozen=True, slots=True)
class Rerun:
    """What came of it.

    Attributes:
        epochs: of the record.
        trained: how many were trained again.
        first: the first difference, by epoch and then by the objective first.
        largest: the metric that is farthest off.
        differing: in how many epochs something differs.
        failure: why the training ended early this time, where it did.
        tolerance: by which metrics may differ, relative: above 0 of a trial that was trained together with others.
        notes: what is otherwise than when the trial was trained.
    """

    study: str
    trial: int
    epochs: int
    trained: int
    metrics: int
    tolerance: float = 0.0
    first: Difference | None = None
    largest: Difference | None = None
    differing: int = 0
    failure: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether the curve is the same: to the bit, or to the tolerance."""
        return self.first is None

    def to_dict(self) -> dict[str, Any]:
        """As `goodfit rerun --json` gives it."""
        return {"study": self.study, "trial": self.trial, "same": self.same, **asdict(self), "notes": list(self.notes)}


def rerun(
    settings: Settings,
    store: Store,
    study: Study,
    trial: Trial,
    on_epoch: Callable[[int, int], None] = lambda _done, _of: None,
) -> Rerun:
    """Train a trial again and compare its curve.

    Args:
        settings: the home.
        store: where the study is.
        study: the record.
        trial: of it.
        on_epoch: gets the epochs that are trained, and how many there are.

    Raises:
        InputError: it was never trained, or the data are not those that it was trained on.
        TrainerError: the training could not begin.
    """
    reports = store.reports(study.id, trial.number)
    recorded = {report.epoch: measured(report.metrics) for report in reports}
    tolerance = PACK_TOLERANCE if any(PACK_SIZE in (report.costs or {}) for report in reports) else 0.0
    if not recorded:
        why = f" ({trial.message})" if trial.message else ""
        raise errors.InputError(
            f"trial {trial.number} of study {study.name} is {trial.label} and was never trained for an epoch{why}: "
            "there is no curve to compare with"
        )
    plan = _Plan.of(store, study, trial)
    with tempfile.TemporaryDirectory(prefix="goodfit-rerun-") as scratch:
        folder = Path(scratch)
        job = plan.setup, _assignment(settings, plan.spec, study, trial, folder), _last(trial, recorded)
        said = _trained(folder, *job, lambda epoch: on_epoch(epoch, len(recorded)))
    if said.data is not None and plan.digest is not None and said.data != plan.digest:
        raise errors.DataError(_changed(study, trial, "what they hold differs"))
    if not said.curve and said.failure:
        raise errors.TrainerError(f"trial {trial.number} cannot be trained again: {said.failure}")
    return _compared(study, trial, recorded, said, plan.notes, tolerance)


def measured(metrics: Metrics) -> dict[str, float]:
    """The metrics without those that say what the training cost: these differ each time."""
    return {name: float(number) for name, number in metrics.items() if name.rpartition("/")[2] not in COSTS}


def differences(recorded: Curve, again: Curve, first: str, tolerance: float = 0.0) -> list[Difference]:
    """Where two curves differ, by more than a relative tolerance; in an epoch the metric `first` comes first."""
    found = []
    for epoch in sorted({*recorded, *again}):
        before, now = recorded.get(epoch, {}), again.get(epoch, {})
        names = sorted({*before, *now}, key=lambda name: (name != first, name))
        pairs = [(name, before.get(name), now.get(name)) for name in names]
        found += [Difference(epoch, *pair) for pair in pairs if not _same(*pair[1:], tolerance)]
    return found


def _same(one: float | None, other: float | None, tolerance: float = 0.0) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance**2) or (math.isnan(one) and math.isnan(other))


def _compared(
    study: Study, trial: Trial, recorded: Curve, said: _Said, notes: Sequence[str], tolerance: float
) -> Rerun:
    found = differences(recorded, said.curve, study.objective.metric, tolerance)
    if said.value is not None and trial.last_value is not None and not _same(said.value, trial.last_value):
        found.append(Difference(max(recorded), RETURNED, trial.last_value, said.value))
    return Rerun(
        study=study.name,
        trial=trial.number,
        epochs=len(recorded),
        trained=len(said.curve),
        metrics=len({name for metrics in recorded.values() for name in metrics}),
        tolerance=tolerance,
        first=found[0] if found else None,
        largest=max(found, key=lambda one: one.amount) if found else None,
        differing=len({one.epoch for one in found}),
        failure=said.failure if found else None,
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """With what a trial is trained again.

    Attributes:
        digest: of the data that it was trained on; None where that is not known.
        notes: what is otherwise than it was.
    """

    spec: StudySpec
    setup: Setup
    digest: str | None
    notes: tuple[str, ...]

    @classmethod
    def of(cls, store: Store, study: Study, trial: Trial) -> _Plan:
        """What the records say, with the data checked; InputError where they are others."""
        from goodfit.trainers.worker.worker import Setup

        held = [
            one.spec for one in store.versions(study.id) if (one.from_trial or 0) <= trial.number and not one.pending
        ]
        spec = with_code(spec_of(replace(study, spec=held[-1] if held else study.spec)), store.files(study.id))
        runs = store.runs(study.id)
        present = own_code(spec)
        code, notes = _code(trial, runs, store.sources(study.id) if runs else {}, present)
        digest = (trial.data or "").rpartition("+")[2] or None
        if trial.data and "+" in trial.data:
            notes.append("the data changed between its attempts; it is trained again on the last")
        _check_data(study, trial, spec, runs, digest)
        notes += _package_notes(run_of(runs, trial))
        share = spec.resources
        root = present.root if present is not None else code.root if code is not None else ""
        setup = Setup(
            spec.trainer,
            spec.data_spec(),
            max(1, math.floor(share.cpus)),
            share.gpus,
            tuple(path for path in sys.path if path),
            code=None if code is None else replace(code, root=root),
        )
        return cls(spec, setup, digest, tuple(notes))


def _code(
    trial: Trial, runs: Sequence[StudyRun], sources: Mapping[str, str], present: Code | None
) -> tuple[Code | None, list[str]]:
    """The study's own code as the trial was trained with it, else as it is now; and what to say of that."""
    from goodfit.trainers.code import Code

    wanted = (trial.code or "").rpartition("+")[2]
    notes = ["its attempts were trained with different code; the last is used"] if "+" in (trial.code or "") else []
    if not wanted or (present is not None and code_digest(present.digests) == wanted):
        return present, notes
    kept = [run.facts["code"] for run in runs if run.facts.get("code")]
    there = next((one for one in reversed(kept) if code_digest(one["files"]) == wanted), None)
    files = {} if there is None else {name: sources.get(digest) for name, digest in there["files"].items()}
    found = Code(
        there["root"] if there else "",
        {n: t.encode("utf-8", "surrogateescape") for n, t in files.items() if t is not None},
    )
    changed = difference_of({"digest": wanted, "files": there["files"]} if there else None, _plain(present))
    if there is not None and found.digests == there["files"]:
        return found, [*notes, f"the code has changed since ({changed}); the code of the record is used"]
    return present, [*notes, "the code has changed since, and that of the record is not kept; the present code is used"]


def _plain(code: Code | None) -> dict[str, Any]:
    digests = {} if code is None else code.digests
    return {"digest": code_digest(digests), "files": digests}


def _check_data(study: Study, trial: Trial, spec: StudySpec, runs: Sequence[StudyRun], digest: str | None) -> None:
    """Refuse files that are not those that the trial was trained on. What a function returns is looked at later."""
    from goodfit.trainers.data.fingerprint import fingerprint, to_dict
    from goodfit.trainers.data.reading.functions import is_function

    data = spec.data_spec()
    if data is None or digest is None or is_function(data.source):
        return
    now = fingerprint(data)
    if now is None:
        raise errors.DataError(_changed(study, trial, f"{data.source} is not there"))
    if now.digest != digest:
        known = [study.inputs, *(run.facts for run in runs)]
        parts = [part for one in known if one is not None and (part := one.get("data")) and part["digest"] == digest]
        what = difference_of(parts[0], to_dict(now)) if parts else f"their digest is {now.digest}, it was {digest}"
        raise errors.DataError(_changed(study, trial, what))


def _changed(study: Study, trial: Trial, what: str) -> str:
    return (
        f"the data of study {study.name} have changed since trial {trial.number} was trained: {what}; put them back "
        "as they were to train it again"
    )


def _package_notes(run: StudyRun | None) -> list[str]:
    """Which packages that compute have another version now."""
    if run is None:
        return []
    now, before = packages(), run.facts.get("packages", {})
    moved = [
        f"{name} is {now.get(name)}, was {before[name]}"
        for name in WATCHED
        if before.get(name, now.get(name)) != now.get(name)
    ]
    return [f"versions differ: {', '.join(moved)}"] if moved else []


def _last(trial: Trial, recorded: Curve) -> int | None:
    """The epoch after which it is stopped; None: it ends by itself, as it did."""
    return None if trial.state is TrialState.COMPLETE else max(recorded)


def _assignment(settings: Settings, spec: StudySpec, study: Study, trial: Trial, folder: Path) -> Assignment:
    """The trial from its start, in another folder."""
    from goodfit.service.spec import for_trainer

    own = assignment_of(settings, spec, study, replace(trial, attempts=1, began=1, epochs=0, until=None))
    if trial.schedule is not None:
        own = replace(own, schedule=tuple((one.epoch, for_trainer(one.params)) for one in trial.stretches))
    own = replace(own, folder=folder / "trial", place=None, root=folder)
    return replace(own, fork=None, snapshots=None, test=False)


@dataclass(slots=True)
class _Said:
    """What the training process has said."""

    curve: dict[int, Metrics]
    failure: str | None = None
    data: str | None = None
    value: float | None = None


def _trained(
    folder: Path, setup: Setup, assignment: Assignment, last: int | None, on_epoch: Callable[[int], None]
) -> _Said:
    """Train in a process of its own, and read what it says."""
    job = folder / "job.pickle"
    job.write_bytes(pickle.dumps((setup, assignment, last)))
    said = _Said({})
    with child_lines("rerun_process", folder, job, setup.threads) as lines:
        for line in lines:
            found = json.loads(line)
            if "epoch" in found:
                said.curve[found["epoch"]] = measured(found["metrics"])
                on_epoch(len(said.curve))
                continue
            said.data, said.value = found["data"], found["value"]
            said.failure = None if found["outcome"] in ("complete", "stopped") else found["message"] or found["outcome"]
            return said
    said.failure = "; ".join(["its process ended", *child_log(folder)])
    return said
