"""What belongs to a study's own code, and a worker on a machine that has none of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from goodfit.testing.attempts import Line, assign
from goodfit.trainers.code import Code, find_code, imports_relatively, placed
from goodfit.trainers.importing import leave_source_tree, use_packages_of
from goodfit.trainers.messages import Outcome, Pack
from goodfit.trainers.registry import resolve
from goodfit.trainers.worker.worker import Setup, Worker


def lay(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def names(folder: Path, reference: str, *folders: Path) -> list[str]:
    place = f"{folder}/{reference}" if ".py:" in reference else reference
    found = find_code([place], [str(one) for one in folders])
    return sorted(found.code().files) if found.files else []


@pytest.mark.parametrize(
    "line",
    [
        "import shapes",
        "import json, shapes as s",
        "from shapes import circle",
        "def train(trial):\n    import shapes",
        "try:\n    import shapes\nexcept ImportError:\n    pass",
        "import importlib\nshapes = importlib.import_module('shapes')",
        "shapes = __import__('shapes')",
        "import pkg.uses_it",
        "from pkg import uses_it",
        "import importlib\ndef load(name):\n    return importlib.import_module(name)",
    ],
)
def test_what_a_trainer_imports_from_beside_it_belongs_to_it(tmp_path: Path, line: str) -> None:
    lay(tmp_path, {"tune.py": line, "shapes.py": "", "pkg/__init__.py": "", "pkg/uses_it.py": "import shapes"})
    found = names(tmp_path, "tune.py:train")
    assert {"tune.py", "shapes.py"} <= set(found)
    assert ("pkg/__init__.py" in found) == ("pkg" in line)


@pytest.mark.parametrize(
    "line",
    [
        "import importlib\ndef load(name):\n    return importlib.import_module('nets.' + name)",
        "import importlib\ndef load(name):\n    return importlib.import_module(f'nets.{name}')",
        "import importlib\nFROM = 'nets'\ndef load(name):\n    return importlib.import_module(FROM + '.' + name)",
        "import importlib\ndef load(name):\n    return importlib.import_module('.' + name, package='nets')",
        "import pkgutil, importlib, nets\nALL = [importlib.import_module(f'nets.{m.name}') for m in "
        "pkgutil.iter_modules(nets.__path__)]",
    ],
)
@pytest.mark.parametrize("first", ["nets/__init__.py", "nets/notes.py"])
def test_modules_of_a_package_that_are_imported_by_names_made_up_travel(tmp_path: Path, line: str, first: str) -> None:
    lay(tmp_path, {"tune.py": line, first: "", "nets/small.py": "", "nets/parts/big.py": "import leaf", "leaf.py": ""})
    lay(tmp_path, {"other/small.py": "", "other/used.py": ""})
    lay(tmp_path, {"tune.py": f"from other import used\n{line}"} if "pkgutil" not in line else {})
    found = names(tmp_path, "tune.py:train")
    assert {"nets/small.py", "nets/parts/big.py", "leaf.py"} <= set(found)
    assert "other/small.py" not in found


@pytest.mark.parametrize(
    "line",
    [
        "sys.path.insert(0, os.path.join(os.path.dirname(__file__), 'lib'))",
        "sys.path.append(str(Path(__file__).parent / 'lib'))",
        "sys.path.append('code/lib')",
        "sys.path.append('../code/lib')",
    ],
)
def test_modules_of_a_folder_that_a_trainer_adds_to_the_path_travel(tmp_path: Path, line: str) -> None:
    text = f"import os, sys\nfrom pathlib import Path\n{line}\nimport shapes"
    lay(tmp_path, {"code/tune.py": text, "code/lib/shapes.py": "import parts", "code/lib/parts.py": ""})
    assert names(tmp_path, "code/tune.py:train") == ["lib/parts.py", "lib/shapes.py", "tune.py"]


def test_modules_above_a_trainer_that_adds_their_folder_to_the_path_travel(tmp_path: Path) -> None:
    text = "import sys\nfrom pathlib import Path\nsys.path.append(str(Path(__file__).parents[1]))\nimport shapes"
    lay(tmp_path, {"code/tune.py": text, "shapes.py": ""})
    assert names(tmp_path, "code/tune.py:train") == ["code/tune.py", "shapes.py"]


def test_modules_beside_the_study_file_travel_with_a_trainer_in_a_folder_of_its_own(tmp_path: Path) -> None:
    lay(tmp_path, {"code/tune.py": "import shapes", "shapes.py": ""})
    assert names(tmp_path, "code/tune.py:train", tmp_path) == ["code/tune.py", "shapes.py"]


def test_a_module_that_is_imported_relatively_finds_what_its_importer_does(tmp_path: Path) -> None:
    lay(tmp_path, {"study/nets/__init__.py": "from .models import train", "study/nets/models.py": "import shapes"})
    lay(tmp_path, {"shapes.py": ""})
    found = names(tmp_path, "nets.models:train", tmp_path / "study", tmp_path)
    assert found == ["shapes.py", "study/nets/__init__.py", "study/nets/models.py"]


@pytest.mark.parametrize(
    "line",
    [
        "runpy.run_path('parts/blocks.py')",
        "importlib.util.spec_from_file_location('blocks', Path(__file__).parent / 'parts' / 'blocks.py')",
    ],
)
def test_a_file_that_is_imported_by_its_path_travels(tmp_path: Path, line: str) -> None:
    lay(tmp_path, {"tune.py": line, "parts/blocks.py": "import shapes", "shapes.py": "", "parts/unused.py": ""})
    assert {"tune.py", "parts/blocks.py", "shapes.py"} <= set(names(tmp_path, "tune.py:train"))


def test_modules_whose_names_are_taken_are_known(tmp_path: Path) -> None:
    lay(tmp_path, {"tune.py": "import yaml, calendar, torch.nn", "calendar.py": "", "torch/__init__.py": ""})
    found = find_code([f"{tmp_path}/tune.py:train"])
    assert sorted(file.relative_to(tmp_path).as_posix() for file in found.hidden) == [
        "calendar.py",
        "torch/__init__.py",
    ]


def test_what_nobody_imports_stays_where_it_is(tmp_path: Path) -> None:
    lay(tmp_path, {"tune.py": "import torch, os, no_such_module", "other.py": "", "torch.py": "", "os.py": ""})
    assert names(tmp_path, "tune.py:train") == ["tune.py"]


def test_goodfits_own_name_is_not_the_studys_and_every_other_is(tmp_path: Path) -> None:
    mine = {f"{name}/__init__.py": "" for name in ("service", "trainers", "search_spaces", "data", "utils")}
    imports = "\n".join(f"import {name.partition('/')[0]}" for name in mine)
    lay(
        tmp_path,
        {"tune.py": f"{imports}\nimport goodfit.mine", "goodfit/mine.py": "", "goodfit/__init__.py": "", **mine},
    )
    assert names(tmp_path, "tune.py:train") == sorted(["tune.py", *mine])


def test_a_package_comes_with_what_it_imports_relatively(tmp_path: Path) -> None:
    files = {
        "nets/__init__.py": "from .blocks import block",
        "nets/models.py": "from . import blocks\nfrom .deep.layer import x\nfrom pkg import y",
        "nets/blocks.py": "",
        "nets/deep/__init__.py": "",
        "nets/deep/layer.py": "from ..shared import z",
        "nets/shared.py": "",
        "nets/unused.py": "",
        "pkg.py": "",
    }
    lay(tmp_path, files)
    expected = sorted(set(files) - {"nets/unused.py"})
    assert names(tmp_path, "nets/models.py:train") == expected
    assert names(tmp_path, "nets.models:train", tmp_path) == expected
    assert names(tmp_path, "nets.models:train") == []


def test_imports_that_go_round_and_a_neighbour_that_is_no_python_come_along(tmp_path: Path) -> None:
    lay(tmp_path, {"tune.py": "import a", "a.py": "import b", "b.py": "import a, tune, broken", "broken.py": "def ("})
    assert names(tmp_path, "tune.py:train") == ["a.py", "b.py", "broken.py", "tune.py"]


def test_a_link_travels_as_the_file_that_it_leads_to(tmp_path: Path) -> None:
    lay(tmp_path, {"lib/shapes.py": "SIDES = 4", "study/tune.py": "import shapes"})
    (tmp_path / "study" / "shapes.py").symlink_to(tmp_path / "lib" / "shapes.py")
    code = find_code([f"{tmp_path}/study/tune.py:train"]).code()
    assert code.files == {"tune.py": b"import shapes", "shapes.py": b"SIDES = 4"}


def test_code_of_two_folders_keeps_them_apart(tmp_path: Path) -> None:
    lay(tmp_path, {"models/tune.py": "import u", "models/u.py": "1", "data/load.py": "import u", "data/u.py": "2"})
    found = find_code([f"{tmp_path}/models/tune.py:train", f"{tmp_path}/data/load.py:load", "digits", "mlp"])
    assert sorted(found.code().files) == ["data/load.py", "data/u.py", "models/tune.py", "models/u.py"]


def test_files_that_the_code_names_and_that_are_no_modules_are_known(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {"tune.py": "import shapes\nopen('weights.json')", "shapes.py": "'sub/t.csv', 'absent.csv', 'tune.py'"},
    )
    lay(tmp_path, {"weights.json": "{}", "sub/t.csv": "", "unnamed.csv": ""})
    found = find_code([f"{tmp_path}/tune.py:train"])
    assert sorted(found.named) == [tmp_path / "sub/t.csv", tmp_path / "weights.json"]


def test_code_that_lies_here_as_it_was_is_used_where_it_lies(tmp_path: Path) -> None:
    lay(tmp_path, {"tune.py": "import shapes", "shapes.py": "SIDES = 4"})
    code = find_code([f"{tmp_path}/tune.py:train"]).code()
    assert placed(code) == tmp_path


def test_a_copy_of_code_that_was_written_meanwhile_has_its_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    home = lay(tmp_path / "home", {"tune.py": "import shapes", "shapes.py": "SIDES = 4", "weights.json": "{}"})
    code = find_code([f"{home}/tune.py:train"]).code()
    (home / "shapes.py").write_text("SIDES = 5")
    place = placed(code)
    assert (place / "shapes.py").read_text() == "SIDES = 4"
    assert (place / "weights.json").read_text() == "{}"
    assert placed(code) == place
    assert place.parent.stat().st_mode & 0o777 == 0o700


RELATIVE = {
    "nets/__init__.py": "",
    "nets/models.py": "from .blocks import NAME\nfrom nets.blocks import NAME as SAME\ndef train(trial): ...\n"
    "train.__doc__ = NAME + SAME",
    "nets/blocks.py": "NAME = 'block'",
}


def test_a_file_of_a_package_imports_from_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    lay(tmp_path, RELATIVE)
    assert imports_relatively(tmp_path / "nets/models.py")
    assert resolve(f"{tmp_path}/nets/models.py:train").doc == "blockblock"


def test_studies_with_modules_of_one_name_have_each_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    text = "import helper_of_many\ndef train(trial): ...\ntrain.__doc__ = helper_of_many.NAME"
    for name in ("a", "b"):
        lay(tmp_path / name, {"tune.py": text, "helper_of_many.py": f"NAME = '{name}'"})
    assert [resolve(f"{tmp_path}/{name}/tune.py:train").doc for name in ("a", "b", "a")] == ["a", "b", "a"]
    lay(tmp_path / "a", {"late.py": text})
    assert resolve(f"{tmp_path}/a/late.py:train").doc == "a"


def test_goodfits_own_modules_stay_whatever_lies_beside_a_trainer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from goodfit.trainers import importing, messages

    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(importing, "_folders", [str(Path(importing.__file__).parents[2])])  # one that Goodfit lies in
    for name, text in {"net.py": "def train(trial): ...", "goodfit.py": "raise SystemExit"}.items():
        (tmp_path / name).write_text(text)
    assert resolve(f"{tmp_path}/net.py:train")
    assert sys.modules["goodfit.trainers.messages"] is messages


TRAVELLER = {
    "tune.py": "import shapes_far_away\nfrom goodfit import register\n"
    "def train(trial):\n    import service_of_mine.late\n    for epoch in trial.epochs():\n"
    "        trial.report(val={'accuracy': shapes_far_away.SIDES + service_of_mine.late.MORE})\n"
    "def reads(trial):\n    open('weights.json')\n",
    "shapes_far_away.py": "SIDES = 4",
    "service_of_mine/__init__.py": "",
    "service_of_mine/late.py": "MORE = 0.5",
    "goodfit.py": "raise SystemExit",
}


def far_away(name: str, setup: Setup, tmp_path: Path) -> Line:
    """What a worker on a machine without the study's files makes of a trial."""
    line = Line()
    worker = Worker(line)
    worker.warm_up(setup)
    worker.run(Pack((assign(tmp_path / "trial", trainer=f"/home/ada/study/{name}"),)))
    return line


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This process is a worker's: what it does to itself is undone."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("goodfit.trainers.importing._elsewhere", [])
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "1")
    return tmp_path


