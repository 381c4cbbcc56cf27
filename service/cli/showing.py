"""The commands that show studies and explain them. Heavy imports stay inside."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from goodfit.service.cli.base import (
    OptionalTrial,
    StudyName,
    TrialNumber,
    cli,
    given,
    print_json,
    refuse_both_forms,
    settings_of_home,
    studies,
    study_names,
)
from goodfit.service.errors import InputError
from goodfit.service.screen.interrupted import explained


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
def show(name: StudyName, trial: OptionalTrial = None) -> None:
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
def diagnose(name: StudyName, trial: OptionalTrial = None) -> None:
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
def fairness(name: StudyName, trial: OptionalTrial = None) -> None:
    """Show what a model does to each group of the study's `fairness`, with intervals, and what mitigation costs."""
    from goodfit.service.cli.fairness import print_audit

    found = studies()[name].fairness(trial)
    print_json(found.to_dict()) if given.as_json else print_audit(found)


@cli.command()
def why(name: StudyName, trial: TrialNumber) -> None:
    """Say why a trial was proposed, and why it was paused, resumed or stopped."""
    found = studies()[name].why(trial)
    print_json(found.to_dict()) if given.as_json else print(found)


@cli.command()
def explain(
    name: StudyName,
    trial: Annotated[int | None, typer.Option(metavar="N", min=0, help="This trial's model; else the best.")] = None,
    rows: Annotated[
        str | None, typer.Option(metavar="3,17-20", help="These rows, by their numbers in the data, from 0.")
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="exact, kernel, gradient, gradcam, occlusion or lime; else what fits.")
    ] = None,
    output: Annotated[str | None, typer.Option(help="A class, or a step of a forecast, from 1.")] = None,
    coalitions: Annotated[int, typer.Option(help="That kernel and lime look at for each row.")] = 1024,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 0,
    seconds: Annotated[float, typer.Option(help="After which no further row is begun.")] = 120.0,
) -> None:
    """Say why a model predicts what it predicts: what each column, pixel, token or step of its data adds.

    The explanation is kept with the study: in its report, and with the trial's run in MLflow.
    """
    from goodfit.service.app import Wanted
    from goodfit.service.cli.explain import explain_here, print_explanation, rows_of

    wanted = Wanted(rows_of(rows), None, None, method, output, coalitions, seed, seconds)
    with explained("nothing was changed: run the same command again"):
        found = explain_here(studies()[name], trial, wanted)
    print_json(found.to_dict()) if given.as_json else print_explanation(found)


@cli.command()
def replay(name: StudyName) -> None:
    """Derive every decision of a search again from what is stored, and say where it differs."""
    from goodfit.service.cli.replay import print_replayed, replayed_facts

    found = replayed_facts(studies()[name])
    print_json(found) if given.as_json else print_replayed(found)
    if found["differences"]:
        raise typer.Exit(1)


@cli.command()
def rerun(name: StudyName, trial: TrialNumber) -> None:
    """Train a trial again from its record, and say whether its curve is the same to the bit."""
    settings = settings_of_home(f"rerun {name} {trial}", "trains on the data and the packages that the trial had")
    with explained("the study is as it was: run the same command again"):
        from goodfit.service.cli.rerun import print_rerun, rerun_here

        found = rerun_here(settings, name, trial)
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

    refuse_both_forms(as_csv=as_csv)
    study = studies()[name]
    chosen = list(study.pages(state, verdict, parts=()))
    if given.as_json:
        print_json([trial_row(trial) for trial in chosen])
    elif as_csv:
        sys.stdout.write(to_csv(chosen))
    else:
        print_trials(study, chosen)
