"""Texts that a terminal would obey, on their way through the command line: none reaches it, and JSON loses none."""

from __future__ import annotations

import io
import json
import sys

import pytest
from rich.live import Live
from rich.text import Text

from goodfit.service.cli.base import print_json
from goodfit.service.cli.data import print_report
from goodfit.service.cli.show import line
from goodfit.service.cli.tables import LAID_OUT, show, table
from goodfit.service.screen.console import SafeConsole
from goodfit.service.screen.words import number, to_yaml
from goodfit.service.spec.fields import metric_name
from goodfit.trainers.readable import readable, readable_streams

EVIL = (
    "\x1b[31mred\x1b[0m", "\x1b]8;;http://evil\x1b\\link\x1b]8;;\x07", "rtl\u202eabc", "cr\r\nlf", "nul\x00", "\x9b2J",
    "\ud800",
)  # fmt: skip


@pytest.mark.parametrize("rows", [1, LAID_OUT + 1])
def test_a_table_writes_them_out_and_keeps_its_columns(capsys: pytest.CaptureFixture[str], rows: int) -> None:
    out = table("name\x1b[1m", "value")
    for _ in range(rows):
        for text in EVIL:
            out.add_row(number(text), "|")
    show(out)
    said = capsys.readouterr().out
    assert readable(said) == said
    assert "cr\\x0d\\nlf" in said
    assert len({len(row.rstrip()) for row in said.splitlines() if row.rstrip().endswith("|")}) == 1


def test_a_table_makes_no_pictures_of_the_names_of_groups(capsys: pytest.CaptureFixture[str]) -> None:
    out = table("val/tpr/a:b:u")
    out.add_row("sex:man:x")
    show(out)
    said = capsys.readouterr().out
    assert "val/tpr/a:b:u" in said
    assert "sex:man:x" in said


def test_a_page_and_a_report_on_data_write_them_out(capsys: pytest.CaptureFixture[str]) -> None:
    with readable_streams():
        for text in EVIL:
            line(text, text, Text(text, "red"))
            column = {"name": text, "type": "text", "missing": 0, "distinct": 1, "most_frequent": {text: 1}}
            target = {"name": text, "classes": {text: {"all": 1}}}
            facts = {"source": text, "kind": "table", "task": "classification", "rows": 1, "splits": {}}
            print_report({**facts, "columns": [column], "target": target, "notes": [text], "problem": text})
    said = capsys.readouterr().out
    assert readable(said) == said


def test_on_a_terminal_the_only_escapes_are_our_own() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, kept = Terminal(), sys.stderr
    sys.stderr = terminal
    try:
        console = SafeConsole(stderr=True, force_terminal=True, color_system="standard")
    finally:
        sys.stderr = kept
    with Live(Text("red", "red"), console=console, auto_refresh=False) as live:
        for text in EVIL:
            live.update(Text(text, "red"), refresh=True)
            console.print(text, markup=False, highlight=False)
    said = terminal.getvalue()
    assert "\x1b[31m" in said  # the colour that was asked for
    assert "\x1b]8" not in said
    assert "\x1b[31mred\x1b[0m" in said
    assert not {"\u202e", "\x00", "\x9b", "\x07", "\ud800"} & set(said)


def test_json_and_yaml_lose_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    from ruamel.yaml import YAML

    with readable_streams():
        print_json({"texts": EVIL})
        sys.stdout.write("---\n" + to_yaml({"texts": list(EVIL[:-1])}))
    said, _, yaml = capsys.readouterr().out.partition("---\n")
    assert json.loads(said) == {"texts": list(EVIL)}
    assert YAML(typ="safe").load(yaml) == {"texts": list(EVIL[:-1])}
    assert readable(said + yaml) == said + yaml


def test_an_objective_is_named_as_its_metric_is_reported() -> None:
    assert metric_name("val/caf\udce9\x1b") == "val/caf\\udce9\\x1b"
