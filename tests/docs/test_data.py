"""docs/data.md says what is so: its studies are read and their data loaded; its tables name all keys and sources."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from goodfit.service.app.preflight import check
from goodfit.service.spec import StudySpec, read
from goodfit.service.spec.data import Augment, Data, Prepare, Split, Tokens
from goodfit.trainers.data import DATASETS, load, load_test
from goodfit.trainers.data.augmenting.variations import KEYS
from goodfit.trainers.data.reading.formats import TABLES
from goodfit.trainers.data.reading.raw import MISSING
from goodfit.trainers.registry import BUILT_IN, resolve
from tests.trainers.pictures import pixels, saved

PAGE = Path(__file__).parents[2] / "docs" / "data.md"
TEXT = PAGE.read_text(encoding="utf-8")
STUDIES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
FILES = dict(re.findall(r"```(?:python|text)\n(?:# )?(\S+?)[:\n](.*?)```", TEXT, re.DOTALL))
REST = {
    "name": "from-the-page",
    "space": {"learning_rate": {"type": "float", "low": 1e-3, "high": 1e-2, "log": True}},
    "objective": {"metric": "val/loss", "direction": "minimize"},
    "training": {"epochs": 2},
    "budget": {"trials": 2},
}
ROWS = 120


def _folder_of_photos(folder: Path) -> None:
    from PIL import Image

    for number in range(20):
        for label, side in (("left", 40), ("right", 48)):
            image = Image.fromarray(pixels(label, number, side, 1 if number % 2 else 3))
            saved(image, folder / label / f"{number}.{'png' if number % 3 else 'jpg'}")


def _table() -> pd.DataFrame:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"customer_id": range(ROWS), "age": random.normal(40, 9, ROWS)})
    frame["postcode"] = random.choice([1010, 4053, 8001], ROWS)
    frame["plan"] = random.choice(["basic", "plus"], ROWS)
    frame["churned"] = np.where(random.random(ROWS) < 0.3, "yes", "no")
    frame.loc[::9, "age"] = None
    return frame


def _texts() -> pd.DataFrame:
    kinds = ["a good film and it was long", "a bad movie and it was short", "fine work"]
    return pd.DataFrame({"review": [f"{kinds[row % 3]} {row}" for row in range(ROWS)], "stars": np.arange(ROWS) % 3})


def _pairs() -> pd.DataFrame:
    return pd.DataFrame(
        {"english": [f"number {row}" for row in range(ROWS)], "german": [f"Nr {row}" for row in range(ROWS)]}
    )


def _series() -> pd.DataFrame:
    hours = np.arange(600)
    times = pd.date_range("2026-01-01", periods=len(hours), freq="h")
    return pd.DataFrame({"time": times, "load": np.sin(hours / 24 * 2 * np.pi) + hours / 300, "day": hours // 24 % 7})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the page speaks of: those that it shows, and small ones as it describes the others."""
    root = tmp_path_factory.mktemp("data")
    for name, text in FILES.items():
        (root / name).write_text(f"# {name}{text}" if name.endswith(".txt") else text, encoding="utf-8")
    _folder_of_photos(root / "photos")
    _table().to_csv(root / "churn.csv", index=False)
    _texts().to_csv(root / "reviews.csv", index=False)
    _pairs().to_csv(root / "sentences.tsv", sep="\t", index=False)
    _series().to_csv(root / "load.csv", index=False)
    (root / "book.txt").write_text("It was a good film, and it was long. " * 60, encoding="utf-8")
    return root


def spec_of(folder: Path, text: str) -> StudySpec:
    """A study of the page, with what every study needs beside its data."""
    values = {**REST, **YAML(typ="safe").load(text)}
    file = folder / "study.yaml"
    file.write_text(json.dumps(values), encoding="utf-8")  # JSON is YAML
    return read(file)


@pytest.mark.parametrize("text", STUDIES, ids=[f"{place}-{text.split()[1]}" for place, text in enumerate(STUDIES)])
def test_each_study_of_the_page_is_valid_and_its_data_load(folder: Path, text: str) -> None:
    spec = spec_of(folder, text)
    checked = check(spec)
    data = spec.data_spec()
    assert data is not None
    loaded = load(data)
    assert loaded.kind in checked.trainer.kinds
    assert min(len(loaded.train), len(loaded.validation), len(load_test(data))) > 0


def test_the_first_trial_has_the_files_own_rotation(folder: Path) -> None:
    spec = spec_of(folder, next(text for text in STUDIES if "prepare.scale" in text))
    data = spec.data_spec()
    assert data is not None
    assert (data.augment.rotate, data.augment.flip, data.scale) == (10, False, "standard")


@pytest.mark.parametrize(
    ("section", "model"), [("tokens", Tokens), ("prepare", Prepare), ("augment", Augment), ("split", Split)]
)
def test_the_page_tells_each_key(section: str, model: type[Any]) -> None:
    absent = [key for key in model.model_fields if not re.search(rf"`{key}`|\b{key}: ", TEXT)]
    assert (section, absent) == (section, [])


def test_the_page_tells_each_key_of_the_section_itself() -> None:
    assert [key for key in Data.model_fields if not re.search(rf"`{key}:?`|\b{key}:", TEXT)] == []


def test_the_page_gives_each_kind_of_data_its_variations() -> None:
    told: dict[str, set[str]] = {}
    kind = ""
    for first, keys in re.findall(r"^\| (image|series|text|) ?\| (`[a-z`, ]+`) \|", TEXT, re.MULTILINE):
        kind = first or kind
        told.setdefault(kind, set()).update(re.findall(r"`(\w+)`", keys))
    assert told == {kind: set(keys) for kind, keys in KEYS.items()}


def test_the_page_gives_each_source_its_kind_and_trainers() -> None:
    for name, found in DATASETS.items():
        (row,) = [line for line in TEXT.splitlines() if line.startswith("| `") and f"`{name}`" in line.split("|")[1]]
        kind = "running text" if found.kind == "corpus" else found.kind
        _, _, told, trainers, _ = row.split("|")
        assert told.strip() == kind
        takers = {trainer for trainer in BUILT_IN if found.kind in resolve(trainer).kinds}
        assert set(re.findall(r"`([\w-]+)`", trainers)) == takers


@pytest.mark.parametrize("words", [TABLES, MISSING, ("standard", "minmax", "robust", "none")])
def test_the_page_tells_each_word(words: Any) -> None:
    assert [word for word in words if f"`{word}`" not in TEXT] == []


def test_the_page_names_the_trainers_that_heed_balance_and_augmentation() -> None:
    heeding = {name for name in BUILT_IN if "augment" in resolve(name).prepares}
    sentence = re.search(r"`balance` and `augment` are heeded by (.*?) and your own", TEXT, re.DOTALL)
    assert sentence
    assert set(re.findall(r"`([\w-]+)`", sentence[1])) == heeding
