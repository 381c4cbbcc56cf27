"""The routes of studies: submitted, listed, watched, stopped, resumed, removed; their best, diagnosis and report."""

from __future__ import annotations

import contextlib
import tempfile
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import HTMLResponse, Response

from goodfit.service import app
from goodfit.service.app.best import Best
from goodfit.service.diagnosis.feasibility import why_none_feasible
from goodfit.service.errors import GoodfitError
from goodfit.service.json_values import Values, plain
from goodfit.service.records import Study, StudyState, Token, Trial
from goodfit.service.server.admission import Submitter, Viewer, bearer, check_owner
from goodfit.service.server.downloads import Download, File
from goodfit.service.server.events import Stream
from goodfit.service.server.replies import (
    EVENT,
    FILE,
    TEXT,
    BestTrials,
    Message,
    Messages,
    StudyPage,
    StudyRecord,
    Versions,
    content_of,
)
from goodfit.service.server.request_bodies import Body
from goodfit.service.server.responses import JsonAnswer, reply, tagged
from goodfit.service.server.state import InTurn, Shared, State

router = APIRouter(route_class=InTurn, prefix="/v1/studies", tags=["studies"])

Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
Offset = Annotated[int, Query(ge=0, le=2**31 - 1, description="How many to leave out.")]
# The report's script and style are its own, inline; it loads nothing and sends nothing.
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; sandbox allow-scripts"
)


class NewStudy(Body):
    """A study to submit."""

    spec: str = Field(max_length=app.SPEC_CHARACTERS, description="The text of the study file, in YAML.")
    overrides: list[Annotated[str, Field(max_length=app.SPEC_CHARACTERS)]] = Field(
        default=[], alias="set", max_length=100, description="KEY=VALUE each: keys of the file to replace."
    )
    files: dict[str, str] = Field(
        default={}, max_length=app.FILES, description="Code that the study brings, by path, where the server allows it."
    )
    priority: int = Field(default=0, ge=-1000, le=1000, description="The higher goes first.")
    new: bool = Field(default=False, description="Under a new name, if this one is taken.")


class Edits(Body):
    """What is to change of a study."""

    overrides: list[Annotated[str, Field(max_length=1000)]] = Field(
        alias="set", min_length=1, max_length=100, description="KEY=VALUE each: space.learning_rate.high=0.3."
    )


class Annotation(Body):
    """A study's note and tags."""

    note: str | None = Field(
        default=None, max_length=app.SPEC_CHARACTERS, description="Takes the place of the one before; empty: none."
    )
    tags: dict[str, str] = Field(default={}, description="By key; an empty value takes the tag away.")


class Changes(Body):
    """What is to change of a study that goes on."""

    overrides: list[Annotated[str, Field(max_length=1000)]] = Field(
        default=[], alias="set", max_length=100, description="KEY=VALUE each, of what alters no past decision."
    )
    retry_failed: bool = Field(default=False, description="Train its failed trials again.")
    priority: int | None = Field(default=None, ge=-1000, le=1000, description="The higher goes first.")
    changed: bool = Field(default=False, description="Though its data have changed since its trials were trained.")


@router.post("", status_code=201, response_model=StudyRecord, summary="Submit a study")
async def submit(shared: Shared, token: Submitter, given: NewStudy) -> Response:
    """Put a study into the queue, if it can run and keeps to the rules."""
    lane = shared.code if given.files else shared.submitting
    return await lane.run(token.id, lambda: _submitted(shared, token, given))


def _submitted(shared: State, token: Token, given: NewStudy) -> Response:
    submission = app.Submission(given.spec, tuple(given.overrides), given.files, given.priority, given.new)
    study = app.queue_study(
        shared.settings,
        shared.store,
        app.admitted(submission, shared.rules),
        shared.clock(),
        fresh=given.new,
        submitter=token.name,
        priority=given.priority,
        files=given.files,
    )
    return reply(StudyRecord, StudyRecord.of(shared.source.study(study.name)), 201)


