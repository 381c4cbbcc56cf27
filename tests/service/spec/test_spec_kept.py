"""A spec as it is kept: it comes back as it was, and what tells two apart."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goodfit.search_spaces import Space
from goodfit.service.errors import StudyFileError
from goodfit.service.spec import StudySpec, read
from tests.random_spaces import spaces
from tests.service.spec.studies import FULL, MINIMAL, spec_of


def test_a_spec_outlives_its_files(tmp_path: Path):
    folder = tmp_path / "studies"
    folder.mkdir()
    (folder / "own.py").write_text("def net(trial): ...\n")
    (folder / "own.yaml").write_text("depth: [1, 2]\n")
    text = MINIMAL.replace("mlp", "own.py:net")
    spec = spec_of(folder, text.replace(text.splitlines()[3], "space: own.yaml"))
    kept = json.dumps(spec.to_dict())
    shutil.rmtree(folder)
    again = StudySpec.from_dict(json.loads(kept))
    assert again == spec
    assert again.fingerprint() == spec.fingerprint()


def test_where_a_trainers_module_lies_is_kept_and_does_not_make_another_study(tmp_path: Path):
    found = []
    for folder in (tmp_path / "here", tmp_path / "there"):
        folder.mkdir()
        (folder / "net_beside_the_study.py").write_text("def train(trial): ...")
        (folder / "study.yaml").write_text(MINIMAL.replace("trainer: mlp", "trainer: net_beside_the_study:train"))
        found.append(read(folder / "study.yaml"))
        assert found[-1].modules[0] == str(folder)
    assert StudySpec.from_dict(json.loads(json.dumps(found[0].to_dict()))) == found[0]
    assert found[0].fingerprint() == found[1].fingerprint()
    assert found[0].differences(found[1].to_dict()) == []
    assert spec_of(tmp_path).modules == ()


def test_a_spec_survives_a_store_that_reorders_keys(tmp_path: Path):
    spec = spec_of(tmp_path, FULL)
    again = StudySpec.from_dict(json.loads(json.dumps(spec.to_dict(), sort_keys=True)))
    assert again == spec
    assert again.space.names == spec.space.names


def test_a_kept_spec_that_cannot_be_read_names_its_keys(tmp_path: Path):
    kept = spec_of(tmp_path).to_dict()
    del kept["objective"]
    kept["training"]["epohcs"] = 3
    kept["space"] = {"depth": [1, 2]}
    with pytest.raises(StudyFileError) as caught:
        StudySpec.from_dict(kept)
    assert caught.value.file == "the stored spec of study a-study"
    assert {problem.key for problem in caught.value.problems} == {"objective", "training.epohcs", "space"}


@pytest.mark.parametrize(
    ("written", "other"),
    [
        ("low: 1e-4", "low: 0.0001"),
        ("low: 1e-4", "low: '0.0001'"),
        ("budget: {trials: 4}", "# four\nbudget:\n  trials: 4"),
        ("{metric: val/loss, direction: minimize}", "{direction: minimize, metric: val/loss}"),
        ("name: a-study\ntrainer: mlp", "trainer: mlp\nname: a-study"),
        ("type: float, low: 1e-4", "low: 1e-4, doc: a rate, type: float"),
        ("budget: {trials: 4}", "budget: {trials: 4}\nsearch: {method: auto}\nresources: {cpus: 1}"),
        ("optimizer: [adamw, sgd]}", "optimizer: {type: choice, choices: [adamw, sgd]}}"),
    ],
)
def test_how_a_study_is_written_does_not_change_its_fingerprint(tmp_path: Path, written: str, other: str):
    one, two = spec_of(tmp_path), spec_of(tmp_path, MINIMAL.replace(written, other))
    assert MINIMAL.replace(written, other) != MINIMAL
    assert one.fingerprint() == two.fingerprint()
    assert two.differences(one.to_dict()) == []


def test_fixing_in_the_space_or_under_fixed_is_the_same_study(tmp_path: Path):
    one = spec_of(tmp_path, MINIMAL + "fixed: {depth: 2, width: 8}\n")
    two = spec_of(tmp_path, MINIMAL.replace("space: {", "space: {depth: 2, ") + "fixed: {width: 8}\n")
    assert one.fingerprint() == two.fingerprint()
    assert one.differences(two.to_dict()) == []


@pytest.mark.parametrize(
    ("overrides", "differences"),
    [
        (["budget.trials=40"], ["budget.trials: 4 there, 40 here"]),
        (["training.patience=3"], ["training.patience: not set there, 3 here"]),
        (
            ["search.seed=1", "training.retries=0"],
            ["search.seed: 0 there, 1 here", "training.retries: 2 there, 0 here"],
        ),
        (["space.learning_rate.high=0.2"], ["space.learning_rate.high: 0.1 there, 0.2 here"]),
        (["space.optimizer=[sgd, adam]"], ["space.optimizer.choices: [adamw, sgd] there, [sgd, adam] here"]),
        (["data.split.seed=1"], ["data.split.seed: 0 there, 1 here"]),
        (["name=other"], ["name: a-study there, other here"]),
        (
            ["space={optimizer: [adamw, sgd], learning_rate: {type: float, low: 1e-4, high: 0.1, log: true}}"],
            ["space: the parameters are in another order"],
        ),
        (
            ["fixed.depth=3"],
            ["space.depth.type: not set there, fixed here", "space.depth.value: not set there, 3 here"],
        ),
        (
            ["pruning={method: median}"],
            [
                "pruning.method: auto there, median here",
                "pruning.n_startup_trials: not set there, 5 here",
                "pruning.n_warmup_steps: not set there, 0 here",
                "pruning.interval_steps: not set there, 1 here",
                "pruning.n_min_trials: not set there, 1 here",
            ],
        ),
    ],
)
def test_what_decides_the_results_changes_the_fingerprint_and_is_told(
    tmp_path: Path, overrides: list[str], differences: list[str]
):
    one, two = spec_of(tmp_path), spec_of(tmp_path, MINIMAL, *overrides)
    assert one.fingerprint() != two.fingerprint()
    assert two.differences(one.to_dict()) == differences


def test_a_study_kept_by_an_earlier_version_without_a_newer_key_is_the_same_study(tmp_path: Path):
    spec = spec_of(tmp_path)
    kept = spec.to_dict()
    del kept["budget"]["failures"]
    assert spec.is_same(kept)
    assert spec.differences(kept) == []
    assert not spec_of(tmp_path, MINIMAL, "budget.failures=3").is_same(kept)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    space=spaces(finite=False),
    epochs=st.integers(1, 100),
    share=st.floats(0.01, 0.49),
    minutes=st.none() | st.floats(0.01, 1e4),
    target=st.none() | st.floats(-1e6, 1e6),
    seed=st.integers(0, 2**32 - 1),
    method=st.sampled_from(["random", "bayesian"]),
)
def test_any_spec_comes_back_from_json_as_it_was(
    space: Space, epochs: int, share: float, minutes: float | None, target: float | None, seed: int, method: str
):
    spec = StudySpec.model_validate(
        {
            "name": "any",
            "trainer": "mlp",
            "data": {"source": "iris", "split": {"validation": share, "test": share, "seed": seed}},
            "space": space,
            "objective": {"metric": "val/loss", "direction": "minimize"},
            "search": {"method": method, "seed": seed},
            "training": {"epochs": epochs, "minutes": minutes},
            "budget": {"trials": epochs, "target": target},
        }
    )
    again = StudySpec.from_dict(json.loads(json.dumps(spec.to_dict())))
    assert again == spec
    assert again.to_dict() == spec.to_dict()
    assert again.fingerprint() == spec.fingerprint()
    assert again.differences(spec.to_dict()) == []


def test_a_spec_cannot_be_changed(tmp_path: Path):
    spec = spec_of(tmp_path)
    with pytest.raises(ValueError, match="frozen"):
        spec.name = "other"  # type: ignore[misc]
