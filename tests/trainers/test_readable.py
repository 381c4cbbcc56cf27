"""Text of users made safe."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.tracker.content import safe_name
from tests.training import Line, handle
from trainers.readable import readable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\nof two lines, Güte, 損失, 👩‍🔬", "plain\ttext\nof two lines, Güte, 損失, 👩‍🔬"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("caf\udce9 \x00 \x9b \r", "caf\\udce9 \\x00 \\x9b \\x0d"),
        ("a\u202eb\u2066c", "a\\u202eb\\u2066c"),
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
