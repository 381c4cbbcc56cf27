"""The commands around studies: from and to other tools, notes, an end, what is kept, what can be named."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from goodfit.service.cli.base import (
    StudyName,
    cli,
    given,
    print_json,
    server_url,
    settings_here,
    settings_of_home,
    studies,
    study_names,
    tell,
)
from goodfit.service.errors import GoodfitError, InputError


@cli.command("import")
def import_study(
    source: Annotated[str, typer.Argument(metavar="FILE|URL", help="Of another tool.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE.yaml", help="Write the study file there.")
    ] = None,
    study: Annotated[str | None, typer.Option(help="Of an Optuna storage that has several, this one.")] = None,
    trainer: Annotated[
        str | None, typer.Option(help="What is to be trained: a name, module:name, FILE.py:name.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Make a study file of another tool's: a W&B sweep, a Katib experiment, Ray Tune, Optuna, Syne Tune, Determined.

    Nothing that is read is run. What does not carry over is said, with its line, and stands in the study file.
    """
    from goodfit.service.cli.exchange import print_imported, write_imported
    from goodfit.service.exchange.importing import import_from

    draft = import_from(source, study=study, trainer=trainer)
    if output is not None:
        write_imported(draft, output, force=force)
    if given.as_json:
        print_json({**draft.to_json(), "file": None if output is None else str(output)})
    else:
        print_imported(draft, output)


@cli.command()
def init(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="A data file, a folder of images or a built-in data set.", show_default=False
        ),
    ],
    target: Annotated[
        str | None, typer.Option(metavar="T", help="The column (or array) to predict; left out, the likely ones.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The study's name; else the data's.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE.yaml", help="Where to; else NAME.yaml here.")
    ] = None,
) -> None:
    """Write a study file for a data file: columns, classes, what to look at, and a trainer, objective, split and space.

    It passes `goodfit check` and can be run as it is; a file that is there is not replaced.
    """
    from goodfit.service.cli.init import write_study

    written = write_study(data, target, name, output)
    if given.as_json:
        print_json(written)
    else:
        print(
            f"{written['file']}: a study of {written['trainer']} on {data}; run it with: goodfit run {written['file']}"
        )


