"""How a table in text is written: what the study says of it, and what is assumed otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from goodfit.trainers.data_specs import ColumnSpec
from goodfit.trainers.errors import DataProblem

# The words that pandas reads as gaps, written out so that they do not change with its version.
GAPS = (
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL",
    "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
KEYS = ("separator", "decimal", "gaps", "header")  # of a study file, for tables in text


@dataclass(frozen=True, slots=True)
class TableFormat:
    """How a table in text is read.

    Attributes:
        separator: between the values; None: as the file's name says.
        decimal: the mark before a number's decimals.
        gaps: the words that stand for a missing value, beside the empty cell.
        header: whether the first line names the columns; else they are x0, x1, ...
        texts: the columns whose cells stay as they are written.
        given: the keys that the study gives, beside the assumed ones.
        ignored: the columns that the study leaves out, which need no names.
    """

    separator: str | None = None
    decimal: str = "."
    gaps: tuple[str, ...] = GAPS
    header: bool = True
    texts: frozenset[str] = frozenset()
    given: tuple[str, ...] = ()
    ignored: frozenset[str] = frozenset()

    @classmethod
    def of(cls, spec: ColumnSpec) -> TableFormat:
        """The format that a study says."""
        usual = GAPS if spec.known_gaps else ()
        gaps = usual if spec.gaps is None else spec.gaps
        given = tuple(key for key in KEYS if getattr(spec, key) is not None)
        header, ignored = spec.header is not False, frozenset(spec.ignore)
        return cls(spec.separator, spec.decimal or ".", gaps, header, frozenset(spec.as_written), given, ignored)

    def refuse(self, source: object, keys: Sequence[str] = KEYS) -> None:
        """DataProblem where one of the keys is given for data that are no table in text."""
        for key in self.given:
            if key in keys:
                raise DataProblem(
                    f"{source}: data.{key} is for tables in text (.csv, .tsv), and these values have types of their "
                    "own; leave it out"
                )
