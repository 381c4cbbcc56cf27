"""A study file for a data file, with what was found in the data as comments: what `goodfit init` writes.

The data are read as `goodfit data` reads them. What keeps them from being trained on is mended as the messages
themselves propose (hints.py), and each such key says in a comment why it is there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from goodfit.service.errors import DataError, InputError
from goodfit.service.exchange.draft import flow
from goodfit.trainers.data import DATASETS, data_report, is_path
from goodfit.trainers.data.reading.amounts import disguise_of
from goodfit.trainers.data.reading.formats import TABLES
from goodfit.trainers.data.reading.functions import is_function
from goodfit.trainers.data.reading.hints import proposals
from goodfit.trainers.data_specs import DataSpec
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.readable import one_line

TRAINERS = {
    "table": "mlp",
    "image": "cnn",
    "text": "transformer",
    "corpus": "language-model",
    "series": "rnn",
    "pairs": "seq2seq",
}
REASONS = {
    "table": "for tables",
    "image": "for images",
    "text": "for texts with a class or a number each",
    "corpus": "for running text",
    "series": "for time series",
    "pairs": "for texts and their translations",
}
MOST_MENDED = 20  # keys that are added one after the other; each reads the data once more
MOST_LISTED = 40  # columns, and classes
FEW_ROWS = 500  # that validate: accuracy has too few steps to tell trials apart
RARE = 0.5  # as in the report on data: a class with a smaller share than this of an equal share
WORDS = 3  # of a value, on average, that make a column free text
_TARGETS = (
    "target",
    "label",
    "labels",
    "class",
    "y",
    "outcome",
    "response",
    "species",
    "category",
    "price",
    "survived",
)
_ID = re.compile(r"(^|[_\W])(id|uuid|guid|index|key)$|[a-z](Id|ID)$|^unnamed: \d+$", re.IGNORECASE)


@dataclass(slots=True)
class _Finding:
    """The data as they are to be read, and why.

    Attributes:
        spec: of the data.
        why: a comment for a key of the spec.
        remarks: what to look at beside what the report on the data says.
    """

    spec: DataSpec
    why: dict[str, list[str]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def add(self, key: str, values: Sequence[str], why: str = "") -> None:
        """Name further columns or words under a key; of the others the last value holds."""
        now = getattr(self.spec, key)
        listed = key in _LISTS
        merged: Any = tuple(dict.fromkeys([*(now or ()), *values])) if listed else values[0]
        self.spec = replace(self.spec, **{key: merged})
        if why:
            self.why.setdefault(key, []).append(why)


_LISTS = {one.name for one in fields(DataSpec) if one.type.startswith("tuple[str, ...]")}


def study_of_data(source: str, target: str | None, name: str | None, folder: Path, command: str) -> tuple[str, str]:
    """The study file for a data file, a folder or a built-in data set: its name and its text.

    Args:
        source: as the user wrote it.
        target: the column or array to predict.
        name: of the study; None: the data's.
        folder: of the study file: the source is written relative to it.
        command: how the file came about, for its first line.

    Raises:
        InputError: a target has to be chosen first; DataError: nothing can be learned from the data as they are.
    """
    found = _Finding(DataSpec(str(_place(source)), target=target))
    try:
        _ask_for_target(found.spec)
        _choose_kind(found)
        report = _mended(found)
    except DataProblem as error:
        raise DataError(str(error)) from error
    name = (
        name or re.sub(r"[^A-Za-z0-9._-]+", "-", Path(source.rpartition(":")[2]).name.split(".")[0]).strip("-._")[:60]
    )
    written = _written(source, folder)
    return name or "study", _text(found, report, name or "study", written, command)


def _place(source: str) -> Path | str:
    """The source as data are read: built in, a function of a file, or an absolute path."""
    if (source in DATASETS or not is_path(source)) and not Path(source).exists():
        return source
    if is_function(source):
        file, _, name = source.rpartition(":")
        return f"{Path(file).absolute()}:{name}"
    return Path(source).expanduser().absolute()


def _written(source: str, folder: Path) -> str:
    """The source as the study file has it: relative to its folder where it lies below."""
    place = _place(source)
    if str(place) == source:
        return source
    try:
        relative = os.path.relpath(str(place), folder.absolute())
    except ValueError:  # on another drive
        return str(place)
    return str(place) if relative.startswith("..") else relative


def _ask_for_target(spec: DataSpec) -> None:
    """InputError names the likely targets of a table where none is given."""
    if spec.target is not None or not _is_table(spec.source):
        return
    columns = _columns(spec)
    likely = likely_targets(columns)
    listed = "\n".join(f"  --target {_quoted(name)}  ({_described(columns[name])})" for name in likely)
    others = [name for name in columns if name not in likely]
    more = (
        f"\nother columns: {', '.join(others[:MOST_LISTED])}{', ...' if len(others) > MOST_LISTED else ''}"
        if others
        else ""
    )
    raise InputError(f"{spec.source}: which column is to be predicted? The likely ones:\n{listed}{more}")


def _is_table(source: str) -> bool:
    from goodfit.trainers.data.reading.content import content_of

    path = Path(source)
    if not path.is_file():
        return False
    try:
        return content_of(path).suffix in TABLES
    except OSError:
        return False  # which reading it says


def _columns(spec: DataSpec) -> Mapping[str, Any]:
    from goodfit.trainers.data.reading.files import read_frame

    return {str(name): column for name, column in read_frame(Path(spec.source), ()).items()}


def likely_targets(columns: Mapping[str, Any]) -> list[str]:
    """The columns that are most likely to be predicted: by their names, then the last, then those of few values."""

    def rank(place: int, name: str) -> tuple[int, int]:
        if name.strip().casefold() in _TARGETS:
            return 0, place
        if _ID.search(name):
            return 9, place
        distinct = _distinct(columns[name])
        last = place == len(columns) - 1
        return (1 if last else 2 if 2 <= distinct <= 20 else 3), -place

    ordered = sorted((rank(place, name), name) for place, name in enumerate(columns))
    best = [name for (order, _), name in ordered if order <= 2]
    return (best or [name for _, name in ordered])[:5]


def _distinct(column: Any) -> int:
    return int(column.astype(str).nunique())


def _described(column: Any) -> str:
    import pandas as pd

    kind = "numbers" if pd.api.types.is_numeric_dtype(column) else "text"
    distinct = _distinct(column)
    return f"{kind}, {distinct:,} distinct value{'' if distinct == 1 else 's'}"


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[\w.-]+", name) else f'"{name}"'


def _choose_kind(found: _Finding) -> None:
    """Take a table whose one column beside the target is free text as texts, or as pairs where both are."""
    spec = found.spec
    if spec.target is None or not _is_table(spec.source):
        return
    columns = _columns(spec)
    target = columns.get(spec.target)
    rest = {name: column for name, column in columns.items() if name != spec.target}
    if target is None:
        return  # which reading says, with the nearest names
    if disguise_of(sorted({value for value in target if isinstance(value, str)})):
        found.add("numbers", [spec.target], "written with signs or thousands separators")
    texts = [name for name, column in rest.items() if _is_free_text(column)]
    ids = [name for name in rest if _ID.search(name)]
    if len(texts) == 1 and set(rest) <= {*texts, *ids}:
        found.add("text", texts)
        if _is_free_text(target) and _distinct(target) * 2 > len(target):
            found.add("kind", ["pairs"])
    elif texts:
        found.remarks.append(
            f"column {texts[0]} is free text; a study of it alone: `trainer: transformer` with `text: {flow(texts[0])}`"
        )


def _is_free_text(column: Any) -> bool:
    known = [value for value in column.dropna().head(1000) if isinstance(value, str)]
    if len(known) < 2 or len(set(known)) * 2 <= len(known):
        return False
    return sum(len(value.split()) for value in known) >= WORDS * len(known)


def _mended(found: _Finding) -> Mapping[str, Any]:
    """The report on the data, after what keeps them from being trained on has been mended."""
    problem: str | None = None
    for _ in range(MOST_MENDED):
        report: Mapping[str, Any] | None
        try:
            report = data_report(found.spec)
            problem = report["problem"]
        except DataProblem as error:
            report, problem = None, str(error)
        if report and (_leave_out_ids(found, report) or _take_amounts_and_dates(found, report["notes"])):
            continue
        if report and problem is None:
            return report
        if problem is None or not _mend(found, problem):
            break
    raise DataProblem(problem or f"{found.spec.source}: its columns cannot be told apart; name them in a study file")


def _leave_out_ids(found: _Finding, report: Mapping[str, Any]) -> bool:
    """Ignore the columns that number the rows, and texts that differ from row to row; whether there are any."""
    if report["kind"] != "table" or not report["columns"] or not _is_table(found.spec.source):
        return False
    rows = report["rows"]
    alone = [one["name"] for one in report["columns"] if _names_rows(one, rows)]
    if not alone or len(alone) == len(report["columns"]):
        return False
    found.add("ignore", alone, "names each row, and predicts nothing of others")
    return True


def _names_rows(column: Mapping[str, Any], rows: int) -> bool:
    if rows < 10 or column["missing"] or column["distinct"] != rows:
        return False
    if column["type"] == "text":
        return bool(_ID.search(column["name"]))
    whole = float(column["min"]).is_integer() and float(column["max"]).is_integer()
    numbers_rows = column["max"] - column["min"] == rows - 1
    return whole and bool(numbers_rows or _ID.search(column["name"]))


def _take_amounts_and_dates(found: _Finding, notes: Sequence[str]) -> bool:
    """Read texts as the numbers or dates that they are, where a note proposes that alone; whether there are any."""
    for note in notes:
        for remedy in proposals(note):
            if remedy.keys() in ({"dates"}, {"numbers"}):
                [(key, names)] = remedy.items()
                found.add(key, names, "written as text")
                return True
    return False


def _mend(found: _Finding, problem: str) -> bool:
    """Take the first remedy that a problem's message proposes; whether there was one that is new."""
    offered = [one for one in proposals(problem) if _KEYS.issuperset(one)]
    for remedy in sorted(offered, key=lambda one: "encode" not in one):  # which loses less than to leave a column out
        before = found.spec
        for key, value in remedy.items():
            found.add(key, value if isinstance(value, list) else [value], _without_remedies(problem, before.source))
        if found.spec != before:
            return True
    return False