@cli.command()
def export(
    name: StudyName,
    to: Annotated[
        str,
        typer.Option(metavar="TARGET", help="optuna+sqlite:///FILE.db, another storage's URL, FILE.csv, FILE.parquet."),
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace what is there and comes from elsewhere.")] = False,
) -> None:
    """Write a study where other tools read it; exported again, nothing is there twice."""
    tell(name, f"{to}: {studies()[name].export(to, force=force)}")


@cli.command()
def note(
    name: StudyName,
    text: Annotated[str | None, typer.Argument(help="Takes the place of the note; '' removes it.")] = None,
    tags: Annotated[
        list[str] | None, typer.Option("--tag", metavar="KEY=VALUE", help="Set a tag; KEY= removes it.")
    ] = None,
) -> None:
    """Keep a note and tags with a study, here and in MLflow; without either, print them."""
    study = studies()[name]
    wanted = _tags_of(tags or [])
    said = study.annotate(text, wanted) if text is not None or wanted else []
    found = study.record
    if given.as_json:
        print_json({"study": name, "note": found.note, "tags": dict(found.tags or {}), "said": said})
    elif said:
        print(*said, sep="\n")
    else:
        tags_now = (f"{key}={value}" for key, value in (found.tags or {}).items())
        print(found.note or f"study {name} has no note", *tags_now, sep="\n")


def _tags_of(words: list[str]) -> dict[str, str]:
    """Tags as they are typed, KEY=VALUE each; InputError for what is none, and for a key that stands twice."""
    pairs = [word.partition("=") for word in words]
    if wrong := [word for word, (key, equals, _) in zip(words, pairs, strict=True) if not (key and equals)]:
        raise InputError(f"--tag {wrong[0]}: give KEY=VALUE, or KEY= to remove a tag")
    keys = [key for key, _, _ in pairs]
    if twice := [key for key in keys if keys.count(key) > 1]:
        raise InputError(f"--tag {twice[0]} is given twice; leave one out")
    return {key: value for key, _, value in pairs}


@cli.command()
def stop(name: StudyName) -> None:
    """Ask a running study to save its running trials and stop."""
    tell(name, studies()[name].stop())


@cli.command()
def rm(name: StudyName, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Remove a study: its trials, curves, checkpoints, and its runs in MLflow."""
    study = studies()[name]
    if not yes:
        if not sys.stdin.isatty():
            raise InputError(f"removing {name} cannot be undone: give --yes to confirm")
        count = sum(study.listed.tally.states.values())
        typer.confirm(f"Remove study {name} with its {count} trials, checkpoints and MLflow runs?", abort=True)
    tell(name, *study.remove())


@cli.command()
def gc(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME...]", help="Studies; else all of the home.", autocompletion=study_names),
    ] = None,
    keep: Annotated[
        int | None, typer.Option(metavar="K", min=1, help="Models of the best K trials stay; else as the study says.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is kept and can go; remove nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Say what a home keeps and how large it is, and remove checkpoints and deleted MLflow runs that nothing needs."""
    from goodfit.service.cli.garbage import ask, collected, print_collected

    settings = settings_of_home(" ".join(["gc", *(names or [])]), "removes files of the home")
    sure = (lambda _: True) if yes else ask
    found = collected(settings, names or [], keep, dry_run=dry_run, sure=sure)
    print_json(found) if given.as_json else print_collected(found)


@cli.command()
def ui(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="The study that it opens on; else the newest that has runs.",
            show_default=False,
            autocompletion=study_names,
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; another is taken if it is busy.", min=1, max=65535)] = 5000,
) -> None:
    """Open the MLflow UI on this home's runs."""
    from goodfit.service.cli.ui import serve_ui

    serve_ui(settings_here("ui"), name, host, port)


@cli.command()
def trainers(name: Annotated[str | None, typer.Argument(metavar="[NAME]")] = None) -> None:
    """List the trainers, or describe one."""
    from goodfit.service.cli.catalog import described, listed, print_trainer, print_trainers

    if name is None:
        rows = listed("trainers", server_url())
        print_json(rows) if given.as_json else print_trainers(rows)
    else:
        facts = described("trainers", name, server_url())
        print_json(facts) if given.as_json else print_trainer(facts)


@cli.command()
def spaces(name: Annotated[str | None, typer.Argument(metavar="[NAME]")] = None) -> None:
    """List the search spaces of the library, or describe one."""
    from goodfit.service.cli.catalog import described, listed, print_space, print_spaces

    if name is None:
        rows = listed("spaces", server_url())
        print_json(rows) if given.as_json else print_spaces(rows)
    else:
        facts = described("spaces", name, server_url())
        print_json(facts) if given.as_json else print_space(facts)


@cli.command()
def datasets(name: Annotated[str | None, typer.Argument(metavar="[NAME]")] = None) -> None:
    """List the built-in data sets, or describe one."""
    from goodfit.service.cli.catalog import described, listed, print_datasets

    rows = listed("datasets", server_url()) if name is None else [described("datasets", name, server_url())]
    if given.as_json:
        print_json(rows if name is None else rows[0])
    else:
        print_datasets(rows)


@cli.command()
def doctor() -> None:
    """Check this machine: home, database, Ray, MLflow, torch, disk."""
    from goodfit.service.cli.doctor import examine, print_findings

    findings = list(examine(settings_here("doctor")))
    if given.as_json:
        print_json([finding.to_dict() for finding in findings])
    else:
        print_findings(findings)
    if not all(finding.well for finding in findings):
        raise GoodfitError("some checks failed; see above")
