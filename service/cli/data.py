"""`goodfit data`: a report on a study's data."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from goodfit.service.cli.tables import show, table
from goodfit.service.errors import DataError, InputError

if TYPE_CHECKING:
    from goodfit.service.spec import StudySpec

MOST_SHOWN = 8  # sizes and modes of images
MOST_ROWS = 40  # of the tables of columns and classes
MOST_CHARACTERS = 40  # of a value


def report_facts(spec: StudySpec) -> dict[str, Any]:
    """The report as `goodfit data --json` gives it; InputError where there is nothing to report on."""
    from goodfit.trainers.data import data_report
    from goodfit.trainers.errors import DataProblem

    data = spec.data_spec()
    if data is None:
        raise InputError(f"study {spec.name} names no data: its trainer {spec.trainer} brings its own")
    try:
        return data_report(data)
    except DataProblem as error:
        raise DataError(str(error)) from error


def print_report(report: Mapping[str, Any]) -> None:
    """The page of `goodfit data`."""
    splits = ", ".join(f"{count} {name}" for name, count in report["splits"].items())
    print(
        f"{report['source']}: {report['kind']} data for {report['task']}, {report['rows']} rows "
        f"({splits or 'not split'})"
    )
    if reason := report.get("reason"):
        print(f"{report['task']}, because {reason}")
    _print_columns(report["columns"])
    if images := report.get("images"):
        for what in ("sizes", "modes"):
            print(f"{what}: {_counted(images[what])}")
    target = report["target"]
    if classes := target.get("classes"):
        parts = list(next(iter(classes.values())))
        out = table(f"class of {target['name']}" if target["name"] else "class", *parts)
        for label, counts in itertools.islice(classes.items(), MOST_ROWS):
            out.add_row(shown_text(label), *(str(counts[part]) for part in parts))
        show(out)
        if len(classes) > MOST_ROWS:
            print(f"and {len(classes) - MOST_ROWS:,} more classes; `goodfit data --json` lists them all")
    elif "min" in target:
        print(f"target{' ' + target['name'] if target['name'] else ''}: {_values(target)}")
    for note in report["notes"]:
        print(f"- {note}")
    if report["problem"]:
        print(f"cannot be trained on yet: {report['problem']}")


def _print_columns(columns: Sequence[Mapping[str, Any]]) -> None:
    """A row a column; of very many columns those that have gaps, no numbers or one value alone come first."""
    if not columns:
        return
    chosen = set(sorted(range(len(columns)), key=lambda place: not _remarkable(columns[place]))[:MOST_ROWS])
    out = table("column", "type", "missing", "distinct", "values")
    for place in sorted(chosen):
        column = columns[place]
        name = shown_text(column["name"])
        out.add_row(name, column["type"], f"{column['missing']}", f"{column['distinct']}", _values(column))
    show(out)
    if len(columns) > MOST_ROWS:
        rest = [column for place, column in enumerate(columns) if place not in chosen]
        plain = "" if any(map(_remarkable, rest)) else ", all of numbers without gaps"
        print(f"and {len(rest):,} more columns{plain}; `goodfit data --json` lists them all")


def _remarkable(column: Mapping[str, Any]) -> bool:
    return column["type"] != "number" or bool(column["missing"]) or column["distinct"] <= 1


def _counted(counts: Mapping[str, int]) -> str:
    """The most frequent first: "90 are 32x32, 2 are 30x32"."""
    parts = [f"{count} {'is' if count == 1 else 'are'} {value}" for value, count in list(counts.items())[:MOST_SHOWN]]
    return ", ".join(parts) + (f" and {len(counts) - MOST_SHOWN} more" if len(counts) > MOST_SHOWN else "")


def _values(column: Mapping[str, Any]) -> str:
    if "most_frequent" in column:
        values = ", ".join(f"{shown_text(word)} ({count})" for word, count in column["most_frequent"].items())
        return values + (", ..." if column["distinct"] > len(column["most_frequent"]) else "")
    if "characters" in column:
        return f"characters: {_values(column['characters'])}"
    return f"{column['min']:.4g} to {column['max']:.4g}, mean {column['mean']:.4g}" if "min" in column else "none"


def shown_text(text: str) -> str:
    """A name or value in a table: in quotes where spaces would not be seen, and cut where it is long."""
    text = text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 3]}..."
    return repr(text) if text != text.strip() or not text.isprintable() or not text else text
