"""One image file: what its header says, and its pixels. Folders of them are in image_folder.py.

Rules, the same in training and in use:
- PNG, JPEG, WebP, BMP and TIFF, by what is in the file and not by its suffix; of several pictures in
  one file (an animation, the pages of a scan) the first.
- A photo is turned as its EXIF orientation says (of a PNG where the EXIF data come before the pixels).
- A palette is a way to store colours: what is read are the colours. Black and white is gray.
- `size` stretches to a square, bilinear and smoothed when shrinking; no part is cut off.
- `mode` makes all alike: 16-bit gray keeps its upper 8 bits, what is transparent lies on white, gray is
  the usual weighted sum of red, green and blue (ITU-R 601).
"""

from __future__ import annotations

import contextlib
import struct
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from goodfit.trainers.errors import DataProblem

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")

# What is read where no mode is given: the mode that Pillow converts to, and how many channels it has.
_READ_AS = {
    "gray": ("L", 1),
    "rgb": ("RGB", 3),
    "palette": ("RGB", 3),
    "gray with alpha": ("LA", 2),
    "rgba": ("RGBA", 4),
    "palette with alpha": ("RGBA", 4),
    "16-bit gray": ("I;16", 1),
    "cmyk": ("CMYK", 4),
}
_WITHOUT_ALPHA = {"1": "gray", "L": "gray", "RGB": "rgb", "P": "palette", "I;16": "16-bit gray", "I;16B": "16-bit gray"}
_WITH_ALPHA = {"gray": "gray with alpha", "rgb": "rgba", "palette": "palette with alpha"}
_MODES = {"LA": "gray with alpha", "RGBA": "rgba", "PA": "palette with alpha", "CMYK": "cmyk", "YCbCr": "rgb"}
_ORIENTATION = 0x0112  # of EXIF
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)  # what Pillow raises
_ON_ITS_SIDE = 5  # an orientation of this or more swaps width and height


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of an image before it is decoded: its sides as it is seen, and its mode."""

    width: int
    height: int
    mode: str
    pictures: int = 1  # in the file; the first is read

    @property
    def size(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True, slots=True)
class Reading:
    """How image files become arrays of one shape.

    Attributes:
        size: the side of the square that they are resized to; None: they have one size.
        mode: "gray" or "rgb", which they are converted to; None: they have one mode.
        kept: the mode that the arrays are in: "gray", "rgb", "rgba", "gray with alpha", "16-bit gray", "cmyk".
    """

    size: int | None
    mode: str | None
    kept: str

    @classmethod
    def of(cls, size: int | None, mode: str | None, header: Header) -> Reading:
        """The reading of images whose mode this header has, where they have one."""
        return cls(size, mode, mode or _plain(header.mode))

    @property
    def channels(self) -> int:
        return _READ_AS[self.kept][1]

    @property
    def dtype(self) -> type[np.uint8] | type[np.uint16]:
        return np.uint16 if self.kept == "16-bit gray" else np.uint8

    def shape(self, header: Header) -> tuple[int, int, int]:
        """Channels, height and width of an image with this header."""
        height, width = (self.size, self.size) if self.size else (header.height, header.width)
        return self.channels, height, width

    def suits(self, header: Header) -> bool:
        """Whether an image's mode can be read so."""
        return self.mode is not None or _plain(header.mode) == self.kept


def _plain(mode: str) -> str:
    """The mode of what is read: a palette becomes its colours."""
    return {"palette": "rgb", "palette with alpha": "rgba"}.get(mode, mode)


def read_header(path: Path) -> Header:
    """Size and mode of an image, without decoding it; DataProblem where there is no image."""
    with _opened(path) as image:
        width, height = image.size
        mode = _mode(path, image)
        if _orientation(image) >= _ON_ITS_SIDE:
            width, height = height, width
        return Header(width, height, mode, getattr(image, "n_frames", 1))


def read_pixels(path: Path, reading: Reading) -> np.ndarray:
    """An image as (channels, height, width), uint8 or uint16; DataProblem names a file that is broken."""
    from PIL import Image

    with _opened(path) as image:
        mode, turn = _mode(path, image), _orientation(image)
        if reading.size:  # JPEGs decode at 1/2, 1/4 or 1/8 of their size for less; twice what is needed stays
            image.draft(None, (2 * reading.size, 2 * reading.size))
        image.load()
        picture = _flat(image, mode, reading.mode) if reading.mode else _as_it_is(image, mode)
        if turn > 1:
            picture = picture.transpose(_turns()[turn])
        if reading.size and picture.size != (reading.size, reading.size):
            picture = picture.resize((reading.size, reading.size), Image.Resampling.BILINEAR)
        pixels = np.asarray(picture)
    if reading.dtype is np.uint16:
        pixels = np.rint(pixels).astype(np.uint16)
    return np.ascontiguousarray(pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0))


def _as_it_is(image: Image.Image, mode: str) -> Image.Image:
    if mode == "16-bit gray":  # as floats, which can be resized
        return _of_array(np.asarray(image).astype(np.float32))
    return image.convert(_READ_AS[mode][0])


def _flat(image: Image.Image, mode: str, wanted: str) -> Image.Image:
    """The image in gray or RGB."""
    from PIL import Image

    if mode == "16-bit gray":
        image = _of_array((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
    elif "alpha" in mode or mode == "rgba":
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    elif mode == "palette":
        image = image.convert("RGB")
    return image.convert(_READ_AS[wanted][0])


def _of_array(values: np.ndarray) -> Image.Image:
    from PIL import Image

    return Image.fromarray(values)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """An image file, its header read; whatever is wrong with it here or inside is a DataProblem with its name."""
    from PIL import Image, UnidentifiedImageError

    try:
        if path.stat().st_size == 0:
            raise DataProblem(f"{path} is empty; take it out, or put the image back")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a TIFF that is cut off: the error below says it
            image = Image.open(path, formats=_FORMATS)
        with image:
            yield image
    except UnidentifiedImageError as error:
        raise DataProblem(
            f"{path} is no PNG, JPEG, WebP, BMP or TIFF image, or a broken one; take it out, or save it again"
        ) from error
    except FileNotFoundError as error:
        raise DataProblem(f"there is no image {path}") from error
    except (*_BROKEN, Image.DecompressionBombError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataProblem(f"{path} is a broken image: {reason}; take it out, or save it again") from error


def _mode(path: Path, image: Image.Image) -> str:
    mode = _MODES.get(image.mode) or _WITHOUT_ALPHA.get(image.mode)
    if image.mode == "I" and image.format == "PNG":  # of 16 bits; that of a TIFF has 32, more than are read
        mode = "16-bit gray"
    if mode is None:
        raise DataProblem(f"{path} has the mode {image.mode}, which is not read; save it as gray or RGB")
    return _WITH_ALPHA.get(mode, mode) if image.has_transparency_data else mode


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 where there is none; asking for that of a PNG without EXIF would decode it."""
    return int(image.getexif().get(_ORIENTATION, 1)) if "exif" in image.info else 1


def _turns() -> dict[int, Image.Transpose]:
    from PIL import Image

    turn = Image.Transpose
    return {
        2: turn.FLIP_LEFT_RIGHT,
        3: turn.ROTATE_180,
        4: turn.FLIP_TOP_BOTTOM,
        5: turn.TRANSPOSE,
        6: turn.ROTATE_270,
        7: turn.TRANSVERSE,
        8: turn.ROTATE_90,
    }
