"""The routes of trials: pages of them, their curves, logs and diagnoses."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import PlainTextResponse, Response

from goodfit.service.app.explaining import Why
from goodfit.service.errors import InputError
from goodfit.service.json_values import Values, plain
from goodfit.service.queries.rows import labels_of, trial_row, verdict_of
from goodfit.service.records import Trial
from goodfit.service.server.admission import Viewer
from goodfit.service.server.error_responses import Missing
from goodfit.service.server.replies import (
    TEXT,
    Decisions,
    DiagnosedTrial,
    RecordPage,
    Records,
    Reports,
    ShownTrial,
    TrialPage,
    TrialRecord,
    content_of,
)
from goodfit.service.server.responses import JsonAnswer, reply, tagged
from goodfit.service.server.state import InTurn, Shared, State

router = APIRouter(route_class=InTurn, prefix="/v1/studies/{name}", tags=["trials"])

Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
After = Annotated[int, Query(ge=-1, le=2**31 - 1, description="Only those with a larger number.")]
Number = Annotated[int, Path(ge=0, le=2**31 - 1, description="The trial's number.")]
States = Annotated[
    list[str], Query(max_length=20, description="Only in one of these states: COMPLETE, FAILED, FAILED(nan).")
]
WithVerdict = Annotated[str | None, Query(description="Only with this verdict.")]


@router.get("/trials", response_model=TrialPage, summary="List trials")
def trials(
    request: Request,
    shared: Shared,
    _: Viewer,
    name: str,
    state: States = [],  # noqa: B006 - FastAPI's
    verdict: WithVerdict = None,
    after: After = -1,
    limit: Limit = 100,
) -> Response:
    """A page of the search's trials by number; `next` is the `after` of the next page, null at the end."""
    found = _page(shared, name, state, verdict, after, limit, ())
    rows = [_row(trial) for trial in found]
    return tagged(request, TrialPage, {"trials": rows, "next": _next(found, limit)})


@router.get("/records", response_model=RecordPage, summary="List trials with all that is kept of them")
def records(
    shared: Shared,
    _: Viewer,
    name: str,
    state: States = [],  # noqa: B006 - FastAPI's
    verdict: WithVerdict = None,
    after: After = -1,
    limit: Limit = 100,
    parts: Annotated[
        str | None, Query(max_length=200, description="Only these parts of the diagnoses, separated by commas.")
    ] = None,
) -> Response:
    """As trials, with seeds and diagnoses."""
    chosen = None if parts is None else [part for part in parts.split(",") if part]
    found = _page(shared, name, state, verdict, after, limit, chosen)
    return reply(RecordPage, {"records": [TrialRecord.of(trial) for trial in found], "next": _next(found, limit)})


@router.get("/records/{number}", response_model=TrialRecord, summary="All that is kept of a trial")
def record(shared: Shared, _: Viewer, name: str, number: Number) -> Response:
    """One trial, with its seed and its diagnosis."""
    return reply(TrialRecord, TrialRecord.of(_trial(shared, name, number)))


@router.get("/confirmations", response_model=Records, summary="List the trials that confirm others")
def confirmations(shared: Shared, _: Viewer, name: str) -> Response:
    """The trials that trained the best configurations again, on fresh seeds."""
    return reply(Records, {"records": [TrialRecord.of(trial) for trial in shared.source.confirmations(name)]})


@router.get("/reports", response_model=Reports, summary="List curves")
async def reports(shared: Shared, token: Viewer, name: str, after: After = -1, limit: Limit = 100) -> Response:
    """The curves of the next `limit` trial numbers above `after`."""

    def page() -> Response:
        found = shared.source.reports(name, after=after, trials=limit)
        return reply(Reports, {"reports": found})

    return await shared.heavy.run(token.id, page)  # of a thousand trials with a thousand epochs it is a million


@router.get("/decisions", response_model=Decisions, summary="List the decisions of a search")
def decisions(shared: Shared, _: Viewer, name: str, after: After = -1, limit: Limit = 100) -> Response:
    """What each free worker was given and all that this followed from; none of a method that keeps none."""
    found = shared.source.decisions(name, after=after, limit=limit)
    return reply(Decisions, {"decisions": found, "next": found[-1].index if len(found) == limit else None})


@router.get("/trials/{number}", response_model=DiagnosedTrial, summary="Show a trial")
def trial(request: Request, shared: Shared, _: Viewer, name: str, number: Number) -> Response:
    """One trial, with its diagnosis."""
    found = _trial(shared, name, number)
    return tagged(request, DiagnosedTrial, {**_row(found), "diagnosis": found.diagnosis})


@router.get("/trials/{number}/curve", response_model=Reports, summary="A trial's curve")
def curve(request: Request, shared: Shared, _: Viewer, name: str, number: Number) -> Response:
    """Its metrics by epoch."""
    _trial(shared, name, number)
    return tagged(request, Reports, {"reports": shared.source.curve(name, number)})


@router.get("/trials/{number}/why", response_model=Why, summary="Why a trial is as it is")
async def why(shared: Shared, token: Viewer, name: str, number: Number) -> Response:
    """Why it was proposed, paused, resumed or stopped: events in order, each with a sentence and its evidence."""

    def found() -> Response:
        _trial(shared, name, number)
        return reply(Why, shared.source.why(name, number))

    return await shared.heavy.run(token.id, found)  # all decisions of the study are read for it


@router.get(
    "/trials/{number}/log",
    summary="A trial's log",
    response_class=Response,
    responses=content_of("text/plain", TEXT, "A piece of the log."),
)
def log(
    shared: Shared,
    _: Viewer,
    name: str,
    number: Number,
    offset: Annotated[int, Query(ge=0, le=2**62, description="The byte to begin with.")] = 0,
) -> Response:
    """What its trainer printed, a piece at a time; the header Goodfit-Log-Next is the `offset` of the next piece."""
    _trial(shared, name, number)
    piece = shared.source.log(name, number, offset)
    headers = {"Goodfit-Log-Next": str(piece.next), "X-Content-Type-Options": "nosniff"}
    return PlainTextResponse(piece.text.encode("utf-8", "backslashreplace"), headers=headers)


@router.get("/trials/{number}/diagnosis", response_model=Values, summary="What a trial's curve says")
def diagnosis(shared: Shared, _: Viewer, name: str, number: Number) -> Response:
    """Verdict, reason, advice and evidence."""
    return JsonAnswer(plain(_trial(shared, name, number).diagnosis or {}))


def _page(
    shared: State,
    name: str,
    states: list[str],
    verdict: str | None,
    after: int,
    limit: int,
    parts: Collection[str] | None,
) -> list[Trial]:
    labels = sorted({label for state in states for label in labels_of(state)})
    wanted = verdict_of(verdict) if verdict is not None else None
    return shared.source.trials(name, labels=labels, verdict=wanted, after=after, limit=limit, parts=parts)


def _trial(shared: State, name: str, number: int) -> Trial:
    """The trial; Missing where there is none of that number."""
    shared.store.study(name)
    try:
        return shared.source.trial(name, number)
    except InputError as error:
        raise Missing(str(error)) from error


def _row(trial: Trial) -> ShownTrial:
    return {**trial_row(trial), "last_value": trial.last_value, "message": trial.message}


def _next(found: list[Trial], limit: int) -> int | None:
    return found[-1].number if len(found) == limit else None
