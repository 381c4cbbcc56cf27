"""Metrics for Prometheus, in a registry of the app's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from goodfit.service.errors import GoodfitError
from goodfit.service.ports import Queue
from goodfit.service.records import StudyState

_UP = "Whether the database answers."
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """What is counted here, and what the store says when it is asked."""

    media_type = CONTENT_TYPE_LATEST

    def __init__(self, store: Queue, streams: Callable[[], int], clock: Callable[[], float]) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "goodfit_http_requests_total", "Requests.", ["method", "route", "status"], registry=self._registry
        )
        self.seconds = Histogram(
            "goodfit_http_request_seconds",
            "Time to the beginning of an answer.",
            ["method", "route"],
            buckets=SECONDS,
            registry=self._registry,
        )
        watchers = Gauge("goodfit_watchers", "Connected watchers.", registry=self._registry)
        watchers.set_function(streams)
        self._studies = CollectorRegistry()
        self._studies.register(_Studies(store, clock))

    def text(self) -> bytes:
        """All of it as Prometheus reads it."""
        return generate_latest(self._registry) + generate_latest(self._studies)

    def text_without_database(self) -> bytes:
        """What is counted here, for when the database does not answer."""
        away = CollectorRegistry()
        Gauge("goodfit_database_up", _UP, registry=away).set(0)
        return generate_latest(self._registry) + generate_latest(away)


class _Studies:
    """Asks the store when it is scraped. Says so where the store does not answer."""

    def __init__(self, store: Queue, clock: Callable[[], float]) -> None:
        self._store, self._clock = store, clock

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing beforehand: the store is not asked when the app is made."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What there is now."""
        try:
            census, waiting = self._store.census(), self._store.waiting()
        except GoodfitError:
            yield GaugeMetricFamily("goodfit_database_up", _UP, value=0)
            return
        yield GaugeMetricFamily("goodfit_database_up", _UP, value=1)
        studies = GaugeMetricFamily("goodfit_studies", "Studies by state.", labels=["state"])
        for state in StudyState:
            studies.add_metric([str(state)], census.get(state, 0))
        yield studies
        now = self._clock()
        queued = [study for study, _ in waiting if study.state is StudyState.QUEUED]
        held = sum(lease is not None and lease.until >= now for _, lease in waiting)
        oldest = max((now - study.queued for study in queued if study.queued is not None), default=0.0)
        yield GaugeMetricFamily("goodfit_queue_length", "Studies of the service that wait.", value=len(queued))
        yield GaugeMetricFamily("goodfit_queue_oldest_seconds", "How long the first has waited.", value=oldest)
        yield GaugeMetricFamily("goodfit_studies_held", "Studies of the service with a live lease.", value=held)
        yield GaugeMetricFamily(
            "goodfit_studies_orphaned",
            "Studies that are RUNNING without a live lease.",
            value=len(waiting)
            - len(queued)
            - sum(
                lease is not None and lease.until >= now and study.state is StudyState.RUNNING
                for study, lease in waiting
            ),
        )


class Measured:
    """Counts requests and times them, by route: a route's pattern, never the path that was asked for."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "none")
                method = scope["method"] if route != "none" else "any"
                self._metrics.requests.labels(method, route, str(message["status"])).inc()
                self._metrics.seconds.labels(method, route).observe(time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, sent)
