"""Data from files: what is read, and what is said of a file that cannot be used."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from goodfit.trainers.data import is_path, load
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec

CLASSES = ["ham", "spam"] * 10


def table(**columns: Any) -> pd.DataFrame:
    """Twenty rows with two features and a text target, and what is given beside or instead."""
    numbers = np.arange(20.0)
    return pd.DataFrame({"a": numbers, "b": numbers % 3, "label": CLASSES, **columns})


def as_csv(folder: Path, frame: pd.DataFrame, name: str = "mail.csv") -> Path:
    path = folder / name
    frame.to_csv(path, index=False)
    return path


def problem(path: Path, target: str | None = "label", **spec: Any) -> str:
    """What is said of this file."""
    with pytest.raises(DataProblem) as caught:
        load(DataSpec(str(path), target, **spec))
    assert "\n" not in str(caught.value)
    return str(caught.value)


WRITERS: Mapping[str, Callable[[pd.DataFrame, Path], Any]] = {
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "parquet": lambda frame, path: frame.to_parquet(path),
    "jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_each_kind_of_table_is_read_alike(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"mail.{kind}"
    WRITERS[kind](table(), path)
    data = load(DataSpec(str(path), "label"))
    assert (data.name, data.task, data.kind) == ("mail", "classification", "table")
    assert (data.classes, data.features) == (("ham", "spam"), ("a", "b"))
    assert data.train.x.shape == (12, 2)
    assert data.train.x.dtype == np.float32
    assert data.train.y.dtype == np.int64


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["no", "yes"] * 10, "classification", ("no", "yes")),
        ([True, False] * 10, "classification", ("False", "True")),
        ([10, 9] * 10, "classification", ("9", "10")),
        (list(range(21)), "regression", ()),  # 21 distinct integers are one too many for classes
        ([0.0, 1.0] * 10, "regression", ()),
    ],
)
def test_the_values_of_the_target_decide_the_task(
    tmp_path: Path, values: list[Any], task: str, classes: tuple[str, ...]
) -> None:
    path = as_csv(tmp_path, pd.DataFrame({"a": np.arange(len(values)) * 1.5, "y": values}))
    data = load(DataSpec(str(path), "y"))
    assert (data.task, data.classes) == (task, classes)


@pytest.mark.parametrize(
    ("shape", "read"),
    [
        ((20, 8, 6), (1, 8, 6)),
        ((20, 3, 8, 6), (3, 8, 6)),
        ((20, 8, 6, 3), (3, 8, 6)),
        ((20, 4, 4, 1), (1, 4, 4)),
        ((20, 3, 8, 3), (3, 8, 3)),
    ],
)
def test_arrays_of_images_are_read_with_their_channels_first(
    tmp_path: Path, shape: tuple[int, ...], read: tuple[int, ...]
) -> None:
    x = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    np.savez(tmp_path / "pictures.npz", x=x, y=np.arange(20) % 2)
    data = load(DataSpec(str(tmp_path / "pictures.npz"), scale="none"))
    assert (data.kind, data.task, data.facts.input_shape) == ("image", "classification", read)
    total = sum(float(part.x.sum()) for part in (data.train, data.validation))
    assert 0 < total < x.sum()


def test_channels_last_are_moved_not_reshaped(tmp_path: Path) -> None:
    x = np.zeros((20, 8, 6, 3))
    x[..., 1] = 7
    np.savez(tmp_path / "green.npz", x=x, y=np.arange(20) % 2)
    train = load(DataSpec(str(tmp_path / "green.npz"), scale="none")).train
    assert (train.x[:, 1] == 7).all()
    assert (train.x[:, [0, 2]] == 0).all()


def test_arrays_of_two_dimensions_are_a_table_and_the_target_can_be_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "numbers.npz", X=np.arange(40.0).reshape(20, 2), price=np.linspace(0, 1, 20))
    data = load(DataSpec(str(tmp_path / "numbers.npz"), "price"))
    assert (data.kind, data.task, data.features) == ("table", "regression", ("x0", "x1"))


def test_text_labels_in_arrays_are_classes(tmp_path: Path) -> None:
    np.savez(tmp_path / "named.npz", x=np.arange(20.0)[:, None], y=np.array(CLASSES))
    assert load(DataSpec(str(tmp_path / "named.npz"))).classes == ("ham", "spam")


def test_many_integer_labels_of_images_are_classes_all_the_same(tmp_path: Path) -> None:
    np.savez(tmp_path / "letters.npz", x=np.zeros((104, 4, 4)), y=np.arange(104) % 26)
    assert len(load(DataSpec(str(tmp_path / "letters.npz"))).classes) == 26


def test_a_byte_order_mark_and_quoted_commas_do_no_harm(tmp_path: Path) -> None:
    lines = ['"a","label"', *(f'{row},"{name}, sir"' for row, name in enumerate(CLASSES))]
    path = tmp_path / "excel.csv"
    path.write_text("\ufeff" + "\n".join(lines), encoding="utf-8")
    data = load(DataSpec(str(path), "label"))
    assert (data.features, data.classes) == (("a",), ("ham, sir", "spam, sir"))


def test_a_name_and_a_path_are_told_apart() -> None:
    assert [is_path(source) for source in ("digits", "digits.csv", "data/digits", "./digits")] == [
        False,
        True,
        True,
        True,
    ]


def test_an_unknown_built_in_name_gets_the_nearest_suggested() -> None:
    with pytest.raises(DataProblem, match=r"no data set 'digit'; did you mean digits\? choose from: .*iris"):
        load(DataSpec("digit"))


def test_a_missing_file_is_named_with_its_nearest_neighbour(tmp_path: Path) -> None:
    as_csv(tmp_path, table())
    assert (
        problem(tmp_path / "mial.csv")
        == f"no data file {tmp_path}/mial.csv; correct data.source (did you mean mail.csv?)"
    )
    assert "there is no folder" in problem(tmp_path / "nowhere" / "mail.csv")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("walk.ts", "a time series file is not supported yet"),
        ("cat.png", "is one image; give the folder that has a sub-folder of images for each class"),
        ("sheet.ods", "kind '.ods' are unknown; give one of .csv, .tsv, .parquet, .jsonl, .npy, .xlsx, .npz"),
    ],
)
def test_what_cannot_be_read_yet_is_refused_by_name(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / name).write_text("something")
    assert said in problem(tmp_path / name)


@pytest.mark.parametrize("name", ["none.csv", "none.tsv", "none.parquet", "none.jsonl", "none.npz"])
def test_an_empty_file_is_called_empty(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert problem(tmp_path / name) == f"{tmp_path / name} is empty"


@pytest.mark.parametrize(("name", "text"), [("only.csv", "a,label\n"), ("blank.csv", "\n\n"), ("blank.jsonl", "\n \n")])
def test_a_file_without_rows_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert re.search("has no rows|is empty", problem(tmp_path / name))


@pytest.mark.parametrize("line", ["3,1,sp\0m", "3,1,\0"])
def test_a_zero_byte_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    path = as_csv(tmp_path, table())
    lines = path.read_text().splitlines()
    lines[4] = line
    path.write_text("\n".join(lines))
    assert problem(path) == f"{path}, line 5: a zero byte, which text has not; save it as UTF-8"


@pytest.mark.parametrize(("line", "values"), [("3,spam", 2), ("3,1,spam,9", 4)])
def test_a_ragged_line_is_named_with_both_counts(tmp_path: Path, line: str, values: int) -> None:
    path = as_csv(tmp_path, table())
    lines = path.read_text().splitlines()
    lines[4] = line
    path.write_text("\n".join(lines))
    assert problem(path) == f"{path}, line 5: {values} values where the header names 3 columns"


def test_the_line_of_a_ragged_row_counts_the_lines_within_quotes(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text('a,label\n1,"two\nlines"\n\n2\n')
    assert "line 5: 1 value where the header names 2 columns" in problem(path)


def test_without_a_target_the_columns_are_listed(tmp_path: Path) -> None:
    said = problem(as_csv(tmp_path, table()), target=None)
    assert "which column is to be predicted? give `data: {target: COLUMN}`" in said
    assert "a, b, label" in said


def test_an_unknown_target_gets_the_nearest_column_suggested(tmp_path: Path) -> None:
    said = problem(as_csv(tmp_path, table()), target="lable")
    assert "has no column 'lable' to predict; did you mean label? choose from: a, b, label" in said


def test_numbers_with_texts_among_them_are_named_with_an_example(tmp_path: Path) -> None:
    size = ["3", "?"] * 10
    said = problem(as_csv(tmp_path, table(city=["Rome"] * 20, size=size)))
    assert "column size holds numbers, and texts such as '?'; empty these cells" in said


def test_a_table_of_the_target_alone_is_refused(tmp_path: Path) -> None:
    assert "no column beside the target label" in problem(as_csv(tmp_path, table()[["label"]]))


def test_one_class_alone_is_refused(tmp_path: Path) -> None:
    assert "the target has one class, ham" in problem(as_csv(tmp_path, table(label="ham")))


def test_a_class_with_too_few_rows_is_named(tmp_path: Path) -> None:
    said = problem(as_csv(tmp_path, table(label=["ham"] * 18 + ["spam"] * 2)))
    assert "class spam has 2 rows, too few for training, validation and test, which need 3" in said


def test_too_few_rows_for_the_split_are_refused(tmp_path: Path) -> None:
    said = problem(as_csv(tmp_path, table(y=np.linspace(0, 1, 20)).drop(columns="label").head(5)), target="y")
    assert "the data have 5 rows, too few for training, validation and test, which need 6" in said


def test_missing_values_are_counted_by_column_with_the_way_out(tmp_path: Path) -> None:
    frame = table()
    frame.loc[[2, 5], "a"] = np.nan
    frame.loc[3, "b"] = np.nan
    said = problem(as_csv(tmp_path, frame))
    assert "column a: 2 values, column b: 1 value missing" in said
    assert "`prepare: {missing: median}`" in said


def test_a_column_without_any_value_to_fill_it_from_is_named(tmp_path: Path) -> None:
    assert "column b has no value in the training rows" in problem(as_csv(tmp_path, table(b=np.nan)), missing="mean")


@pytest.mark.parametrize("value", ["inf", "1e39"])
def test_infinite_values_are_counted_by_column(tmp_path: Path, value: str) -> None:
    path = as_csv(tmp_path, table(b=[value] + ["1"] * 19))
    assert "column b: 1 value infinite or past float32's range" in problem(path, missing="median")


def test_missing_targets_are_counted(tmp_path: Path) -> None:
    frame = table()
    frame.loc[4, "label"] = None
    assert "1 of 20 rows have no value of the target label" in problem(as_csv(tmp_path, frame))
    np.savez(tmp_path / "holes.npz", x=np.zeros((20, 2)), y=np.array([np.nan, *range(19)]))
    assert "1 of 20 target values are missing" in problem(tmp_path / "holes.npz", target=None)


def test_infinite_targets_are_counted(tmp_path: Path) -> None:
    path = as_csv(tmp_path, table(y=[np.inf, *np.linspace(0, 1, 19)]).drop(columns="label"))
    assert "1 of 20 target values are infinite" in problem(path, target="y")


def test_a_target_that_never_changes_is_refused(tmp_path: Path) -> None:
    assert "the target is 1.5 in every training row" in problem(as_csv(tmp_path, table(label=1.5)))


def test_a_date_to_predict_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "days.parquet"
    table(day=pd.date_range("2026-01-01", periods=20)).to_parquet(path)
    assert "the target day is a date" in problem(path, target="day")


def test_column_names_that_are_not_there_or_there_twice_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "index.csv"
    table().to_csv(path)
    assert "column 1 has no name; name it, or leave it out" in problem(path)
    assert '`data: {ignore: ["Unnamed: 0"]}`' in problem(path)
    assert load(DataSpec(str(path), "label", ignore=("Unnamed: 0",))).features == ("a", "b")
    path.write_text("a,a,label\n1,2,ham\n")
    assert "two columns named a" in problem(path)


def test_semicolons_are_told_from_commas(tmp_path: Path) -> None:
    path = tmp_path / "european.csv"
    path.write_text("a;label\n1;ham\n")
    assert "is separated by semicolons; save it with ','" in problem(path)


@pytest.mark.parametrize("name", ["fake.parquet", "fake.npz"])
def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("certainly not")
    assert re.search("is not a Parquet file|is not an .npz file", problem(tmp_path / name))


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes("größe,label\n1,ham\n".encode("latin-1"))
    assert "is not UTF-8 text (byte 2)" in problem(tmp_path / "latin.csv")


@pytest.mark.parametrize(("line", "said"), [("{'a': 1}", "line 2: not JSON"), ("[1, 2]", "line 2: a row is an object")])
def test_a_broken_line_of_json_is_named(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps({"a": 1, "label": "ham"}) + "\n" + line + "\n")
    assert said in problem(tmp_path / "rows.jsonl")


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": np.zeros((4, 2)), "target": np.zeros(4)}, "has no array y or Y; choose from: x, target"),
        ({"x": np.zeros((4, 2)), "y": np.zeros(3)}, "x has 4 rows and y has shape (3,)"),
        ({"x": np.zeros((4, 2)), "y": np.zeros((4, 2))}, "y has shape (4, 2)"),
        ({"x": np.zeros(4), "y": np.zeros(4)}, "x is numbers, (n, features) or images"),
        ({"x": np.zeros((0, 2)), "y": np.zeros(0)}, "x is empty"),
        ({"x": np.zeros((4, 2)), "y": np.zeros(4, dtype=complex)}, "y is complex128"),
        ({"x": np.zeros((4, 2, 2, 2, 2)), "y": np.zeros(4)}, "images are (n, h, w)"),
        ({"x": np.array([[1, None]], dtype=object), "y": np.zeros(1)}, "is not an .npz file of plain arrays"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, arrays: dict[str, Any], said: str) -> None:
    np.savez(tmp_path / "odd.npz", **arrays)
    assert said in problem(tmp_path / "odd.npz", target=None)


def test_images_with_missing_pixels_say_so(tmp_path: Path) -> None:
    x = np.zeros((20, 4, 4))
    x[0, 0, :2] = np.nan
    np.savez(tmp_path / "holes.npz", x=x, y=np.arange(20) % 2)
    assert "2 values missing" in problem(tmp_path / "holes.npz", target=None)
