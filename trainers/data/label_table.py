"""The table of labels that are likely wrong: what was found of each row, as a DataFrame, a file and sentences."""

from __future__ import annotations

import dataclasses
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from goodfit.trainers.data.all_rows import PARTS, AllRows
from goodfit.trainers.data.quality.conflicts import conflicting
from goodfit.trainers.data.quality.labels import Judged, judge_classes, judge_numbers
from goodfit.trainers.errors import Damaged

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("row", "is_label_issue", "label_score", "given_label", "predicted_label")
TEXTS = ("source", "task", "classes", "written", "files")  # of the table, as its file has them
MOST_GROUPS = 5  # of equal rows, that a sentence names
MOST_PAIRS = 5  # of classes that are mixed up


@dataclass(frozen=True, slots=True)
class LabelTable:
    """What was found of each row.

    Attributes:
        source: of the data.
        task: classification or regression.
        classes: their names; empty of a regression.
        written: what the classes are in the data: "integer", "float", "boolean" or "text".
        numbers: of each row in the source.
        part: of each row the number of its split in PARTS.
        given: class indices, or numbers in the units of the data.
        judged: what was found, in the same order.
        conflicts: rows with equal inputs and different labels, by group, as numbers in the source.
        files: of a folder of images the path of each row.
    """

    source: str
    task: str
    classes: tuple[str, ...]
    written: str
    numbers: np.ndarray
    part: np.ndarray
    given: np.ndarray
    judged: Judged
    conflicts: tuple[np.ndarray, ...] = ()
    files: tuple[str, ...] = ()

    @classmethod
    def of(cls, source: str, rows: AllRows, outputs: np.ndarray, alone: np.ndarray) -> LabelTable:
        """From what models say of rows that they were not trained on.

        Args:
            source: of the data.
            rows: all of them.
            outputs: probabilities (rows, classes), or numbers (rows,).
            alone: of classes, rows of a class that no model could have learned.
        """
        facts, y = rows.facts, rows.split.y
        classes = facts.task == "classification"
        given = y if classes else facts.preparation.original(y)
        judged = judge_classes(given, outputs, ~alone) if classes else judge_numbers(given, outputs)
        groups = conflicting(rows.keys, y) if classes else []
        return cls(
            source,
            facts.task,
            facts.classes,
            facts.preparation.labels,
            rows.numbers,
            rows.part,
            given,
            judged,
            tuple(np.sort(rows.numbers[group]) for group in groups),
            rows.files,
        )

    def frame(self) -> pd.DataFrame:
        """One row a label, the likeliest wrong first: COLUMNS, and `file` of a folder of images."""
        import pandas as pd

        order = self.judged.ranking()
        values = (
            self.numbers,
            self.judged.is_issue,
            self.judged.score,
            self.labels(self.given),
            self.labels(self.judged.predicted),
        )
        columns = {name: value[order] for name, value in zip(COLUMNS, values, strict=True)}
        if self.files:
            columns["file"] = np.array(self.files, dtype=object)[order]
        return pd.DataFrame(columns)

    def labels(self, values: np.ndarray) -> np.ndarray:
        """Class indices as the data have the classes; numbers as they are."""
        if not self.classes:
            return values
        names = np.array(self.classes, dtype=object)
        if self.written in ("integer", "float"):
            names = names.astype(np.int64 if self.written == "integer" else np.float64)
        elif self.written == "boolean":
            names = names == "True"
        found: np.ndarray = names[values]
        return found

    @property
    def issues(self) -> int:
        return int(self.judged.is_issue.sum())

    def share(self) -> float:
        """Of the rows, how many are suspect."""
        return self.issues / max(1, len(self.judged))

    def summary(self) -> dict[str, Any]:
        """Plain JSON values: counts, the classes that are mixed up, equal rows with different labels, notes."""
        return {
            "source": self.source,
            "task": self.task,
            "rows": len(self.judged),
            "issues": self.issues,
            "share": self.share(),
            "by_split": {name: int(self.judged.is_issue[self.part == place].sum()) for place, name in enumerate(PARTS)},
            "agreement": self.agreement(),
            "pairs": self.pairs(),
            "conflicts": [[int(row) for row in group] for group in self.conflicts],
            "notes": self.notes(),
        }

    def agreement(self) -> float:
        """Of classes the share of labels that models agree with; of numbers R2; out of fold."""
        given, predicted = self.given[self.judged.judged], self.judged.predicted[self.judged.judged]
        if self.classes:
            return float(np.mean(given == predicted)) if len(given) else 0.0
        spread = float(((given - given.mean()) ** 2).sum())
        return 1 - float(((given - predicted) ** 2).sum()) / spread if spread else 0.0

    def pairs(self) -> list[dict[str, Any]]:
        """Which class is given where which other is predicted, of the suspect labels, the most frequent first."""
        if not self.classes:
            return []
        suspect = self.judged.is_issue
        counts = Counter(zip(self.given[suspect].tolist(), self.judged.predicted[suspect].tolist(), strict=True))
        return [
            {"given": self.classes[given], "predicted": self.classes[predicted], "rows": count}
            for (given, predicted), count in counts.most_common(MOST_PAIRS)
        ]

    def notes(self) -> list[str]:
        """What to look at, each in a sentence."""
        return [*self._how_many(), *self._how_sure(), *self._equal_rows()]

    def _how_many(self) -> list[str]:
        count, rows = self.issues, len(self.judged)
        what = "label" if self.classes else "target"
        if not count:
            return [f"none of {rows} {what}s looks wrong"]
        splits = ", ".join(f"{found} in {name}" for name, found in self.summary_by_split() if found)
        said = [f"{count} of {rows} {what}s ({self.share():.1%}) are likely wrong: {splits}"]
        first = next(iter(self.pairs()), None)
        if first is not None and first["rows"] > 1:
            said.append(
                f"most often {first['given']} is given where {first['predicted']} is predicted: {first['rows']} rows"
            )
        return said

    def summary_by_split(self) -> list[tuple[str, int]]:
        return [(name, int(self.judged.is_issue[self.part == place].sum())) for place, name in enumerate(PARTS)]

    def _how_sure(self) -> list[str]:
        agreement, notes = self.agreement(), []
        if self.classes:
            counts = np.bincount(self.given, minlength=len(self.classes))
            chance = counts.max() / counts.sum()
            if agreement <= chance + 2 * np.sqrt(chance * (1 - chance) / counts.sum()):
                notes.append(
                    f"the models agree with {agreement:.1%} of the labels, no clear gain over the share of the "
                    f"largest class ({chance:.1%}): they have learned nothing, and the scores say nothing"
                )
            alone = [self.classes[place] for place in np.unique(self.given[~self.judged.judged])]
            if alone:
                notes.append(f"class {alone[0]} cannot be judged: all its rows are copies of one, or it has one alone")
        elif agreement <= 0:
            notes.append("the models predict no better than the mean: the scores say nothing")
        return notes

    def _equal_rows(self) -> list[str]:
        if not self.conflicts:
            return []
        shown = "; ".join(" and ".join(map(str, group[:4].tolist())) for group in self.conflicts[:MOST_GROUPS])
        more = ", ..." if len(self.conflicts) > MOST_GROUPS else ""
        count = sum(map(len, self.conflicts))
        return [f"{count} rows have the same inputs as another row and a different label: rows {shown}{more}"]

    def write(self, path: Path) -> None:
        """Keep it as a file."""
        from goodfit.trainers.files import replacing

        lengths = np.array([len(group) for group in self.conflicts], dtype=np.int64)
        groups = np.concatenate(self.conflicts) if self.conflicts else np.empty(0, dtype=np.int64)
        arrays: dict[str, Any] = {"lengths": lengths, "groups": groups}
        arrays |= {f"judged_{one.name}": getattr(self.judged, one.name) for one in dataclasses.fields(Judged)}
        arrays |= {name: np.array(getattr(self, name), dtype=str) for name in TEXTS}
        arrays |= {name: getattr(self, name) for name in ("numbers", "part", "given")}
        with replacing(path) as file:
            np.savez_compressed(file, **arrays)

    @classmethod
    def read(cls, path: Path) -> LabelTable:
        """What `write` kept; Damaged where the file is something else."""
        try:
            with np.load(path, allow_pickle=False) as kept:
                lengths = np.cumsum(kept["lengths"])[:-1]
                groups = np.split(kept["groups"], lengths) if len(kept["lengths"]) else []
                judged = Judged(*(kept[f"judged_{one.name}"] for one in dataclasses.fields(Judged)))
                source, task, written = (str(kept[name]) for name in ("source", "task", "written"))
                classes, files = (tuple(str(name) for name in kept[key]) for key in ("classes", "files"))
                numbers, part, given = (kept[name] for name in ("numbers", "part", "given"))
                return cls(source, task, classes, written, numbers, part, given, judged, tuple(groups), files)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise Damaged(f"{path} is damaged: {error}") from error
