"""`goodfit data`: what can be told of a study's data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from service.cli.tables import show, table
from service.errors import DataError, InputError

if TYPE_CHECKING:
    from service.spec import StudySpec

MOST_SHOWN = 8  # sizes and modes of images


def report_facts(spec: StudySpec) -> dict[str, Any]:
    """The report as `goodfit data --json` gives it; InputError where there is nothing to report on."""
    from trainers.data.report import data_report
    from trainers.errors import DataProblem

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
    if report["columns"]:
        out = table("column", "type", "missing", "distinct", "values")
        for column in report["columns"]:
            out.add_row(
                column["name"], column["type"], str(column["missing"]), str(column["distinct"]), _values(column)
            )
        show(out)
    if images := report.get("images"):
        for what in ("sizes", "modes"):
            print(f"{what}: {_counted(images[what])}")
    target = report["target"]
    if classes := target.get("classes"):
        parts = list(next(iter(classes.values())))
        out = table(f"class of {target['name']}" if target["name"] else "class", *parts)
        for label, counts in classes.items():
            out.add_row(label, *(str(counts[part]) for part in parts))
        show(out)
    elif "min" in target:
        print(f"target{' ' + target['name'] if target['name'] else ''}: {_values(target)}")
    for note in report["notes"]:
        print(f"- {note}")
    if report["problem"]:
        print(f"cannot be trained on yet: {report['problem']}")


def _counted(counts: Mapping[str, int]) -> str:
    """The most frequent first: "90 are 32x32, 2 are 30x32"."""
    told = [f"{count} {'is' if count == 1 else 'are'} {value}" for value, count in list(counts.items())[:MOST_SHOWN]]
    return ", ".join(told) + (f" and {len(counts) - MOST_SHOWN} more" if len(counts) > MOST_SHOWN else "")


def _values(column: Mapping[str, Any]) -> str:
    if "most_frequent" in column:
        told = ", ".join(f"{word} ({count})" for word, count in column["most_frequent"].items())
        return told + (", ..." if column["distinct"] > len(column["most_frequent"]) else "")
    if "characters" in column:
        return f"characters: {_values(column['characters'])}"
    return f"{column['min']:.4g} to {column['max']:.4g}, mean {column['mean']:.4g}" if "min" in column else "none"
