"""The spaces that come with Goodfit, and users' own files."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodfit import search_spaces
from goodfit.search_spaces import SpaceFileError
from goodfit.search_spaces.files import read_space
from goodfit.trainers.registry import BUILT_IN, resolve


def test_every_built_in_trainer_has_a_space():
    assert set(BUILT_IN) <= set(search_spaces.library())


@pytest.mark.parametrize("name", search_spaces.library())
def test_a_library_space_searches_hyperparameters_of_its_trainer(name: str):
    assert set(search_spaces.load(name).names) <= set(resolve(name).types())


@pytest.mark.parametrize("name", search_spaces.library())
def test_the_trainers_defaults_lie_inside_its_space(name: str):
    space, defaults = search_spaces.load(name), resolve(name).defaults()
    outside = [item.name for item in space if not item.contains(defaults[item.name])]
    assert outside == []


@pytest.mark.parametrize("name", search_spaces.library())
def test_every_parameter_of_the_library_says_what_it_does(name: str):
    assert [item.name for item in search_spaces.load(name) if not item.doc.endswith(".")] == []


def test_an_unknown_space_is_answered_with_the_nearest():
    with pytest.raises(LookupError, match="did you mean cnn"):
        search_spaces.load("cnnn")


def test_a_file_says_everything_that_is_wrong_in_it(tmp_path: Path):
    file = tmp_path / "own.yaml"
    file.write_text("a: []\nb:\n  type: int\n  low: 3\n  high: 1\n")
    with pytest.raises(SpaceFileError) as caught:
        read_space(file)
    assert str(caught.value).splitlines() == [
        f"{file}:1: a: the list of choices is empty",
        f"{file}:4: b.low: low 3 is above high 1",
    ]


@pytest.mark.parametrize(("content", "fragment"), [("", "is empty"), ("- 1", "is a list"), ("a: [", "is not YAML")])
def test_a_file_that_is_no_space_says_so(tmp_path: Path, content: str, fragment: str):
    file = tmp_path / "own.yaml"
    file.write_text(content)
    with pytest.raises(SpaceFileError, match=fragment):
        read_space(file)
