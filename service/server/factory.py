"""The app, from settings and a store."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import TYPE_CHECKING

import anyio
from fastapi import FastAPI

from goodfit.service.app.submission import Rules
from goodfit.service.queries.local import LocalSource
from goodfit.service.server import admin, catalog, governance, origins, studies, system, trials
from goodfit.service.server.admission import ASKING, FAILING, Doorman, Gate
from goodfit.service.server.connections import MOST
from goodfit.service.server.error_responses import add_handlers
from goodfit.service.server.lanes import Lane
from goodfit.service.server.limits import Rate
from goodfit.service.server.metrics import Measured, Metrics
from goodfit.service.server.replies import Refusal
from goodfit.service.server.state import State, streams
from goodfit.service.settings import Settings

if TYPE_CHECKING:
    from goodfit.service.ports import Store

_ABOUT = """Hyperparameter search that says whether the model fits.

Every request but /health, /ready and /metrics needs a bearer token. Errors are
`{"error": "UnknownStudy", "message": "..."}`. A number that JSON has not is "NaN", "Infinity" or "-Infinity".
"""


class Served(Settings):
    """A home as those see it who are elsewhere: they type their own `goodfit`, with their own --server."""

    @classmethod
    def of(cls, settings: Settings) -> Served:
        """The same home."""
        return cls(**{item.name: getattr(settings, item.name) for item in dataclasses.fields(settings)})

    def hint(self, words: str) -> str:
        return f"`goodfit {words}`"


def create_app(
    settings: Settings,
    store: Store,
    *,
    rules: Rules | None = None,
    clock: Callable[[], float] = time.time,
    asking: Rate = ASKING,
    failing: Rate = FAILING,
    connections: int = MOST,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> FastAPI:
    """The HTTP API on a store.

    Args:
        settings: the home.
        store: its store, with its tokens.
        rules: what a study from the network may name; None: no paths, no code.
        clock: seconds since the epoch.
        asking: how often a token may ask.
        failing: how often an address may come with a token that is none.
        connections: how many the server takes at once.
        sleep: waits so many seconds in the event loop.
    """
    app = described()
    settings = Served.of(settings)
    doorman = Doorman(store.access, clock, asking, failing)
    source = LocalSource(settings, store, clock)
    shared = State(settings, store, rules or Rules(), clock, source, doorman, sleep)
    shared.watching = Lane(streams(connections), "watchers", retry=10)
    app.state.shared = shared
    app.state.metrics = Metrics(store, lambda: shared.watching.active, clock)
    add_handlers(app)
    app.add_middleware(Gate, doorman=doorman)
    app.add_middleware(Measured, metrics=app.state.metrics)
    return app


def described() -> FastAPI:
    """The app with its routes, and nothing behind them: what the OpenAPI document is made of."""
    app = FastAPI(
        title="Goodfit",
        version=version("goodfit"),
        description=_ABOUT,
        docs_url=None,  # they would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        responses={"4XX": {"model": Refusal}, "5XX": {"model": Refusal}},
    )
    for room in (governance, studies, origins, trials, catalog, admin, system):
        app.include_router(room.router)
    return app
