"""The JSON Schema of study files takes what Goodfit takes, and marks unknown keys, wrong bounds and wrong types."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from goodfit.search_spaces.document import read_file, read_text
from goodfit.search_spaces.json_schema import parameters_schema
from goodfit.search_spaces.parse import COMMON, KEYS
from goodfit.service import cli
from goodfit.service.spec import json_schema
from goodfit.service.spec.pruning import METHODS
from goodfit.service.spec.search_methods import SEARCH_METHODS

ROOT = Path(__file__).parents[3]
SCHEMA = json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
STUDY = {
    "name": "a-study",
    "trainer": "mlp",
    "data": "{source: iris}",
    "space": "{learning_rate: {type: float, low: 1e-4, high: 1e-1, log: true}, optimizer: [adamw, sgd]}",
    "objective": "{metric: val/loss, direction: minimize}",
    "training": "{epochs: 5}",
    "budget": "{trials: 4}",
}


def wrong(text: str) -> list[str]:
    """Where a study is not as the schema says."""
    values = read_text(text).value
    return [".".join(map(str, error.absolute_path)) or error.validator for error in VALIDATOR.iter_errors(values)]


def study(**sections: str | None) -> str:
    return "\n".join(f"{key}: {text}" for key, text in {**STUDY, **sections}.items() if text is not None)


def studies(text: str) -> Iterator[str]:
    """The study files that a page shows in full."""
    return (found for found in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if found.startswith("name:"))


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize("file", sorted((ROOT / "examples").rglob("*.yaml")), ids=lambda file: file.stem)
def test_every_example_is_right(file: Path) -> None:
    assert list(VALIDATOR.iter_errors(read_file(file).value)) == []


@pytest.mark.parametrize("page", ["README.md", "docs/study_file.md"])
def test_the_study_files_of_the_pages_are_right(page: str) -> None:
    found = list(studies((ROOT / page).read_text(encoding="utf-8")))
    assert found
    assert [wrong(text) for text in found] == [[]] * len(found)


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"data": None},
        {"space": "cnn"},
        {"space": "own.yaml"},
        {"space": "{depth: 2, act: [relu, 3, null, [1, 2]], none: null, w: {type: fixed, value: [1]}}"},
        {"space": "{depth: {type: int, low: 1, high: 4, when: {act: [a, b], w: {low: 1}}, doc: of layers}}"},
        {"fixed": "{batch_size: 64, betas: [0.9, 0.999]}"},
        {"search": "{method: tpe, start_from: [{learning_rate: 0.01}]}"},
        {"search": "{method: added-by-a-package, options: {step: 0.1}}"},
        {"data": "{source: rows.parquet, target: a, kind: added, options: {a: 1}, ignore: b, gaps: [NA, -9, null]}"},
        {"trainer": "module:name"},
        {"pruning": "{method: none}"},
        {"pruning": "{method: patient, patience: 3, wrapped: median}"},
        {"pruning": "{method: patient, patience: 3, wrapped: {method: percentile, percentile: 25}}"},
        {"pruning": "{method: asha, min_resource: auto}"},
        {"training": "{epochs: 1e1, patience: null}"},
        {"resources": "{cpus: 0.5, custom: {tpu: 1}, parallel: auto, pack: 8}"},
        {"requirements": "[einops>=0.8]"},
    ],
)
def test_what_goodfit_takes_is_right(sections: dict[str, str | None]) -> None:
    assert wrong(study(**sections)) == []


@pytest.mark.parametrize(
    ("sections", "where"),
    [
        ({"name": None}, "required"),
        ({"name": "my study"}, "name"),
        ({"budgett": "{trials: 3}"}, "additionalProperties"),
        ({"data": ""}, "data"),
        ({"data": "{source: iris, splitt: {}}"}, "data"),
        ({"data": "{source: iris, split: {validation: 0}}"}, "data.split.validation"),
        ({"data": "{source: iris, split: {test: 1}}"}, "data.split.test"),
        ({"data": "{source: iris, prepare: {scale: standart}}"}, "data.prepare.scale"),
        ({"data": "{source: iris, augment: {rotate: 200}}"}, "data.augment.rotate"),
        ({"space": "{}"}, "space"),
        ({"space": "{width: {type: int, low: 1.5, high: 3}}"}, "space"),
        ({"space": "{width: {type: int, low: 1, high: 3, choices: [1]}}"}, "space"),
        ({"space": "{width: {type: uniform, low: 1, high: 3}}"}, "space"),
        ({"objective": "{metric: test/loss, direction: minimize}"}, "objective.metric"),
        ({"objective": "{metric: val/loss, direction: down}"}, "objective.direction"),
        ({"search": "{seed: -1}"}, "search.seed"),
        ({"search": "{try_defaults: 1}"}, "search.try_defaults"),
        ({"pruning": "{n_warmup_steps: 2}"}, "pruning"),
        ({"pruning": "{method: hyperbnad}"}, "pruning"),
        ({"pruning": "{method: median, interval_steps: 0}"}, "pruning"),
        ({"training": "{}"}, "training"),
        ({"training": "{epochs: 0}"}, "training.epochs"),
        ({"training": "{epochs: many}"}, "training.epochs"),
        ({"training": "{epochs: 3, minutes: 0}"}, "training.minutes"),
        ({"budget": "{trials: 2.5}"}, "budget.trials"),
        ({"resources": "{cpus: 0}"}, "resources.cpus"),
        ({"resources": "{parallel: all}"}, "resources.parallel"),
        ({"resources": "{pack: 2000}"}, "resources.pack"),
        ({"resources": "{custom: {tpu: 0}}"}, "resources.custom.tpu"),
        ({"control": "1"}, "control"),
    ],
)
def test_what_goodfit_refuses_is_marked(sections: dict[str, str | None], where: str) -> None:
    assert wrong(study(**sections)) == [where]


def test_every_key_says_what_it_is_for_and_unknown_ones_are_errors() -> None:
    sections = [SCHEMA, *(part for part in SCHEMA["$defs"].values() if "properties" in part)]
    assert all(part["additionalProperties"] is False for part in sections)
    silent = [
        f"{part['title']}.{key}"
        for part in sections
        for key, one in part["properties"].items()
        if "description" not in one and "const" not in one and "$ref" not in one
    ]
    assert silent == []


def test_built_in_methods_are_offered() -> None:
    assert SCHEMA["$defs"]["Search"]["properties"]["method"]["anyOf"] == [
        {"enum": [*SEARCH_METHODS, "tpe"], "type": "string"},
        {"type": "string"},
    ]
    assert set(SCHEMA["properties"]["pruning"]["discriminator"]["mapping"]) == set(METHODS)


def test_parameters_have_the_keys_that_are_read() -> None:
    _, definitions = parameters_schema()
    found: dict[str, Any] = {kind: set(definitions[f"{kind.capitalize()}Parameter"]["properties"]) for kind in KEYS}
    assert found == {kind: {*keys, *COMMON} for kind, keys in KEYS.items()}


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == SCHEMA
