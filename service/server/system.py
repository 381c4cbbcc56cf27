"""The routes of the server itself: alive, ready, metrics, and what a client must know of it."""

from __future__ import annotations

from importlib.metadata import version
from urllib.parse import urlsplit

from anyio import move_on_after, to_thread
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from goodfit.service.errors import Unreachable
from goodfit.service.server.admission import Viewer
from goodfit.service.server.documentation import POLICY, documentation_html
from goodfit.service.server.metrics import Metrics
from goodfit.service.server.replies import TEXT, About, Alive, Nodes, Ready, content_of
from goodfit.service.server.responses import reply
from goodfit.service.server.state import InTurn, Shared

router = APIRouter(route_class=InTurn, tags=["system"])
PROBE_SECONDS = 5.0  # that the database may take for an answer


@router.get("/health", response_model=Alive, summary="Whether the server is alive")
async def health() -> Response:
    """Answers as long as the server does: it needs no thread and no database."""
    return reply(Alive, {"status": "alive"})


@router.get("/ready", response_model=Ready, summary="Whether the server can work")
async def ready(shared: Shared) -> Response:
    """Whether the database answers; 503 where it does not."""
    with move_on_after(PROBE_SECONDS):
        await to_thread.run_sync(shared.store.census, limiter=shared.probes, abandon_on_cancel=True)
        return reply(Ready, {"status": "ready"})
    raise Unreachable(f"the database does not answer within {PROBE_SECONDS:g} s")


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses=content_of("text/plain", TEXT, "Metrics."),
)
async def metrics(request: Request, shared: Shared) -> Response:
    """Requests, studies by state, the queue."""
    found: Metrics = request.app.state.metrics
    with move_on_after(PROBE_SECONDS):
        body = await to_thread.run_sync(found.text, limiter=shared.probes, abandon_on_cancel=True)
        return Response(body, media_type=found.media_type)
    return Response(found.text_without_database(), media_type=found.media_type)


@router.get("/docs", include_in_schema=False)
async def documentation(request: Request) -> Response:
    """The OpenAPI document as a page that loads nothing."""
    page = documentation_html(request.app.openapi())
    return HTMLResponse(page, headers={"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"})


@router.get("/v1/nodes", response_model=Nodes, summary="What the nodes have")
async def nodes(shared: Shared, token: Viewer) -> Response:
    """Of each node on which studies run: "cpus", "gpus" and its own resources; 409 where no cluster answers."""
    return await shared.submitting.run(token.id, lambda: reply(Nodes, {"nodes": shared.source.nodes()}))


@router.get("/v1/about", response_model=About, summary="About the server")
def about(shared: Shared, token: Viewer) -> Response:
    """Its version, where the runs are in MLflow, who asks."""
    answer: About = {
        "version": version("goodfit"),
        "mlflow_uri": _without_password(shared.settings.tracking_uri),
        "name": token.name,
        "role": token.role,
    }
    return reply(About, answer)


def _without_password(uri: str) -> str:
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else uri
