"""Text of users made safe."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from goodfit.service.tracker.content import safe_name
from goodfit.testing.attempts import Line, handle
from goodfit.trainers.readable import json_text, one_line, readable, readable_streams


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\nof two lines, Güte, 損失, 👩‍🔬", "plain\ttext\nof two lines, Güte, 損失, 👩‍🔬"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("caf\udce9 \x00 \x9b \r", "caf\\udce9 \\x00 \\x9b \\x0d"),
        ("a\u202eb\u2066c", "a\\u202eb\\u2066c"),
        ("z\u200bw\u2060", "z\\u200bw\\u2060"),
    ],
)
def test_what_a_terminal_would_obey_or_a_database_refuse_is_written_out(text: str, shown: str) -> None:
    assert readable(text) == shown
    assert readable(shown) == shown
    shown.encode()


def test_a_metrics_name_is_made_safe_where_it_enters(tmp_path: Path) -> None:
    line = Line()
    trial = handle(tmp_path, line)
    next(trial.epochs())
    trial.report(train={"caf\udce9\x1b": 1.0}, val={"accuracy": 0.5})
    assert set(line.reports[0].metrics) == {"train/caf\\udce9\\x1b", "val/accuracy"}


def test_mlflow_gets_a_name_for_whatever_an_older_database_has() -> None:
    assert safe_name("val/\udce9") != safe_name("val/\udce8")
    safe_name("val/\udce9").encode()


def test_a_value_stays_within_its_line() -> None:
    assert one_line("a\r\nb\tc") == "a\\x0d\\nb\\tc"


def test_json_loses_nothing_and_shows_nothing_unsafe() -> None:
    value = {"caf\udce9": ["\x1b[31m\x9b\x7f\x00", "\u202e", "Güte 損失 👩‍🔬\n"]}
    text = json_text(value)
    assert json.loads(text) == value
    assert readable(text) == text
    assert "Güte 損失 👩‍🔬" in text


def test_whoever_prints_prints_readable_text(capsys: pytest.CaptureFixture[str]) -> None:
    with readable_streams():
        print("\x1b]0;title\x07 \ud800")
        sys.stdout.writelines(["\x9b1m", "\r\n"])
        print("column \x1b[2J", file=sys.stderr)
    said = capsys.readouterr()
    assert said.out == "\\x1b]0;title\\x07 \\ud800\n\\x9b1m\\x0d\n"
    assert said.err == "column \\x1b[2J\n"
    print("\x1b", end="")
    assert capsys.readouterr().out == "\x1b"