@router.get("", response_model=StudyPage, summary="List studies")
def studies(
    request: Request,
    shared: Shared,
    _: Viewer,
    state: Annotated[list[StudyState], Query(description="Only in one of these states.")] = [],  # noqa: B006 - FastAPI's
    submitter: Annotated[str | None, Query(max_length=200, description="Only this one's.")] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Response:
    """A page of the studies, newest first, with the main parts of their specs; `next`: the next page's offset."""
    found = shared.source.page(states=state, submitter=submitter, limit=limit, offset=offset)
    following = offset + limit if len(found) == limit else None
    return tagged(request, StudyPage, {"studies": [StudyRecord.in_brief(one) for one in found], "next": following})


@router.get("/{name}", response_model=StudyRecord, summary="Show a study")
def study(request: Request, shared: Shared, _: Viewer, name: str) -> Response:
    """A study: its record, its state as it is now, how many trials are in which state and have which verdict."""
    return tagged(request, StudyRecord, StudyRecord.of(shared.source.study(name)))


@router.get("/{name}/best", response_model=BestTrials, summary="The best configurations")
def best(
    request: Request,
    shared: Shared,
    _: Viewer,
    name: str,
    k: Limit = 5,
    pareto: Annotated[bool, Query(description="Of several objectives: those of the Pareto front alone.")] = False,
) -> Response:
    """The best configurations, the confirmed winner first."""
    found = shared.store.study(name)
    rows = [_best(name, one) for one in app.best_of(shared.settings, shared.store, found, k, pareto=pareto)]
    answer: BestTrials = {
        "study": name, "metric": found.objective.metric, "direction": found.objective.direction, "best": rows
    }  # fmt: skip
    return tagged(request, BestTrials, answer)


def _best(name: str, one: Best) -> Best:
    """One of the best; the address of a model that lies in a folder here is this server's, where anybody can get it."""
    here = one.model_uri is not None and one.model_uri.startswith("file:")
    uri = f"/v1/studies/{name}/checkpoint?trial={one.trial}" if here else one.model_uri
    return replace(one, model_uri=uri)


@router.get("/{name}/diagnosis", response_model=Values, summary="What is known of a study")
async def diagnosis(shared: Shared, token: Viewer, name: str) -> Response:
    """How sure the winner is, what drives score and gap, which problems there are."""
    return await shared.heavy.run(token.id, lambda: JsonAnswer(plain(shared.source.diagnosis(name))))


@router.get(
    "/{name}/report",
    summary="A study as a page",
    response_class=Response,
    responses=content_of("text/html", TEXT, "One HTML page."),
)
async def report(shared: Shared, token: Viewer, name: str) -> Response:
    """One HTML page that needs nothing but a browser."""
    page = await shared.heavy.run(token.id, lambda: shared.source.report_html(name))
    headers = {"Content-Security-Policy": REPORT_POLICY, "X-Content-Type-Options": "nosniff"}
    return HTMLResponse(page.encode("utf-8", "backslashreplace"), headers=headers)


@router.get(
    "/{name}/model",
    summary="A trained model",
    response_class=Response,
    responses=content_of("application/zip", FILE, "A zip of model.json and weights.pt, object.pt of some."),
)
async def model(
    shared: Shared,
    token: Viewer,
    name: str,
    trial: Annotated[int | None, Query(ge=0, le=2**31 - 1, description="Of this trial; else of the best.")] = None,
) -> Response:
    """A zip of model.json and weights.pt, which are no pickle, and the code that came with the study.

    Of a trainer without build= also object.pt: its model as a pickled object.
    """
    return Download(shared.downloads, token.id, lambda: shared.heavy.run(token.id, lambda: _model(shared, name, trial)))


@router.get(
    "/{name}/checkpoint",
    summary="A trial's weights",
    response_class=Response,
    responses=content_of("application/octet-stream", FILE, "A file of torch."),
)
async def checkpoint(
    shared: Shared,
    token: Viewer,
    name: str,
    trial: Annotated[int | None, Query(ge=0, le=2**31 - 1, description="Of this trial; else of the best.")] = None,
) -> Response:
    """A trial's best.pt, a file of torch: {"epoch": its best epoch, "model": the model's state then}."""
    return Download(
        shared.downloads, token.id, lambda: shared.heavy.run(token.id, lambda: _checkpoint(shared, name, trial))
    )


def _checkpoint(shared: State, name: str, trial: int | None) -> File:
    found, record = _wanted(shared, name, trial)
    file = app.open_checkpoint(shared.settings, found, record)
    return File(file, f"{name}-{record.number}.pt", "application/octet-stream")


def _wanted(shared: State, name: str, trial: int | None) -> tuple[Study, Trial]:
    """A study and one of its trials, the best unless another is named."""
    found = shared.store.study(name)
    number = trial
    if number is None:
        first = app.best_of(shared.settings, shared.store, found, 1)
        if not first:
            trials = shared.store.trials(found.id, parts=())
            none = why_none_feasible(trials, found.objective) or "it has no complete trial yet"
            raise GoodfitError(f"study {name} has no best trial: {none}")
        number = first[0].trial
    return found, shared.source.trial(name, number)


def _model(shared: State, name: str, trial: int | None) -> File:
    found, record = _wanted(shared, name, trial)
    with contextlib.ExitStack() as closing:
        target = closing.enter_context(tempfile.TemporaryFile(prefix="goodfit-model-"))
        with tempfile.TemporaryDirectory(prefix="goodfit-model-") as folder:
            app.model_folder(shared.settings, shared.store, found, record, Path(folder))
            with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as parts:
                for part in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
                    parts.write(part, part.relative_to(folder).as_posix())
        closing.pop_all()  # it is the answer's from here on
    return File(target, f"{name}-{record.number}.zip", "application/zip")


@router.get(
    "/{name}/events",
    summary="Watch a study",
    response_class=Response,
    responses=content_of(
        "text/event-stream", EVENT, "Each event has the progress of the study as JSON, the last one maybe an error."
    ),
)
def events(request: Request, shared: Shared, token: Viewer, name: str) -> Response:
    """Server-sent events: the study's progress as JSON whenever it has changed, until the study is over."""
    shared.store.study(name)
    return Stream(shared, token, partial(shared.doorman.recheck, bearer(request.scope)), name)


@router.post("/{name}/stop", response_model=Message, summary="Stop a study")
def stop(shared: Shared, token: Submitter, name: str) -> Response:
    """Ask whoever runs it to save its running trials and stop."""
    check_owner(token, shared.store.study(name))
    return _message(app.stop_study(shared.settings, shared.store, name, shared.clock(), token.name))


@router.get("/{name}/versions", response_model=Versions, summary="The versions of a study's spec")
def versions(shared: Shared, _: Viewer, name: str) -> Response:
    """Each spec that an edited study has had, what was changed by whom, and the first trial that follows from it."""
    return reply(Versions, {"versions": shared.source.versions(name)})


@router.post("/{name}/edit", response_model=Messages, summary="Edit a study")
async def edit(shared: Shared, token: Submitter, name: str, given: Edits) -> Response:
    """Change its budget, ranges, choices or pruner, also while it runs: its runner takes that up between two turns."""
    return await shared.submitting.run(token.id, lambda: _edited(shared, token, name, given))


def _edited(shared: State, token: Token, name: str, given: Edits) -> Response:
    check_owner(token, shared.store.study(name))
    vet = partial(app.admit_edit, rules=shared.rules)
    said = app.edit(shared.store, name, given.overrides, shared.clock(), token.name, _hint, vet)
    return reply(Messages, {"messages": said})


@router.post("/{name}/note", response_model=Messages, summary="Note something about a study")
async def annotate(shared: Shared, token: Submitter, name: str, given: Annotation) -> Response:
    """Give it a note and tags; what is not named stays as it is."""
    return await shared.heavy.run(token.id, lambda: _annotated(shared, token, name, given))


def _annotated(shared: State, token: Token, name: str, given: Annotation) -> Response:
    check_owner(token, shared.store.study(name))
    said = app.annotate(shared.settings, shared.store, name, given.note, given.tags, token.name)
    return reply(Messages, {"messages": said})


@router.post("/{name}/resume", response_model=Message, summary="Resume a study")
async def resume(shared: Shared, token: Submitter, name: str, given: Changes | None = None) -> Response:
    """Put it back into the queue, with what is to change of it."""
    await _await_release(shared, token, name)
    return await shared.submitting.run(token.id, lambda: _resumed(shared, token, name, given or Changes()))


def _resumed(shared: State, token: Token, name: str, how: Changes) -> Response:
    check_owner(token, shared.store.study(name))
    wanted = app.Reopening(how.overrides, how.retry_failed, how.priority, how.changed)
    vet = partial(app.admit_edit, rules=shared.rules)
    return _message(app.resume_study(shared.store, name, wanted, shared.clock(), _hint, token.name, vet))


@router.delete("/{name}", response_model=Messages, summary="Remove a study")
async def remove(shared: Shared, token: Submitter, name: str) -> Response:
    """Take it out with its trials, curves, checkpoints and runs in MLflow."""
    await _await_release(shared, token, name)
    return await shared.heavy.run(token.id, lambda: _removed(shared, token, name))


def _removed(shared: State, token: Token, name: str) -> Response:
    check_owner(token, shared.store.study(name))
    messages = app.remove_study(shared.settings, shared.store, name, shared.clock(), token.name)
    return reply(Messages, {"messages": messages})


async def _await_release(shared: State, token: Token, name: str) -> None:
    """Wait, in the event loop, until the runner of a study at rest has let go of it; the token's own studies alone."""
    await shared.quick.run(token.id, lambda: check_owner(token, shared.store.study(name)))
    pauses = app.until_released(shared.store, name, shared.clock)
    while (pause := await shared.quick.run(token.id, lambda: next(pauses, None))) is not None:
        await shared.sleep(pause)


def _hint(words: str) -> str:
    """A command as whoever uses the API types it: where its server is, they know."""
    return f"`goodfit {words}`"


def _message(message: str) -> Response:
    return reply(Message, {"message": message})