_KEYS = frozenset({
    "ignore", "categorical", "numbers", "dates", "gaps", "task", "separator", "decimal", "header", "day_first",
    "missing", "size", "mode", "encode",
})  # fmt: skip


def _without_remedies(problem: str, source: str) -> str:
    """What is wrong, without where it is and what to do."""
    text = problem.removeprefix(f"{source}: ").removeprefix(f"{source} ")
    return re.split(r"[;,] (?:an id or free text|take their|leave it out|give|if )|; | \(", text)[0]


def _text(found: _Finding, report: Mapping[str, Any], name: str, source: str, command: str) -> str:
    """The study file."""
    trainer = TRAINERS.get(report["kind"], "mlp")
    lines = [f"# Written by `{command}`.", *(f"# {line}".rstrip() for line in _found_lines(report, found))]
    lines += [f"name: {flow(name)}", f"trainer: {trainer} # {REASONS[report['kind']]}; `goodfit trainers` lists all"]
    lines += _data_lines(found, report, source)
    lines.append(f"space: {trainer} # `goodfit spaces {trainer}` shows it")
    metric, direction, why = _objective(report)
    lines.append(f"objective: {{metric: {metric}, direction: {direction}}} # {why}")
    lines.append("training: {epochs: 30, patience: 8} # a trial ends after 8 epochs without improvement")
    lines.append("budget: {trials: 30}")
    if report["splits"].get("test"):
        lines.append(
            "confirm: {top: 3, seeds: 3} # the best 3 are trained again on 3 seeds and scored on the test rows"
        )
    return "\n".join(lines) + "\n"


