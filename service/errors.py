"""The one tree of errors. A message says what is wrong, which one, and what to do.

GoodfitError                    exit code 1: the study or the command failed
├── InputError                  exit code 2: what the user gave is wrong
│   ├── StudyFileError          a study file, with every problem in it (file, line, key)
│   ├── DataError               the data that a study names
│   ├── TrainerError            the trainer that a study names
│   ├── NameTaken               the study's name belongs to another spec
│   ├── UnknownStudy            no study of that name
│   └── HomeError               the home folder or the database cannot be used
│       └── Unreachable         the database does not answer: it may again, later
├── Interrupted                 exit code 130: stopped by the user, all saved
├── StudyHeld                   another runner holds the study
├── Fenced                      this runner lost its lease; its writes are refused
├── StudyFailed                 the study ended without one finished trial
├── IllegalChange               a state change that records.py does not allow
├── ClusterLost                 Ray is away; only a new process can connect again
└── TrackingError               MLflow refused or is away
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


class GoodfitError(Exception):
    """Anything that Goodfit reports to its user without a traceback."""

    exit_code = 1


class InputError(GoodfitError):
    """What the user gave is wrong."""

    exit_code = 2


class DataError(InputError):
    """The data cannot be used as they are."""


class TrainerError(InputError):
    """The trainer cannot be found, imported or used as the study asks."""


class NameTaken(InputError):
    """The study's name belongs to another spec."""


class UnknownStudy(InputError):
    """No study of that name in this home."""


class HomeError(InputError):
    """The home folder or the database cannot be used."""


class Unreachable(HomeError):
    """The database does not answer; it may again, later."""


class Interrupted(GoodfitError):
    """The user stopped the study; what was in flight is saved."""

    exit_code = 130


class StudyHeld(GoodfitError):
    """Another runner, still alive, holds the study."""


class Fenced(GoodfitError):
    """The runner's lease went to another; its writes are refused."""


class StudyFailed(GoodfitError):
    """The study ended without one finished trial."""


class IllegalChange(GoodfitError):
    """A state change that the table in records.py does not allow."""


class ClusterLost(GoodfitError):
    """Ray is away; only a new process can connect again."""


class TrackingError(GoodfitError):
    """MLflow refused, or is away."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a study file; `line` counts from 1, 0 means the file as a whole."""

    line: int
    key: str
    text: str


class StudyFileError(InputError):
    """Every problem of one study file, in the order of its lines."""

    def __init__(self, file: str, problems: Iterable[Problem]) -> None:
        self.file = file
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        super().__init__("\n".join(self._line(problem) for problem in self.problems))

    def _line(self, problem: Problem) -> str:
        where = f"{self.file}:{problem.line}" if problem.line else self.file
        return f"{where}: {problem.key}: {problem.text}" if problem.key else f"{where}: {problem.text}"


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """The end of a message about an unknown word: the nearest choice, then all of them."""
    known = sorted(choices)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{hint}choose from: {', '.join(known)}"
