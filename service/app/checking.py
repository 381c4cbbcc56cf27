"""Everything that can be known of a study before it trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service import errors

if TYPE_CHECKING:
    from service.spec import StudySpec
    from trainers.messages import DataSpec
    from trainers.registry import Trainer


@dataclass(frozen=True, slots=True)
class Checked:
    """A study that can run: its spec, its trainer, and its data as far as they were looked at."""

    spec: StudySpec
    trainer: Trainer
    rows: Mapping[str, int] | None = None  # split -> rows, where the data were loaded


def check(spec: StudySpec) -> Checked:
    """Everything that can be known before training: the trainer imports, the data load and suit it.

    Raises:
        StudyFileError, TrainerError, DataError: what is wrong, all of InputError.
    """
    from service.spec import check_metric
    from trainers.data import DATASETS, load
    from trainers.errors import DataProblem, TrainersError
    from trainers.registry import resolve

    try:
        trainer = resolve(spec.trainer)
        data = spec.data_spec()
        if data is None:
            if trainer.kinds:
                raise errors.DataError(f"trainer {trainer.name} needs data: give `data: {{source: ...}}`")
            return Checked(spec, trainer)
        _takes_part(trainer, data)
        known = DATASETS.get(data.source)
        loaded = None if known else load(data)
    except DataProblem as error:
        raise errors.DataError(str(error)) from error
    except TrainersError as error:
        raise errors.TrainerError(str(error)) from error
    found = known or loaded
    if found is not None:
        _suits(trainer, data.source, found.kind, found.task)
        check_metric(spec, trainer, found.task)
    return Checked(spec, trainer, loaded.facts.rows if loaded else None)


def _takes_part(trainer: Trainer, data: DataSpec) -> None:
    """Refuse a preparation that the trainer would take no notice of."""
    asked = {"balance": data.balance != "none", "embedding": data.encode == "embedding"}
    for what in (name for name, wanted in asked.items() if wanted and name not in trainer.prepares):
        key = "balance" if what == "balance" else "encode"
        raise errors.DataError(
            f"trainer {trainer.name} takes no notice of `prepare: {{{key}: {getattr(data, key)}}}`: leave it out, "
            f'or heed it in the trainer and declare register(..., prepares=["{what}"])'
        )


def _suits(trainer: Trainer, source: str, kind: str, task: str) -> None:
    if trainer.kinds and kind not in trainer.kinds:
        raise errors.DataError(
            f"trainer {trainer.name} takes {' or '.join(sorted(trainer.kinds))} data, {source} is {kind} data"
        )
    if trainer.metrics is not None and task not in trainer.metrics:
        raise errors.DataError(
            f"trainer {trainer.name} does {' and '.join(sorted(trainer.metrics))}, {source} is for {task}"
        )
