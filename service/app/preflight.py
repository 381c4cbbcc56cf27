"""Everything that can be known of a study before it trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from goodfit.service import errors
from goodfit.service.app.data_checks import check_fit, check_kind, takes_part, variants_of

if TYPE_CHECKING:
    from goodfit.service.spec import StudySpec
    from goodfit.trainers.registry import Trainer


@dataclass(frozen=True, slots=True)
class Checked:
    """A study that can run: its spec, its trainer, and its data as far as they were looked at."""

    spec: StudySpec
    trainer: Trainer
    rows: Mapping[str, int] | None = None  # split -> rows, where the data were loaded
    task: str | None = None  # of the data
    kind: str | None = None  # likewise
    reason: str = ""  # why it is this task, and how to have another
    notes: tuple[str, ...] = ()  # on how the data were read
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # column -> its groups, where they are compared


def check(spec: StudySpec) -> Checked:
    """Everything that can be known before training: the trainer imports, the data load and suit it.

    Raises:
        StudyFileError, TrainerError, DataError: what is wrong, all of InputError.
    """
    from goodfit.service.spec import absent_packages, check_metric
    from goodfit.trainers.data import DATASETS, look_closely
    from goodfit.trainers.data.augmenting.variations import needs_rows
    from goodfit.trainers.errors import DataProblem, TrainersError
    from goodfit.trainers.registry import resolve

    if absent := absent_packages(spec.requirements):
        raise errors.TrainerError(f"requirements: {absent}")
    try:
        trainer = resolve(spec.trainer)
        spec = _suited(spec, trainer)
        data = spec.data_spec()
        if data is None:
            if trainer.kinds:
                raise errors.DataError(f"trainer {trainer.name} needs data: give `data: {{source: ...}}`")
            return Checked(spec, trainer)
        takes_part(trainer, data)
        known = None if data.is_added else DATASETS.get(data.source)
        variants = variants_of(spec)
        if known is not None:
            check_kind(spec, trainer, variants, known.kind, known.task)
        in_full = known is None or any(needs_rows(variant.data.augment) for variant in variants)
        in_full = in_full or bool(data.fairness.by or data.annotators)  # whose columns may not be there
        loaded, notes = look_closely(data) if in_full else (None, [])
        groups = loaded.facts.groups if loaded is not None else None
        found = known or loaded
        if found is not None:
            _suits(trainer, data.source, found.kind, found.task)
            check_metric(spec, trainer, found.task, groups.everyone if groups is not None else ())
        if loaded is not None:
            _has_test_rows(spec, data.source, loaded.facts.rows)
            check_kind(spec, trainer, variants, loaded.kind, loaded.task)
            check_fit(spec, variants, loaded.kind, loaded.facts.input_shape)
    except DataProblem as error:
        raise errors.DataError(str(error)) from error
    except TrainersError as error:
        raise errors.TrainerError(str(error)) from error
    task, kind = (None, None) if found is None else (found.task, found.kind)
    if loaded is None:
        return Checked(spec, trainer, task=task, kind=kind)
    columns = {} if groups is None else dict(zip(groups.spec.by, groups.labels, strict=True))
    return Checked(spec, trainer, loaded.facts.rows, task, kind, loaded.facts.reason, tuple(notes), columns)


def _has_test_rows(spec: StudySpec, source: str, rows: Mapping[str, int]) -> None:
    if spec.confirm is not None and not rows.get("test"):
        raise errors.DataError(
            f"{source}: no rows are kept for testing, and confirm is scored on them; "
            "give `split: {test: 0.2}`, or leave confirm out"
        )


def _suited(spec: StudySpec, trainer: Trainer) -> StudySpec:
    """The spec of a study whose trainer could not be imported before its requirements were installed."""
    if not spec.requirements:
        return spec
    from goodfit.service.spec.hyperparameters import check_hyperparameters, suited

    space = suited(spec.space, trainer)
    problems = [f"{name}: {wrong}" for name, wrong in check_hyperparameters(trainer, space)]
    if problems:
        raise errors.TrainerError("; ".join(problems))
    return spec.model_copy(update={"space": space})


def _suits(trainer: Trainer, source: str, kind: str, task: str) -> None:
    if trainer.kinds and kind not in trainer.kinds:
        raise errors.DataError(
            f"trainer {trainer.name} takes {' or '.join(sorted(trainer.kinds))} data, {source} is {kind} data"
        )
    if trainer.metrics is not None and task not in trainer.metrics:
        raise errors.DataError(
            f"trainer {trainer.name} does {' and '.join(sorted(trainer.metrics))}, {source} is for {task}"
        )
