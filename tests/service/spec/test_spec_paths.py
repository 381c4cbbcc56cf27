"""Where the paths of a study file lead."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodfit.search_spaces import Choice, Space
from goodfit.service.spec import from_mapping
from tests.service.spec.studies import MINIMAL, spec_of


def test_paths_are_relative_to_the_study_file_and_become_absolute(tmp_path: Path):
    folder = tmp_path / "studies"
    folder.mkdir()
    (folder / "rows.csv").write_text("a,b\n1,2\n")
    (folder / "own.py").write_text("def net(trial): ...\n")
    (folder / "own.yaml").write_text("depth: [1, 2]\n")
    text = MINIMAL.replace("mlp", "./own.py:net").replace("{source: iris}", "{source: rows.csv, target: b}")
    text = text.replace(text.splitlines()[3], "space: own.yaml")
    spec = spec_of(folder, text)
    assert spec.trainer == f"{folder / 'own.py'}:net"
    assert spec.data is not None
    assert spec.data.source == str(folder / "rows.csv")
    assert spec.space == Space((Choice("depth", (1, 2)),))


def test_a_function_of_a_file_and_a_folder_are_sources_too(tmp_path: Path):
    (tmp_path / "my_data.py").write_text("def load(): ...\n")
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    for source in ("my_data.py:load", "photos", "./photos"):
        spec = spec_of(tmp_path, MINIMAL.replace("{source: iris}", f'{{source: "{source}"}}'))
        assert spec.data is not None
        assert spec.data.source == str(tmp_path / source)
    spec = spec_of(tmp_path, MINIMAL.replace("iris", "photos, prepare: {size: 32, mode: grey}"))
    read_as = spec.data_spec()
    assert read_as is not None
    assert (read_as.size, read_as.mode) == (32, "gray")


def test_paths_that_are_only_in_the_current_folder_are_found_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "studies").mkdir()
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    monkeypatch.chdir(tmp_path)
    spec = spec_of(tmp_path / "studies", MINIMAL.replace("{source: iris}", "{source: rows.csv, target: b}"))
    assert spec.data is not None
    assert spec.data.source == str(tmp_path / "rows.csv")


def test_a_mapping_gives_the_same_spec_as_the_file(tmp_path: Path):
    values = {
        "name": "a-study",
        "trainer": "mlp",
        "data": {"source": "iris"},
        "space": {
            "learning_rate": {"type": "float", "low": 1e-4, "high": 0.1, "log": True},
            "optimizer": ["adamw", "sgd"],
        },
        "objective": {"metric": "val/loss", "direction": "minimize"},
        "training": {"epochs": 5},
        "budget": {"trials": 4},
    }
    assert from_mapping(values, tmp_path) == spec_of(tmp_path)
