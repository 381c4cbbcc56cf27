"""A folder of images by class: each class is a sub-folder with its name, and the images lie in it.

    photos/cat/a.jpg          photos/cat/b.png          photos/dog/c.jpg
    photos/train/cat/a.jpg    photos/val/cat/b.png      photos/test/dog/c.jpg

Where the sub-folders are named like splits and hold folders of their own, they are the splits.
Files and folders whose names begin with a dot and those that systems leave behind are left out, and
the data report counts them; any other file that is no image by its suffix, and any folder within a
class, is refused. At first only headers are read; pixels are decoded when a batch needs them
(images.py), after one pass over the training images that the scale is fitted on. How a file is read
is in pixels.py.
"""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.trainers.data.datasets.tables import DATASETS
from goodfit.trainers.data.facts import Data, Facts, Split
from goodfit.trainers.data.preparing.preparation import BALANCES, SCALES, Preparation
from goodfit.trainers.data.reading.images import ImageFiles, Images, image_scaling
from goodfit.trainers.data.reading.pixels import SUFFIXES, Header, Reading, read_header
from goodfit.trainers.data.reading.raw import Raw, Target, encode_target, one_of
from goodfit.trainers.data.reading.split_columns import SPLITS, divider_key, split_number
from goodfit.trainers.data.split import Rows, split_given, split_rows
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec, TokenSpec

