"""The parts of a report on data: columns, target, copies, notes. Which data have which is for the kinds to say."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from goodfit.trainers.data.facts import Data, Split, test_rows
from goodfit.trainers.data.quality.conflicts import conflicting
from goodfit.trainers.data.reading.hints import data_key
from goodfit.trainers.data.reading.raw import Raw
from goodfit.trainers.data.reading.texts import is_blank
from goodfit.trainers.data.split import Rows
from goodfit.trainers.data_specs import ColumnSpec, SourceSpec

SHOWN = 5  # the most frequent values of a column of text
RARE = 0.5  # a class with a smaller share than this of an equal share makes the classes unbalanced


def table_columns(raw: Raw) -> list[dict[str, Any]]:
    """What each column of a table holds, in the order of the file."""
    columns = {}
    for place, name in enumerate(raw.numeric if raw.features else ()):
        columns[name] = _numbers(raw.x[:, place])
    for place, name in enumerate(raw.text):
        words = raw.words[:, place] if raw.words is not None else np.empty(0, dtype=object)
        counts = Counter(words)
        missing = counts.pop(None, 0)
        columns[name] = {
            "type": "text",
            "missing": missing,
            "distinct": len(counts),
            "most_frequent": dict(counts.most_common(SHOWN)),
        }
    return [{"name": name, **columns[name]} for name in raw.features]


def text_column(raw: Raw) -> dict[str, Any]:
    """What the one column of texts holds: how many are empty or missing, and how long the others are, in characters."""
    known = [text for text in raw.x if not is_blank(text)]
    summary = {"type": "text", "missing": len(raw.x) - len(known), "distinct": len(set(known))}
    return {"name": raw.features[0], **summary, "characters": range_of(np.array([len(str(text)) for text in known]))}


def _numbers(column: np.ndarray) -> dict[str, Any]:
    known = column[np.isfinite(column)]
    summary: dict[str, Any] = {
        "type": "number",
        "missing": int(np.isnan(column).sum()),
        "distinct": len(np.unique(known)),
    }
    if infinite := int(np.isinf(column).sum()):
        summary["infinite"] = infinite
    return {**summary, **range_of(known)}


def range_of(known: np.ndarray) -> dict[str, float]:
    """The least, the mean and the largest; nothing of no values."""
    if not len(known):
        return {}
    return {"min": float(known.min()), "mean": float(known.mean(dtype=np.float64)), "max": float(known.max())}


def target_summary(name: str | None, values: np.ndarray, classes: tuple[str, ...], rows: Rows | None) -> dict[str, Any]:
    """A target's classes, by split where there are splits, or its range."""
    if not classes:
        return {"name": name, **range_of(values)}
    parts = {"all": np.arange(len(values)), **({} if rows is None else rows._asdict())}
    counts = {part: np.bincount(values[index], minlength=len(classes)) for part, index in parts.items()}
    return {
        "name": name,
        "classes": {
            label: {part: int(count[place]) for part, count in counts.items()} for place, label in enumerate(classes)
        },
    }


def keys_of(raw: Raw) -> np.ndarray:
    """A number for each row that equal rows share; the target does not count."""
    keys = hashes_of(raw.x.astype(str).astype(object) if raw.kind == "text" else raw.x)
    if raw.words is not None:
        import pandas as pd

        for place in range(raw.words.shape[1]):
            keys = keys * np.uint64(31) + pd.util.hash_array(raw.words[:, place].astype(str).astype(object))
    return keys


def hashes_of(x: np.ndarray) -> np.ndarray:
    """A number for each row of an array that equal rows share."""
    import pandas as pd

    flat = x.reshape(len(x), -1)
    keys = np.zeros(len(x), dtype=np.uint64)
    for place in range(flat.shape[1]):
        keys = keys * np.uint64(1_000_003) + pd.util.hash_array(np.ascontiguousarray(flat[:, place]))
    return keys


def duplicates_of(keys: np.ndarray, rows: Rows) -> dict[str, int]:
    """How many rows of a split have inputs that another split has as well."""
    train, validation, test = (keys[part] for part in rows)
    return {
        "validation_in_train": int(np.isin(validation, train).sum()),
        "test_in_train": int(np.isin(test, train).sum()),
        "test_in_validation": int(np.isin(test, validation).sum()),
    }