def code_far_away(files: Mapping[str, str]) -> Code:
    return Code("/home/ada/study", {name: text.encode() for name, text in files.items()})


def test_a_worker_that_has_none_of_the_files_trains_all_the_same(here: Path) -> None:
    setup = Setup("/home/ada/study/tune.py:train", None, code=code_far_away(TRAVELLER), elsewhere=True)
    line = far_away("tune.py:train", setup, here)
    assert line.ended.message is None
    assert [metrics["val/accuracy"] for _, metrics in line.curve] == [4.5] * 3


def test_a_worker_that_lacks_a_package_says_whose_it_is_to_install(here: Path) -> None:
    files = {"theirs.py": "import package_of_nobody\ndef train(trial): ..."}
    line = far_away("theirs.py:train", Setup("mlp", None, code=code_far_away(files), elsewhere=True), here)
    message = line.ended.message or ""
    assert "the package package_of_nobody, which the workers lack" in message
    assert "requirements:" in message
    assert "pip install" not in message


def test_a_file_that_did_not_travel_is_said(here: Path) -> None:
    setup = Setup("mlp", None, code=code_far_away(TRAVELLER), elsewhere=True)
    line = far_away("tune.py:reads", setup, here)
    assert line.ended.outcome is Outcome.ERROR
    assert "no other files that lie beside it" in (line.ended.message or "")


def test_a_name_of_goodfits_own_is_said_to_be_taken(tmp_path: Path) -> None:
    lay(tmp_path, {"tune.py": "from goodfit.of_mine import net", "goodfit/of_mine.py": "net = 1"})
    done = subprocess.run(
        [sys.executable, "-c", f"from goodfit.trainers.registry import resolve; resolve('{tmp_path}/tune.py:train')"],
        capture_output=True,
        text=True,
    )
    assert "the name goodfit is Goodfit's own: rename" in done.stderr
    assert "pip install" not in done.stderr


def test_whose_packages_are_said_to_lack_is_said_once(here: Path) -> None:
    lay(here, {"x.py": "import package_of_nobody"})
    use_packages_of("the server's workers")
    with pytest.raises(Exception, match="which the server's workers lack, and no module of that name came with"):
        resolve(f"{here}/x.py:train")


def test_for_a_service_nothing_beside_goodfits_own_source_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    root = str(Path(__file__).parents[2])
    monkeypatch.setattr(sys, "path", ["/srv/others", root, "/srv/more"])
    leave_source_tree()
    assert sys.path == ["/srv/others", "/srv/more"]
