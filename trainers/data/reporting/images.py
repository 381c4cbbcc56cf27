"""What a look at every image of a folder tells: their sizes and modes, which of them are equal, which are broken.

One image is in memory at a time. The report that this goes into is made in kinds/image_folder.py.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.trainers.data.reading.image_folders import Listing, aside_notes
from goodfit.trainers.data.reading.pixels import Reading, read_header, read_pixels
from goodfit.trainers.data_specs import ImageSpec
from goodfit.trainers.errors import DataProblem


@dataclass(frozen=True, slots=True)
class Looked:
    """What was seen.

    Attributes:
        keys: a number for each image that equal images share, as a model sees them.
        sizes, modes: how many images have which.
        broken: what is said of each image that cannot be read.
        several: the files with more than one picture.
    """

    keys: np.ndarray
    sizes: Counter[str]
    modes: Counter[str]
    broken: tuple[str, ...]
    several: tuple[Path, ...]

    def to_dict(self, listing: Listing) -> dict[str, Any]:
        """Plain JSON values, the most frequent first."""
        return {
            "sizes": dict(self.sizes.most_common()),
            "modes": dict(self.modes.most_common()),
            "broken": list(self.broken),
            "left_out": sorted([*listing.hidden, *listing.aside]),
        }


def look_through(listing: Listing, spec: ImageSpec) -> Looked:
    """Decode every image of a folder once."""
    keys = np.zeros(len(listing.files), dtype=np.uint64)
    sizes: Counter[str] = Counter()
    modes: Counter[str] = Counter()
    broken, several = [], []
    for row, path in enumerate(listing.paths()):
        try:
            header = read_header(path)
            sizes[header.size] += 1
            modes[header.mode] += 1
            if header.pictures > 1:
                several.append(path)
            pixels = read_pixels(path, Reading.of(spec.size, spec.mode, header))
        except DataProblem as error:
            broken.append(str(error))
            keys[row] = _key(str(path).encode(), "broken")  # equal to no other
        else:
            keys[row] = _key(pixels.tobytes(), f"{pixels.shape} {pixels.dtype}")
    return Looked(keys, sizes, modes, tuple(broken), tuple(several))


def _key(content: bytes, what: str) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8, key=what.encode()).digest(), "big")


def image_notes(looked: Looked, listing: Listing) -> list[str]:
    """What to look at, each in a sentence."""
    notes = []
    if len(looked.broken) > 1:
        notes.append(f"{len(looked.broken)} images cannot be read; --json lists them all")
    if count := len(looked.several):
        holds = "image holds" if count == 1 else "images hold"
        notes.append(
            f"{count} {holds} more than one picture, such as {looked.several[0]}, and the first of them is read"
        )
    if count := len(listing.hidden):
        notes.append(f"{count} hidden file{'s are' if count > 1 else ' is'} left out, such as {listing.hidden[0]}")
    return [*notes, *aside_notes(listing)]
