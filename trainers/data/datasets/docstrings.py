"""The built-in data set `docstrings`: what the standard library says of itself, labelled by package.

The sources of the running Python are parsed, never imported, so the rows vary a little with its
version. A name of one of the packages, wherever a docstring mentions it, is struck out: with it the
label would stand in the text ("the asyncio event loop"). Docstrings that come twice are kept once,
or not at all where two packages share them; those under five words say too little.
"""

from __future__ import annotations

import ast
import functools
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from goodfit.trainers.data.reading.raw import Raw
from goodfit.trainers.errors import DataProblem

# In every Python from 3.11 on, in every distribution of it (tkinter and idlelib are left out by some),
# each with 60 docstrings or more.
PACKAGES = (
    "asyncio",
    "email",
    "http",
    "importlib",
    "logging",
    "multiprocessing",
    "unittest",
    "urllib",
    "xml",
)
LEAST_WORDS = 5
COLUMN = "docstring"
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_GIVEAWAY = re.compile(rf"(?<![a-z])(?:{'|'.join(PACKAGES)})(?![a-z])", re.IGNORECASE)


@functools.lru_cache(maxsize=1)  # 3 s of parsing, for the splits of a study and its tests
def read_docstrings(library: Path | None = None) -> Raw:
    """The docstrings as text and their packages as classes.

    Args:
        library: the folder of a standard library; None: that of the running Python.

    Raises:
        DataProblem: the library's sources are not there, as where it comes as a zip file.
    """
    folder = library or Path(sysconfig.get_path("stdlib"))
    packages: dict[str, set[str]] = {}
    for package in PACKAGES:
        if not (folder / package).is_dir():
            raise DataProblem(
                f"docstrings: {folder} has no folder {package}; this data set needs a Python with its sources"
            )
        for text in _texts(folder / package):
            packages.setdefault(text, set()).add(package)
    rows = [(text, next(iter(found))) for text, found in packages.items() if len(found) == 1]
    texts, labels = np.array([text for text, _ in rows], dtype=object), np.array([label for _, label in rows])
    return Raw("docstrings", "docstrings", "text", texts, labels, (COLUMN,))


def _texts(package: Path) -> Iterator[str]:
    """The docstrings of a package's files, in an order that no file system decides."""
    for file in sorted(package.rglob("*.py"), key=lambda path: path.relative_to(package).parts):
        if {"test", "tests", "_test"}.isdisjoint(file.relative_to(package).parts):
            for node in ast.walk(ast.parse(file.read_bytes())):
                if isinstance(node, _DOCUMENTED):
                    text = _GIVEAWAY.sub("", ast.get_docstring(node) or "")
                    if len(text.split()) >= LEAST_WORDS:
                        yield text
