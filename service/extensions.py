"""What installed packages add to Goodfit by entry points: search methods and executors.

Trainers are added likewise, see trainers/registry.py, and kinds of data, see trainers/data/kinds/registry.py.
docs/extending.md shows all of it, with a package to start from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from goodfit.service.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

SAMPLERS = "goodfit.samplers"
EXECUTORS = "goodfit.executors"


def added(group: str) -> tuple[str, ...]:
    """The names that installed packages add to a group."""
    return tuple(sorted({point.name for point in _points(group)}))


def known_executor(name: str, given: str) -> str:
    """The name, if it is that of an executor; InputError else.

    Args:
        name: as it was given.
        given: the same as the user wrote it, for the message.
    """
    if name not in (known := ["ray", "local", *added(EXECUTORS)]):
        raise InputError(f"{given}: {did_you_mean(str(name), known)}")
    return name


def make(group: str, name: str, *given: Any, **options: Any) -> Any:
    """What an installed package adds by a name, called with these arguments.

    Raises:
        InputError: no package adds the name, its import fails, or it refuses the arguments.
    """
    point = next((point for point in _points(group) if point.name == name), None)
    if point is None:
        raise InputError(f"no installed package adds {name!r} to {group}; {did_you_mean(name, added(group))}")
    try:
        return point.load()(*given, **options)
    except (Exception, SystemExit) as error:  # of an installed package
        raise InputError(f"{name} ({point.value}) cannot be made: {type(error).__name__}: {error}") from error


def _points(group: str) -> EntryPoints:
    from importlib.metadata import entry_points  # with the package email: a tenth of `goodfit --help`

    return entry_points(group=group)