MODES = ("gray", "rgb")
_SIDE = 64  # a size to suggest at most
_SHOWN = 4  # folders that a message names
_LAYOUT = "a folder of images has a sub-folder for each class, and the images in it"
_LEFT_BEHIND = {"thumbs.db", "desktop.ini", "__macosx"}  # by Windows, and by archives made on macOS


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a folder, and when they were written: what has changed is looked at anew."""

    folder: Path
    files: tuple[tuple[str, str, int, int], ...]  # class, path from the folder, bytes, time of writing
    hidden: tuple[str, ...]  # what is left out, from the folder
    parts: tuple[int, ...] = ()  # of each file the number of its split in SPLITS, where folders give the splits

    def paths(self) -> tuple[Path, ...]:
        return tuple(self.folder / name for _, name, _, _ in self.files)

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
    rows = folder_rows(listing, values, target.classes, spec)
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
    walk = _Walk(folder)
    try:
        walk.begin()
    except OSError as error:
        raise DataProblem(f"{error.filename or folder} cannot be read: {error.strerror or error}") from error
    if not walk.files:
        raise DataProblem(f"{folder} is empty; {_LAYOUT}")
    return Listing(folder, tuple(walk.files), tuple(walk.hidden), tuple(walk.parts))


@dataclass(slots=True)
class _Walk:
    """What is found on the way through a folder."""

    folder: Path
    files: list[tuple[str, str, int, int]] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)

    def begin(self) -> None:
        places = self._folders(self.folder)
        splits = [split_number(place.name) for place in places]
        named = [number for number in splits if number is not None]
        deep = [place for place in places if self._has_folders(place)]
        if 0 in named and len(named) == len(splits):
            if not deep:
                raise DataProblem(
                    f"{_names(places)} in {self.folder} are named like splits and have no classes in them; {_LAYOUT}, "
                    "also within splits"
                )
            self._splits(zip(named, places, strict=True))
            return
        if deep:
            self._explain(places, deep)
        for place in places:
            if not self._class(place):
                raise DataProblem(f"{place} is a class without images; put some into it, or take the folder out")

    def _explain(self, places: list[Path], deep: list[Path]) -> None:
        """DataProblem where splits lie beside something else, or the classes or splits one folder deeper."""
        splits = [place for place in places if split_number(place.name) is not None]
        others = [place for place in places if place not in splits]
        if len(splits) > 1 and any(place in deep for place in splits):
            raise DataProblem(
                f"{self.folder} has {_names(others)} beside the splits {_names(splits)}; folders that give the splits "
                "are named train, validation and test: take out what is none"
            )
        for place in map(self._down, deep):
            within = [item for item in self._visible(place, []) if item.is_dir()]
            has_splits = any(split_number(item.name) == 0 for item in within)
            if has_splits and not any(self._has_folders(item) for item in within):
                continue
            if has_splits or (len(places) == 1 and len(within) > 1):
                what, where = "splits" if has_splits else "classes", place.relative_to(self.folder)
                raise DataProblem(f"{self.folder}: the {what} lie in its folder {where}; give `source: {place}`")

    def _down(self, place: Path) -> Path:
        """The folder itself, or the one that is reached where there is no choice."""
        while len(within := self._visible(place, [])) == 1 and within[0].is_dir():
            place = within[0]
        return place

    def _folders(self, place: Path) -> list[Path]:
        """The folders in a folder that holds nothing else."""
        found = self._visible(place, self.hidden)
        for item in found:
            if not item.is_dir():
                beside = "the classes" if place == self.folder else f"the classes of the split {place.name}"
                raise DataProblem(f"{item} lies beside {beside}; {_LAYOUT}: move it, or take it out")
        return found

    def _has_folders(self, place: Path) -> bool:
        return any(item.is_dir() for item in self._visible(place, []))

    def _visible(self, place: Path, hidden: list[str]) -> list[Path]:
        """What is in a folder, sorted; what is left out goes to `hidden`."""
        found = []
        for item in sorted(place.iterdir()):
            if item.name.startswith(".") or item.name.lower() in _LEFT_BEHIND:
                hidden.append(item.relative_to(self.folder).as_posix())
            else:
                found.append(item)
        return found

    def _splits(self, places: Iterable[tuple[int, Path]]) -> None:
        empty: dict[str, Path] = {}
        for number, place in places:
            before = len(self.files)
            for label in self._folders(place):
                count = self._class(label)
                self.parts += [number] * count
                if not count:
                    empty[label.name] = label
            if len(self.files) == before:
                raise DataProblem(f"{place} is a split without images; put some into it, or take the folder out")
        for name in sorted(empty.keys() - {label for label, *_ in self.files}):
            raise DataProblem(f"{empty[name]} is a class without images in any split; take it out")

    def _class(self, place: Path) -> int:
        """Take the images of a class; how many there are."""
        before = len(self.files)
        for file in self._visible(place, self.hidden):
            if file.is_dir():
                raise DataProblem(
                    f"{file} is a folder within the class {place.name}; {_LAYOUT}, and no deeper; folders that give "
                    "the splits are named train, validation and test, and have the classes in them"
                )
            if file.suffix.lower() not in SUFFIXES:
                raise DataProblem(f"{file} is none of {', '.join(SUFFIXES)}; convert it, or take it out")
            about = file.stat()
            name = file.relative_to(self.folder).as_posix()
            self.files.append((place.name, name, about.st_size, about.st_mtime_ns))
        return len(self.files) - before


def _names(places: Sequence[Path]) -> str:
    names = [place.name for place in places[:_SHOWN]]
    more = [f"{len(places) - _SHOWN} more"] if len(places) > _SHOWN else []
    return " and ".join([", ".join([*names, *more][:-1]), [*names, *more][-1]]).removeprefix(" and ")


def folder_rows(listing: Listing, values: np.ndarray, classes: Sequence[str], spec: DataSpec) -> Rows:
    """The rows of each split, as folders give them or by shares.

    Args:
        listing: of the images.
        values: the class of each.
        classes: their names.
        spec: the shares.

    Raises:
        DataProblem: folders give the splits, and the study asks for others; or the data cannot be split.
    """
    if not listing.parts:
        return split_rows(values, classes, spec, spec.source)
    usual = DataSpec(spec.source)
    drawn = {"folds": spec.folds, "reshuffle": spec.reshuffle or None}
    asked = [key for key, value in drawn.items() if value is not None]
    asked += ["validation"] if spec.validation != usual.validation else []
    refused = asked if SPLITS.index("validation") in listing.parts else []
    if spec.test not in (0, usual.test):
        refused = [*refused, "test"]
    if refused:
        raise DataProblem(
            f"{spec.source}: its folders train, validation and test say which images are whose; "
            f"leave split.{refused[0]} out"
        )
    return split_given(values, classes, np.array(listing.parts), spec, spec.source)


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
        f"{count} {'is' if count == 1 else 'are'} {value} (such as {listing.files[values.index(value)][1]})"
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