def _found_lines(report: Mapping[str, Any], found: _Finding) -> Iterator[str]:
    """What was found in the data."""
    target = f" to predict {report['target']['name']}" if report["target"].get("name") else ""
    because = f", because {report['reason']}" if report.get("reason") else ""
    yield one_line(f"{report['rows']:,} rows of {report['kind']} data{target}: {report['task']}{because}")
    columns = report["columns"]
    width = min(30, max((len(one["name"]) for one in columns), default=0))
    for column in columns[:MOST_LISTED]:
        yield one_line(f"  {column['name']:<{width}}  {_column(column, report['rows'])}")
    if len(columns) > MOST_LISTED:
        yield f"  and {len(columns) - MOST_LISTED:,} more columns"
    if ignored := found.spec.ignore:
        yield one_line(f"  left out: {', '.join(ignored)}")
    yield from map(one_line, _target_lines(report))
    notes = [*report["notes"], *found.remarks]
    if notes:
        yield "look at:"
        yield from (one_line(f"  - {note.removeprefix(found.spec.source + ': ')}") for note in notes)


def _target_lines(report: Mapping[str, Any]) -> Iterator[str]:
    target = report["target"]
    if classes := target.get("classes"):
        counts = sorted(((one["all"], label) for label, one in classes.items()), reverse=True)
        shown = ", ".join(f"{label} {count:,} ({count / report['rows']:.1%})" for count, label in counts[:MOST_LISTED])
        more = f" and {len(counts) - MOST_LISTED:,} more" if len(counts) > MOST_LISTED else ""
        yield f"classes: {shown}{more}"
    elif "min" in target and target.get("name"):
        yield f"{target['name']}: {target['min']:.4g} to {target['max']:.4g}, mean {target['mean']:.4g}"


