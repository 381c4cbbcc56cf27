"""The routes of what a study is made of: where its runs came from, and the rows of its data."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from goodfit.service.errors import DataError
from goodfit.service.queries import wire
from goodfit.service.server.admission import Submitter, Viewer
from goodfit.service.server.downloads import Download, File
from goodfit.service.server.replies import FILE, Runs, content_of
from goodfit.service.server.responses import reply
from goodfit.service.server.state import InTurn, Shared, State
from goodfit.trainers.data.reading.functions import is_function

router = APIRouter(route_class=InTurn, prefix="/v1/studies/{name}", tags=["studies"])

PARQUET = "application/vnd.apache.parquet"
MOST_BYTES = 512 * 2**20  # of the data that are read for one request
Whole = Annotated[int | None, Query(ge=0, le=2**31 - 1)]


@router.get("/runs", response_model=Runs, summary="Where the runs of a study came from")
def runs(shared: Shared, _: Viewer, name: str) -> Response:
    """Git, code, packages, machine, seeds and data of each run; one like the run before has no record of its own."""
    return reply(Runs, {"runs": shared.source.runs(name)})


@router.get(
    "/rows",
    summary="The rows of a split",
    response_class=Response,
    responses=content_of(PARQUET, FILE, "A table in Parquet; its index has the numbers of the rows in the data."),
)
async def rows(
    shared: Shared,
    token: Submitter,
    name: str,
    split: Annotated[str, Query(max_length=100, description="train, validation or test.")] = "validation",
    trial: Annotated[Whole, Query(description="As this trial saw them; else as the best one did.")] = None,
    fold: Annotated[Whole, Query(description="Of a cross-validation, from 1.")] = None,
) -> Response:
    """The data themselves, so this needs a submitter's token: submitters may name any of the server's data anyway."""
    return Download(
        shared.downloads, token.id, lambda: shared.heavy.run(token.id, lambda: _rows(shared, name, split, trial, fold))
    )


def _rows(shared: State, name: str, split: str, trial: int | None, fold: int | None) -> File:
    _check_readable(shared, name)
    content = wire.sent_frame(shared.source.rows(name, split, trial, fold))
    return File(io.BytesIO(content), f"{name}-{split}.parquet", PARQUET)


def _check_readable(shared: State, name: str) -> None:
    """DataError for what the server does not read for a request: code of studies is not run here, and not all fits."""
    source = str((shared.source.study(name).study.spec.get("data") or {}).get("source") or "")
    where = "read them on a machine that has them, with connect(HOME) there"
    if is_function(source):
        raise DataError(
            f"the data of study {name} come from its own code, {source}, which the server does not run: {where}"
        )
    if (file := Path(source)).is_file() and (size := file.stat().st_size) > MOST_BYTES:
        most = f"at most {MOST_BYTES >> 20} MiB are read for a request"
        raise DataError(f"the data of study {name} have {size >> 20:,} MiB, and {most}: {where}")
