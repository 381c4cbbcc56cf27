"""A folder of images by class: each class is a sub-folder with its name, and the images lie in it.

    photos/cat/a.jpg          photos/cat/b.png          photos/dog/c.jpg
    photos/train/cat/a.jpg    photos/val/cat/b.png      photos/test/dog/c.jpg

Which files of it count is in reading/image_folders.py. At first only headers are read; pixels are decoded when
a batch needs them (images.py), after one pass over the training images that the scale is fitted on. How a file
is read is in pixels.py.
"""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from goodfit.trainers.data.datasets.tables import DATASETS
from goodfit.trainers.data.facts import Data, Facts, Split
from goodfit.trainers.data.kinds.kind import Kind, Loaded
from goodfit.trainers.data.preparing.preparation import BALANCES, SCALES, Preparation
from goodfit.trainers.data.reading.image_folders import Listing, aside_notes, list_folder
from goodfit.trainers.data.reading.images import ImageFiles, Images, image_scaling
from goodfit.trainers.data.reading.pixels import Header, Reading, read_header
from goodfit.trainers.data.reading.raw import Raw, Target, as_images, check_values, encode_target, one_of
from goodfit.trainers.data.reading.split_columns import SPLITS
from goodfit.trainers.data.reporting.images import image_notes, look_through
from goodfit.trainers.data.reporting.parts import conflicts_of, duplicates_of, notes_of, target_summary
from goodfit.trainers.data.split import Rows, split_given, split_rows
from goodfit.trainers.data_specs import DataSpec, ImageSpec
from goodfit.trainers.errors import DataProblem

MODES = ("gray", "rgb")
_NO_COLUMN = ": {key} names a column, and a folder of images has none: it is split by shares; leave it out"
_NOT_A_FOLDER = ": {key} is for a folder of images, which this is not; leave it out"
_SIDE = 64  # a size to suggest at most


class ImageFolder(Kind[ImageSpec]):
    """A folder of images by class. Arrays of images are of this kind, too, once they are read; see table.py."""

    name = "image"
    spec_type = ImageSpec
    refusal = ": {key} does not go with a folder of images; leave it out"
    refusals: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("split_column", "split_group", "split_time"), _NO_COLUMN),
        "target": ": the names of its folders are the classes to predict; leave {key} out",
    }
    passed_over: ClassVar[Mapping[str, str]] = dict.fromkeys(("size", "mode"), _NOT_A_FOLDER)
    searched = ("scale", "missing", "balance", "size", "mode")
    scale_reads_all = True

    def detects(self, spec: DataSpec) -> bool:
        """Whether the source is a folder."""
        return spec.source not in DATASETS and Path(spec.source).is_dir()

    def load(self, spec: ImageSpec) -> Loaded:
        """Training and validation, and the test split, of a folder of images; each reads its images when asked to."""
        one_of("prepare.scale", spec.scale, SCALES)
        one_of("prepare.balance", spec.balance, BALANCES)
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

    def row_numbers(self, spec: ImageSpec) -> Rows:
        """Places in the list of its files, which is ordered by class and then by name."""
        listing = list_folder(Path(spec.source))
        target, values = class_indices(listing)
        return folder_rows(listing, values, target.classes, spec)

    def notes(self, spec: ImageSpec, data: Data) -> list[str]:  # noqa: ARG002 - the folder says it
        return aside_notes(list_folder(Path(spec.source)))

    def report(self, spec: ImageSpec, loaded: Loaded | DataProblem) -> dict[str, Any]:
        """As of every kind; each image is decoded once. DataProblem where the folder cannot be listed."""
        listing = list_folder(Path(spec.source))
        target, values = class_indices(listing)
        looked = look_through(listing, spec)
        rows: Rows | None = None
        problem = str(loaded) if isinstance(loaded, DataProblem) else None
        try:
            rows = folder_rows(listing, values, target.classes, spec)
        except DataProblem as error:
            problem = str(error)
        report: dict[str, Any] = {
            "source": spec.source,
            "kind": "image",
            "task": target.task,
            "rows": len(values),
            "columns": [],
            "images": looked.to_dict(listing),
            "splits": {} if rows is None else {name: len(part) for name, part in rows._asdict().items()},
            "target": target_summary(None, values, target.classes, rows),
            "duplicates": {} if rows is None else duplicates_of(looked.keys, rows),
            "conflicts": conflicts_of(looked.keys, values, target.classes),
            "giveaways": [],
            "problem": looked.broken[0] if looked.broken else problem,
        }
        return {**report, "notes": [*image_notes(looked, listing), *notes_of(report)]}

    def inputs(self, x: Any, facts: Facts) -> np.ndarray | Images:
        """Images as arrays, or still in the files that `x` gives the paths of."""
        if paths := image_paths(x):
            return files_to_predict(paths, facts)
        images = _images_to_predict(x, facts)
        if len(images):
            check_values(images, (), "error" if facts.preparation.fill is None else "mean", "the rows to predict")
        return facts.preparation.inputs(images)

    def example(self, facts: Facts) -> Any:
        """One image, each channel at its scale's middle."""
        shift = np.asarray(facts.preparation.shift)
        return np.broadcast_to(shift.reshape(-1, 1, 1), (1, *facts.input_shape)).astype(np.float32)


def class_indices(listing: Listing) -> tuple[Target, np.ndarray]:
    """The classes, in the order of their names, and the class of each file; DataProblem where there is but one."""
    labels = listing.labels()
    return encode_target(Raw(str(listing.folder), listing.folder.name, "image", np.empty((len(labels), 0)), labels))


def folder_rows(listing: Listing, values: np.ndarray, classes: Sequence[str], spec: ImageSpec) -> Rows:
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
    usual = ImageSpec(spec.source)
    drawn = {"folds": spec.folds, "reshuffle": spec.reshuffle or None}
    given = [key for key, value in drawn.items() if value is not None]
    given += ["validation"] if spec.validation != usual.validation else []
    refused = given if SPLITS.index("validation") in listing.parts else []
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
    stored = sum(size for _, _, size, _ in listing.files)
    return ImageFiles(listing.paths(), reading, reading.shape(found[0]), stored)


def _images_to_predict(x: Any, facts: Facts) -> np.ndarray:
    images = np.asarray(x)
    shape = facts.input_shape
    if images.ndim != 4 or images.shape[1:] != shape:  # already (n, c, h, w): the shorter axis is not asked
        images = as_images(images, "the images to predict")
    if images.shape[1:] != shape:
        raise DataProblem(f"the images to predict are (rows, {', '.join(map(str, shape))}), not {np.shape(x)}")
    return images.astype(np.float32)


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
    shown = [
        f"{count} {'is' if count == 1 else 'are'} {value} (such as {listing.files[values.index(value)][1]})"
        for value, count in counts.most_common(4)
    ]
    more = f", and {len(counts) - 4} more {what}" if len(counts) > 4 else ""
    raise DataProblem(
        f"{listing.folder}: the images have {len(counts)} {what}: {', '.join(shown)}{more}; make them alike with "
        f"`prepare: {{{key}: {suggested}}}`" + (" or gray" if key == "mode" and suggested == "rgb" else "")
    )
