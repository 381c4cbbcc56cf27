"""What all commands share: the global options, where the studies are, JSON."""

from __future__ import annotations

import contextlib
import copy
import importlib
import os
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from goodfit.service.errors import HomeError, InputError
from goodfit.trainers.readable import json_text

if TYPE_CHECKING:
    from goodfit.service.app import Room
    from goodfit.service.client import Studies
    from goodfit.service.settings import Settings
    from goodfit.service.spec import StudySpec

cli = typer.Typer(
    name="goodfit",
    help="Find good hyperparameters, and know whether the model fits.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@dataclass
class Globals:
    """The options that every command takes."""

    home: Path | None = None
    server: str | None = None
    as_json: bool = False


given = Globals()


def study_names(context: typer.Context, incomplete: str) -> list[str]:
    """The names that a shell completes to: of the studies of a home on this machine, the newest first."""
    return _completed(context, incomplete, "SELECT name FROM studies ORDER BY id DESC")


def trial_numbers(context: typer.Context, incomplete: str) -> list[str]:
    """The numbers that a shell completes to: of the trials of the study that the line names."""
    trials = "SELECT number FROM trials JOIN studies ON id = study_id WHERE name = ? ORDER BY number"
    return _completed(context, incomplete, trials, context.params.get("name"))


def _completed(context: typer.Context, incomplete: str, query: str, *values: object) -> list[str]:
    """What a query of the home's own database gives, read in milliseconds, without SQLAlchemy."""
    home = context.find_root().params.get("home") or os.environ.get("GOODFIT_HOME") or ".goodfit"
    file = Path(home).expanduser().absolute() / "goodfit.db"
    try:
        with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=0.1)) as connection:
            found = [str(value) for (value,) in connection.execute(query, values)]
    except sqlite3.Error:  # no home, or one of another kind: there is nothing to complete to
        return []
    return [text for text in found if text.startswith(incomplete)]


StudyName = Annotated[
    str,
    typer.Argument(metavar="NAME", help="The study's name.", show_default=False, autocompletion=study_names),
]
TrialNumber = Annotated[
    int, typer.Argument(metavar="TRIAL", help="One of its trials.", min=0, autocompletion=trial_numbers)
]
OptionalTrial = Annotated[
    int | None, typer.Argument(metavar="[TRIAL]", help="One of its trials.", min=0, autocompletion=trial_numbers)
]
StudyFile = Annotated[Path, typer.Argument(metavar="FILE", help="The study file.", show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Replace a key of the file: budget.trials=8. KEY=null leaves it out."
    ),
]


def _print_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        print(f"goodfit {version('goodfit')}")
        raise typer.Exit


@cli.callback()
def options(
    home: Annotated[
        Path | None,
        typer.Option(
            "--home", metavar="DIR", help="Where studies are kept; else GOODFIT_HOME or .goodfit.", readable=False
        ),  # one that is not readable is named with its owner
    ] = None,
    server: Annotated[
        str | None,
        typer.Option("--server", metavar="URL", help="Work on a server; else GOODFIT_SERVER. Token: GOODFIT_TOKEN."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    version: Annotated[  # noqa: ARG001 - its callback prints it before anything else is read
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Find good hyperparameters, and know whether the model fits."""
    if server is not None and home is not None:
        raise InputError(f"--server {server} and --home {home} exclude each other; leave one out")
    given.home, given.server, given.as_json = home, server, as_json


def server_url() -> str | None:
    """The server to work on; None: a home folder, which wins over GOODFIT_SERVER where it is named."""
    if given.server is not None:
        return given.server
    return None if given.home is not None else os.environ.get("GOODFIT_SERVER") or None


def settings() -> Settings:
    """The home to work on, for what is of this machine alone."""
    from goodfit.service.settings import Settings

    return Settings.from_environment(given.home)


def settings_here(command: str) -> Settings:
    """As settings; InputError where --server was given."""
    if given.server is not None:
        raise InputError(f"`goodfit {command}` works on this machine only; leave --server out")
    return settings()


def settings_of_home(command: str, why: str) -> Settings:
    """As settings, for a command that needs the home itself; InputError on a server, with how to run it there.

    Args:
        command: as it is typed there.
        why: it does not go through the server's API.
    """
    if (server := server_url()) is None:
        return settings()
    raise InputError(
        f"`goodfit {command}` {why}, so run it where the home of the server at {server} is: `goodfit --home DIR "
        f"{command}` on that machine, or `docker compose exec goodfit goodfit {command}` beside the compose stack; for "
        "studies of this machine, give --home DIR"
    )


def studies(*, create: bool = False) -> Studies:
    """The studies of the server, or of the home; `create`: one that is not there is made."""
    if (server := server_url()) is not None:
        from goodfit.service.client import connect

        return connect(server if "://" in server else f"http://{server}")
    from goodfit.service.app import open_home
    from goodfit.service.client import Studies
    from goodfit.service.queries.local import LocalSource

    found = settings()
    return Studies(LocalSource(found, open_home(found, create=create)))


def room() -> Room:
    """Where the trials of a study that is submitted from here would run."""
    from goodfit.service import app

    if server_url() is None:
        return app.room_of(settings())
    source = studies().source
    return app.Room(f"the server at {source.place}", source.nodes)


def with_earlier(spec: StudySpec) -> StudySpec:
    """A spec with what the earlier studies of its warm start bring, as far as they are looked up from here."""
    from goodfit.service import app

    if not spec.search.warm_start or server_url() is not None:  # the server does when the study is submitted
        return spec
    try:
        store = app.open_home(settings())
    except HomeError:
        store = None
    return app.warm_started(spec, store)


def print_json(value: Mapping[str, Any] | Iterable[Any]) -> None:
    """Strict JSON: what is no number there (NaN, infinity) is null."""
    print(json_text(_finite(value)))


def _finite(value: Any) -> Any:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def load_commands() -> None:
    """Import the modules that add their commands to the command line."""
    for module in ("commands", "showing", "around", "governance", "schema", "service"):
        importlib.import_module(f"goodfit.service.cli.{module}")


def cli_of(word: str) -> typer.Typer:
    """The command line with the command of this name alone, or whole where it is of no command.

    Typer reads the parameters of all commands before it runs one, which takes as long as the rest of `goodfit ls` does
    once all is imported.
    """
    named = [one for one in cli.registered_commands if word == (one.name or getattr(one.callback, "__name__", None))]
    if not named:
        return cli
    alone = copy.copy(cli)
    alone.registered_commands, alone.registered_groups = named, []
    return alone


def refuse_both_forms(*, as_csv: bool) -> None:
    """InputError where CSV and JSON are both wanted: each is all of standard output."""
    if as_csv and given.as_json:
        raise InputError("--csv and --json both write to standard output; leave one out")


def tell(name: str, *lines: str) -> None:
    """What came of a command on a study."""
    if given.as_json:
        print_json({"study": name, "said": list(lines)})
    else:
        print(*lines, sep="\n")
