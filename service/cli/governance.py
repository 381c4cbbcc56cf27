"""The commands that release models and tell what was done: approve, reject, audit, card."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from goodfit.service.cli.base import StudyName, cli, given, print_json, refuse_both_forms, studies, tell

By = Annotated[
    str | None,
    typer.Option("--by", metavar="WHO", help="Who decides; on a server the token says so, and this for whom."),
]


@cli.command()
def approve(
    name: StudyName,
    by: By = None,
    note: Annotated[
        str | None, typer.Option("--note", metavar="TEXT", help="Why; needed where it overrules a gate that fails.")
    ] = None,
) -> None:
    """Release the best model of a study: it gets the alias champion; gates that fail are recorded as overruled."""
    tell(name, *studies()[name].approve(by, note))


@cli.command()
def reject(
    name: StudyName,
    by: By = None,
    note: Annotated[str | None, typer.Option("--note", metavar="TEXT", help="Why.")] = None,
) -> None:
    """Keep the best model of a study from being released; a released one loses the alias champion."""
    tell(name, *studies()[name].reject(by, note))


@cli.command()
def card(
    name: StudyName,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FOLDER", help="Where to; else NAME-card here.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there and say otherwise.")] = False,
) -> None:
    """Write a model card (README.md, as on the Hugging Face hub) and a data card (croissant.json) of a study."""
    folder = Path(f"{name}-card") if output is None else output
    found = studies()[name].card(folder, force=force)
    paths = [str(folder / file) for file in found["files"]]
    if given.as_json:
        print_json({"study": name, "trial": found["trial"], "files": paths, "notes": found["notes"]})
    else:
        print(*paths, *(f"note: {note}" for note in found["notes"]), sep="\n")


@cli.command()
def audit(
    name: StudyName,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print CSV; a text that a spreadsheet would run begins with '.")
    ] = False,
) -> None:
    """Print all that was done to a study, by whom and when; ends with 1 where the log was changed or cut."""
    from goodfit.service.cli.trail import print_trail, trail_csv

    refuse_both_forms(as_csv=as_csv)
    found = studies().source.trail(name)
    if given.as_json:
        print_json(found)
    elif as_csv:
        sys.stdout.write(trail_csv(found))
    else:
        print_trail(found)
    if found["chain"]["intact"] is False:
        print(f"error: study {name}: {found['chain']['text']}", file=sys.stderr)
        raise typer.Exit(1)
