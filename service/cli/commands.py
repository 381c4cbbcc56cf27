"""The commands that run and change studies, as users type them.

Heavy imports stay inside: `goodfit --help` starts at once. The commands that show studies are in showing.py, those
around them in around.py, those of the service in service.py; what all of them share is in base.py.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from goodfit.service.cli.base import (
    Overrides,
    StudyFile,
    StudyName,
    cli,
    given,
    print_json,
    refuse_both_forms,
    room,
    server_url,
    settings_here,
    studies,
    tell,
    with_earlier,
)
from goodfit.service.errors import InputError
from goodfit.service.extensions import known_executor
from goodfit.service.screen.interrupted import NOT_BEGUN, explained

if TYPE_CHECKING:
    from goodfit.service.spec import StudySpec

Executor = Annotated[
    str,
    typer.Option(
        metavar="ray|local|NAME",
        help="local: in this process, one trial at a time. NAME: what an installed package adds.",
    ),
]


@cli.command()
def run(
    file: StudyFile,
    overrides: Overrides = None,
    new: Annotated[
        bool, typer.Option("--new", help="Start a new search, under a new name if this one is taken.")
    ] = False,
    executor: Executor = "ray",
) -> None:
    """Run a study here and now, with live progress; Ctrl-C saves, `resume` goes on."""
    with explained(NOT_BEGUN):
        from goodfit.service.cli.run_study import run_file

        run_file(
            settings_here("run"),
            file,
            overrides or (),
            fresh=new,
            executor=known_executor(executor, f"--executor {executor}"),
            as_json=given.as_json,
        )


@cli.command()
def resume(
    name: StudyName,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key that alters no past decision: budget.trials=40."),
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Train its failed trials again.")] = False,
    priority: Annotated[int | None, typer.Option(help="In the service's queue.", min=-1000, max=1000)] = None,
    changed: Annotated[bool, typer.Option("--changed", help="Go on although the data have changed.")] = False,
    executor: Executor = "ray",
) -> None:
    """Go on with a study that was interrupted, stopped or killed, or that has a longer budget or trials to train again.

    A study of the service goes back into its queue.
    """
    _go_on(name, overrides or (), retry_failed=retry_failed, priority=priority, changed=changed, executor=executor)


@cli.command()
def confirm(
    name: StudyName,
    top: Annotated[int, typer.Option(metavar="K", help="How many of the best configurations.", min=1)] = 3,
    seeds: Annotated[int, typer.Option(metavar="S", help="Fresh seeds for each.", min=1)] = 3,
    executor: Executor = "ray",
) -> None:
    """Train the best configurations of a study that has ended again, on fresh seeds, and score them on the test split.

    What was confirmed before is kept. A study of the service goes back into its queue.
    """
    _go_on(name, studies()[name].confirmation(top, seeds), executor=executor)


def _go_on(
    name: str,
    overrides: Sequence[str],
    *,
    retry_failed: bool = False,
    priority: int | None = None,
    changed: bool = False,
    executor: str,
) -> None:
    """Run a study of this home on, or put one of the service back into its queue."""
    with explained("go on with the same command"):
        study = studies()[name]
        if server_url() is not None or study.record.queued is not None:
            tell(name, study.resume(overrides=overrides, retry_failed=retry_failed, priority=priority, changed=changed))
            return
        if priority is not None:
            raise InputError(
                f"--priority is for the queue of the service; {name} is run by `goodfit run`: leave it out"
            )
        from goodfit.service.app import Reopening
        from goodfit.service.cli.run_study import resume_study

        wanted = Reopening(tuple(overrides), retry_failed, changed=changed)
        resume_study(
            settings_here("resume"),
            name,
            wanted,
            executor=known_executor(executor, f"--executor {executor}"),
            as_json=given.as_json,
        )


@cli.command()
def edit(
    name: StudyName,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key: budget.trials=40, space.dropout.high=0.5."),
    ] = None,
) -> None:
    """Change a study that has begun, also while it runs: its budget, its ranges and choices, its pruner.

    Its trials are kept; what is proposed from then on follows the new version of its spec.
    """
    if not overrides:
        raise InputError("say what to change: --set budget.trials=40, for example")
    tell(name, *studies()[name].edit(*overrides))


@cli.command()
def check(file: StudyFile, overrides: Overrides = None) -> None:
    """Validate a study file; say the space's size and the plan; run nothing."""
    from goodfit.service.cli.check import plan, print_plan
    from goodfit.service.spec import read

    planned = plan(read(file, overrides or ()), room(), with_earlier)
    if given.as_json:
        print_json(planned)
    else:
        print_plan(file, planned)


@cli.command()
def data(
    file: StudyFile,
    overrides: Overrides = None,
    labels: Annotated[
        bool, typer.Option("--labels", help="Train to find labels that are likely wrong, and rank the rows by them.")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="With --labels: print the table of all rows as CSV.")] = False,
    more: Annotated[
        bool, typer.Option("--more", help="Train on parts of the rows, to say what twice as many would gain.")
    ] = False,
) -> None:
    """Report on a study's data: columns, missing values, classes, duplicates, columns that give the target away.

    --labels and --more train the best configuration that a study of this name in this home has found, else the
    trainer's defaults: five times on four fifths of the rows, to predict the others; or on an eighth, a quarter, half
    and all of them.
    """
    from goodfit.service.cli.data import print_report, report_facts
    from goodfit.service.spec import read

    if as_csv and not labels:
        raise InputError("--csv is for the table of --labels; give both, or leave --csv out")
    refuse_both_forms(as_csv=as_csv)
    if labels and more:
        raise InputError("--labels and --more are two jobs; give one of them")
    spec = read(file, overrides or ())
    if labels:
        _labels(spec, as_csv=as_csv)
        return
    if more:
        _more(spec)
        return
    report = report_facts(spec)
    print_json(report) if given.as_json else print_report(report)


def _labels(spec: StudySpec, *, as_csv: bool) -> None:
    from goodfit.service.cli.quality import check_labels, label_csv, label_facts, print_labels

    with explained("nothing was changed: run the same command again"):
        found = check_labels(settings_here("data"), spec)
    if given.as_json:
        print_json(label_facts(found))
    elif as_csv:
        sys.stdout.write(label_csv(found.table))
    else:
        print_labels(found)


def _more(spec: StudySpec) -> None:
    from goodfit.service.cli.quality import check_growth, print_growth

    with explained("nothing was changed: run the same command again"):
        found = check_growth(settings_here("data"), spec)
    print_json({key: value for key, value in found.items() if key != "format"}) if given.as_json else print_growth(
        found
    )
