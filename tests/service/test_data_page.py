"""The page of `goodfit data`."""

from __future__ import annotations

import pytest

from goodfit.service.cli.data import print_report


def test_a_report_on_very_many_columns_and_classes_shows_what_is_remarkable_among_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain = {"type": "number", "missing": 0, "distinct": 9, "min": 0.0, "mean": 1.0, "max": 2.0}
    columns = [{**plain, "name": f"n{place}"} for place in range(3000)]
    columns[2500] = {**plain, "name": " gaps", "missing": 7}
    classes = {f"c{place}": {"all": 3} for place in range(500)}
    target = {"name": "y", "classes": {" c": {"all": 3}, **classes}}
    report = {"source": "a.csv", "kind": "table", "task": "classification", "rows": 9, "splits": {}, "notes": []}
    print_report({**report, "columns": columns, "target": target, "problem": None})
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) < 110
    assert "' gaps'" in shown
    assert "' c'" in shown
    assert "and 2,960 more columns, all of numbers without gaps; `goodfit data --json` lists them all" in shown
    assert "and 461 more classes" in shown
