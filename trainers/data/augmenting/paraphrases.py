"""What stands for words and texts: a user's thesaurus file, and a user's function that says a text anew.

A thesaurus is a UTF-8 file with one group a line of words that may stand for each other, between
commas or tabs:

    quick, fast, speedy
    # a comment; empty lines are passed over, too
    film, movie, motion picture

Single words are looked up, in any case; what stands for them may be several words. A word of
several lines has the synonyms of all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from goodfit.trainers.errors import DataProblem, TrainersError
from goodfit.trainers.importing import import_function

Synonyms = Mapping[str, tuple[str, ...]]  # a word, case-folded -> what may stand for it
_SEPARATOR = re.compile(r"[,\t]")


def read_synonyms(path: Path) -> Synonyms:
    """The synonyms of each word of a thesaurus; DataProblem names the file and the line."""
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines()
    except FileNotFoundError as error:
        raise DataProblem(f"augment.synonyms: there is no file {path}") from error
    except OSError as error:
        raise DataProblem(f"augment.synonyms: {path} cannot be read: {error.strerror or error}") from error
    found: dict[str, dict[str, None]] = {}
    for number, line in enumerate(lines, start=1):
        for word, others in _group(line, f"{path}, line {number}").items():
            found.setdefault(word, {}).update(dict.fromkeys(others))
    if not found:
        raise DataProblem(f"{path}: the thesaurus has no words; write a group a line, such as: quick, fast, speedy")
    return {word: tuple(others) for word, others in found.items()}


def _group(line: bytes, where: str) -> dict[str, list[str]]:
    """One line's words and what may stand for each."""
    try:
        text = line.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise DataProblem(f"{where}: is not UTF-8 text (byte {error.start}); save the thesaurus as UTF-8") from error
    if not text or text.startswith("#"):
        return {}
    words = [" ".join(word.split()) for word in _SEPARATOR.split(text)]
    if not all(words):
        raise DataProblem(f"{where}: there is nothing between two separators in {text!r:.60}; take one out")
    folded = [word.casefold() for word in words]
    if len(words) < 2:
        raise DataProblem(f"{where}: {text!r:.60} stands alone; write what may stand for it behind a comma or a tab")
    if twice := next((word for place, word in enumerate(words) if folded[place] in folded[:place]), None):
        raise DataProblem(f"{where}: {twice!r:.60} is there twice; take one out")
    return {
        word: [other for other in words if other.casefold() != word]
        for word in folded
        if " " not in word  # a phrase stands for words, but words are what is looked up
    }


class Paraphraser:
    """A user's function, called once for each text in this process."""

    def __init__(self, reference: str, function: Callable[[str], object]) -> None:
        self._reference = reference
        self._function = function
        self._known: dict[str, str] = {}

    def __call__(self, text: str, row: int) -> str:
        """What the function makes of a text; DataProblem names the training text's row, from 1, if it fails."""
        if text not in self._known:
            self._known[text] = self._called(text, row)
        return self._known[text]

    def _called(self, text: str, row: int) -> str:
        where = f"augment.translate: {self._reference}, given training text {row} ({text!r:.40}),"
        try:
            said = self._function(text)
        except Exception as error:
            first = (str(error).strip().splitlines() or [""])[0]
            raise DataProblem(f"{where} failed: {type(error).__name__}: {first}") from error
        if not isinstance(said, str):
            raise DataProblem(f"{where} returned {type(said).__name__}; it must return a text")
        if not said.strip():
            raise DataProblem(f"{where} returned an empty text; return the text itself where there is no other")
        if any("\ud800" <= character <= "\udfff" for character in said):
            raise DataProblem(f"{where} returned half a character ({said!r:.40}); decode its source as UTF-8")
        return said


_paraphrasers: dict[str, Paraphraser] = {}


def paraphraser(reference: str) -> Paraphraser:
    """The paraphraser of `path.py:function`, which remembers its texts; DataProblem where there is none."""
    path, separator, name = reference.rpartition(":")
    if not separator or not path.endswith(".py") or not name:
        raise DataProblem(f"augment.translate: {reference!r} is no function of a file; write path.py:function")
    if not Path(path).is_file():
        raise DataProblem(f"augment.translate: there is no file {path}")
    if reference not in _paraphrasers:
        try:
            function = import_function(Path(path), name)
        except TrainersError as error:
            raise DataProblem(f"augment.translate: {error}") from error
        _paraphrasers.clear()  # those of one study are kept
        _paraphrasers[reference] = Paraphraser(reference, function)
    return _paraphrasers[reference]
