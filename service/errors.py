"""The one tree of errors. A message says what is wrong, which one, and what to do.

GoodfitError                    exit code 1: the study or the command failed
├── InputError                  exit code 2: what the user gave is wrong
│   ├── StudyFileError          a study file, with every problem in it (file, line, key)
│   ├── DataError               the data that a study names
│   ├── TrainerError            the trainer that a study names
│   ├── NameTaken               the study's name belongs to another spec
│   ├── UnknownStudy            no study of that name
│   ├── HomeError               the home folder or the database cannot be used
│   │   └── Unreachable         the database does not answer: it may again, later
│   ├── NotSignedIn             no token, or one that opens nothing
│   └── NotAllowed              the token's role is too small
├── Interrupted                 exit code 130: stopped by the user, all saved
├── StudyHeld                   another runner holds the study
├── Fenced                      this runner lost its lease; its writes are refused
├── StudyFailed                 the study ended without one finished trial
├── IllegalChange               a state change that records.py does not allow
├── ClusterLost                 Ray is away; only a new process can connect again
├── TrackingError               MLflow refused or is away
├── TooMany                     more requests than the server takes
└── ServerError                 the server cannot be reached, or failed
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


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


class NotSignedIn(InputError):
    """The server wants a token, and there is none, or one that is wrong, expired or revoked."""


class NotAllowed(InputError):
    """The token's role does not allow this."""


class Interrupted(GoodfitError):
    """The user stopped the study; what was in flight is saved.

    Attributes:
        by_user: whether somebody did who looks on, by Ctrl-C; else the whole program is to end.
    """

    exit_code = 130
    by_user = True


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


class TooMany(GoodfitError):
    """More requests than the server takes; try again after some seconds."""

    def __init__(self, message: str, seconds: int = 1) -> None:
        super().__init__(message)
        self.seconds = seconds


class ServerError(GoodfitError):
    """The server cannot be reached, or failed."""


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
    from goodfit.search_spaces.values import nearest  # with YAML: a sixth of the CPU of a completion

    return nearest(word, sorted(choices))


def to_dict(error: GoodfitError) -> dict[str, Any]:
    """An error as plain JSON values: its name and its message; from_dict gives it back."""
    found: dict[str, Any] = {"error": type(error).__name__, "message": str(error)}
    if isinstance(error, StudyFileError):
        found |= {"file": error.file, "problems": [asdict(problem) for problem in error.problems]}
    return found


def from_dict(values: Mapping[str, Any]) -> GoodfitError:
    """The error that to_dict was given; a plain GoodfitError where its name means nothing here."""
    if "problems" in values:
        return StudyFileError(str(values.get("file")), [Problem(**problem) for problem in values["problems"]])
    kinds = [GoodfitError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    kind = {one.__name__: one for one in kinds}.get(str(values.get("error")), GoodfitError)
    return kind(str(values.get("message")))
