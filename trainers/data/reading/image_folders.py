"""What lies in a folder of images by class, none of them opened. What is made of it is in kinds/image_folder.py.

Where the sub-folders are named like splits and hold folders of their own, they are the splits.
Left out, and named in the notes, are files that are no images by their suffix beside classes and splits,
texts and tables within a class, and folders whose files are no images. Files and folders whose names begin
with a dot and those that systems leave behind are left out as well, and the data report counts them. Images
beside classes, other pictures within a class, and folders of images within a class are refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from goodfit.trainers.data.reading.pixels import SUFFIXES
from goodfit.trainers.data.reading.split_columns import split_number
from goodfit.trainers.errors import DataProblem

_SHOWN = 4  # folders that a message names
_LAYOUT = "a folder of images has a sub-folder for each class, and the images in it"
_NOTES = {
    "",
    ".txt",
    ".md",
    ".rst",
    ".html",
    ".pdf",
    ".log",
    ".csv",
    ".tsv",
    ".json",
    ".jsonl",
    ".xml",
    ".yaml",
    ".yml",
}
_LEFT_BEHIND = {"thumbs.db", "desktop.ini", "__macosx"}  # by Windows, and by archives made on macOS


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a folder, and when they were written: what has changed is looked at anew."""

    folder: Path
    files: tuple[tuple[str, str, int, int], ...]  # class, path from the folder, bytes, time of writing
    hidden: tuple[str, ...]  # left out by their names, from the folder
    aside: tuple[str, ...]  # left out because they are no images, from the folder
    parts: tuple[int, ...] = ()  # of each file the number of its split in SPLITS, where folders give the splits

    def paths(self) -> tuple[Path, ...]:
        return tuple(self.folder / name for _, name, _, _ in self.files)

    def labels(self) -> np.ndarray:
        return np.array([label for label, *_ in self.files])


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
        holds = f"has no images, but {_names(walk.aside)}" if walk.aside else "is empty"
        raise DataProblem(f"{folder} {holds}; {_LAYOUT}")
    return Listing(folder, tuple(walk.files), tuple(walk.hidden), tuple(walk.aside), tuple(walk.parts))


def aside_notes(listing: Listing) -> list[str]:
    """What is left out of a folder because it is no image."""
    if not listing.aside:
        return []
    one = len(listing.aside) == 1
    return [f"{_names(listing.aside)} in {listing.folder} {'is no image' if one else 'are no images'}: left out"]


@dataclass(slots=True)
class _Walk:
    """What is found on the way through a folder."""

    folder: Path
    files: list[tuple[str, str, int, int]] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)

    def begin(self) -> None:
        places = self._folders(self.folder)
        splits = [split_number(place.name) for place in places]
        named = [number for number in splits if number is not None]
        deep = [place for place in places if self._has_folders(place)]
        if 0 in named and len(named) == len(splits):
            if not deep:
                raise DataProblem(
                    f"{_names(_of(places))} in {self.folder} are named like splits and have no classes in them; "
                    f"{_LAYOUT}, also within splits"
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
                f"{self.folder} has {_names(_of(others))} beside the splits {_names(_of(splits))}; folders that give "
                "the splits are named train, validation and test: take out what is none"
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
        """The folders in a folder that holds no images itself, but those that are left out."""
        found = []
        for item in self._visible(place, self.hidden):
            if item.is_dir() and not _is_aside(item):
                found.append(item)
            elif item.suffix.lower() not in SUFFIXES or item.is_dir():
                self._leave(item)
            else:
                beside = "the classes" if place == self.folder else f"the classes of the split {place.name}"
                raise DataProblem(f"{item} lies beside {beside}; {_LAYOUT}: move it, or take it out")
        return found

    def _has_folders(self, place: Path) -> bool:
        return any(item.is_dir() and not _is_aside(item) for item in self._visible(place, []))

    def _leave(self, item: Path) -> None:
        self.aside.append(item.relative_to(self.folder).as_posix())

    def _visible(self, place: Path, hidden: list[str]) -> list[Path]:
        """What is in a folder, sorted; what is left out goes to `hidden`."""
        found = []
        for item in sorted(place.iterdir()):
            if _is_hidden(item.name):
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
            if _is_aside(file) if file.is_dir() else file.suffix.lower() in _NOTES:
                self._leave(file)
                continue
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


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _LEFT_BEHIND


def _is_aside(folder: Path) -> bool:
    """Whether a folder has files, and none of them at any depth is an image."""
    some = False
    for _, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not _is_hidden(name)]
        for name in files:
            if not _is_hidden(name):
                if name.lower().endswith(SUFFIXES):
                    return False
                some = True
    return some


def _of(places: Sequence[Path]) -> list[str]:
    return [place.name for place in places]


def _names(all_names: Sequence[str]) -> str:
    names = list(all_names[:_SHOWN])
    more = [f"{len(all_names) - _SHOWN} more"] if len(all_names) > _SHOWN else []
    return " and ".join([", ".join([*names, *more][:-1]), [*names, *more][-1]]).removeprefix(" and ")
