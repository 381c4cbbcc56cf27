"""Whether what prepares and varies the data suits the trainer and the data, whichever trial it is for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from goodfit.search_spaces.parameters import Fixed
from goodfit.service import errors

if TYPE_CHECKING:
    from goodfit.service.spec import StudySpec
    from goodfit.trainers.messages import DataSpec
    from goodfit.trainers.registry import Trainer


@dataclass(frozen=True, slots=True)
class Variant:
    """The data as some trial may get them, and the parameter that makes them so; None: as the study says itself."""

    data: DataSpec
    parameter: str | None = None


def variants_of(spec: StudySpec) -> list[Variant]:
    """The study's own data, then those of each value that a parameter can bring in; none where it has no data."""
    from goodfit.service.spec import variants

    own = spec.data_spec()
    if own is None or spec.data is None:
        return []
    found = [Variant(own)]
    for name, params in variants(spec.space, spec.sections):
        data = spec.data_spec(params)
        if data is not None:
            found.append(Variant(data, name))
    return found


def check_kind(spec: StudySpec, trainer: Trainer, variants: Sequence[Variant], kind: str, task: str) -> None:
    """Refuse what the trainer takes no notice of, and what does not go with such data.

    Raises:
        DataError: it is the study's own data; StudyFileError: a parameter reaches in so, which is named.
    """
    from goodfit.trainers.data.augmenting.variations import check_kind
    from goodfit.trainers.data.kinds.registry import kind_named, kind_of
    from goodfit.trainers.errors import DataProblem

    for variant in variants:
        name, data = variant.parameter or "", variant.data
        with _blamed(spec, variant):
            takes_part(trainer, data)
            kind_of(data)  # refuses keys of other kinds
            check_kind(data.augment, kind, task, data.source)
            section, _, key = name.partition(".")
            if section == "prepare" and key not in kind_named(kind).searched:
                raise DataProblem(f"{key} does nothing to {kind} data; take it out")
            if data.labels != "keep":
                _judgeable(trainer, data, task)
            if name and data.balance != "none" and task != "classification":
                raise DataProblem(f"{data.balance} is for classes, and {data.source} is for {task}; take it out")


def check_fit(spec: StudySpec, variants: Sequence[Variant], kind: str, shape: Sequence[int]) -> None:
    """Refuse numbers that leave nothing of an image or a window; errors as for check_kind."""
    from goodfit.trainers.data.augmenting.variations import check_fit

    for variant in variants:
        with _blamed(spec, variant):
            check_fit(variant.data.augment, kind, shape, variant.data.source)


def _judgeable(trainer: Trainer, data: DataSpec, task: str) -> None:
    """DataProblem where labels of such data cannot be judged, or not by such a trainer."""
    from goodfit.trainers.errors import DataProblem

    written = f"`labels: {data.labels}`"
    if task not in ("classification", "regression"):
        raise DataProblem(f"{written} is for classes and numbers, and {data.source} is for {task}; take it out")
    if trainer.build is None:
        raise DataProblem(
            f"{written} asks trained models for their predictions, and trainer {trainer.name} declares no build=; take "
            "it out, or declare register(..., build=build_model)"
        )


def takes_part(trainer: Trainer, data: DataSpec) -> None:
    """Refuse a preparation that the trainer would take no notice of; DataError."""
    from goodfit.trainers.data.augmenting.variations import given_keys

    heeded = {}
    if data.balance != "none":
        heeded["balance"] = f"prepare: {{balance: {data.balance}}}"
    if data.labels == "reweigh":
        heeded["weights"] = "labels: reweigh"
    if data.encode == "embedding":
        heeded["embedding"] = "prepare: {encode: embedding}"
    if keys := given_keys(data.augment):
        heeded["augment"] = f"augment: {{{keys[0]}: {getattr(data.augment, keys[0])}}}"
    if data.fairness.by:
        heeded["groups"] = f"fairness: {{by: [{', '.join(data.fairness.by)}]}}"
    for what, written in heeded.items():
        if what not in trainer.prepares:
            raise errors.DataError(
                f"trainer {trainer.name} ignores `{written}`: leave it out, "
                f'or apply it in the trainer and declare register(..., prepares=["{what}"])'
            )


@contextlib.contextmanager
def _blamed(spec: StudySpec, variant: Variant) -> Iterator[None]:
    """Say of which parameter it is that the data do not suit."""
    from goodfit.trainers.errors import DataProblem

    try:
        yield
    except (DataProblem, errors.DataError) as error:
        if variant.parameter is None:
            raise
        section = "fixed" if isinstance(spec.space[variant.parameter], Fixed) else "space"
        problem = spec.origin.problem((section, variant.parameter), str(error))
        raise errors.StudyFileError(spec.origin.file, [problem]) from error
