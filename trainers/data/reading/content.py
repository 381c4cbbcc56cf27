"""What is in a data file: its kind by its suffix, and its bytes, also where they are compressed.

    rows.csv      read as it is
    rows.csv.gz   the same, decompressed as it is read; also .bz2 and .xz
    rows.zip      one table in it, decompressed as it is read

Nothing is unpacked onto the disk, and no more than a part of a text is in memory at once, unless it is UTF-16 or
UTF-32: such a text, which its byte order mark tells, is decoded as a whole.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from goodfit.trainers.data.reading.formats import ARRAYS, FORMATS, TABLES
from goodfit.trainers.errors import DataProblem

STREAMS: dict[str, Callable[[Path], object]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
PACKED = (*STREAMS, ".zip")
# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
_SEVERAL = 5  # names of files in a zip that a message lists


@dataclass(frozen=True, slots=True)
class Content:
    """A file, and which kind of data is in it.

    Attributes:
        path: the file itself, as messages name it.
        suffix: of its content: ".csv" of a .csv.gz file.
        member: the name within a zip file.
    """

    path: Path
    suffix: str
    member: str | None = None

    @property
    def separator(self) -> str:
        """Between the values of a line; empty where it has none."""
        return FORMATS[self.suffix].separator if self.suffix in FORMATS else ""

    def open(self) -> IO[bytes]:
        """The bytes from the beginning, of a text in UTF-8; to be closed by the caller."""
        file = self._stored()
        if (known := FORMATS.get(self.suffix)) is None or not known.text:
            return file
        start = file.read(4)
        file.seek(0)
        encoding = next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)
        if encoding is None:
            return file
        with file:
            return io.BytesIO(file.read().decode(encoding).encode())

    def _stored(self) -> IO[bytes]:
        """The bytes as they are in the file, decompressed."""
        if self.member is not None:
            with zipfile.ZipFile(self.path) as archive:  # stays open as long as the member is
                return archive.open(self.member)
        if stream := STREAMS.get(self.path.suffix.lower()):
            return cast(IO[bytes], stream(self.path))
        return self.path.open("rb")

    def text(self) -> io.TextIOWrapper:
        """The characters of a UTF-8 text, without a byte order mark, lines as they are."""
        return io.TextIOWrapper(self.open(), encoding="utf-8-sig", newline="")

    def seekable(self) -> Path | io.BytesIO:
        """The file, or where it is compressed all of its bytes: for formats that are read from their end."""
        if self.path.suffix.lower() not in PACKED:
            return self.path
        with self.open() as file:
            return io.BytesIO(file.read())

    def is_empty(self) -> bool:
        """Whether there is not one byte."""
        with self.open() as file:
            return not file.read(1)


def content_of(path: Path) -> Content:
    """What is in an existing file.

    Raises:
        DataProblem: a zip file has no file or several, or is none.
    """
    suffix = path.suffix.lower()
    if suffix in STREAMS:
        return Content(path, Path(path.stem).suffix.lower())
    if suffix != ".zip":
        return Content(path, suffix)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir() and not _is_hidden(entry.filename)]
    except zipfile.BadZipFile as error:
        raise DataProblem(f"{path} is not a zip file: {error}") from error
    tables = [entry for entry in entries if PurePosixPath(entry.filename).suffix.lower() in (*TABLES, *ARRAYS)]
    entries = tables if len(tables) == 1 else entries  # a README beside the table is none
    if len(entries) != 1:
        names = ", ".join(entry.filename for entry in entries[:_SEVERAL]) + (", ..." if len(entries) > _SEVERAL else "")
        raise DataProblem(
            f"{path} has {f'{len(entries)} files ({names})' if entries else 'no file in it'}; give a zip file with "
            "one table, or unpack it and give the table's own path"
        )
    if entries[0].flag_bits & 1:
        raise DataProblem(f"{path} is encrypted; unpack it and give the table's own path")
    return Content(path, Path(entries[0].filename).suffix.lower(), entries[0].filename)


def data_name(path: Path) -> str:
    """How data are called: by their file's name without suffixes."""
    return Path(path.stem).stem if path.suffix.lower() in STREAMS else path.stem


def is_separated(path: Path) -> bool:
    """Whether a file is of text whose lines have values between separators, as far as its name or a zip tells."""
    try:
        return path.is_file() and content_of(path).separator != ""
    except (DataProblem, OSError):
        return False


def _is_hidden(name: str) -> bool:
    """What operating systems put beside the files."""
    parts = PurePosixPath(name).parts
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)