def conflicts_of(keys: np.ndarray, values: np.ndarray, classes: tuple[str, ...]) -> int:
    """How many rows share their inputs with a row of another class."""
    return sum(map(len, conflicting(keys, values))) if classes else 0


def notes_of(report: Mapping[str, Any]) -> list[str]:
    """What to look at, each in a sentence."""
    notes = [
        f"column {found['column']} alone predicts the target ({found['measure']} {found['score']:.3f}): if it is not "
        f"known when the model is used, leave it out: {data_key('ignore', [found['column']])}"
        for found in report["giveaways"]
    ]
    splits = report["splits"]
    for pair, count in report["duplicates"].items():
        one, other = pair.split("_in_")
        if count:
            notes.append(
                f"{count} of {splits[one]} {one} rows have the same inputs as rows of {other}; if they come from one "
                "source, keep it together with `split: {group: COLUMN}`, or take the copies out"
            )
    if conflicts := report["conflicts"]:
        notes.append(
            f"{conflicts} of {report['rows']} rows have the same inputs as rows of another class: labels are wrong, or "
            "an input is missing; `goodfit data FILE --labels` lists them"
        )
    missing = {column["name"]: column["missing"] for column in report["columns"] if column["missing"]}
    if missing:
        worst = max(missing, key=lambda name: missing[name])
        which = (
            f"{len(missing)} columns have missing values, {worst} the most"
            if len(missing) > 1
            else f"column {worst} has missing values"
        )
        notes.append(f"{which}: {missing[worst]} of {report['rows']}")
    constant = [column["name"] for column in report["columns"] if column["distinct"] <= 1 and not column["missing"]]
    if constant:
        notes.append(
            f"column {constant[0]} never changes and predicts nothing; leave it out: {data_key('ignore', constant[:1])}"
        )
    if classes := report["target"].get("classes"):
        rare = min(classes, key=lambda label: classes[label]["all"])
        share = classes[rare]["all"] / report["rows"]
        if share < RARE / len(classes):
            notes.append(
                f"class {rare} is {share:.1%} of the rows: search for val/balanced_accuracy or val/f1, and try "
                "`prepare: {balance: weights}`"
            )
    return notes


def text_notes(data: Data) -> list[str]:
    """What a tokenizer leaves out of the training texts."""
    tokens = data.preparation.tokens
    if tokens is None or not tokens.truncated:
        return []
    return [
        f"{tokens.truncated:.1%} of the training texts have more than {tokens.length} tokens and keep their beginning; "
        "raise data.tokens.length"
    ]


def part_splits(spec: SourceSpec, data: Data, test: Split) -> dict[str, Split]:
    """The splits by name, the test split where the study keeps one."""
    parts = {"train": data.train, "validation": data.validation}
    return {**parts, "test": test_rows(spec.source, test)} if spec.test else parts


def together(parts: Mapping[str, Split]) -> tuple[np.ndarray, np.ndarray, Rows]:
    """The targets of all splits in turn, a number for each row that equal inputs share, and which row is whose."""
    starts = np.cumsum([0, *map(len, parts.values())])
    rows = [np.arange(start, end) for start, end in itertools.pairwise(starts)]
    values = np.concatenate([part.y for part in parts.values()])
    keys = np.concatenate([hashes_of(np.asarray(part.x)) for part in parts.values()])
    return values, keys, Rows(*rows, *[np.arange(0)] * (3 - len(rows)))


def split_parts(spec: SourceSpec, data: Data, parts: Mapping[str, Split]) -> dict[str, Any]:
    """The report on data of which nothing is known but their splits as prepared."""
    values, keys, rows = together(parts)
    report: dict[str, Any] = {
        "source": spec.source,
        "kind": data.kind,
        "task": data.task,
        "rows": len(values),
        "columns": [],
        "splits": {name: len(part) for name, part in parts.items()},
        "target": target_summary(spec.target if isinstance(spec, ColumnSpec) else None, values, data.classes, rows),
        "duplicates": duplicates_of(keys, rows),
        "conflicts": conflicts_of(keys, values, data.classes),
        "giveaways": [],
        "problem": None,
    }
    return {**report, "notes": notes_of(report)}
