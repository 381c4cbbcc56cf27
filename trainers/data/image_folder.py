"""A folder of images by class: each class is a sub-folder with its name, and the images lie in it.

    photos/cat/a.jpg    photos/cat/b.png    photos/dog/c.jpg

Files and folders whose names begin with a dot are left out, and the data report counts them; any
other file that is no .png, .jpg or .jpeg, and any folder within a class, is refused. At first only
headers are read; pixels are decoded when a batch needs them (images.py), after one pass over the
training images that the scale is fitted on. How a file is read is in pixels.py.
"""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainers.data.builtin import DATASETS
from trainers.data.dividers import divider_key
from trainers.data.facts import Data, Facts, Split
from trainers.data.images import ImageFiles, Images, image_scaling
from trainers.data.pixels import Header, Reading, read_header
from trainers.data.preparation import BALANCES, SCALES, Preparation
from trainers.data.raw import Raw, Target, encode_target, one_of
from trainers.data.split import split_rows
from trainers.errors import DataProblem
from trainers.messages import DataSpec, TokenSpec

SUFFIXES = (".png", ".jpg", ".jpeg")
MODES = ("gray", "rgb")
_SIDE = 64  # a size to suggest at most
_LAYOUT = "a folder of images has a sub-folder for each class, and the .png, .jpg and .jpeg files in it"
_SPLITS = {"train", "training", "val", "valid", "validation", "test", "testing"}


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a folder, and when they were written: what has changed is looked at anew."""

    folder: Path
    files: tuple[tuple[str, str, int, int], ...]  # class, name, bytes, time of writing
    hidden: tuple[str, ...]  # what is left out, from the folder

    def paths(self) -> tuple[Path, ...]:
        return tuple(self.folder / label / name for label, name, _, _ in self.files)

    def labels(self) -> np.ndarray:
        return np.array([label for label, *_ in self.files])


def is_image_folder(spec: DataSpec) -> bool:
    """Whether the source is a folder; DataProblem where what is for images alone stands with other data."""
    if spec.source not in DATASETS and Path(spec.source).is_dir():
        return True
    for key, value in (("size", spec.size), ("mode", spec.mode)):
        if value is not None:
            raise DataProblem(
                f"{spec.source}: prepare.{key} is for a folder of images, which this is not; leave it out"
            )
    return False


def prepare_images(spec: DataSpec) -> tuple[Data, Split]:
    """Training and validation, and the test split, of a folder of images; each reads its images when asked to."""
    _refuse(spec)
    listing = list_folder(Path(spec.source))
    target, values = class_indices(listing)
    files = image_files(listing, spec.size, spec.mode)
    rows = split_rows(values, target.classes, spec, spec.source)
    shift, divide = image_scaling(files, rows.train, spec.scale)
    preparation = Preparation(None, shift, divide, target.labels, balance=spec.balance, images=files.reading)
    train, validation, test = (Split(Images(files, index, shift, divide), values[index]) for index in rows)
    facts = Facts(
        name=listing.folder.name,
        task=target.task,
        kind="image",
        input_shape=files.shape,
        classes=target.classes,
        features=(),
        rows={name: len(index) for name, index in rows._asdict().items()},
        preparation=preparation,
    )
    return Data(train, validation, facts), test


def class_indices(listing: Listing) -> tuple[Target, np.ndarray]:
    """The classes, in the order of their names, and the class of each file; DataProblem where there is but one."""
    labels = listing.labels()
    return encode_target(Raw(str(listing.folder), listing.folder.name, "image", np.empty((len(labels), 0)), labels))


def list_folder(folder: Path) -> Listing:
    """The images of a folder, none of them opened.

    Raises:
        DataProblem: something lies where it does not belong, or a class has no images.
    """
    files: list[tuple[str, str, int, int]] = []
    hidden: list[str] = []
    try:
        for place in sorted(folder.iterdir()):
            if place.name.startswith("."):
                hidden.append(place.name)
                continue
            if not place.is_dir():
                raise DataProblem(f"{place} lies beside the classes; {_LAYOUT}: move it, or take it out")
            found = _class_files(place, hidden)
            if not found:
                raise DataProblem(f"{place} is a class without images; put some into it, or take the folder out")
            files += found
    except OSError as error:
        raise DataProblem(f"{error.filename or folder} cannot be read: {error.strerror or error}") from error
    if not files:
        raise DataProblem(f"{folder} is empty; {_LAYOUT}")
    return Listing(folder, tuple(files), tuple(hidden))


def _class_files(place: Path, hidden: list[str]) -> list[tuple[str, str, int, int]]:
    files = []
    for file in sorted(place.iterdir()):
        if file.name.startswith("."):
            hidden.append(f"{place.name}/{file.name}")
        elif file.is_dir():
            parts = (
                f"; to split by folders is not there: put the images of {place.name} and its like together, by class"
                if place.name.lower() in _SPLITS
                else ""
            )
            raise DataProblem(f"{file} is a folder within the class {place.name}; {_LAYOUT}, and no deeper{parts}")
        elif file.suffix.lower() not in SUFFIXES:
            raise DataProblem(f"{file} is none of {', '.join(SUFFIXES)}; convert it, or take it out")
        else:
            about = file.stat()
            files.append((place.name, file.name, about.st_size, about.st_mtime_ns))
    return files


@functools.lru_cache(maxsize=1)
def headers(listing: Listing) -> tuple[Header, ...]:
    """Size and mode of every image; some 50 microseconds each."""
    return tuple(read_header(path) for path in listing.paths())


@functools.lru_cache(maxsize=1)
def image_files(listing: Listing, size: int | None, mode: str | None) -> ImageFiles:
    """The files as they are read; one object for a folder, so that its pixels stay between the trials of a study.

    Raises:
        DataProblem: the images have several sizes or modes, and the study does not say which it wants.
    """
    if mode is not None:
        one_of("prepare.mode", mode, MODES)
    if size is not None and size < 1:
        raise DataProblem(f"prepare.size: {size} is too small; give 1 or more")
    found = headers(listing)
    if mode is None:
        modes = [header.mode for header in found]
        _check_alike(listing, "modes", modes, "mode", "rgb" if set(modes) - {"gray", "16-bit gray"} else "gray")
    if size is None:
        sizes = Counter((header.width, header.height) for header in found)
        common = min(_SIDE, *sizes.most_common(1)[0][0])
        _check_alike(listing, "sizes", [header.size for header in found], "size", str(common))
    reading = Reading.of(size, mode, found[0])
    return ImageFiles(listing.paths(), reading, reading.shape(found[0]))


def image_paths(x: Any) -> list[Path]:
    """The paths of images that a Predictor was given; empty where it was given something else."""
    if isinstance(x, (str, os.PathLike)):
        raise DataProblem(f"the images to predict are a list of them; put the one path into brackets: [{str(x)!r}]")
    if not isinstance(x, (list, tuple)) and getattr(getattr(x, "dtype", None), "kind", "") not in ("U", "O"):
        return []
    return [Path(item) for item in x] if all(isinstance(item, (str, os.PathLike)) for item in x) else []


def files_to_predict(paths: Sequence[Path], facts: Facts) -> Images:
    """Images as a model of these facts takes them, still in their files; DataProblem names one that does not suit."""
    reading, fitted = facts.preparation.images, facts.preparation
    if reading is None:
        raise DataProblem(
            f"{paths[0]} is a path, and the model learned from arrays of images ({facts.name}); give an array"
        )
    shape = facts.input_shape
    for path in paths:
        header = read_header(path)
        if not reading.suits(header):
            raise DataProblem(f"{path} is {header.mode}, and the model was trained on {reading.kept}; convert it")
        if reading.shape(header) != shape:
            raise DataProblem(f"{path} is {header.size}, and the model was trained on {shape[2]}x{shape[1]}; resize it")
    files = ImageFiles(paths, reading, (shape[0], shape[1], shape[2]))
    return Images(files, np.arange(len(paths)), fitted.shift, fitted.divide)


def _check_alike(listing: Listing, what: str, values: Sequence[str], key: str, suggested: str) -> None:
    """DataProblem counts the values, with a file of each, unless all are one."""
    counts = Counter(values)
    if len(counts) == 1:
        return
    told = [
        f"{count} {'is' if count == 1 else 'are'} {value} (such as {'/'.join(listing.files[values.index(value)][:2])})"
        for value, count in counts.most_common(4)
    ]
    more = f", and {len(counts) - 4} more {what}" if len(counts) > 4 else ""
    raise DataProblem(
        f"{listing.folder}: the images have {len(counts)} {what}: {', '.join(told)}{more}; make them alike with "
        f"`prepare: {{{key}: {suggested}}}`" + (" or gray" if key == "mode" and suggested == "rgb" else "")
    )


def _refuse(spec: DataSpec) -> None:
    """DataProblem for what rows of a table or texts can have, and images in files cannot."""
    one_of("prepare.scale", spec.scale, SCALES)
    one_of("prepare.balance", spec.balance, BALANCES)
    key, column = divider_key(spec)
    if column is not None:
        raise DataProblem(
            f"{spec.source}: {key} names a column, and a folder of images has none: it is split by shares; leave it out"
        )
    if spec.target is not None:
        raise DataProblem(f"{spec.source}: the names of its folders are the classes to predict; leave data.target out")
    given = {
        "data.kind": spec.kind is not None,
        "data.text": spec.text is not None,
        "data.tokens": spec.tokens != TokenSpec(),
        "data.ignore": bool(spec.ignore),
        "data.categorical": bool(spec.categorical),
        "prepare.missing": spec.missing != "error",
        "prepare.indicator": spec.indicator,
        "prepare.encode": spec.encode != "onehot",
    } | {f"data.{name}": getattr(spec, name) is not None for name in ("time", "window", "horizon", "period")}
    for name, there in given.items():
        if there:
            raise DataProblem(f"{spec.source}: {name} does not go with a folder of images; leave it out")
