"""docker-compose.yml as `make stack` needs it: each service's command, environment, health check and order.

Only what this project's file uses is understood: lists for commands, mappings for environments, and the
variables `${NAME}`, `${NAME:-default}` and `${NAME:?message}`. Anything else is an error, not a guess.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

_VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?::([-?])([^{}]*))?\}|)")


class ComposeError(Exception):
    """The compose file says what is not understood here, or lacks a value."""


@dataclass(frozen=True, slots=True)
class Service:
    """One service, with the variables filled in.

    Attributes:
        command: its arguments; the first is a program's name.
        environment: beside what the image has.
        health: the arguments of its health check; None where it has none.
        after: the services that must be healthy before it starts.
        profiles: it is started only with one of them; none: always.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    health: tuple[str, ...] | None
    after: tuple[str, ...]
    profiles: tuple[str, ...] = ()


def load(path: Path) -> dict[str, Any]:
    """The file as plain values, anchors and merges resolved, variables not."""
    document: dict[str, Any] = YAML(typ="safe").load(path)
    return document


def fill(text: str, variables: Mapping[str, str]) -> str:
    """A text with its variables, as Compose fills them in.

    Raises:
        ComposeError: a variable without value and default, or a dollar sign that begins none.
    """

    def value(found: re.Match[str]) -> str:
        dollar, name, kind, rest = found.groups()
        if dollar:
            return "$"
        if not name:
            raise ComposeError(f"{text!r}: a `$` that begins no ${{NAME}}, ${{NAME:-default}} or ${{NAME:?message}}")
        given = variables.get(name, "")
        if given or kind == "-":
            return given or rest
        if kind == "?" or name not in variables:
            raise ComposeError(f"{text!r}: {name} has no value{f' ({rest})' if rest else ''}")
        return given

    return _VARIABLE.sub(value, text)


def service(document: Mapping[str, Any], name: str, variables: Mapping[str, str]) -> Service:
    """One service of a loaded file, its variables filled in."""
    try:
        section: Mapping[str, Any] = document["services"][name]
    except KeyError:
        known = ", ".join(document["services"])
        raise ComposeError(f"there is no service {name}; there are: {known}") from None
    command, environment = section.get("command"), section.get("environment", {})
    if not isinstance(command, list) or not isinstance(environment, dict):
        raise ComposeError(f"service {name}: `command` is a list and `environment` a mapping here")
    return Service(
        name=name,
        command=tuple(fill(str(part), variables) for part in command),
        environment={key: fill(str(value), variables) for key, value in environment.items()},
        health=_health(name, section.get("healthcheck"), variables),
        after=tuple(section.get("depends_on", {})),
        profiles=tuple(section.get("profiles", ())),
    )


def _health(name: str, check: Mapping[str, Any] | None, variables: Mapping[str, str]) -> tuple[str, ...] | None:
    if check is None:
        return None
    kind, *arguments = check["test"]
    if kind != "CMD":
        raise ComposeError(f"service {name}: a health check is [CMD, program, ...] here, not {kind}")
    return tuple(fill(str(part), variables) for part in arguments)
