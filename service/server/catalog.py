"""The routes of what can be named in a study file: trainers, search spaces, data sets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from goodfit.service.app import catalog
from goodfit.service.errors import InputError
from goodfit.service.server.admission import Viewer
from goodfit.service.server.error_responses import Missing
from goodfit.service.server.replies import DatasetFacts, Datasets, SpaceFacts, Spaces, TrainerFacts, Trainers
from goodfit.service.server.responses import tagged
from goodfit.service.server.state import InTurn

router = APIRouter(route_class=InTurn, prefix="/v1", tags=["catalog"])


@router.get("/trainers", response_model=Trainers, summary="List trainers")
def trainers(request: Request, _: Viewer) -> Response:
    """The installed trainers."""
    return tagged(request, Trainers, {"trainers": catalog.trainer_rows()})


@router.get("/trainers/{name}", response_model=TrainerFacts, summary="Describe a trainer")
def trainer(request: Request, _: Viewer, name: str) -> Response:
    """One of them, with its hyperparameters and their defaults."""
    return tagged(request, TrainerFacts, _found(catalog.installed_trainer, name))


@router.get("/spaces", response_model=Spaces, summary="List search spaces")
def spaces(request: Request, _: Viewer) -> Response:
    """The library of search spaces."""
    return tagged(request, Spaces, {"spaces": catalog.space_rows()})


@router.get("/spaces/{name}", response_model=SpaceFacts, summary="Describe a search space")
def space(request: Request, _: Viewer, name: str) -> Response:
    """One of them, with its parameters."""
    return tagged(request, SpaceFacts, _found(catalog.space_facts, name))


@router.get("/datasets", response_model=Datasets, summary="List data sets")
def datasets(request: Request, _: Viewer) -> Response:
    """The built-in data sets."""
    return tagged(request, Datasets, {"datasets": catalog.dataset_rows()})


@router.get("/datasets/{name}", response_model=DatasetFacts, summary="Describe a data set")
def dataset(request: Request, _: Viewer, name: str) -> Response:
    """One of them."""
    return tagged(request, DatasetFacts, _found(catalog.dataset_facts, name))


def _found(describe: Callable[[str], Any], name: str) -> Any:
    try:
        return describe(name)
    except InputError as error:
        raise Missing(str(error)) from error
