"""The commands on studies, as users type them. Heavy imports stay inside: `goodfit --help` starts at once.

The commands of the service are in service.py; what all of them share is in base.py.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from goodfit.service.cli.base import (
    Overrides,
    StudyFile,
    StudyName,
    cli,
    given,
    print_json,
    room,
    server_url,
    settings_here,
    studies,
    study_names,
    with_earlier,
)
from goodfit.service.errors import GoodfitError, InputError, did_you_mean
from goodfit.service.screen.interrupted import NOT_BEGUN, explained

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
            settings_here("run"), file, overrides or (), fresh=new, executor=_executor(executor), as_json=given.as_json
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
            _tell(
                name, study.resume(overrides=overrides, retry_failed=retry_failed, priority=priority, changed=changed)
            )
            return
        if priority is not None:
            raise InputError(
                f"--priority is for the queue of the service; {name} is run by `goodfit run`: leave it out"
            )
        from goodfit.service.app import Reopening
        from goodfit.service.cli.run_study import resume_study

        wanted = Reopening(tuple(overrides), retry_failed, changed=changed)
        resume_study(settings_here("resume"), name, wanted, executor=_executor(executor), as_json=given.as_json)


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
    _tell(name, *studies()[name].edit(*overrides))


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
def data(file: StudyFile, overrides: Overrides = None) -> None:
    """Report on a study's data: columns, missing values, classes, duplicates, columns that give the target away."""
    from goodfit.service.cli.data import print_report, report_facts
    from goodfit.service.spec import read

    report = report_facts(read(file, overrides or ()))
    print_json(report) if given.as_json else print_report(report)


@cli.command("ls")
def list_studies(
    state: Annotated[str | None, typer.Option(metavar="S", help="Only in this state: RUNNING, DONE.")] = None,
    submitter: Annotated[str | None, typer.Option(metavar="WHO", help="Only those that WHO submitted.")] = None,
) -> None:
    """List the studies of this home or server, newest first."""
    from goodfit.service.cli.tables import print_studies, study_rows

    found = studies()
    rows = study_rows(found, state, submitter)
    if given.as_json:
        print_json(rows)
    else:
        print_studies(rows, found.source)


@cli.command()
def show(name: StudyName, trial: Annotated[int | None, typer.Argument(metavar="[TRIAL]")] = None) -> None:
    """Show a study: its plan, how far it is, its verdicts and its failures; or one trial and its curve."""
    from goodfit.service.cli.show import print_study, print_trial, study_facts, trial_facts

    study = studies()[name]
    if trial is None:
        facts = study_facts(study)
        print_json(facts) if given.as_json else print_study(study, facts)
    else:
        facts = trial_facts(study, trial)
        print_json(facts) if given.as_json else print_trial(study, facts)


@cli.command()
def best(
    name: StudyName,
    k: Annotated[int | None, typer.Option("-k", min=1, help="How many; else 5, or the whole front.")] = None,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="Print YAML.")] = False,
    download: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the best model's checkpoint there, for torch.load.")
    ] = None,
    trial: Annotated[int | None, typer.Option(metavar="N", min=0, help="Download this trial's instead.")] = None,
    pareto: Annotated[bool, typer.Option("--pareto", help="Of several objectives: the Pareto front alone.")] = False,
    as_study: Annotated[
        bool, typer.Option("--study", help="Print a study file that trains the best trial again, to the same curve.")
    ] = False,
) -> None:
    """Show the best configurations of a study, download the best model, or write what trains it again."""
    from goodfit.service.cli.tables import best_facts, front_facts, print_best
    from goodfit.service.screen.words import to_yaml

    if trial is not None and download is None and not as_study:
        raise InputError(
            f"--trial {trial} goes with --download FILE or --study; `goodfit show {name} {trial}` shows a trial"
        )
    study = studies()[name]
    if as_study:
        sys.stdout.write(to_yaml(study.repeating(trial)))
        return
    if download is not None:
        path = study.download(download, trial)
        print_json({"path": str(path)}) if given.as_json else print(path)
        return
    facts = front_facts(study, k) if pareto else best_facts(study, 5 if k is None else k)
    if given.as_json:
        print_json(facts)
    elif as_yaml:
        sys.stdout.write(to_yaml(facts))
    else:
        from goodfit.service.cli.diagnose import print_serious

        print_best(study, facts)
        print_serious(study.diagnosis())


@cli.command()
def diagnose(
    name: StudyName,
    trial: Annotated[int | None, typer.Argument(help="One of its trials.", min=0)] = None,
) -> None:
    """Say how sure the winner is, what drives score and gap, and which problems there are; or judge a trial's curve."""
    study = studies()[name]
    if trial is not None:
        from goodfit.service.cli.show import print_trial, trial_facts

        facts = trial_facts(study, trial)
        print_json(facts["diagnosis"]) if given.as_json else print_trial(study, facts)
        return
    from goodfit.service.cli.diagnose import print_diagnosis

    found = study.diagnosis()
    print_json(found) if given.as_json else print_diagnosis(found)


