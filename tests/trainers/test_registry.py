"""How a study's `trainer:` finds one, and what a trainer declares."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from goodfit.trainers.errors import BadTrainer, UnknownTrainer
from goodfit.trainers.registry import Trainer, names, register, resolve
from goodfit.trainers.trial import Trial


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose modules can be imported; forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@dataclass(frozen=True)
class SmallConfig:
    rate: float
    depth: int = 2


def test_the_built_in_trainers_are_found_by_name() -> None:
    assert resolve("mlp").name == "mlp"
    assert resolve("cnn").kinds == {"image"}


def test_a_name_that_is_nearly_right_gets_the_right_one_suggested() -> None:
    with pytest.raises(UnknownTrainer, match=r"no trainer 'mpl'; did you mean mlp\? choose from: .*cnn.*mlp"):
        resolve("mpl")


def test_a_function_in_a_file_is_a_trainer(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def train(trial):\n    'Trains mine.\\n\\n    At length.'\n")
    trainer = resolve(f"{file}:train")
    assert (trainer.name, trainer.doc, trainer.config) == ("train", "Trains mine.", None)


def test_a_registered_name_in_a_file_is_found_by_the_name_or_the_function(tmp_path: Path) -> None:
    file = tmp_path / "named.py"
    file.write_text("from goodfit import register\n@register('my-net')\ndef train(trial): ...\n")
    assert resolve(f"{file}:my-net") is resolve(f"{file}:train")


def test_a_files_neighbours_can_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "neighbour_of_it.py").write_text("NAME = 'by the neighbour'")
    file = tmp_path / "with_neighbour.py"
    file.write_text("import neighbour_of_it\ndef train(trial): ...\ntrain.__doc__ = neighbour_of_it.NAME\n")
    assert resolve(f"{file}:train").doc == "by the neighbour"


def test_two_files_of_one_name_are_two_trainers(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.py").write_text(f"def train(trial): '{folder}'")
    assert [resolve(f"{tmp_path / folder / 'same.py'}:train").doc for folder in ("a", "b")] == ["a", "b"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownTrainer, match=r"no file .*nothing\.py"):
        resolve(f"{tmp_path / 'nothing.py'}:train")


def test_a_missing_function_gets_the_nearest_suggested(tmp_path: Path) -> None:
    file = tmp_path / "typo.py"
    file.write_text("def train(trial): ...\n")
    with pytest.raises(UnknownTrainer, match=r"typo\.py has no 'trian'; did you mean train\?"):
        resolve(f"{file}:trian")


def test_a_file_that_fails_on_import_says_why(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("import math\nmath.nothing\n")
    with pytest.raises(
        BadTrainer, match=r"importing .*broken\.py failed: AttributeError: .*nothing.* \(broken\.py:2\)$"
    ):
        resolve(f"{file}:train")


def test_a_file_in_the_middle_of_a_merge_says_so(tmp_path: Path) -> None:
    file = tmp_path / "merged.py"
    file.write_text("import math\n<<<<<<< HEAD\nX = 1\n=======\nX = 2\n>>>>>>> other\n")
    with pytest.raises(BadTrainer, match=r"\(merged\.py, line 2\); resolve the merge conflict that begins there$"):
        resolve(f"{file}:train")


def test_a_script_that_exits_on_import_does_not_end_us(tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    file.write_text("import sys\nsys.exit(3)\n")
    with pytest.raises(BadTrainer, match="SystemExit: 3"):
        resolve(f"{file}:train")


def test_what_cannot_be_called_is_no_trainer(tmp_path: Path) -> None:
    file = tmp_path / "constant.py"
    file.write_text("train = 3\n")
    with pytest.raises(BadTrainer, match="is int, not a function"):
        resolve(f"{file}:train")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def train(): ...", r"takes \(\); a trainer is called as train\(trial\), with one argument"),
        ("def train(trial, model): ...", r"takes \(trial, model\)"),
        ("def train(*, trial): ...", r"takes \(\*, trial\)"),
        ("class train: ...", r"takes \(\)"),
        (
            "def train(trial, data): return trial.suggest_int('a', 0, 1)",
            r"takes \(trial, data\), and is called with a trial alone: .* NAME = functools.partial\(train, ...\)",
        ),
        (
            "class train:\n    def __init__(self, d): ...\n    def __call__(self, t): return t.suggest_int('a', 0, 1)",
            r"a class that takes \(d\), so name an object of it: .* NAME = train\(...\), and write `trainer: .*:NAME`",
        ),
        ("async def train(trial): ...", "is async, and would not run"),
        ("def train(trial):\n    yield 1", "is a generator, and would not run"),
    ],
)
def test_a_function_that_cannot_be_called_with_a_trial_is_no_trainer(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(f"{text}\n")
    with pytest.raises(BadTrainer, match=told):
        resolve(f"{file}:train")


@pytest.mark.parametrize(
    "text",
    [
        "def train(trial, epochs=3, **more): ...",
        "def train(*words): ...",
        "class Mine:\n    def __call__(self, trial): ...\ntrain = Mine()",
        "from functools import partial\ndef other(model, trial): ...\ntrain = partial(other, 3)",
        "train = print",
    ],
)
def test_whatever_takes_one_argument_is_a_trainer(tmp_path: Path, text: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(f"{text}\n")
    assert callable(resolve(f"{file}:train").train)


def test_a_file_without_a_function_says_how_to_name_one() -> None:
    with pytest.raises(UnknownTrainer, match=r"names no function of the file; write my_net\.py:train, for example"):
        resolve("my_net.py")


def test_a_module_and_a_name_are_a_trainer(on_path: Path) -> None:
    (on_path / "my_models.py").write_text("def train(trial): 'From a module.'")
    assert resolve("my_models:train").doc == "From a module."


def test_an_unknown_module_is_named() -> None:
    with pytest.raises(UnknownTrainer, match="no module 'no_such_models'"):
        resolve("no_such_models:train")


def test_a_module_that_lacks_a_package_says_what_to_install(on_path: Path) -> None:
    (on_path / "needs_more.py").write_text("import no_such_package")
    with pytest.raises(BadTrainer, match="needs the package no_such_package, which is not installed: pip install"):
        resolve("needs_more:train")


@pytest.mark.parametrize(
    ("package", "install"),
    [("lightning", "'goodfit[lightning]'"), ("transformers", "'goodfit[hugging-face]'"), ("flax", "flax")],
)
def test_a_file_that_lacks_a_package_says_what_to_install(
    on_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, install: str
) -> None:
    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name.partition(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return imported(name, *rest, **more)

    imported = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", refuse)
    file = on_path / "needs_more.py"
    file.write_text(f"import {package}.callbacks")
    told = f"{file} needs the package {package}, which is not installed: pip install {install}"
    if package == "flax":  # which may be anything
        told += "; if flax is a module of your own, put it beside the file that imports it"
    with pytest.raises(BadTrainer) as caught:
        resolve(f"{file}:train")
    assert str(caught.value) == told


def test_a_module_that_its_package_lacks_is_named_and_nothing_to_install(on_path: Path) -> None:
    (on_path / "blocks").mkdir()
    (on_path / "blocks" / "__init__.py").write_text("")
    file = on_path / "needs_more.py"
    file.write_text("from blocks.gone import f")
    with pytest.raises(BadTrainer) as caught:
        resolve(f"{file}:train")
    assert (
        str(caught.value)
        == f"{file} needs the module blocks.gone, which is not in the package blocks ({on_path}/blocks)"
    )


@pytest.mark.parametrize("name", ["tune.v2 (1).py", "größe 2.py", "-.py"])
def test_a_file_may_be_called_anything(on_path: Path, name: str) -> None:
    (on_path / name).write_text("def train(trial): ...")
    assert resolve(f"{on_path}/{name}:train").name == "train"


def test_installed_packages_add_trainers_by_entry_points(on_path: Path) -> None:
    (on_path / "their_package.py").write_text("def train(trial): 'Theirs.'")
    info = on_path / "their_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[goodfit.trainers]\ntheirs = their_package:train\n")
    assert "theirs" in names()
    assert resolve("theirs").doc == "Theirs."


def test_a_config_dataclass_gives_names_defaults_and_types() -> None:
    trainer = Trainer("small", lambda trial: None, SmallConfig)
    assert trainer.defaults() == {"depth": 2}
    assert trainer.types() == {"rate": float, "depth": int}
    assert trainer.configure({"rate": 0.1}) == SmallConfig(0.1, 2)


def test_parameters_that_a_config_does_not_take_or_lacks_are_named() -> None:
    trainer = Trainer("small", lambda trial: None, SmallConfig)
    with pytest.raises(BadTrainer, match="small has no hyperparameter witdh"):
        trainer.configure({"rate": 0.1, "witdh": 3})
    with pytest.raises(BadTrainer, match="small needs the hyperparameter rate"):
        trainer.configure({"depth": 3})


def test_without_a_config_any_parameter_goes() -> None:
    trainer = Trainer("any", lambda trial: None)
    assert trainer.configure({"anything": 1}).anything == 1
    assert (trainer.defaults(), trainer.types()) == ({}, {})


def test_a_registered_trainer_is_listed_and_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goodfit.trainers.registry._registered", {})

    @register("mine", config=SmallConfig, shapes=["depth"], kinds=["table"], metrics={"regression": ("loss",)})
    def train(trial: Trial) -> None:
        """Mine."""

    assert resolve("mine") is train
    assert "mine" in names()
    assert (train.shapes, train.kinds, train.doc) == (frozenset({"depth"}), frozenset({"table"}), "Mine.")


SOURCES = {
    "def train(trial):\n    for _ in trial.epochs():\n        trial.report(val={'loss': 1.0})\n": True,
    "def train(trial):\n    trial.restore(trial.config)\n": False,
    "def train(trial):\n    keep = trial.restore\n": False,
    "def train(trial):\n    help_me(trial)\n": False,
    "def train(trial):\n    mine = trial\n": False,
    "def train(*all):\n    all[0].epochs()\n": False,
    "class Train:\n    def __call__(self, trial):\n        trial.epochs()\n\n\ntrain = Train()\n": False,
    "train = lambda trial: trial.epochs()\n": False,
}


@pytest.mark.parametrize("source", SOURCES)
def test_a_trainer_whose_source_shows_it_is_known_not_to_resume(tmp_path: Path, source: str) -> None:
    (tmp_path / "theirs.py").write_text(source)
    assert resolve(f"{tmp_path / 'theirs.py'}:train").never_resumes() is SOURCES[source]


def test_no_built_in_trainer_is_taken_for_one_that_does_not_resume() -> None:
    assert not any(resolve(name).never_resumes() for name in ("mlp", "cnn", "rnn", "transformer", "gan", "rl"))


@pytest.mark.parametrize("packs", [["imgae"], "imgae", ["image", "text"]])
def test_packs_on_a_kind_of_data_that_the_trainer_does_not_take_are_refused(packs: Any) -> None:
    with pytest.raises(BadTrainer, match=r"packs of trainer mine: \w+ is none of its kinds \(image, series\)"):
        register("mine", kinds=["image", "series"], packs=packs)(lambda _: None)


def test_packs_are_said_for_all_kinds_of_data_or_for_some() -> None:
    some = register("mine", kinds=["image", "series"], packs="image")(lambda _: None)
    every = register("mine", packs=True)(lambda _: None)
    assert [some.packs_on(kind) for kind in ("image", "series", None)] == [True, False, False]
    assert [every.packs_on(kind) for kind in ("image", None)] == [True, True]
