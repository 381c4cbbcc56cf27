"""The commands, as users type them. Heavy imports stay inside: `goodfit --help` starts at once."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.errors import GoodfitError, InputError, did_you_mean

if TYPE_CHECKING:
    from service.client import Studies
    from service.settings import Settings

cli = typer.Typer(
    name="goodfit",
    help="Find good hyperparameters, and know whether the model fits.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@dataclass
class Globals:
    """The options that every command takes."""

    home: Path | None = None
    as_json: bool = False


_globals = Globals()

StudyName = Annotated[str, typer.Argument(metavar="NAME", help="The study's name.", show_default=False)]
StudyFile = Annotated[Path, typer.Argument(metavar="FILE", help="The study file.", show_default=False)]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Replace a key of the file: budget.trials=8.")
]
Executor = Annotated[str, typer.Option(metavar="ray|local", help="local: in this process, one trial at a time.")]


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"goodfit {version('goodfit')}")
        raise typer.Exit


@cli.callback()
def options(
    home: Annotated[
        Path | None,
        typer.Option("--home", metavar="DIR", help="Where studies are kept; else GOODFIT_HOME or .goodfit."),
    ] = None,
    server: Annotated[str | None, typer.Option("--server", metavar="URL", hidden=True)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    version: Annotated[  # noqa: ARG001 - asked for, it is printed before anything else is read
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Find good hyperparameters, and know whether the model fits."""
    if server is not None:
        raise InputError(f"--server {server}: the service is not there yet; leave it out to work on a home folder")
    _globals.home, _globals.as_json = home, as_json


@cli.command()
def run(
    file: StudyFile,
    overrides: Overrides = None,
    new: Annotated[bool, typer.Option("--new", help="Search anew, under a new name if this one is taken.")] = False,
    executor: Executor = "ray",
) -> None:
    """Run a study here and now, with live progress; Ctrl-C saves, `resume` goes on."""
    from service.cli.running import run_file

    run_file(
        chosen_settings(), file, overrides or (), fresh=new, executor=_executor(executor), as_json=_globals.as_json
    )


@cli.command()
def resume(name: StudyName, executor: Executor = "ray") -> None:
    """Go on with a study that was interrupted, stopped or killed."""
    from service.cli.running import resume_study

    resume_study(chosen_settings(), name, executor=_executor(executor), as_json=_globals.as_json)


@cli.command()
def check(file: StudyFile, overrides: Overrides = None) -> None:
    """Validate a study file; say the space's size and the plan; run nothing."""
    from service.cli.planning import plan, print_plan
    from service.spec import read

    planned = plan(read(file, overrides or ()))
    if _globals.as_json:
        _print_json(planned)
    else:
        print_plan(file, planned)


@cli.command()
def data(file: StudyFile, overrides: Overrides = None) -> None:
    """Report on a study's data: columns, missing values, classes, duplicates, columns that give the target away."""
    from service.cli.data import print_report, report_facts
    from service.spec import read

    report = report_facts(read(file, overrides or ()))
    _print_json(report) if _globals.as_json else print_report(report)


@cli.command("ls")
def list_studies() -> None:
    """List the studies of this home, newest first."""
    from service.cli.tables import print_studies, study_rows

    studies = _studies()
    rows = study_rows(studies.store, time.time())
    if _globals.as_json:
        _print_json(rows)
    else:
        print_studies(rows, studies.settings.home)


@cli.command()
def show(name: StudyName, trial: Annotated[int | None, typer.Argument(metavar="[TRIAL]")] = None) -> None:
    """Show a study: its plan, how far it is, its verdicts and its failures; or one trial and its curve."""
    from service.cli.showing import print_study, print_trial, study_facts, trial_facts

    study = _studies()[name]
    if trial is None:
        facts = study_facts(study)
        _print_json(facts) if _globals.as_json else print_study(facts)
    else:
        facts = trial_facts(study, trial)
        _print_json(facts) if _globals.as_json else print_trial(facts)


@cli.command()
def best(
    name: StudyName,
    k: Annotated[int, typer.Option("-k", min=1, help="How many.")] = 5,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="Print YAML.")] = False,
    pareto: Annotated[bool, typer.Option("--pareto", hidden=True)] = False,
) -> None:
    """Show the best configurations of a study."""
    from service.cli.tables import best_facts, print_best, to_yaml

    if pareto:
        raise InputError("--pareto: studies of several objectives are not there yet")
    study = _studies()[name]
    facts = best_facts(study, k)
    if _globals.as_json:
        _print_json(facts)
    elif as_yaml:
        sys.stdout.write(to_yaml(facts))
    else:
        from service.cli.diagnosing import print_serious

        print_best(facts)
        print_serious(study.diagnosis())


@cli.command()
def diagnose(
    name: StudyName,
    trial: Annotated[int | None, typer.Argument(help="One of its trials.", min=0)] = None,
) -> None:
    """Say how sure the winner is, what drives score and gap, and what is amiss; or what a trial's curve says."""
    study = _studies()[name]
    if trial is not None:
        from service.cli.showing import print_trial, trial_facts

        facts = trial_facts(study, trial)
        _print_json(facts["diagnosis"]) if _globals.as_json else print_trial(facts)
        return
    from service.cli.diagnosing import print_diagnosis

    found = study.diagnosis()
    _print_json(found) if _globals.as_json else print_diagnosis(found)