@cli.command()
def why(name: StudyName, trial: Annotated[int, typer.Argument(help="One of its trials.", min=0)]) -> None:
    """Say why a trial was proposed, and why it was paused, resumed or stopped."""
    found = studies()[name].why(trial)
    print_json(found.to_dict()) if given.as_json else print(found)


@cli.command()
def replay(name: StudyName) -> None:
    """Derive every decision of a search again from what is stored, and say where it differs."""
    from goodfit.service.cli.replay import print_replayed, replayed_facts

    found = replayed_facts(studies()[name])
    print_json(found) if given.as_json else print_replayed(found)
    if found["differences"]:
        raise typer.Exit(1)


@cli.command()
def rerun(name: StudyName, trial: Annotated[int, typer.Argument(help="One of its trials.", min=0)]) -> None:
    """Train a trial again from its record, and say whether its curve is the same to the bit."""
    if server_url() is not None:
        raise InputError("`goodfit rerun` trains on this machine, from a home: give --home, and no --server")
    with explained("the study is as it was: run the same command again"):
        from goodfit.service.cli.rerun import print_rerun, rerun_here

        found = rerun_here(settings_here("rerun"), name, trial)
        print_json(found.to_dict()) if given.as_json else print_rerun(found)
    if not found.same:
        raise typer.Exit(1)


@cli.command()
def report(
    name: StudyName,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE.html", help="Where to; else NAME.html here; -: stdout."),
    ] = None,
) -> None:
    """Write a study as one HTML page: the answer first, then everything behind it; it works offline."""
    study = studies()[name]
    if str(output) == "-":
        if given.as_json:
            raise InputError("--json and -o - both write to standard output; leave one out")
        sys.stdout.write(study.report_html())
        return
    path = study.report(output)
    print_json({"path": str(path)}) if given.as_json else print(path)


@cli.command()
def compare(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME NAME...", help="Studies.", show_default=False, autocompletion=study_names),
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE.html", help="Write a page with curves, too.")
    ] = None,
) -> None:
    """Compare studies: best values with intervals, verdicts, configurations, costs; says what cannot be compared."""
    from goodfit.service.cli.compare import compared, print_compared, write_page

    found = compared(studies(), names)
    if output is not None:
        write_page(found, output)
    print_json(found) if given.as_json else print_compared(found)
    if output is not None and not given.as_json:
        print(f"written: {output}")


@cli.command()
def trials(
    name: StudyName,
    state: Annotated[
        str | None, typer.Option(metavar="S", help="Only in this state: COMPLETE, FAILED, FAILED(nan).")
    ] = None,
    verdict: Annotated[str | None, typer.Option(metavar="V", help="Only with this verdict.")] = None,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print CSV; a text that a spreadsheet would run begins with '.")
    ] = False,
) -> None:
    """List a study's trials."""
    from goodfit.service.cli.tables import print_trials
    from goodfit.service.client import trial_row
    from goodfit.service.exchange.tables import to_csv

    study = studies()[name]
    chosen = list(study.pages(state, verdict, parts=()))
    if given.as_json:
        print_json([trial_row(trial) for trial in chosen])
    elif as_csv:
        sys.stdout.write(to_csv(chosen))
    else:
        print_trials(study, chosen)


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
    _tell(name, f"{to}: {studies()[name].export(to, force=force)}")


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
    _tell(name, studies()[name].stop())


@cli.command()
def rm(name: StudyName, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Remove a study: its trials, curves, checkpoints, and its runs in MLflow."""
    study = studies()[name]
    if not yes:
        if not sys.stdin.isatty():
            raise InputError(f"removing {name} cannot be undone: give --yes to confirm")
        count = sum(study.listed.tally.states.values())
        typer.confirm(f"Remove study {name} with its {count} trials, checkpoints and MLflow runs?", abort=True)
    _tell(name, *study.remove())


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

    if server_url() is not None:
        raise InputError("`goodfit gc` works on the files of a home on this machine: give --home, and no --server")
    sure = (lambda _: True) if yes else ask
    found = collected(settings_here("gc"), names or [], keep, dry_run=dry_run, sure=sure)
    print_json(found) if given.as_json else print_collected(found)


def _tell(name: str, *lines: str) -> None:
    """What came of a command on a study."""
    if given.as_json:
        print_json({"study": name, "said": list(lines)})
    else:
        print(*lines, sep="\n")


@cli.command()
def ui(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; another is taken if it is busy.", min=1, max=65535)] = 5000,
) -> None:
    """Open the MLflow UI on this home's runs."""
    from goodfit.service.cli.ui import serve_ui

    serve_ui(settings_here("ui"), host, port)


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


def _executor(name: str) -> str:
    from goodfit.service.extensions import EXECUTORS, added

    if name not in (known := ["ray", "local", *added(EXECUTORS)]):
        raise InputError(f"--executor {name}: {did_you_mean(name, known)}")
    return name
