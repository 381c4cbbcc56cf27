"""A study as a study file again: `study.to_yaml()`."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodfit.search_spaces.document import read_text
from goodfit.service.app.repeating import study_file_of
from goodfit.service.screen.words import to_yaml
from goodfit.service.spec import from_mapping, read

EXAMPLES = Path(__file__).parents[2] / "examples"
NEEDS = {"my_lightning": "lightning", "my_hugging_face": "transformers", "rl": "gymnasium"}


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda file: file.stem)
def test_it_is_the_same_study(file: Path, tmp_path: Path) -> None:
    if file.stem in NEEDS:
        pytest.importorskip(NEEDS[file.stem], reason=f"{NEEDS[file.stem]} is not installed")
    spec = read(file)
    again = from_mapping(read_text(to_yaml(study_file_of(spec))).value, tmp_path)
    assert again.differences(spec.to_dict()) == []


SGD = {"type": "float", "low": 0.5, "high": 0.9, "when": {"optimizer": "sgd"}}
ACCURACY = {"metric": "val/accuracy", "direction": "maximize"}
VARIED = {
    "name": "varied",
    "trainer": "mlp",
    "data": {"source": "digits", "split": {"test": 0.1}},
    "space": {"optimizer": ["adam", "sgd"], "momentum": SGD},
    "fixed": {"batch_size": 64},
    "objective": ACCURACY,
    "training": {"epochs": 4},
    "budget": {"trials": 5},
}
DROPOUT = {"dropout": {"type": "float", "low": 0, "high": 0.5}}
CHANGES: dict[str, dict[str, object]] = {
    "grid": {"search": {"method": "grid"}, "space": {"optimizer": ["adam", "sgd"]}, "budget": {}},
    "pbt": {"search": {"method": "pbt", "population": 4, "interval": 2}, "space": DROPOUT},
    "asha": {
        "pruning": {"method": "asha", "min_resource": 2},
        "budget": {"trials": 5, "minutes": 2, "target": 0.9},
    },
    "several": {
        "objective": [ACCURACY, {"metric": "params_millions", "direction": "minimize"}],
        "constraints": ["epoch_seconds <= 5"],
    },
    "confirmed": {"confirm": {"top": 2, "seeds": 2}, "control": 0.1, "resources": {"parallel": 2}},
    "schedule": {"search": {"start_from": [{"optimizer": "adam"}]}, "schedule": [{"epoch": 3, "batch_size": 32}]},
}


@pytest.mark.parametrize("what", CHANGES)
def test_all_that_it_says_is_in_it(what: str, tmp_path: Path) -> None:
    spec = from_mapping({**VARIED, **CHANGES[what]}, tmp_path)
    again = from_mapping(read_text(to_yaml(study_file_of(spec))).value, tmp_path)
    assert again.differences(spec.to_dict()) == []
