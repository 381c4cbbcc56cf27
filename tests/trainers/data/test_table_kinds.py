"""Tables as people keep them: other marks, encodings and packings, and what messages propose can be copied."""

from __future__ import annotations

import bz2
import dataclasses
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from goodfit.trainers.data import data_report, load
from goodfit.trainers.data.reading.amounts import disguise_of, numbers_in_text, two_marks, unit_hint
from goodfit.trainers.data.reading.cells import Cells
from goodfit.trainers.data.reading.hints import data_key, in_yaml
from goodfit.trainers.messages import DataSpec
from tests.trainers.data.test_table_text import as_csv, frame, read, said, same
from tests.trainers.data.test_table_values import notes


def commas(values: Any) -> list[str]:
    return [f"{value:.2f}".replace(".", ",") for value in values]


def test_a_column_with_another_decimal_mark_than_the_others_is_read_where_it_is_named(tmp_path: Path) -> None:
    plain = read(as_csv(tmp_path))
    mixed = as_csv(tmp_path, "mixed.csv", frame(income=commas(frame()["income"]), age=frame()["age"] + 0.5), sep=";")
    told = said(mixed, separator=";")
    assert "column income has" in told
    assert "decimal commas" in told
    assert "`data: {numbers: [income]}`" in told  # decimal: "," would make text of the ages
    data = read(mixed, separator=";", numbers=("income",))
    assert np.array_equal(data.train.x[:, 1], plain.train.x[:, 1])
    other = read(mixed, separator=";", decimal=",", numbers=("age",))
    assert np.array_equal(other.train.x, data.train.x)
    assert "decimal points" in said(mixed, separator=";", decimal=",")
    assert data.facts.cells.marks == {"income": ","}
    assert Cells.from_dict(dataclasses.asdict(data.facts.cells)) == data.facts.cells


def test_a_column_with_two_decimal_marks_is_refused_as_such(tmp_path: Path) -> None:
    half = [f"{row}.5" if row % 2 else f"{row},25" for row in range(60)]
    path = as_csv(tmp_path, table=frame(income=half), sep=";")
    for spec in ({}, {"decimal": ","}, {"numbers": ("income",)}):
        told = said(path, separator=";", **spec)
        assert "column income has numbers with decimal points and such with decimal commas" in told
        assert "gaps" not in told
    assert two_marks(["1.5", "2,25"]) is not None
    assert two_marks(["1.5", "2"]) is None
    assert two_marks(["1.5", "2,25", "x"]) is None


@pytest.mark.parametrize(
    ("values", "marks"),
    [
        (["5.25-", "3.5"], ("a minus behind them",)),
        (["\u22123.5", "4"], ("the minus sign \u2212",)),
        (["11.930.000", "7"], (".",)),
        (["1.234,50 \u20ac", "2,5 \u20ac"], ("\u20ac", ".", "decimal commas")),
        (["12,5 %"], ("%", "decimal commas")),
    ],
)
def test_how_numbers_are_written_is_named(values: list[str], marks: tuple[str, ...]) -> None:
    found = disguise_of(values)
    assert found is not None
    assert found.marks == marks


def test_numbers_that_stand_as_text_and_numbers_with_units_are_named(tmp_path: Path) -> None:
    table = frame(income=[f"{value:.2f}" for value in np.arange(60) + 0.25])
    path = tmp_path / "rows.parquet"
    table.to_parquet(path)
    assert "numbers that stand as text (such as '0.25'); to read them as numbers: `data: {numbers: [income]}`" in said(
        path
    )
    assert read(path, numbers=("income",)).features == ("age", "income", "city")
    assert numbers_in_text(["007", "008"], ".") is None
    table.assign(income=[f"{value:05d}" for value in range(60)]).to_parquet(path)
    assert "an id or free text" in said(path)
    assert "or say that its values are names: `data: {categorical: [income]}`" in said(path)
    units = as_csv(tmp_path, table=frame(income=[f"{value:.2f} kg" for value in np.arange(60)]))
    assert "numbers with kg behind them (such as '0.00 kg'); write the numbers alone, in one unit" in said(units)
    assert unit_hint(["3 kg", "cheap"]) is None


def test_booleans_among_numbers_are_no_gaps(tmp_path: Path) -> None:
    path = as_csv(tmp_path, table=frame(income=["true", "false", "1", "0", "7"] * 12))
    told = said(path)
    assert "column income holds numbers, and booleans such as 'true'; write them alike" in told
    assert "gaps" not in told


def test_points_that_may_group_thousands_are_pointed_out(tmp_path: Path) -> None:
    thousands = frame(income=[f"{value}.{value * 7 % 1000:03d}" for value in range(1, 61)])
    told = notes(as_csv(tmp_path, table=thousands, sep=";"), separator=";")
    assert (
        "column income: every value has three digits behind its point, such as '1.007', which is read as 1.007" in told
    )
    assert '`data: {decimal: ",", numbers: [income]}`' in told
    data = read(as_csv(tmp_path, table=thousands, sep=";"), separator=";", decimal=",", numbers=("income",))
    assert data.train.x[:, 1].min() >= 1000
    assert notes(as_csv(tmp_path, table=thousands)) == ""  # with commas between the values points are decimal


def test_numbers_that_are_dates_are_pointed_out(tmp_path: Path) -> None:
    days = [20260101 + row % 28 for row in range(60)]
    path = as_csv(tmp_path, table=frame(income=days))
    assert "column income has numbers that are dates, such as 20260101" in notes(path)
    assert "income year" in read(path, dates=("income",)).features
    assert notes(as_csv(tmp_path, table=frame(income=[20269901 + row for row in range(60)]))) == ""


