"""A user's folder of images, and a user's function: from there to the best configuration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from goodfit import connect
from tests.e2e.cli import Home
from tests.trainers.pictures import CLASSES, folder_of, pixels

pytestmark = pytest.mark.e2e

STUDY = """
name: sides
trainer: cnn
data:
  source: SOURCE
space:
  learning_rate: {type: float, low: 3e-3, high: 3e-2, log: true}
fixed: {width: 8, depth: 2, batch_size: 8}
objective: {metric: val/accuracy, direction: maximize}
search: {method: random, seed: 0}
training: {epochs: 6}
budget: {trials: 2}
"""
FUNCTION = """
import numpy as np
from PIL import Image
from pathlib import Path

def load():
    files = sorted((Path(__file__).parent / "photos").glob("*/*.png"))
    return np.stack([np.asarray(Image.open(file)) for file in files]), [file.parent.name for file in files]
"""


def home_of(folder: Path, source: str = "photos") -> Home:
    folder_of(folder / "photos", count=30)
    (folder / "my_data.py").write_text(FUNCTION)
    (folder / "sides.yaml").write_text(STUDY.replace("SOURCE", source))
    return Home(folder, {"OMP_NUM_THREADS": "1"})


@pytest.mark.parametrize("source", ["photos", "my_data.py:load"])
def test_images_go_from_their_files_to_the_best_configuration(tmp_path: Path, source: str) -> None:
    home = home_of(tmp_path, source)
    assert "36 train, 12 validation, 12 test" in home.ok("check", "sides.yaml")
    home.ok("run", "sides.yaml", "--executor", "local")
    best = home.json("best", "sides")["best"]
    assert best[0]["value"] > 0.9, "half is what guessing gives"
    model = connect(home.path)["sides"].model()
    new = [pixels(label, 500 + number) for label in CLASSES for number in range(10)]
    assert (model.predict(np.stack(new)) == np.repeat(CLASSES, 10)).mean() > 0.8
    if source == "photos":
        files = [tmp_path / f"{number}.png" for number in range(20)]
        for image, file in zip(new, files, strict=True):
            Image.fromarray(image).save(file)
        assert np.array_equal(model.predict(files), model.predict(np.stack(new)))


def test_the_report_tells_of_sizes_modes_and_what_is_left_out(tmp_path: Path) -> None:
    home = home_of(tmp_path)
    (tmp_path / "photos" / ".DS_Store").write_bytes(b"finder")
    page = home.ok("data", "sides.yaml")
    for line in ("sizes: 60 are 12x12", "modes: 60 are gray", "1 hidden file is left out"):
        assert line in page
    assert home.json("data", "sides.yaml")["images"]["sizes"] == {"12x12": 60}


def test_what_is_wrong_with_images_is_told_before_a_trial_starts_or_ends_the_study(tmp_path: Path) -> None:
    home = home_of(tmp_path)
    first = tmp_path / "photos" / "left" / "000.png"
    whole = first.read_bytes()
    Image.fromarray(pixels("left", 0, side=9)).save(first)
    done = home.run("run", "sides.yaml", "--executor", "local")
    assert done.returncode == 2
    assert "`prepare: {size: 12}`" in done.stdout + done.stderr
    for file in (tmp_path / "photos").glob("*/*.png"):  # whatever is read first
        file.write_bytes(whole[: len(whole) // 2])
    done = home.run("run", "sides.yaml", "--executor", "local")
    assert done.returncode == 2
    assert "is a broken image" in done.stdout + done.stderr
    assert home.json("show", "sides")["state"] == "FAILED", "what no header tells ends the study at its first trial"
    for change, said in (
        ("data.target=label", "the names of a folder's sub-folders are the classes"),
        ("data.source=digits", "data.prepare.size: is for a folder of images, and digits is none"),
    ):
        done = home.run("check", "sides.yaml", "--set", "data.prepare.size=8", "--set", change)
        assert done.returncode == 2
        assert said in done.stdout + done.stderr
