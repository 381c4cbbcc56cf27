"""What a diagnosis proposes to change in a study file is taken by the study."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from goodfit.service.app.diagnoses import _foldable, _usable
from goodfit.service.diagnosis.health import Edit, Facts, Finding, Severity
from goodfit.service.diagnosis.health.noise import Noise, noise_hides_effect
from goodfit.service.objective import Objective
from goodfit.service.spec import StudySpec, from_mapping, read
from goodfit.service.spec.proposals import would_be_taken

SPACE = {
    "learning_rate": {"type": "float", "low": 1e-3, "high": 1e-1, "log": True},
    "optimizer": ["sgd", "adam"],
    "momentum": {"type": "float", "low": 0.5, "high": 0.9, "when": {"optimizer": "sgd"}},
    "dropout": {"type": "float", "low": 0, "high": 0.5},
}


def spec(**changes: Any) -> StudySpec:
    values = {
        "name": "s",
        "trainer": "mlp",
        "data": {"source": "iris"},
        "space": SPACE,
        "fixed": {"batch_size": 32},
        "objective": {"metric": "val/loss", "direction": "minimize"},
        "training": {"epochs": 4},
        "budget": {"trials": 8},
    }
    kept = {key: value for key, value in {**values, **changes}.items() if value is not None}
    return from_mapping(kept, Path.cwd())


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        ("space.learning_rate.high=0.3", True),
        ("space.momentum.high=0.95", True),
        ("space.momentum.high=1.2", False),  # the trainer takes less than 1
        ("space.dropout.high=1", False),
        ("space.dropout.low=0.6", False),
        ("space.optimizer=[adam]", False),  # momentum would never be there
        ("fixed.optimizer=adam", True),
        ("fixed.clip_norm=1.0", True),
        ("fixed.learning_rate=0.01", True),
        ("training.patience=3", True),
        ("training.epochs=8", True),
        ("budget.trials=16", True),
        ("pruning={method: median, n_warmup_steps: 2}", True),
        ("pruning.n_warmup_steps=2", False),
        ("data.split.folds=5", True),
        ("confirm={top: 3, seeds: 5}", True),
    ],
)
def test_an_edit_is_tried_on_the_study(change: str, taken: bool) -> None:
    assert would_be_taken(spec(), [change]) is taken


def test_an_edit_that_needs_what_the_data_have_not_is_not_taken() -> None:
    no_test = spec(data={"source": "iris", "split": {"test": 0}})
    assert not would_be_taken(no_test, ["confirm={top: 3, seeds: 5}"])
    shares = spec(data={"source": "iris", "split": {"validation": 0.3}})
    assert not would_be_taken(shares, ["data.split.folds=5"])
    brings_its_own = spec(
        trainer="rl",
        data=None,
        space={"gamma": [0.9, 0.99]},
        fixed={},
        objective={"metric": "val/return", "direction": "maximize"},
    )
    assert not would_be_taken(brings_its_own, ["data.split.folds=5"])


def test_an_edit_that_is_not_taken_is_not_proposed() -> None:
    def finding(code: str, **changes: Any) -> Finding:
        return Finding(code, Severity.WARNING, "so", None, Edit(changes))

    given = [
        finding("edge", **{"space.momentum.high": 1.2}),
        finding("lost_trials", **{"space.optimizer": ["adam"]}),
        finding("edge", **{"space.learning_rate.high": 0.3}),
    ]
    kept = list(_usable(spec(), given))
    assert [(one.code, one.edit is not None) for one in kept] == [("lost_trials", False), ("edge", True)]


FACTS = {"kind": "table", "rows": {"train": 90, "validation": 30, "test": 30}}


@pytest.mark.parametrize(
    ("data", "facts", "foldable"),
    [
        ({"source": "iris"}, FACTS, True),
        ({"source": "iris"}, None, False),
        ({"source": "iris"}, {**FACTS, "kind": "series"}, False),
        ({"source": "iris"}, {**FACTS, "kind": "corpus"}, False),
        ({"source": "iris"}, {**FACTS, "rows": {"train": 20, "validation": 6, "test": 6}}, False),
        ({"source": "iris", "split": {"validation": 0.3}}, FACTS, False),
        ({"source": "iris", "split": {"reshuffle": True}}, FACTS, False),
    ],
)
def test_folds_are_proposed_where_the_data_can_be_folded(data: Any, facts: Any, foldable: bool) -> None:
    assert _foldable(spec(data=data), facts) is foldable


def test_a_folder_with_validation_images_is_not_folded(tmp_path: Path) -> None:
    images = spec()
    for name in ("train", "val"):
        (tmp_path / name).mkdir()
    folder = images.model_copy(update={"data": images.data.model_copy(update={"source": str(tmp_path)})})  # type: ignore[union-attr]
    assert not _foldable(folder, {**FACTS, "kind": "image"})
    (tmp_path / "val").rename(tmp_path / "cat")
    assert _foldable(folder, {**FACTS, "kind": "image"})


def test_noise_is_to_be_averaged_over_folds_only_where_there_can_be_folds() -> None:
    noise = Noise(1.0, "seeds", 1.0, 0.1, 5, 20)
    facts = Facts(objective=Objective("val/loss", "minimize"), epochs=5)
    (can,) = noise_hides_effect(noise, facts)
    (cannot,) = noise_hides_effect(noise, replace(facts, foldable=False))
    assert "Average over folds" in can.text
    assert can.edit == Edit({"data.split.folds": 5})
    assert "folds" not in cannot.text
    assert "Validate on more data" in cannot.text
    assert cannot.edit is None


def test_a_key_of_a_named_space_can_be_set(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "name: s\ntrainer: mlp\ndata: {source: iris}\nspace: mlp\nobjective: {metric: val/loss, direction: minimize}\n"
        "training: {epochs: 2}\nbudget: {trials: 2}\n"
    )
    plain, changed = read(path), read(path, ["space.learning_rate.high=0.5"])
    assert changed.space["learning_rate"].high == 0.5  # type: ignore[union-attr]
    assert [item.name for item in changed.space] == [item.name for item in plain.space]
    assert "dropout" not in {item.name for item in read(path, ["space.dropout=null"]).space}
