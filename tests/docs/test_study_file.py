"""docs/study_file.md describes every key of a study file, and its examples are read."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from ruamel.yaml import YAML

from goodfit.search_spaces.document import MAX_CHARACTERS
from goodfit.search_spaces.flaws import MAX_FLAWS
from goodfit.search_spaces.parse import COMMON, KEYS, MOST_PARAMETERS, parse_space
from goodfit.search_spaces.ranges import MAX_POINTS
from goodfit.search_spaces.space import MOST_POINTS
from goodfit.search_spaces.yaml_nodes import MAX_DEPTH, MAX_NODES
from goodfit.service.spec import read
from goodfit.service.spec.fields import LONGEST_TEXT
from goodfit.service.spec.pruning import METHODS
from goodfit.service.spec.search_methods import SEARCH_METHODS
from goodfit.service.spec.sections import Budget, Confirm, Objective, Resources, Search, Training
from goodfit.service.spec.validation_messages import TOP

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "study_file.md").read_text(encoding="utf-8")
PARTS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
MODELS: dict[str, type[BaseModel]] = {
    "objective": Objective,
    "search": Search,
    "training": Training,
    "budget": Budget,
    "resources": Resources,
    "confirm": Confirm,
}
NONE = {"off", "no limit", "none", "as often as costs little", "all do"}


def words(default: object) -> set[str]:
    """How the page may write a default."""
    if default is None or default == ():
        return NONE
    return {f"{default:g}" if type(default) is float else str(default).lower()}


def rows(part: str) -> dict[str, str]:
    """Of each key in the first column of a part's table its default, in the last."""
    found: dict[str, str] = {}
    for first, default in re.findall(r"^\| (`.+?`) \|.*\| (.*?) ?\|$", PARTS[part], re.MULTILINE):
        found |= dict.fromkeys(re.findall(r"`(\w+)`", first), default)
    return found


def test_the_tables_of_keys_are_those_of_the_schema() -> None:
    with_keys = runpy.run_path(str(DOCS / "hooks.py"))["with_keys"]
    assert TEXT.count("<!-- keys of ") == TEXT.count("<!-- end -->") == 14
    assert with_keys(TEXT) == TEXT, "write them with `make reference`"


def test_the_page_describes_each_key_of_the_top_level() -> None:
    assert set(rows("Top level")) == set(TOP)


@pytest.mark.parametrize("section", MODELS)
def test_the_page_describes_each_key_of_a_section_and_no_other(section: str) -> None:
    assert list(rows(section)) == list(MODELS[section].model_fields)


@pytest.mark.parametrize("section", MODELS)
def test_the_page_gives_each_default(section: str) -> None:
    for key, told in rows(section).items():
        field = MODELS[section].model_fields[key]
        assert (field.default is PydanticUndefined and field.default_factory is None) == (told == "needed")
        if told != "needed" and field.default_factory is None:
            assert told.split(":")[0] in words(field.default)


@pytest.mark.parametrize("method", METHODS)
def test_the_page_gives_each_option_of_pruning_and_its_default(method: str) -> None:
    (row,) = re.findall(rf"^\| `{method}` \|.*$", PARTS["pruning"], re.MULTILINE)
    row += re.findall(r"^\| `median` \|.*$", PARTS["pruning"], re.MULTILINE)[0] if "as `median`" in row else ""
    for name, field in METHODS[method].model_fields.items():
        if name == "method":
            continue
        assert f"`{name}`" in row
        if isinstance(field.default, (int, float)):
            assert f"`{name}` {field.default:g}" in row


def test_the_page_describes_each_key_of_a_parameter() -> None:
    assert set(rows("space")) == {*COMMON, *(key for keys in KEYS.values() for key in keys)}


def test_the_page_names_each_search_method() -> None:
    assert all(f"`{method}`" in PARTS["search"] for method in SEARCH_METHODS)


def test_the_page_gives_the_limits_as_they_are() -> None:
    limits = (MAX_CHARACTERS, MAX_NODES, MAX_DEPTH, MAX_FLAWS, MOST_PARAMETERS, MAX_POINTS, MOST_POINTS, LONGEST_TEXT)
    assert [limit for limit in limits if f"{limit:,}" not in PARTS["Limits"]] == []


def test_the_example_is_a_study_with_two_configurations_of_its_own(tmp_path: Path) -> None:
    (example,) = [text for text in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL) if text.startswith("name:")]
    file = tmp_path / "churn.yaml"
    file.write_text(example, encoding="utf-8")
    assert read(file).search.start_from == ({"learning_rate": 0.003, "width": 64}, {"learning_rate": 0.01})


def test_the_example_of_a_space_is_one() -> None:
    (example,) = re.findall(r"```yaml\nspace:\n(.*?)```", TEXT, re.DOTALL)
    problems: list[Any] = []
    space = parse_space(YAML(typ="safe").load(example), problems)
    assert (problems, len(space)) == ([], 7)


def test_each_link_of_the_page_leads_somewhere() -> None:
    heads = {
        re.sub(r"[^\w-]", "", name.lower().replace(" ", "-")) for name in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    }
    for file, head in re.findall(r"\]\(([\w.]*)(?:#([\w-]+))?\)", TEXT):
        assert (DOCS / file).exists() if file else head in heads