@cli.command()
def report(
    name: StudyName,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE.html", help="Where to; else NAME.html here; -: stdout."),
    ] = None,
) -> None:
    """Write a study as one HTML page: the answer first, then everything behind it; it works offline."""
    study = _studies()[name]
    if str(output) == "-":
        if _globals.as_json:
            raise InputError("--json and -o - both write to standard output; leave one out")
        sys.stdout.write(study.report_html())
        return
    path = study.report(output)
    _print_json({"path": str(path)}) if _globals.as_json else print(path)


@cli.command()
def trials(
    name: StudyName,
    state: Annotated[
        str | None, typer.Option(metavar="S", help="Only in this state: COMPLETE, FAILED, FAILED(nan).")
    ] = None,
    verdict: Annotated[str | None, typer.Option(metavar="V", help="Only with this verdict.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """List a study's trials."""
    from service.cli.tables import print_trials, select, trials_csv
    from service.client import trial_row

    study = _studies()[name]
    chosen = select(study.records(), state, verdict)
    if _globals.as_json:
        _print_json([trial_row(trial) for trial in chosen])
    elif as_csv:
        sys.stdout.write(trials_csv(chosen))
    else:
        print_trials(study, chosen)


@cli.command()
def stop(name: StudyName) -> None:
    """Ask a running study to save what is in flight and stop."""
    from service.app import stop_study

    studies = _studies()
    print(stop_study(studies.settings, studies.store, name, time.time()))


@cli.command()
def rm(name: StudyName, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Remove a study: its trials, curves, checkpoints, and its runs in MLflow."""
    from service.app import remove_study

    studies = _studies()
    count = len(studies[name].records())
    if not yes:
        if not sys.stdin.isatty():
            raise InputError(f"removing {name} cannot be undone: say --yes to mean it")
        typer.confirm(f"Remove study {name} with its {count} trials, checkpoints and MLflow runs?", abort=True)
    for line in remove_study(studies.settings, studies.store, name, time.time()):
        print(line)


@cli.command()
def ui(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; another is taken if it is busy.", min=1, max=65535)] = 5000,
) -> None:
    """Open the MLflow UI on this home's runs."""
    from service.cli.ui import serve_ui

    serve_ui(_studies(), host, port)


@cli.command()
def trainers(name: Annotated[str | None, typer.Argument(metavar="[NAME]")] = None) -> None:
    """List the trainers, or describe one."""
    from service.cli.catalog import print_trainer, print_trainers, trainer_facts, trainer_rows

    if name is None:
        rows = trainer_rows()
        _print_json(rows) if _globals.as_json else print_trainers(rows)
    else:
        facts = trainer_facts(name)
        _print_json(facts) if _globals.as_json else print_trainer(facts)


@cli.command()
def spaces(name: Annotated[str | None, typer.Argument(metavar="[NAME]")] = None) -> None:
    """List the search spaces of the library, or describe one."""
    from service.cli.catalog import print_space, print_spaces, space_facts, space_rows

    if name is None:
        rows = space_rows()
        _print_json(rows) if _globals.as_json else print_spaces(rows)
    else:
        facts = space_facts(name)
        _print_json(facts) if _globals.as_json else print_space(facts)


@cli.command()
def datasets(name: Annotated[str | None, typer.Argument(metavar="[NAME]")] = None) -> None:
    """List the built-in data sets, or describe one."""
    from service.cli.catalog import dataset_rows, print_datasets

    rows = dataset_rows(name)
    if _globals.as_json:
        _print_json(rows if name is None else rows[0])
    else:
        print_datasets(rows)


@cli.command()
def doctor() -> None:
    """Check this machine: home, database, Ray, MLflow, torch, disk."""
    from service.cli.doctor import examine, print_findings

    findings = list(examine(chosen_settings()))
    if _globals.as_json:
        _print_json([finding.to_dict() for finding in findings])
    else:
        print_findings(findings)
    if not all(finding.well for finding in findings):
        raise GoodfitError("something is wrong here; see above")


def chosen_settings() -> Settings:
    """Of the command line that is run, and the environment."""
    from service.settings import Settings as Found

    return Found.from_environment(_globals.home)


def _studies() -> Studies:
    from service.client import Studies as Opened

    settings = chosen_settings()
    from service.app import open_home

    return Opened(settings, open_home(settings))


def _executor(name: str) -> str:
    if name not in ("ray", "local"):
        raise InputError(f"--executor {name}: {did_you_mean(name, ['ray', 'local'])}")
    return name


def _print_json(value: dict[str, Any] | Iterable[Any]) -> None:
    """Strict JSON: what is no number there (NaN, infinity) is null."""
    print(json.dumps(_finite(value), indent=2, ensure_ascii=False))


def _finite(value: Any) -> Any:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
