"""One image file: its size and mode by its header, and its pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from goodfit.trainers.data.reading.pixels import Reading, read_header, read_pixels
from tests.trainers.pictures import saved


def test_images_are_resized_to_a_square(tmp_path: Path) -> None:
    wide = np.zeros((10, 40), dtype=np.uint8)
    wide[:, 20:] = 200
    path = saved(Image.fromarray(wide), tmp_path / "wide.png")
    small = read_pixels(path, Reading(8, None, "gray"))
    assert small.shape == (1, 8, 8)
    assert (small[0, :, :3] == 0).all()
    assert (small[0, :, 5:] == 200).all()


def test_a_palette_is_read_as_its_colours(tmp_path: Path) -> None:
    plain = np.zeros((4, 4, 3), dtype=np.uint8)
    plain[:2] = (250, 30, 10)
    plain[2:] = (20, 40, 240)
    indexed = Image.fromarray(plain).quantize(2)
    assert indexed.mode == "P"
    path = saved(indexed, tmp_path / "few.png")
    assert read_header(path).mode == "palette"
    for reading in (Reading.of(None, None, read_header(path)), Reading(None, "rgb", "rgb")):
        assert np.array_equal(read_pixels(path, reading), np.moveaxis(plain, 2, 0))
    gray = read_pixels(path, Reading(None, "gray", "gray"))
    assert gray[0, 0, 0] == pytest.approx(0.299 * 250 + 0.587 * 30 + 0.114 * 10, abs=1)


def test_what_is_transparent_lies_on_white_where_a_mode_is_given(tmp_path: Path) -> None:
    rgba = np.zeros((4, 4, 4), dtype=np.uint8)
    rgba[:2] = (200, 0, 0, 255)
    path = saved(Image.fromarray(rgba), tmp_path / "clear.png")
    assert read_header(path).mode == "rgba"
    flat = read_pixels(path, Reading(None, "rgb", "rgb"))
    assert flat[:, 0, 0].tolist() == [200, 0, 0]
    assert flat[:, 3, 3].tolist() == [255, 255, 255]
    assert read_pixels(path, Reading.of(None, None, read_header(path))).shape == (4, 4, 4)
    palette = saved(Image.fromarray(rgba).quantize(3), tmp_path / "clear_palette.png")
    assert read_header(palette).mode == "palette with alpha"
    assert read_pixels(palette, Reading(None, "gray", "gray"))[0, 3, 3] == 255


def test_16_bit_images_keep_their_range_or_their_upper_bits(tmp_path: Path) -> None:
    values = np.array([[0, 256], [25_700, 65_535]], dtype=np.uint16)
    path = saved(Image.fromarray(values), tmp_path / "deep.png")
    header = read_header(path)
    assert header.mode == "16-bit gray"
    assert np.array_equal(read_pixels(path, Reading.of(None, None, header))[0], values)
    assert read_pixels(path, Reading(None, "gray", "gray"))[0].tolist() == [[0, 1], [100, 255]]
    assert read_pixels(path, Reading.of(1, None, header))[0, 0, 0] == pytest.approx(values.mean(), abs=1)


def test_black_and_white_images_are_gray(tmp_path: Path) -> None:
    path = saved(Image.fromarray(np.eye(4) > 0), tmp_path / "plan.png")
    assert read_header(path).mode == "gray"
    assert np.array_equal(read_pixels(path, Reading(None, None, "gray"))[0], np.eye(4) * 255)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_photos_are_turned_as_their_exif_says(tmp_path: Path, orientation: int, suffix: str) -> None:
    seen = np.zeros((16, 32), dtype=np.uint8)
    seen[:8, :16] = 255  # light where the top left corner is
    turns: dict[int, Callable[[np.ndarray], np.ndarray]] = {  # from what is seen to what is stored
        1: lambda image: image,
        2: lambda image: image[:, ::-1],
        3: lambda image: image[::-1, ::-1],
        4: lambda image: image[::-1],
        5: lambda image: image.T,
        6: lambda image: np.rot90(image),
        7: lambda image: image[::-1, ::-1].T,
        8: lambda image: np.rot90(image, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(turns[orientation](seen)))
    path = saved(stored, tmp_path / f"photo{suffix}", exif=exif)
    assert (read_header(path).width, read_header(path).height) == (32, 16)
    found = read_pixels(path, Reading(None, "gray", "gray"))[0]
    assert np.array_equal(found > 127, seen > 127)


def test_a_large_photo_is_shrunk_the_same_whatever_its_decoder_skips(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 640).astype(np.uint8)
    path = saved(Image.fromarray(np.tile(ramp, (640, 1))), tmp_path / "big.jpg", quality=95)
    small = read_pixels(path, Reading(16, None, "gray"))[0].astype(int)
    expected = ramp.reshape(16, 40).mean(axis=1)
    assert np.abs(small - expected).max() <= 2
