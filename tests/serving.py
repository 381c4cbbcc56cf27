"""A home with studies in it, and the real API on it without sockets."""

from __future__ import annotations

import asyncio
import json
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from goodfit.service import app
from goodfit.service.app.submission import Rules
from goodfit.service.client import Studies
from goodfit.service.client.remote import RemoteSource
from goodfit.service.ports import Access
from goodfit.service.queries.local import LocalSource
from goodfit.service.records import Batch, Failure, Report, Study, StudyState, Trial, TrialState, Verdict
from goodfit.service.server.factory import create_app
from goodfit.service.settings import LOG, Settings
from goodfit.service.spec import StudySpec
from goodfit.service.store import SqlStore

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

NOW = 1_800_000_000.0
VALUES: dict[str, Any] = {
    "name": "digits",
    "trainer": "mlp",
    "data": {"source": "digits"},
    "space": {"learning_rate": {"type": "float", "low": 1e-3, "high": 1e-1, "log": True}},
    "objective": {"metric": "val/accuracy", "direction": "maximize"},
    "search": {"method": "random"},
    "training": {"epochs": 3},
    "budget": {"trials": 8},
}


class Clock:
    """Stands still until it is set."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def spec_of(name: str = "digits", **changes: Any) -> StudySpec:
    """A study's spec, made without a look at its trainer."""
    space = [{"name": "learning_rate", "type": "float", "low": 1e-3, "high": 1e-1, "log": True}]
    return StudySpec.from_dict({**VALUES, "space": space, "name": name, **changes})


@dataclass
class Place:
    """A home, and the API on it."""

    settings: Settings
    clock: Clock = field(default_factory=Clock)
    rules: Rules = field(default_factory=Rules)
    options: Mapping[str, Any] = field(default_factory=dict)
    pauses: list[float] = field(default_factory=list)  # that a source or the server has waited
    on_pause: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        opened = app.open_home(self.settings, create=True)
        assert isinstance(opened, SqlStore)
        self.store = opened
        self.access: Access = self.store.access
        given = {"clock": self.clock, "sleep": self.sleep, **self.options}
        self.app = create_app(self.settings, self.store, rules=self.rules, **given)

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.on_pause()

    async def sleep(self, seconds: float) -> None:
        self._pause(seconds)

    def token(self, role: str = "admin", name: str = "ann", expires: str | None = None) -> str:
        made = app.make_token(self.access, name=name, role=role, now=self.clock(), by="test", expires=expires)
        return made[1]

    def http(self, token: str | None = None, role: str = "admin", name: str = "ann", **options: Any) -> TestClient:
        """A client with a token, a new one of this role unless it is given ("": none)."""
        secret = self.token(role, name) if token is None else token
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        return TestClient(self.app, headers=headers, **options)

    def remote(self, role: str = "admin", sleep: Callable[[float], None] = lambda _: None, **options: Any) -> Studies:
        return Studies(RemoteSource(self.http(role=role, **options), sleep))

    def local(self) -> Studies:
        return Studies(LocalSource(self.settings, self.store, self.clock, self._pause))

    def study(self, name: str = "digits", **fields: Any) -> Study:
        sections = ("data", "search", "pruning", "release", "fairness", "constraints")
        spec = spec_of(name, **{key: fields.pop(key) for key in sections if key in fields})
        made = Study(name, spec.to_dict(), spec.fingerprint(), self.clock(), **fields)
        return self.store.add_study(made)

    def write(self, study: Study, trials: list[Trial], reports: list[Report], state: StudyState | None = None) -> Study:
        """What a runner writes of a study, under a lease that it gives back."""
        lease = self.store.acquire(study.id, "test:1:1", self.clock(), 30.0, lambda _: True)
        for one in (StudyState.RUNNING, state):
            if one is not None and study.state is not one:
                study = study.to(one, started=NOW, seconds=12.5)
        batch = Batch({trial.number: trial for trial in trials}, reports, study)
        self.store.apply(lease, batch)
        self.store.release(lease)
        return self.store.study(study.name)


