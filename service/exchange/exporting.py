"""A study written where other tools read it: an Optuna storage, a CSV or a Parquet file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from goodfit.service.errors import InputError
from goodfit.service.exchange import optuna_studies, tables
from goodfit.service.records import Study, Trial

if TYPE_CHECKING:
    import optuna

# By the end of a file's name.
FILES: Mapping[str, Callable[..., None]] = {".csv": tables.write_csv, ".parquet": tables.write_parquet}


def export_to(
    target: str, study: Study, trials: Sequence[Trial], as_optuna: Callable[[], optuna.Study], *, force: bool = False
) -> str:
    """Write a study, once more or for the first time; says what was written.

    Args:
        target: optuna+sqlite:///x.db or another storage's URL, or the name of a .csv or .parquet file.
        study: the record.
        trials: of the search and its confirmation, by number.
        as_optuna: makes Optuna's study of them.
        force: what is there and comes from elsewhere is replaced.

    Raises:
        InputError: no such kind of target, or what is there comes from elsewhere.
    """
    if optuna_studies.is_storage(target):
        from goodfit.service.exchange import optuna_export

        origin = {"study": study.name, "created": study.created, "fingerprint": study.fingerprint}
        count = optuna_export.write(as_optuna(), target, origin, force=force)
        there = len(trials) - count
        return f"{count} trials written" + (f"; {there} were there already" if there else "")
    write = FILES.get(Path(target).suffix.lower())
    if write is None:
        known = f"optuna+sqlite:///FILE, another storage's URL, or a file that ends in {' or '.join(FILES)}"
        raise InputError(f"--to {target}: there is no such kind of target; give {known}")
    write(Path(target), trials, study.name, force=force)
    return f"{len(trials)} trials written"
