"""The routes of the server itself: alive, ready, metrics, and what a client must know of it."""

from __future__ import annotations

from importlib.metadata import version
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from service.server.admission import Viewer
from service.server.answers import JsonAnswer
from service.server.metrics import Metrics
from service.server.state import Shared

router = APIRouter(tags=["system"])


@router.get("/health", summary="Whether the server is alive")
def health() -> Response:
    """Answers as long as the server does."""
    return JsonAnswer({"status": "alive"})


@router.get("/ready", summary="Whether the server can work")
def ready(shared: Shared) -> Response:
    """Whether the database answers; 503 where it does not."""
    shared.store.census()
    return JsonAnswer({"status": "ready"})


@router.get("/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse)
def metrics(request: Request) -> Response:
    """Requests, studies by state, the queue."""
    found: Metrics = request.app.state.metrics
    body, kind = found.text()
    return Response(body, media_type=kind)


@router.get("/v1/about", summary="About the server")
def about(shared: Shared, token: Viewer) -> Response:
    """Its version, where the runs are in MLflow, who asks."""
    told = {
        "version": version("goodfit"),
        "mlflow_uri": _without_password(shared.settings.tracking_uri),
        "name": token.name,
        "role": str(token.role),
    }
    return JsonAnswer(told)


def _without_password(uri: str) -> str:
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else uri
