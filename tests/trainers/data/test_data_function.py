"""Data from a user's function, `path.py:load`: what it may return, and what is said of one that cannot be used."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from goodfit.trainers.data import data_report, load, load_test, look
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec

HEAD = """
import numpy as np
import pandas as pd
random = np.random.default_rng(0)
"""
FRAME = """
def load():
    a = random.normal(size=60)
    return pd.DataFrame({
        "a": a, "b": np.arange(60) % 7, "words": ["so it goes", "and so on"] * 30, "who": np.arange(60) // 3,
        "when": np.arange(60), "y": np.where(a > 0, "yes", "no"),
    })
"""


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Any]:
    """Writes my_data.py and gives the source that names its `load`."""
    clock = iter(range(1_700_000_000, 1_800_000_000))

    def written(code: str, name: str = "load") -> str:
        path = tmp_path / "my_data.py"
        path.write_text(HEAD + textwrap.dedent(code))
        moment = next(clock)
        os.utime(path, (moment, moment))
        return f"{path}:{name}"

    return written


def problem(source: str, target: str | None = "y", **spec: Any) -> str:
    with pytest.raises(DataProblem) as caught:
        load(DataSpec(source, target, **spec))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_data_frame_is_read_as_a_table_file_is(source: Any, tmp_path: Path) -> None:
    data = load(DataSpec(source(FRAME), "y", ignore=("words", "who")))
    assert (data.name, data.kind, data.classes) == ("my_data", "table", ("no", "yes"))
    assert data.features == ("a", "b", "when")
    assert data.facts.rows == {"train": 36, "validation": 12, "test": 12}


def test_its_columns_can_be_split_by(source: Any) -> None:
    data = load(DataSpec(source(FRAME), "y", ignore=("words", "when"), split_group="who"))
    assert data.features == ("a", "b")
    data = load(DataSpec(source(FRAME), "y", ignore=("words", "who"), split_time="when", scale="none"))
    assert data.facts.rows["test"] == 12


def test_a_column_of_it_can_be_the_text(source: Any) -> None:
    data = load(DataSpec(source(FRAME), "y", text="words"))
    assert (data.kind, data.features) == ("text", ("words",))


def test_it_can_be_a_series(source: Any) -> None:
    spec = DataSpec(source(FRAME), "b", kind="series", ignore=("words", "y"), time="when", window=7, horizon=2)
    data = load(spec)
    assert (data.kind, data.task) == ("series", "forecasting")
    assert data.features == ("b", "a", "who")


def test_arrays_by_name_are_read_as_an_npz_file_is(source: Any) -> None:
    code = """
    def load():
        return {"x": random.normal(size=(40, 5)), "label": ["ham", "spam"] * 20, "who": np.arange(40) // 4}
    """
    data = load(DataSpec(source(code), "label", split_group="who"))
    assert (data.kind, data.classes, data.features) == ("table", ("ham", "spam"), ("x0", "x1", "x2", "x3", "x4"))


@pytest.mark.parametrize(
    ("shape", "kind", "row"),
    [((40, 5), "table", (5,)), ((40, 6, 6), "image", (1, 6, 6)), ((40, 6, 6, 3), "image", (3, 6, 6))],
)
def test_a_tuple_is_x_and_y(source: Any, shape: tuple[int, ...], kind: str, row: tuple[int, ...]) -> None:
    data = load(DataSpec(source(f"def load():\n    return random.normal(size={shape}), np.arange(40) % 2\n")))
    assert (data.kind, data.facts.input_shape) == (kind, row)


def test_whole_sequences_are_series(source: Any) -> None:
    called = "def load():\n    return random.normal(size=(40, 9, 2)), np.arange(40) % 2\n"
    data = load(DataSpec(source(called), kind="series"))
    assert (data.kind, data.facts.input_shape) == ("series", (9, 2))


def test_the_report_and_a_look_take_a_function_too(source: Any) -> None:
    spec = DataSpec(source(FRAME), "y", ignore=("words", "who"))
    assert data_report(spec)["problem"] is None
    assert look(spec).facts.rows["train"] == 36
    assert len(load_test(spec)) == 12


COUNTED = """
from pathlib import Path
def load():
    with (Path(__file__).parent / "calls.txt").open("a") as file:
        file.write("!")
    return random.normal(size=(60, 2)), np.arange(60) % CLASSES
"""


def calls(folder: Path) -> int:
    return len((folder / "calls.txt").read_text())


def test_a_source_that_is_kept_is_called_once_until_its_file_changes(source: Any, tmp_path: Path) -> None:
    spec = DataSpec(source(COUNTED.replace("CLASSES", "2")), reshuffle=True)
    for seed in range(3):
        assert len(load(replace(spec, validation_seed=seed)).classes) == 2
    assert calls(tmp_path) == 1
    source(COUNTED.replace("CLASSES", "3"))
    assert len(load(spec).classes) == 3, "a file that was written since is read again"
    assert calls(tmp_path) == 2


def test_one_load_calls_it_once(source: Any, tmp_path: Path) -> None:
    for code in (COUNTED, COUNTED.replace("(60, 2)", "(60, 9, 2)")):
        (tmp_path / "calls.txt").unlink(missing_ok=True)
        load(DataSpec(source(code.replace("CLASSES", "2")), kind="series" if "9" in code else None))
        assert calls(tmp_path) == 1


def test_the_users_own_frame_is_left_whole(source: Any) -> None:
    code = """
    frame = pd.DataFrame({"a": random.normal(size=40), "b": np.arange(40.0), "y": ["ham", "spam"] * 20})
    def load():
        assert list(frame.columns) == ["a", "b", "y"]
        return frame
    """
    spec = DataSpec(source(code), "y")
    first, again = load(spec), load(spec)
    assert np.array_equal(first.train.x, again.train.x)


def test_a_file_or_function_that_is_not_there_is_named_with_the_nearest(source: Any, tmp_path: Path) -> None:
    assert f"there is no file {tmp_path / 'none.py'}" in problem(f"{tmp_path / 'none.py'}:load")
    assert "has no 'loed'; did you mean load?" in problem(source(FRAME, "loed"))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "def load():\n    raise ValueError('no such year: 1066')\n",
            "failed: ValueError: no such year: 1066 (my_data.py:6)",
        ),
        ("def load():\n    return [][0]\n", "failed: IndexError: list index out of range (my_data.py:6)"),
        ("import sys\ndef load():\n    sys.exit(3)\n", "failed: SystemExit: 3 (my_data.py:7)"),
        ("def load():\n    pass\n", "returned nothing; return a pandas DataFrame"),
        (
            "def load():\n    return pd.DataFrame({'a': ['\\udc80', 1, 'x'] * 20, 'y': [1, 2] * 30})\n",
            r"returned text with \udc80, which is half a letter and no UTF-8",
        ),
        ("def load():\n    return 3\n", "returned int; return a pandas DataFrame, a mapping of arrays"),
        ("def load():\n    return 1, 2, 3\n", "returned a tuple of 3; return a pandas DataFrame"),
        ("def load(path, year=3):\n    pass\n", "is called without arguments, and needs path; give them defaults"),
        ("load = 3\n", "is int, not a function"),
        ("1 / 0\ndef load(): ...\n", "failed: ZeroDivisionError"),
        ("import nowhere\ndef load(): ...\n", "needs the package nowhere, which is not installed"),
        ("def load():\n    return pd.DataFrame({'y': []})\n", "has no rows"),
        ("def load():\n    return pd.DataFrame({'a': [1, 2]})\n", "has no column 'y' to predict"),
        ("def load():\n    return {'z': [1], 'y': [2]}\n", "has no array x or X; "),
        ("def load():\n    return {'x': [[1], [2]], 'y': [2]}\n", "x has 2 rows and y has shape (1,)"),
        ("def load():\n    return [[1, 2], [3]], [1, 2]\n", "returned x, which is no array"),
        ("def load():\n    return pd.DataFrame({'a': [1]}), [1]\n", "returned x as a DataFrame; return one DataFrame"),
        ("def load():\n    return np.array([[object()]] * 9), np.arange(9)\n", "x is numbers, (n, features) or images"),
    ],
)
def test_a_function_that_cannot_be_used_says_why(source: Any, code: str, said: str) -> None:
    assert said in problem(source(code))


def test_arrays_are_no_series_of_columns_and_have_no_texts(source: Any) -> None:
    code = "def load():\n    return random.normal(size=(40, 9)), np.arange(40) % 2\n"
    assert "returned arrays, which have no columns" in problem(source(code), text="words")
    assert "holds whole sequences, which are not cut" in problem(source(code), kind="series", window=3)