@pytest.mark.parametrize("word", ["?", "-", "missing"])
def test_words_that_usually_stand_for_a_gap_are_pointed_out(tmp_path: Path, word: str) -> None:
    path = as_csv(tmp_path, table=frame(city=[word, "Oslo", "Lima"] * 20, bought=["yes", word] * 30))
    told = notes(path)
    assert f"column city: {word!r} counts as a value; to read it as a gap: `data: {{gaps: [" in told
    assert f"column bought: {word!r} counts as a value" in told
    assert notes(as_csv(tmp_path, table=frame(bought=["+", "-"] * 30))) == ""


def test_words_that_are_read_as_gaps_are_named_where_gaps_are_refused(tmp_path: Path) -> None:
    path = as_csv(tmp_path, table=frame(city=["NA", "DE", "FR"] * 20))
    told = said(path)
    assert "column city: 20 values missing" in told
    assert "'NA' (in 20 rows) is read as a gap; to keep it as a value" in told
    assert read(path, gaps=()).facts.preparation.categories["city"] == ("DE", "FR", "NA")


def test_values_that_differ_by_what_has_no_shape_are_pointed_out(tmp_path: Path) -> None:
    told = notes(as_csv(tmp_path, table=frame(bought=["yes", "yes\u200b", "no"] * 20)))
    assert (
        told
        == "classes of bought that differ by invisible characters alone: 'yes', 'yes\\u200b'; they count as different"
    )


def test_a_column_without_any_value_is_to_be_left_out(tmp_path: Path) -> None:
    path = as_csv(tmp_path, table=frame(**{"notes, old": [np.nan] * 60}))
    assert 'column notes, old has no value; leave out: `data: {ignore: ["notes, old"]}`' in said(path)
    assert "leave it out: `data: {ignore: " in said(path, missing="median")
    assert read(path, ignore=("notes, old",)).features == ("age", "income", "city")


@pytest.mark.parametrize(("target", "task"), [(["0", "1", ""], "classification"), (["0.0", "1.0", ""], "regression")])
def test_a_target_with_gaps_is_reported_as_it_is_without_them(tmp_path: Path, target: list[str], task: str) -> None:
    path = as_csv(tmp_path, table=frame(bought=target * 20))
    report = data_report(DataSpec(str(path), "bought"))
    assert report["task"] == task
    whole = as_csv(tmp_path, "whole.csv", frame(bought=target * 20)[lambda table: table["bought"] != ""])
    assert load(DataSpec(str(whole), "bought")).task == task


@pytest.mark.parametrize(("suffix", "pack"), [(".bz2", bz2.compress), (".xz", lzma.compress)])
def test_other_packings_are_read(tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]) -> None:
    path = as_csv(tmp_path)
    packed = tmp_path / f"plain.csv{suffix}"
    packed.write_bytes(pack(path.read_bytes()))
    assert same(read(packed), read(path))
    packed.write_bytes(pack(path.read_bytes())[:-20])
    assert str(packed) in said(packed)


def test_a_zip_has_one_table_whatever_else_lies_in_it(tmp_path: Path) -> None:
    path = as_csv(tmp_path)
    with zipfile.ZipFile(tmp_path / "kaggle.zip", "w") as archive:
        archive.writestr("data/plain.csv", path.read_text())
        archive.writestr("README.md", "about")
    assert same(read(tmp_path / "kaggle.zip"), read(path))
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", "a")
        archive.writestr("b.csv", "b")
    assert "has 2 files (a.csv, b.csv)" in said(tmp_path / "two.zip")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_tells_the_encoding(tmp_path: Path, encoding: str) -> None:
    table = frame(city=["K\u00f6ln", "Oslo", "Lima"] * 20)
    path = as_csv(tmp_path, table=table)
    marked = as_csv(tmp_path, "marked.csv", table, encoding=encoding)
    assert same(read(marked), read(path))
    assert notes(marked) == notes(path)


def test_a_packed_file_under_another_name_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "plain.csv"
    path.write_bytes(bytes([0x1F, 0x8B, 8, 0, 255, 254]))
    assert "is compressed by gzip, not text; name it as such, .gz" in said(path)


def test_a_title_above_the_names_is_told(tmp_path: Path) -> None:
    path = tmp_path / "plain.csv"
    path.write_text("Report of 2026\n\na,bought\n1,yes\n")
    assert "line 3: 2 values where the header names 1 column (Report of 2026), as if it were a title" in said(path)


@pytest.mark.parametrize(
    "name", ["a", "sepal length (cm)", "a, b", "Unnamed: 0", "1", "yes", "\\N", "{x}", 'say "a"', "-", "\u2028", "a #b"]
)
def test_what_is_proposed_is_read_back_as_it_is(name: str) -> None:
    proposed = data_key("ignore", [name, "other"]).strip("`")
    assert YAML(typ="safe").load(proposed) == {"data": {"ignore": [name, "other"]}}


def test_a_name_that_is_too_long_to_copy_is_not_repeated() -> None:
    assert in_yaml("x" * 10_000) == "COLUMN"


def test_a_name_of_thousands_of_characters_is_refused_and_a_long_text_is_read(tmp_path: Path) -> None:
    assert "the name of column 1 has 200,000 characters (xxx" in said(
        as_csv(tmp_path, table=frame().rename(columns={"age": "x" * 200_000}))
    )
    long = frame(city=["x" * 200_000, "Oslo", "Lima"] * 20)
    assert read(as_csv(tmp_path, table=long)).facts.preparation.categories["city"][-1] == "x" * 200_000
