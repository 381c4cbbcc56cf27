"""The parameters of a trial whose trainer has no config dataclass."""

from __future__ import annotations

from typing import Any

from goodfit.spelling import close


class NoParameter(KeyError):
    """A key that is not among a trial's parameters."""

    def __str__(self) -> str:
        return str(self.args[0])  # a KeyError would put its message in quotes


class Config(dict[str, Any]):
    """A trial's parameters, by key or by attribute: `config["depth"]`, `config.depth`."""

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        raise AttributeError(self._missing(name))

    def __missing__(self, name: str) -> Any:
        raise NoParameter(self._missing(name))

    def _missing(self, name: str) -> str:
        known = list(map(str, self))
        near = close(name, known, cutoff=0.6) or next((key for key in known if _abbreviates(name, key)), None)
        hint = f"; did you mean {near!r}?" if near else ""
        return f"this trial has no parameter {name!r}; it has: {', '.join(known) or 'none'}{hint}"


def _abbreviates(short: str, name: str) -> bool:
    """Whether all letters of `short` stand in `name` in their order, the first one first: lr, learning_rate."""
    letters = iter(name)
    return name[:1] == str(short)[:1] and all(letter in letters for letter in str(short))
