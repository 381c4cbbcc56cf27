"""What is sent of a study file: its code with all that it imports from beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from goodfit.service.client.upload import packed, submission_of
from goodfit.service.errors import InputError


def study(folder: Path, **values: Any) -> Path:
    path = folder / "study.yaml"
    path.write_text(json.dumps({"name": "s", "space": {}, **values}))
    return path


def lay(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_a_trainer_and_a_data_function_travel_with_their_neighbours(tmp_path: Path) -> None:
    lay(tmp_path, tune="import shapes", shapes="", data__load="import parts", data__parts="", unused="")
    sent = packed(submission_of(study(tmp_path, trainer="tune.py:train", data={"source": "data/load.py:load"})))
    assert sorted(sent.files) == ["data/load.py", "data/parts.py", "shapes.py", "tune.py"]
    assert list(sent.overrides) == ['trainer="tune.py:train"', 'data.source="data/load.py:load"']


def test_a_space_of_a_script_travels_with_what_it_imports(tmp_path: Path) -> None:
    lay(tmp_path, spaces__mine="import sizes", spaces__sizes="", unused="")
    sent = packed(submission_of(study(tmp_path, trainer="mlp", space="spaces/mine.py:space")))
    assert sorted(sent.files) == ["mine.py", "sizes.py"]
    assert list(sent.overrides) == ['space="mine.py:space"']


def test_a_module_beside_the_study_travels(tmp_path: Path) -> None:
    lay(tmp_path, nets__models="from nets import parts", nets__parts="")
    sent = packed(submission_of(study(tmp_path, trainer="nets.models:train")))
    assert sorted(sent.files) == ["nets/models.py", "nets/parts.py"]
    assert list(sent.overrides) == []


def test_a_file_that_is_found_from_here_alone_travels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "studies").mkdir()
    lay(tmp_path, code__tune="")
    monkeypatch.chdir(tmp_path)
    sent = packed(submission_of(study(tmp_path / "studies", trainer="code/tune.py:train")))
    assert sorted(sent.files) == ["tune.py"]


@pytest.mark.parametrize("module", ["nets", "nets.models"])
def test_a_module_with_code_outside_of_its_folder_is_named_by_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    (tmp_path / "studies").mkdir()
    lay(tmp_path, shapes="")
    lay(tmp_path / "studies", nets__models="import shapes")
    (tmp_path / "studies" / "nets" / "__init__.py").write_text("import shapes")
    monkeypatch.chdir(tmp_path)
    sent = packed(submission_of(study(tmp_path / "studies", trainer=f"{module}:train")))
    file = "studies/nets/models.py" if "." in module else "studies/nets/__init__.py"
    assert {file, "shapes.py"} <= set(sent.files)
    assert list(sent.overrides) == [f'trainer="{file}:train"']


def test_installed_trainers_bring_nothing(tmp_path: Path) -> None:
    for trainer in ("mlp", "goodfit.trainers.builtin.mlp:mlp", "os:system", "absent.py:train", "absent:train"):
        assert packed(submission_of(study(tmp_path, trainer=trainer))).files == {}


def test_what_the_code_names_and_is_not_sent_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lay(tmp_path, tune="open('weights.json')")
    (tmp_path / "weights.json").write_text("{}")
    assert packed(submission_of(study(tmp_path, trainer="tune.py:train"))).left == ("weights.json",)


def test_modules_that_would_not_be_imported_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lay(tmp_path, tune="import calendar, shapes", shapes="import numpy", calendar="", numpy="")
    sent = packed(submission_of(study(tmp_path, trainer="tune.py:train")))
    assert sorted(sent.files) == ["shapes.py", "tune.py"]
    assert sent.hidden == ("calendar.py", "numpy.py")


@pytest.mark.parametrize("place", ["study", "working folder"])
def test_modules_beside_the_study_and_here_travel_with_a_trainer_in_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "studies").mkdir()
    lay(tmp_path, studies__code__tune="import shapes")
    lay(tmp_path / "studies" if place == "study" else tmp_path, shapes="")
    monkeypatch.chdir(tmp_path)
    sent = packed(submission_of(study(tmp_path / "studies", trainer="code/tune.py:train")))
    beside = {"code/tune.py", "shapes.py"} if place == "study" else {"studies/code/tune.py", "shapes.py"}
    assert set(sent.files) == beside


def test_more_than_can_be_sent_is_said_with_the_largest_file(tmp_path: Path) -> None:
    lay(tmp_path, tune="import weights", weights=f"W = '{'x' * 2**20}'")
    with pytest.raises(InputError, match=r"2 files of .* can be sent: make a package .* the largest: weights\.py"):
        packed(submission_of(study(tmp_path, trainer="tune.py:train")))


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / "tune.py").write_bytes(b"# caf\xe9")
    with pytest.raises(InputError, match=r"tune\.py cannot be sent"):
        packed(submission_of(study(tmp_path, trainer="tune.py:train")))
