"""YAML as plain values with lines, and what is said of files that are no YAML."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from goodfit.search_spaces.document import read_file, read_text
from goodfit.search_spaces.flaws import DocumentError, Flaw
from goodfit.search_spaces.yaml_scalars import BareWord


def flaws_of(text: str) -> list[Flaw]:
    with pytest.raises(DocumentError) as caught:
        read_text(text)
    return caught.value.flaws


def test_values_are_plain_and_numbers_are_numbers():
    value = read_text("{a: 1e-4, b: 1E5, c: .5, d: 0x10, e: ~, f: true, g: '0.1', h: [1, 2.0]}").value
    assert value == {"a": 1e-4, "b": 1e5, "c": 0.5, "d": 16, "e": None, "f": True, "g": "0.1", "h": [1, 2.0]}
    assert [type(item) for item in value["h"]] == [int, float]


def test_dates_and_keys_are_text():
    assert read_text("1: 2020-01-01\nno: 1:30\n").value == {"1": "2020-01-01", "no": "1:30"}


def test_bare_booleans_of_yaml_1_1_are_marked_and_quoted_ones_are_not():
    words = read_text("[no, Off, 'yes', \"on\", never]").value
    assert words == ["no", "Off", "yes", "on", "never"]
    assert [isinstance(word, BareWord) for word in words] == [True, True, False, False, False]
    assert (words[0].boolean, read_text("YES").value.boolean) == ("false", "true")


def test_lines_are_those_of_keys_and_entries():
    document = read_text("# a study\na: 1\nb:\n  c: {d: 2}\n  e:\n    - 3\n\n    - f: 4\n")
    assert document.line(("a",)) == 2
    assert document.line(("b", "c", "d")) == 4
    assert document.line(("b", "e", 0)) == 6
    assert document.line(("b", "e", 1, "f")) == 8


def test_the_line_of_a_missing_key_is_that_of_its_section():
    document = read_text("a: 1\nb: {c: 2}\n")
    assert document.line(("b", "missing")) == 2
    assert document.line(("missing",)) == 0


def test_an_anchor_is_its_value():
    assert read_text("a: &x [1, 2]\nb: *x\n").value == {"a": [1, 2], "b": [1, 2]}


def test_an_empty_file_has_no_value():
    assert read_text("# nothing\n").value is None


def test_all_duplicate_keys_are_named_with_the_line_of_the_second():
    assert flaws_of("a: 1\nb: {c: 1, c: 2}\n\na: 2\n") == [
        Flaw(2, "b.c", "c is there twice, first on line 2; keep one"),
        Flaw(4, "a", "a is there twice, first on line 1; keep one"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "key", "fragment"),
    [
        ("a: [1\nb: 2", 2, "", "is not YAML: expected ',' or ']'"),
        ("a: 1\n<<<<<<< HEAD\nb: 2\n=======\nb: 3\n>>>>>>> other", 2, "", "is not YAML: resolve the merge conflict"),
        ("a: b: c", 1, "", "mapping values are not allowed here (column 5)"),
        ("a:\n\tb: 1", 2, "", "indent with spaces, not tabs"),
        ("a: 1\n---\nb: 2", 2, "", "one study or space a file"),
        ("a: *nothing", 1, "", "undefined alias 'nothing'"),
        ("a: &x [*x]", 1, "a.0", "refers to itself"),
        ("a: 1\nb: !python/object:os.system 3", 2, "b", "the tag !python/object:os.system means nothing here"),
        ("a: !!set {b}", 1, "a", "means nothing here"),
        ("a: !!int b", 1, "a", "'b' is not what its tag says"),
        ("a: &x {b: 1}\nc: {<<: *x}", 2, "c", "<< is a merge key of YAML 1.1"),
        ("? [a]\n: 1", 1, "", "a key must be a word"),
        ("a: \x01", 0, "", "is not YAML: unacceptable character"),
        ("[" * 1000, 0, "", "is nested too deeply"),
    ],
)
def test_what_is_no_yaml_is_said_with_its_line(text: str, line: int, key: str, fragment: str):
    (flaw,) = flaws_of(text)
    assert (flaw.line, flaw.key) == (line, key)
    assert fragment in flaw.text


def test_aliases_that_multiply_are_refused_and_not_followed():
    bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    bomb += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12))
    assert "more than 100000 values" in flaws_of(bomb)[0].text


def test_files_that_cannot_be_read_say_why(tmp_path: Path):
    (tmp_path / "latin.yaml").write_bytes("name: gr\xfc\xdfe".encode("latin-1"))
    for name, fragment in [("none.yaml", "no such file"), ("", "is a folder"), ("latin.yaml", "not UTF-8")]:
        with pytest.raises(DocumentError, match=fragment):
            read_file(tmp_path / name)


def test_a_file_that_is_not_there_is_told_with_the_one_that_was_meant(tmp_path: Path):
    (tmp_path / "digits.yaml").touch()
    for name, text in [
        ("digit.yaml", "there is no such file; did you mean digits.yaml?"),
        ("other.toml", "there is no such file"),
        ("nowhere/digits.yaml", "there is no such file"),
    ]:
        with pytest.raises(DocumentError) as refused:
            read_file(tmp_path / name)
        assert refused.value.flaws[0].text == text


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path):
    (tmp_path / "bom.yaml").write_bytes("\ufeffname: a".encode())
    assert read_file(tmp_path / "bom.yaml").value == {"name": "a"}


def test_json_is_yaml_with_characters_past_the_first_plane() -> None:
    values = {"name": "\U0001f600 x", "list": ["a\\b", "\\ud83d\\ude00", "\U0001f600\U0001f601", "\u00e9"]}
    assert read_text(json.dumps(values)).value == values
    kept = "plain: \\ud83d\\ude00\nquoted: '\\ud83d\\ude00'\nread: \"\\ud83d\\ude00\"\n"
    assert read_text(kept).value == {"plain": "\\ud83d\\ude00", "quoted": "\\ud83d\\ude00", "read": "\U0001f600"}
    for half in ('a: "\\ud83d"', 'a: "\\ude00\\ud83d"', 'a: "\\ud83dx\\ude00"'):
        with pytest.raises(DocumentError, match="invalid Unicode character"):
            read_text(half)
