"""Whatever stands in a study file, the answer is a spec, or problems that say where and what."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from goodfit.service.errors import StudyFileError
from goodfit.service.spec import StudySpec, from_mapping, read
from tests.service.spec.studies import SECTIONS, study

WORDS = [
    "mlp",
    "digits",
    "grid",
    "asha",
    "patient",
    "val/loss",
    "minimize",
    "x.py:y",
    "a/b.csv",
    "auto",
    "none",
    "",
    "-",
]
KEYS = [
    "type",
    "low",
    "high",
    "choices",
    "value",
    "when",
    "method",
    "wrapped",
    "metric",
    "epochs",
    "source",
    "split",
    "depth",
]
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.sampled_from(WORDS) | st.text(max_size=3)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
)


def outcome(reading: Callable[[], StudySpec]) -> str:
    try:
        reading()
    except StudyFileError as error:
        return "problems" if error.problems else "an empty error"
    return "a spec"


@given(st.dictionaries(st.sampled_from([*SECTIONS, "fixed", "search", "pruning", "resources", "confirm"]), VALUES))
@example({"pruning": {"method": []}})
@example({"space": {"depth": {"type": ["int"]}}, "trainer": "mlp"})
@example({"space": {"depth": {"type": "int", "low": 1, "high": 2, "doc": {}}}, "fixed": {"depth": None}})
def test_whatever_is_written_the_answer_is_a_spec_or_problems(values: dict[str, Any]):
    assert outcome(lambda: from_mapping(values, Path("/"))) == "problems"  # a study needs more keys than these


@given(st.text(max_size=40) | st.binary(max_size=40).map(lambda raw: raw.decode("latin-1")))
def test_whatever_a_file_holds_the_answer_names_it(tmp_path_factory: pytest.TempPathFactory, text: str):
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(StudyFileError, match=r"any\.yaml"):
        read(file)


@given(st.sampled_from(KEYS), VALUES)
def test_whatever_is_set_the_answer_is_a_spec_or_problems(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: object
):
    file = tmp_path_factory.getbasetemp() / "set.yaml"
    file.write_text(study())
    overrides = [f"space.{key}={json.dumps(value)}", f"pruning.{key}={json.dumps(value)}"]
    assert outcome(lambda: read(file, overrides)) in ("a spec", "problems")
