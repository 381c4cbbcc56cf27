"""docs/writing_a_trainer.md does what it says: its files are written out, and its studies run."""

from __future__ import annotations

import importlib
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from goodfit.search_spaces.parameters import Choice, Float, Int, Value
from goodfit.service.spec import StudySpec, read
from goodfit.testing.attempts import Line, attempt
from goodfit.trainers.messages import Outcome
from goodfit.trainers.prediction.model_folder import load_model, read_facts, save_model
from goodfit.trainers.registry import resolve
from goodfit.trainers.trial import Trial

PAGE = Path(__file__).parents[2] / "docs" / "writing_a_trainer.md"
BLOCKS = dict(re.findall(r"```\w+\n# (\S+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
STUDIES = sorted(name for name in BLOCKS if name.endswith(".yaml"))
EXAMPLES = Path(__file__).parents[2] / "examples" / "bring_your_own"
NEEDS = {"my_lightning.yaml": "lightning", "my_hugging_face.yaml": "transformers"}
BUILT_AGAIN = [
    name
    for name in STUDIES
    if name not in ("my_net.yaml", "my_hugging_face.yaml", "my_linear.yaml", "my_boosting.yaml")
]
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning", "ignore:.*does not have many workers")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Every file of the page in one folder, its package installed; forgotten afterwards."""
    torch.set_num_threads(1)
    monkeypatch.setattr("goodfit.trainers.registry._registered", {})
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in BLOCKS.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    install(tmp_path, tomllib.loads(BLOCKS["pyproject.toml"])["project"])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def install(folder: Path, project: dict[str, Any]) -> None:
    """Put a package's metadata where importlib looks for them."""
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [line for group, points in project["entry-points"].items() for line in entry(group, points)]
    (info / "entry_points.txt").write_text("\n".join(lines))


def entry(group: str, points: dict[str, str]) -> list[str]:
    return [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]


def one_value(item: Choice | Int | Float) -> Value:
    """A value of a parameter that is neither its lowest nor its highest."""
    if isinstance(item, Choice):
        return item.choices[0]
    if isinstance(item, Int):
        return item.low + item.cardinality // 3 * item.step
    return (item.low + item.high) / 4


def one_trial(spec: StudySpec, folder: Path) -> tuple[Line, dict[str, Any]]:
    """A trial of a study within its space, trained as a worker trains it."""
    params = spec.space.walk(one_value)
    types = resolve(spec.trainer).types()
    assert not types or set(params) <= set(types)
    line = attempt(
        folder / "trial",
        trainer=spec.trainer,
        data=spec.data_spec(),
        params=params,
        epochs=spec.training.epochs,
        metric=spec.objective.metric,
        direction=spec.objective.direction,
        patience=spec.training.patience,
    )
    return line, params


@pytest.mark.parametrize("study", STUDIES)
def test_each_study_of_the_page_is_valid_and_learns(folder: Path, study: str) -> None:
    if study in NEEDS:
        pytest.importorskip(NEEDS[study], reason=f"{NEEDS[study]} is not installed")
    line, _ = one_trial(read(folder / study), folder)
    assert (line.ended.outcome, line.ended.message) == (Outcome.COMPLETE, None)
    first, last = line.reports[0].metrics["train/loss"], line.reports[-1].metrics["train/loss"]
    assert last < 0.8 * first


@pytest.mark.parametrize("study", BUILT_AGAIN)
def test_the_models_that_can_be_built_again_predict(folder: Path, study: str) -> None:
    spec = read(folder / study)
    _, params = one_trial(spec, folder)
    save_model(folder / "model", spec.trainer, params, read_facts(folder / "trial"), folder / "trial" / "best.pt")
    predictor = load_model(folder / "model")
    assert predictor.predict(predictor.example()).shape == (1,)


def test_the_weights_go_into_a_lightning_module(folder: Path) -> None:
    pytest.importorskip("lightning", reason="lightning is not installed")
    _, params = one_trial(read(folder / "my_lightning.yaml"), folder)
    facts = read_facts(folder / "trial")
    made = importlib.import_module("my_weights").lightning_net(
        folder / "trial" / "best.pt", params, facts.inputs, facts.outputs
    )
    assert made(torch.zeros(1, facts.inputs)).shape == (1, 2)


def test_the_weights_go_into_a_hugging_face_model(folder: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    config = transformers.ViTConfig(
        image_size=8, patch_size=2, num_channels=1, hidden_size=8, num_hidden_layers=1, num_attention_heads=4,
        intermediate_size=16, num_labels=10,
    )  # fmt: skip
    model = transformers.ViTForImageClassification(config)
    torch.save({"epoch": 1, "model": model.state_dict()}, folder / "best.pt")
    importlib.import_module("my_weights").vision_transformer(folder / "best.pt", config, folder / "saved")
    again = transformers.ViTForImageClassification.from_pretrained(folder / "saved")
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in model.state_dict().items())


def test_the_examples_are_the_files_of_the_page() -> None:
    files = {path.name: path.read_text(encoding="utf-8") for path in EXAMPLES.iterdir() if path.is_file()}
    assert {name: BLOCKS.get(name) for name in files} == files


def test_the_page_tells_all_that_a_trial_has(folder: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert {name for name in vars(Trial) if not name.startswith("_")} - {"save", "finished", "epoch"} <= set(
        re.findall(r"trial\.(\w+)", text)
    )


def test_the_page_tells_all_that_the_base_brings(folder: Path) -> None:
    from goodfit.trainers.training.supervised import METRICS, SupervisedConfig

    text = PAGE.read_text(encoding="utf-8")
    told = set(re.findall(r"`(\w+)`", text))
    assert set(SupervisedConfig.__dataclass_fields__) <= told
    assert {name for names in METRICS.values() for name in names} <= told
