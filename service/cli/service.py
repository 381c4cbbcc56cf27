"""The commands of the service: submit, watch, logs, tokens, serve, upgrade."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from goodfit.service.cli.base import (
    OptionalTrial,
    Overrides,
    StudyFile,
    StudyName,
    cli,
    given,
    print_json,
    room,
    server_url,
    settings,
    settings_here,
    studies,
)

if TYPE_CHECKING:
    from goodfit.service.client import StudyHandle
    from goodfit.service.queries.source import Source
    from goodfit.service.records import Token


@cli.command()
def submit(
    file: StudyFile,
    overrides: Overrides = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it to its end.")] = False,
    priority: Annotated[int, typer.Option(help="The higher goes first.", min=-1000, max=1000)] = 0,
    new: Annotated[
        bool, typer.Option("--new", help="Start a new search, under a new name if this one is taken.")
    ] = False,
) -> None:
    """Queue a study for the service; `goodfit serve` runs it."""
    from goodfit.service import app
    from goodfit.service.screen.live import say

    found = studies(create=True)
    if server_url() is not None:
        _say_what_travels(file, overrides or ())
    study = found.submit(file, overrides=overrides or (), priority=priority, new=new)
    notes = app.notes_of(study.spec, room())
    for note in notes:
        say(f"note: {note}")
    if wait:
        say(f"study {study.name} is in the queue")
        _follow(study)
        return
    if given.as_json:
        print_json({"study": study.name, "state": study.state, "notes": notes})
    else:
        print(f"study {study.name} is in the queue; {found.source.hint(f'watch {study.name}')} follows it")


def _say_what_travels(file: Path, overrides: Sequence[str]) -> None:
    """Name the modules that go with a study to the server, and the files that its code names and that do not."""
    from goodfit.service import app
    from goodfit.service.client.upload import packed, submission_of
    from goodfit.service.screen.live import say

    sent = packed(submission_of(file, overrides=overrides))
    if sent.files:
        say(f"sent with the study: {', '.join(sorted(sent.files))}")
    if sent.left:
        say(f"not sent: {', '.join(sent.left)}; the code names it, but only modules travel: see `data:` for data")
    if sent.hidden:
        say(f"not sent: {app.hidden_modules(sent.hidden)}")


@cli.command()
def watch(name: StudyName) -> None:
    """Watch a study that runs anywhere, as `run` shows it, until it is over."""
    _follow(studies()[name])


@cli.command()
def logs(
    name: StudyName,
    trial: OptionalTrial = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on while it runs.")] = False,
) -> None:
    """Print what a trial's trainer printed, and the traceback it ended with; or what the running trials print."""
    from goodfit.service.cli.watch import logs as print_logs

    print_logs(studies()[name], trial, follow=follow)


def _follow(study: StudyHandle) -> None:
    from goodfit.service.cli.tables import best_facts, print_best
    from goodfit.service.cli.watch import left_alone, raise_unless_done, watch

    with left_alone(study):
        last = watch(study)
    facts = best_facts(study, 5)
    if given.as_json:
        print_json(facts)
    elif facts["best"]:
        print_best(study, facts)
    raise_unless_done(study, last)


tokens = typer.Typer(help="Tokens for the API: who may do what.", rich_markup_mode=None)
cli.add_typer(tokens, name="token")


@tokens.command("create")
def create_token(
    role: Annotated[str, typer.Option("--role", metavar="R", help="viewer, submitter or admin.")],
    name: Annotated[str | None, typer.Option("--name", metavar="N", help="Whose it is; else yours.")] = None,
    expires: Annotated[str | None, typer.Option("--expires", metavar="90d", help="After how long; else never.")] = None,
) -> None:
    """Make a token. Its secret is shown once. On the server's own machine this needs no token."""
    import getpass

    from goodfit.service.screen.live import say

    made, secret = studies(create=True).source.make_token(name or getpass.getuser(), role, expires)
    if given.as_json:
        print_json({**_token_row(made), "secret": secret})
        return
    print(secret)
    say(f"token {made.id} of {made.name}, {made.role}; set GOODFIT_TOKEN to it: it is not shown again")


@tokens.command("ls")
def list_tokens() -> None:
    """List the tokens, without their secrets."""
    from goodfit.service.cli.tables import show, table

    rows = [_token_row(token) for token in _source().tokens()]
    if given.as_json:
        print_json(rows)
        return
    out = table("id", "name", "role", "created", "by", "expires", "revoked")
    for row in rows:
        out.add_row(*(str(value or "-") for value in row.values()))
    show(out)


@tokens.command("revoke")
def revoke_token(token_id: Annotated[str, typer.Argument(metavar="ID", help="As `token ls` shows it.")]) -> None:
    """Make a token worthless, at once."""
    revoked = _source().revoke(token_id)
    print_json(_token_row(revoked)) if given.as_json else print(f"token {revoked.id} of {revoked.name} is revoked")


def _source() -> Source:
    return studies().source


def _token_row(token: Token) -> dict[str, str | None]:
    times = {"created": token.created, "expires": token.expires, "revoked": token.revoked}
    dates = {key: None if at is None else _day(at) for key, at in times.items()}
    return {
        "id": token.id,
        "name": token.name,
        "role": str(token.role),
        "created": dates["created"],
        "by": token.created_by,
        "expires": dates["expires"],
        "revoked": dates["revoked"],
    }


def _day(seconds: float) -> str:
    from goodfit.service.client import moment

    return moment(seconds).strftime("%Y-%m-%d %H:%M")


@cli.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0: any that is free.", min=0, max=65535)] = 8000,
    no_controller: Annotated[bool, typer.Option("--no-controller", help="Serve the API alone.")] = False,
    no_api: Annotated[bool, typer.Option("--no-api", help="Run studies alone.")] = False,
    allow_code: Annotated[
        bool,
        typer.Option(
            "--allow-code",
            envvar="GOODFIT_ALLOW_CODE",
            help="Run trainers that come with a study: everyone who may submit runs code here.",
        ),
    ] = False,
    at_once: Annotated[int | None, typer.Option("--studies", help="How many studies run at once.", min=1)] = None,
) -> None:
    """Serve this home: the HTTP API and the controller, until Ctrl-C."""
    from goodfit.service.server.serve import Serving
    from goodfit.service.server.serve import serve as serve_home

    options = Serving(host, port, not no_api, not no_controller, allow_code, at_once)
    serve_home(settings_here("serve"), options)


@cli.command()
def upgrade() -> None:
    """Bring the database to the version of this Goodfit; back it up first."""
    from goodfit.service.app import upgrade_home

    settings_here("upgrade")
    place, before, after = upgrade_home(settings())
    if before == after:
        print(f"{place} is at version {after} already")
    else:
        print(f"{place} is at version {after} now, from {before or 'nothing'}")
