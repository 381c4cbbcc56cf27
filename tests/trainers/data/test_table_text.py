"""Tables in text, as they are written: separators, decimal marks, gaps, headers, compression; and workbooks."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from goodfit.trainers.data import Data, data_report, load
from goodfit.trainers.data.reading.headers import looks_like_data
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec

ROWS = 60


def frame(**columns: Any) -> pd.DataFrame:
    random = np.random.default_rng(0)
    plain = {"age": random.integers(18, 80, ROWS), "income": random.normal(50, 9, ROWS).round(2)}
    return pd.DataFrame({**plain, "city": ["Rome", "Oslo", "Lima"] * 20, "bought": ["yes", "no"] * 30, **columns})


def read(path: Path, **spec: Any) -> Data:
    return load(DataSpec(str(path), **{"target": "bought", "scale": "none", **spec}))


def said(path: Path, **spec: Any) -> str:
    with pytest.raises(DataProblem) as caught:
        read(path, **spec)
    return str(caught.value)


def same(one: Data, other: Data) -> bool:
    return one.features == other.features and np.array_equal(one.train.x, other.train.x)


def as_csv(folder: Path, name: str = "plain.csv", table: pd.DataFrame | None = None, **how: Any) -> Path:
    (frame() if table is None else table).to_csv(folder / name, index=False, **how)
    return folder / name


def test_semicolons_and_decimal_commas_are_read_as_points_and_commas_are(tmp_path: Path) -> None:
    path = as_csv(tmp_path, "semi.csv", sep=";", decimal=",")
    assert said(path).endswith('or give `data: {separator: ";", decimal: ","}`')
    assert same(read(path, separator=";", decimal=","), read(as_csv(tmp_path)))
    told = said(path, separator=";")
    assert "column income has " in told
    assert "numbers written with decimal commas (such as " in told
    assert '`data: {decimal: ","}`' in told


@pytest.mark.parametrize(("mark", "name"), [("\t", "tabs"), ("|", "vertical bars")])
def test_other_separators_are_named_and_read(tmp_path: Path, mark: str, name: str) -> None:
    path = as_csv(tmp_path, "other.csv", sep=mark)
    assert f"is separated by {name}" in said(path)
    assert same(read(path, separator=mark), read(as_csv(tmp_path)))


@pytest.mark.parametrize("line", ["sep=;\n", '"sep=;"\r\n', "SEP=;\n"])
def test_a_line_that_says_the_separator_is_obeyed_and_no_row(tmp_path: Path, line: str) -> None:
    path = as_csv(tmp_path, "excel.csv", sep=";")
    path.write_text(line + path.read_text())
    assert same(read(path), read(as_csv(tmp_path)))
    path.write_text(path.read_text() + "1;2\n")
    assert f"line {ROWS + 3}: 2 values where the header names 4 columns" in said(path)


def test_words_are_gaps_as_the_study_lists_them(tmp_path: Path) -> None:
    path = as_csv(tmp_path, table=frame(city=["NA", "?", "null"] * 20, age=[-999, 20, 30] * 20))
    categories = read(path, missing="median").facts.preparation.categories
    assert categories["city"] == ("?", None)
    spec = {"missing": "median", "gaps": ("?", "-999")}
    assert read(path, **spec).facts.preparation.categories["city"] == ("NA", "null", None)
    assert read(path, **spec).train.x[:, 0].min() == 20
    assert read(path, gaps=()).facts.preparation.categories["city"] == ("?", "NA", "null")


def test_a_target_of_words_that_are_gaps_names_them_and_is_reported_on_all_the_same(tmp_path: Path) -> None:
    path = as_csv(tmp_path, table=frame(bought=["NA", "DE", "FR"] * 20))
    told = said(path)
    assert "20 of 60 rows have no value of the target bought: 'NA' (in 20 rows) is read as a gap" in told
    assert "`data: {gaps: []}`" in told
    report = data_report(DataSpec(str(path), "bought"))
    assert (report["problem"], report["rows"]) == (told, 60)
    assert {name: count["all"] for name, count in report["target"]["classes"].items()} == {"DE": 20, "FR": 20}
    assert read(path, gaps=()).classes == ("DE", "FR", "NA")


def test_a_file_without_a_header_says_so_and_can_be_read(tmp_path: Path) -> None:
    table = frame().rename(columns={"bought": "x3"})
    path = as_csv(tmp_path, table=table, header=False)
    first = table.iloc[0]
    assert "has no column 'x3' to predict" in said(path, target="x3")
    assert "looks like a row and is taken for the columns' names" in said(path, target="x3")
    notes = data_report(DataSpec(str(path), str(first["x3"])))["notes"]
    assert any("`data: {header: false}`" in note for note in notes)
    data = read(path, target="x3", header=False)
    assert data.features == ("x0", "x1", "x2")
    assert sum(data.facts.rows.values()) == ROWS
    twice = as_csv(tmp_path, table=table.assign(income=table["age"]), header=False)
    assert "two columns named" in said(twice, target="yes")
    assert "`data: {header: false}`" in said(twice, target="yes")


@pytest.mark.parametrize(
    ("header", "rows", "expected"),
    [
        (["5.1", "3.5", "setosa"], [["4.9", "3.0", "setosa"], ["6.2", "2.8", "virginica"]] * 5, True),
        (["p", "x", "s"], [["e", "x", "s"], ["p", "f", "s"]] * 5, True),
        (["age", "city"], [["41", "Rome"], ["20", "Oslo"]] * 5, False),
        (["country", "2019", "2024"], [["Peru", "915", "25"], ["Chad", "25", "910"]] * 5, False),
        (["0", "1", "2"], [["0.3", "1.5", "2.5"], ["0.1", "2.5", "1.0"]] * 5, False),
        (["city", "plan"], [["Rome", "free"], ["Oslo", "paid"]] * 5, False),
        (["5", "6"], [["7", "8"]], False),
    ],
)
def test_a_row_is_told_from_a_header(header: list[str], rows: list[list[str]], expected: bool) -> None:
    assert looks_like_data(header, rows) == expected


@pytest.mark.parametrize("name", ["plain.csv", "plain.tsv", "plain.jsonl", "plain.parquet"])
@pytest.mark.parametrize("packed", [".gz", ".zip"])
def test_compressed_tables_are_read_as_they_are_without(tmp_path: Path, name: str, packed: str) -> None:
    plain, table = tmp_path / name, frame()
    if name.endswith("jsonl"):
        table.to_json(plain, orient="records", lines=True)
    elif name.endswith("parquet"):
        table.to_parquet(plain)
    else:
        table.to_csv(plain, index=False, sep="\t" if name.endswith("tsv") else ",")
    path = tmp_path / (f"{name}.gz" if packed == ".gz" else "plain.zip")
    if packed == ".gz":
        path.write_bytes(gzip.compress(plain.read_bytes()))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("__MACOSX/._plain.csv", "left behind by a system")
            archive.write(plain, f"folder/{name}")
    data = read(path)
    assert same(data, read(plain))
    assert data.name == "plain"


def test_what_is_wrong_with_a_compressed_file_is_said(tmp_path: Path) -> None:
    plain = as_csv(tmp_path)
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(plain.read_bytes())[:100])
    (tmp_path / "fake.csv.gz").write_text("certainly not")
    (tmp_path / "fake.zip").write_text("certainly not")
    assert "is no whole .gz file" in said(tmp_path / "cut.csv.gz")
    assert "is no whole .gz file" in said(tmp_path / "fake.csv.gz")
    assert "is not a zip file" in said(tmp_path / "fake.zip")
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.write(plain, "a.csv")
        archive.write(plain, "b.csv")
    assert "has 2 files (a.csv, b.csv); give a zip file with one table" in said(tmp_path / "two.zip")
    with zipfile.ZipFile(tmp_path / "note.zip", "w") as archive:
        archive.write(plain, "a.doc")
    assert "data files in it of kind '.doc' are unknown" in said(tmp_path / "note.zip")


def test_a_workbook_is_read_by_its_first_sheet(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    path, table = tmp_path / "sheet.xlsx", frame(code=["007", "8"] * 30, city=["NA", "Oslo", "Lima"] * 20)
    table.loc[3, "age"] = None
    table.to_excel(path, index=False)
    data = read(path, missing="median")
    assert data.features == ("age", "income", "city", "code")
    assert data.facts.preparation.categories["code"] == ("007", "8")
    assert data.facts.preparation.categories["city"] == ("Lima", "NA", "Oslo")
    assert "has no column 'cost'" in said(path, target="cost")
    with pd.ExcelWriter(path) as book:
        table.to_excel(book, sheet_name="May", index=False)
        table.to_excel(book, sheet_name="June", index=False)
    notes = data_report(DataSpec(str(path), "bought", missing="median"))["notes"]
    assert any(note.startswith("of 2 sheets the first is read, May") for note in notes)
    (tmp_path / "fake.xlsx").write_text("certainly not")
    assert "is not an .xlsx workbook" in said(tmp_path / "fake.xlsx")


def test_a_workbook_without_its_package_says_which_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sheet.xlsx").write_text("something")
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    assert "pip install 'goodfit[excel]'" in said(tmp_path / "sheet.xlsx")


def test_a_name_that_a_json_object_has_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1, "a": 2, "bought": "yes"}\n')
    assert "line 1: the name a stands there twice" in said(path)


@pytest.mark.parametrize("key", ["separator", "decimal", "gaps", "header", "numbers", "dates", "task"])
def test_keys_for_tables_are_refused_where_they_would_do_nothing(tmp_path: Path, key: str) -> None:
    values = {"separator": ";", "decimal": ",", "gaps": ("?",), "header": False, "task": "regression"}
    given: dict[str, Any] = {key: values.get(key, ("a",))}
    with pytest.raises(DataProblem, match=f"data.{key} is for files, and iris is built in"):
        load(DataSpec("iris", **given))
    frame().to_parquet(tmp_path / "rows.parquet")
    if key in ("separator", "decimal", "gaps", "header"):
        assert f"data.{key} is for tables in text" in said(tmp_path / "rows.parquet", **given)
        assert f"data.{key} is for tables in text" in said(tmp_path / "rows.parquet", text="city", **given)


def test_a_semicolon_series_is_read_as_a_table_is(tmp_path: Path) -> None:
    steps = pd.DataFrame({"load": np.sin(np.arange(80)), "wind": np.arange(80) / 7})
    steps.to_csv(tmp_path / "plain.csv", index=False)
    steps.to_csv(tmp_path / "semi.csv", index=False, sep=";", decimal=",")
    how: dict[str, Any] = {"target": "load", "kind": "series", "window": 6, "horizon": 2}
    assert same(read(tmp_path / "semi.csv", separator=";", decimal=",", **how), read(tmp_path / "plain.csv", **how))
