"""What is wrong in a file: where, and what to do. Of very many things the first are listed."""

from __future__ import annotations

from dataclasses import dataclass

KeyPath = tuple[str | int, ...]

MAX_FLAWS = 100  # are listed; whoever made more will find the others after these
MORE = f"more than {MAX_FLAWS} things are wrong; the first {MAX_FLAWS} are listed"


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing wrong in a file; `line` counts from 1, 0 means the file as a whole."""

    line: int
    key: str  # dotted
    text: str


class TooManyProblems(Exception):
    """So much is wrong that the rest is not looked for."""


class Problems(list[tuple[KeyPath, str]]):
    """What is wrong: (path of the key, text). TooManyProblems ends the reading where there are more than MAX_FLAWS."""

    def append(self, problem: tuple[KeyPath, str]) -> None:
        if len(self) >= MAX_FLAWS:
            raise TooManyProblems
        super().append(problem)


class DocumentError(ValueError):
    """The file cannot be read as YAML; `flaws` says why."""

    def __init__(self, flaws: list[Flaw]) -> None:
        self.flaws = flaws
        super().__init__("; ".join(f"line {flaw.line}: {flaw.text}" if flaw.line else flaw.text for flaw in flaws))


def dotted(path: KeyPath) -> str:
    """A key path as messages write it: budget.trials."""
    return ".".join(str(part) for part in path)