def _column(column: Mapping[str, Any], rows: int) -> str:
    missing = f", {column['missing']:,} missing ({column['missing'] / rows:.1%})" if column["missing"] else ""
    spread = f", {column['min']:.4g} to {column['max']:.4g}" if "min" in column else ""
    if column["type"] == "text" and column.get("most_frequent"):
        values = [flow(value) for value in list(column["most_frequent"])[:3]]
        spread = f": {', '.join(value[:20] for value in values)}{', ...' if column['distinct'] > len(values) else ''}"
    return f"{column['type']}, {column['distinct']:,} distinct{missing}{spread}"


def _data_lines(found: _Finding, report: Mapping[str, Any], source: str) -> Iterator[str]:
    """The section `data:`, with a reason beside each key that is not usual."""
    spec = found.spec
    yield "data:"
    yield f"  source: {flow(source)}"
    keys = ("kind", "target", "text", "task", "ignore", "categorical", "numbers", "dates", "gaps")
    for key in (*keys, "separator", "decimal", "header", "day_first"):
        value = getattr(spec, key)
        if value not in (None, ()):
            yield f"  {key}: {flow(value)}{_comment(found.why.get(key))}"
    splits = ", ".join(f"{count:,} {name}" for name, count in report["splits"].items())
    if report["splits"]:
        yield f"  split: {{validation: 0.2, test: 0.2, seed: 0}} # {splits}{_split_hint(report)}"
    usual = DataSpec("")
    prepare = {
        key: getattr(spec, key)
        for key in ("missing", "encode", "size", "mode")
        if getattr(spec, key) != getattr(usual, key)
    }
    if prepare:
        yield f"  prepare: {flow(prepare)}{_comment([why for key in prepare for why in found.why.get(key, ())])}"


def _split_hint(report: Mapping[str, Any]) -> str:
    """A column that rows may have to be kept together by."""
    rows = report["rows"]
    groups = [one["name"] for one in report["columns"] if _ID.search(one["name"]) and 1 < one["distinct"] <= rows / 2]
    return f"; if the rows of one {groups[0]} belong together: group: {flow(groups[0])}" if groups else ""


def _comment(reasons: Sequence[str] | None) -> str:
    return f" # {one_line('; '.join(dict.fromkeys(reasons)))}" if reasons else ""


def _objective(report: Mapping[str, Any]) -> tuple[str, str, str]:
    """What to optimize, in which direction, and why."""
    kind, task = report["kind"], report["task"]
    if kind == "corpus":
        return "val/bits_per_character", "minimize", "comparable between tokenizers"
    if kind == "pairs":
        return "val/exact_match", "maximize", "the share of translations that are right to the letter"
    if task == "regression":
        return "val/r2", "maximize", "the share of the variance that is explained; also val/rmse, val/mae, val/loss"
    classes = report["target"].get("classes") or {}
    shares = [one["all"] / report["rows"] for one in classes.values()]
    if shares and min(shares) < RARE / len(shares):
        return "val/balanced_accuracy", "maximize", "classes are unbalanced: each counts the same; also val/f1"
    if report["splits"].get("validation", 0) < FEW_ROWS:
        return "val/loss", "minimize", "finer than accuracy on so few validation rows; also val/accuracy"
    return "val/accuracy", "maximize", "also val/loss, val/balanced_accuracy, val/f1"