def place(folder: Path, database: str | None = None, **options: Any) -> Place:
    rules = options.pop("rules", Rules())
    return Place(Settings(folder / "home", database=database), rules=rules, options=options)


KINDS = ["local", "remote"]  # of sources of studies


def of(kind: str, found: Place) -> Studies:
    """The studies of a place from one kind of source."""
    return found.local() if kind == "local" else found.remote()


def body(**changes: Any) -> dict[str, Any]:
    """What a client sends to submit a study that has these changes."""
    extra = {name: changes.pop(name) for name in ("set", "files", "priority", "new") if name in changes}
    return {"spec": json.dumps({**VALUES, **changes}), **extra}


def asgi_scope(path: str, secret: str, method: str = "GET", **headers: str) -> dict[str, Any]:
    """A request's head as a server hands it to the app."""
    found = [
        (b"host", b"test"),
        *((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()),
    ]
    if secret:
        found.append((b"authorization", f"Bearer {secret}".encode()))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": found,
        "client": ("test", 1),
        "server": ("test", 80),
    }


@dataclass
class Answer:
    """What the app sends for one request."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    async def take(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        self.body += message.get("body", b"")


async def never() -> Any:
    """The rest of a request that does not come."""
    await asyncio.Event().wait()


def some_trials() -> tuple[list[Trial], list[Report]]:
    """A trial of every kind, with curves that have NaN and infinities in them."""
    base = Trial(0, {"learning_rate": 0.01}, 7, attempts=1, started=NOW + 1, ended=NOW + 3.25, epochs=3)
    done = replace(base, state=TrialState.COMPLETE, best_epoch=2, verdict=Verdict.GOOD_FIT, gap=0.01)
    trials = [
        replace(done, value=0.9, last_value=0.85, diagnosis={"reason": "well", "numbers": [1.0, 2.5]}),
        replace(done, number=1, value=0.95, last_value=0.95, gap=None, verdict=Verdict.OVERFIT),
        replace(base, number=2, state=TrialState.PRUNED, value=0.5, prune_at=1, verdict=Verdict.UNFINISHED),
        replace(
            base, number=3, state=TrialState.FAILED, failure=Failure.NAN, message="val/loss is nan", last_value=math.nan
        ),
        replace(base, number=4, state=TrialState.FAILED, failure=Failure.ERROR, message="ValueError: <b>\x00\ud800"),
        replace(done, number=5, value=0.92, last_value=-math.inf, mlflow_run_id=None),
        replace(done, number=6, value=0.88, confirms=1, test={"accuracy": 0.87, "loss": math.inf}, seed=8),
        replace(done, number=7, value=0.89, confirms=1, test={"accuracy": 0.86, "loss": 0.4}, seed=9),
        replace(done, number=8, value=0.91, confirms=5, test={"accuracy": 0.90, "loss": 0.3}, seed=10),
        replace(done, number=9, value=0.91, confirms=5, test={"accuracy": 0.91, "loss": 0.3}, seed=11),
    ]
    curve = ({"train/loss": 1.0 / epoch, "val/loss": 1.5 / epoch, "val/accuracy": 0.3 * epoch} for epoch in (1, 2, 3))
    rows = list(curve)
    rows[1]["val/loss"], rows[2]["train/loss"] = math.nan, math.inf
    return trials, [Report(trial.number, at, row, NOW) for trial in trials for at, row in enumerate(rows, 1)]


def filled(folder: Path, require: list[Any] | None = None, **options: Any) -> Place:
    """A place with one finished study of every kind of trial; `require`: its gates."""
    found = place(folder, **options)
    trials, reports = some_trials()
    gates = {} if require is None else {"release": {"require": require}}
    study = found.write(found.study(queued=NOW, submitter="ann", priority=3, **gates), trials, reports, StudyState.DONE)
    log = found.settings.home / "studies" / study.name / "trials" / "00004" / LOG
    log.parent.mkdir(parents=True)
    log.write_text("größe\nTraceback ...\n" * 3, encoding="utf-8")
    return found
