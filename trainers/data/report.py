"""What can be told of a study's data before anything is trained: `data_report(spec)`, plain JSON values.

It looks at the data as read, so it also tells of data that cannot be trained on yet, and what keeps
them from it. The test rows are counted and compared with the others; no model sees them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from trainers.data import load, load_test, look, read_raw
from trainers.data.corpus import corpus_notes, is_corpus
from trainers.data.facts import Data, Split
from trainers.data.giveaways import giveaways
from trainers.data.image_folder import class_indices, is_image_folder, list_folder
from trainers.data.image_report import image_notes, look_through
from trainers.data.pairs import columns_told, is_pairs, pairs_notes
from trainers.data.raw import Raw, complete_rows, encode_target
from trainers.data.series import is_series
from trainers.data.split import Rows, split_rows
from trainers.data.text import is_text
from trainers.errors import DataProblem
from trainers.messages import DataSpec

SHOWN = 5  # the most frequent values of a column of text
RARE = 0.5  # a class with a smaller share than this of an equal share makes the classes unbalanced


def data_report(spec: DataSpec) -> dict[str, Any]:
    """The report on a study's data.

    Returns:
        source, kind, task, rows; columns (name, type, missing, distinct, and min, mean, max or the
        most frequent values); splits (rows by split); target (name, and classes by split, or min,
        mean, max); duplicates (rows of validation or test that training has as well); giveaways
        (columns that alone give the target away); problem: what keeps the data from being trained
        on, or None; notes: what to look at, in sentences. Of a folder of images also images: how many
        have which size and mode, which are broken, and what is left out.

    Raises:
        DataProblem: the data cannot be read at all.
    """
    spec = replace(spec, validation_seed=None)
    if is_image_folder(spec):
        return _of_images(spec)
    problem, data = None, None
    try:
        data = load(spec)
    except DataProblem as error:
        if is_series(spec) or is_corpus(spec) or is_pairs(spec) or is_text(spec):
            raise
        problem = str(error)
    if data is not None and data.kind == "corpus":
        return _of_corpus(spec, data)
    if data is not None and data.kind == "pairs":
        return _of_pairs(spec, data)
    if data is not None and data.kind not in ("table", "image"):
        return _of_splits(spec, data.facts.kind, data.task, data.classes, data.train, data.validation)
    raw = read_raw(spec)
    columns, count = _columns(raw), len(raw.y)
    if spec.missing == "drop" and len(whole := complete_rows(raw)):
        raw = raw.take(whole)
    target, values = encode_target(raw)
    try:
        rows: Rows | None = split_rows(values, target.classes, spec, raw.source, raw.divider)
    except DataProblem:
        rows = None  # which is what `problem` says
    report: dict[str, Any] = {
        "source": raw.source,
        "kind": raw.kind,
        "task": target.task,
        "rows": count,
        "columns": columns,
        "splits": {} if rows is None else {name: len(part) for name, part in rows._asdict().items()},
        "target": _target(spec.target, values, target.classes, rows),
        "duplicates": {} if rows is None else _duplicates(_keys(raw), rows),
        "giveaways": [] if rows is None else giveaways(raw, values, target.task, rows),
        "problem": problem,
    }
    return {**report, "notes": _notes(report)}


def _of_images(spec: DataSpec) -> dict[str, Any]:
    """The report on a folder of images, each of which is decoded once."""
    listing = list_folder(Path(spec.source))
    target, values = class_indices(listing)
    looked = look_through(listing, spec)
    problem = looked.broken[0] if looked.broken else None
    rows: Rows | None = None
    try:
        rows = split_rows(values, target.classes, spec, spec.source)
        look(spec)
    except DataProblem as error:
        problem = problem or str(error)
    report: dict[str, Any] = {
        "source": spec.source,
        "kind": "image",
        "task": target.task,
        "rows": len(values),
        "columns": [],
        "images": looked.to_dict(listing),
        "splits": {} if rows is None else {name: len(part) for name, part in rows._asdict().items()},
        "target": _target(None, values, target.classes, rows),
        "duplicates": {} if rows is None else _duplicates(looked.keys, rows),
        "giveaways": [],
        "problem": problem,
    }
    return {**report, "notes": [*image_notes(looked, listing), *_notes(report)]}


def _of_corpus(spec: DataSpec, data: Data) -> dict[str, Any]:
    """The report on running text, whose rows are windows, end to end: the tokens and characters of its splits."""
    parts = {"train": data.train, "validation": data.validation, **({"test": load_test(spec)} if spec.test else {})}
    tokens = data.preparation.tokens
    return {
        "source": spec.source,
        "kind": data.kind,
        "task": data.task,
        "rows": sum(map(len, parts.values())),
        "columns": [],
        "splits": {name: len(part) for name, part in parts.items()},
        "target": {"name": None},
        "duplicates": {},
        "giveaways": [],
        "problem": None,
        "notes": corpus_notes(tokens, parts) if tokens is not None else [],
    }


def _of_pairs(spec: DataSpec, data: Data) -> dict[str, Any]:
    """The report on pairs of texts: that of their splits, and how long both sides are."""
    report = _of_splits(spec, data.kind, data.task, (), data.train, data.validation)
    columns = columns_told(data, load_test(spec) if spec.test else None, spec.target)
    return {**report, "columns": columns, "notes": [*report["notes"], *pairs_notes(data)]}


def _of_splits(
    spec: DataSpec, kind: str, task: str, classes: tuple[str, ...], train: Split, validation: Split
) -> dict[str, Any]:
    """The report on data that are no table: of their splits as prepared."""
    parts = {"train": train, "validation": validation}
    if spec.test:
        parts["test"] = load_test(spec)
    sizes = {name: len(part) for name, part in parts.items()}
    starts = np.cumsum([0, *sizes.values()])
    rows = Rows(
        *(np.arange(starts[place], starts[place + 1]) for place in range(len(parts))),
        *[np.arange(0)] * (3 - len(parts)),
    )
    values = np.concatenate([part.y for part in parts.values()])
    keys = np.concatenate([_hashes(np.asarray(part.x)) for part in parts.values()])
    report: dict[str, Any] = {
        "source": spec.source,
        "kind": kind,
        "task": task,
        "rows": len(values),
        "columns": [],
        "splits": sizes,
        "target": _target(spec.target, values, classes, rows) if values.ndim == 1 else {"name": spec.target},
        "duplicates": _duplicates(keys, rows),
        "giveaways": [],
        "problem": None,
    }
    return {**report, "notes": _notes(report)}


def _columns(raw: Raw) -> list[dict[str, Any]]:
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


def _numbers(column: np.ndarray) -> dict[str, Any]:
    known = column[np.isfinite(column)]
    told: dict[str, Any] = {
        "type": "number",
        "missing": int(np.isnan(column).sum()),
        "distinct": len(np.unique(known)),
    }
    if infinite := int(np.isinf(column).sum()):
        told["infinite"] = infinite
    return {**told, **_range(known)}


def _range(known: np.ndarray) -> dict[str, float]:
    if not len(known):
        return {}
    return {"min": float(known.min()), "mean": float(known.mean(dtype=np.float64)), "max": float(known.max())}


def _target(name: str | None, values: np.ndarray, classes: tuple[str, ...], rows: Rows | None) -> dict[str, Any]:
    if not classes:
        return {"name": name, **_range(values)}
    parts = {"all": np.arange(len(values)), **({} if rows is None else rows._asdict())}
    counts = {part: np.bincount(values[index], minlength=len(classes)) for part, index in parts.items()}
    return {
        "name": name,
        "classes": {
            label: {part: int(count[place]) for part, count in counts.items()} for place, label in enumerate(classes)
        },
    }


def _keys(raw: Raw) -> np.ndarray:
    """A number for each row that equal rows share; the target does not count."""
    keys = _hashes(raw.x)
    if raw.words is not None:
        import pandas as pd

        for place in range(raw.words.shape[1]):
            keys = keys * np.uint64(31) + pd.util.hash_array(raw.words[:, place].astype(str).astype(object))
    return keys


def _hashes(x: np.ndarray) -> np.ndarray:
    import pandas as pd

    flat = x.reshape(len(x), -1)
    keys = np.zeros(len(x), dtype=np.uint64)
    for place in range(flat.shape[1]):
        keys = keys * np.uint64(1_000_003) + pd.util.hash_array(np.ascontiguousarray(flat[:, place]))
    return keys


def _duplicates(keys: np.ndarray, rows: Rows) -> dict[str, int]:
    """How many rows of a split have inputs that another split has as well."""
    train, validation, test = (keys[part] for part in rows)
    return {
        "validation_in_train": int(np.isin(validation, train).sum()),
        "test_in_train": int(np.isin(test, train).sum()),
        "test_in_validation": int(np.isin(test, validation).sum()),
    }


def _notes(report: Mapping[str, Any]) -> list[str]:
    """What to look at, each in a sentence."""
    notes = [
        f"column {found['column']} alone predicts the target ({found['measure']} {found['score']:.3f}): if it is not "
        f"known when the model is used, leave it out: `data: {{ignore: [{found['column']}]}}`"
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
    missing = {column["name"]: column["missing"] for column in report["columns"] if column["missing"]}
    if missing:
        worst = max(missing, key=lambda name: missing[name])
        notes.append(
            f"{len(missing)} columns have missing values, {worst} the most: {missing[worst]} of {report['rows']}"
        )
    constant = [column["name"] for column in report["columns"] if column["distinct"] <= 1 and not column["missing"]]
    if constant:
        notes.append(f"column {constant[0]} never changes and predicts nothing; leave it out")
    if classes := report["target"].get("classes"):
        rare = min(classes, key=lambda label: classes[label]["all"])
        share = classes[rare]["all"] / report["rows"]
        if share < RARE / len(classes):
            notes.append(
                f"class {rare} is {share:.1%} of the rows: search for val/balanced_accuracy or val/f1, and try "
                "`prepare: {balance: weights}`"
            )
    return notes
