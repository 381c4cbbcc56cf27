"""The API's own manners: pages, ETags, errors, streams, models, and names that try to break out."""

from __future__ import annotations

import asyncio
import html
import io
import json
import re
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from goodfit.service import app
from goodfit.service.errors import HomeError, TrainerError
from goodfit.service.records import StudyState
from goodfit.service.server import events
from tests.serving import NOW, Place, asgi_scope, filled, place, some_trials

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture
def at(tmp_path: Path) -> Place:
    return filled(tmp_path)


def test_pages_say_where_the_next_begins(at: Place) -> None:
    client = at.http()
    first = client.get("/v1/studies/digits/trials", params={"limit": 4}).json()
    assert ([row["trial"] for row in first["trials"]], first["next"]) == ([0, 1, 2, 3], 3)
    second = client.get("/v1/studies/digits/trials", params={"limit": 4, "after": first["next"]}).json()
    assert ([row["trial"] for row in second["trials"]], second["next"]) == ([4, 5], None)
    assert first["trials"][3]["last_value"] == "NaN"
    for limit in (0, -1, 1001, 10**30, "x"):
        answer = client.get("/v1/studies/digits/trials", params={"limit": limit})
        assert (answer.status_code, answer.json()["error"]) == (422, "InputError")


def test_what_has_not_changed_is_not_sent_again(at: Place) -> None:
    client = at.http()
    for path in ("/v1/studies", "/v1/studies/digits", "/v1/studies/digits/trials", "/v1/studies/digits/best"):
        tag = client.get(path).headers["ETag"]
        again = client.get(path, headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
    at.study("other")
    assert client.get("/v1/studies", headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v1/studies/none",
        "/v1/studies/none/trials",
        "/v1/studies/none/best",
        "/v1/studies/none/report",
        "/v1/studies/none/model",
        "/v1/studies/none/events",
        "/v1/studies/none/diagnosis",
        "/v1/studies/digits/trials/77",
        "/v1/studies/digits/trials/77/log",
        "/v1/studies/digits/trials/77/curve",
        "/v1/studies/..%2f..%2fetc/trials",
        "/v1/studies/%00",
        "/v1/studies/%2e%2e",
        "/v1/trainers/os:system",
        "/v1/trainers/..%2fx",
        "/v1/spaces/..%2f..%2fpyproject",
        "/v1/datasets/none",
        "/v1/nothing",
        "/",
        "/v1/studies/",
        "/v1/studies/%ff%fe",
        "/v1/studies/'%20OR%201=1--",
        "/v1/studies/<script>",
    ],
)
def test_what_is_not_there_is_404(at: Place, path: str) -> None:
    answer = at.http().get(path)
    assert answer.status_code == 404, answer.text
    assert set(answer.json()) >= {"error", "message"}
    assert answer.headers["Content-Type"] == "application/json"


def test_a_database_that_is_away_is_503(at: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    client = at.http()

    def away(*_: object, **__: object) -> Any:
        raise HomeError("PostgreSQL at db cannot be reached")

    monkeypatch.setattr(at.store, "census", away)
    assert client.get("/ready").status_code == 503
    assert client.get("/health").status_code == 200
    assert "goodfit_database_up 0.0" in client.get("/metrics").text
    monkeypatch.setattr(at.access, "token_of", away)
    answer = client.get("/v1/studies")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_a_fault_of_ours_tells_nothing_but_its_name(at: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at.store, "tally", lambda _: 1 / 0)
    answer = at.http(raise_server_exceptions=False).get("/v1/studies/digits")
    assert (answer.status_code, answer.json()["error"]) == (500, "ServerError")
    assert "Traceback" not in answer.text


def test_names_that_try_to_break_out_are_told_as_text(at: Place, tmp_path: Path) -> None:
    study = at.study("evil", submitter=EVIL)
    trials, reports = some_trials()
    trials[3] = type(trials[3])(**{**{f: getattr(trials[3], f) for f in trials[3].__slots__}, "message": EVIL})
    at.write(study, trials, reports, StudyState.DONE)
    client = at.http()
    page = client.get("/v1/studies/evil/report")
    assert page.status_code == 200
    assert EVIL not in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "connect-src" not in policy
    assert client.get("/v1/studies", params={"submitter": EVIL}).json()["studies"][0]["name"] == "evil"
    assert client.get("/v1/studies", params={"submitter": "'; DROP TABLE studies; --\x00"}).json()["studies"] == []
    assert client.get("/v1/studies/evil/trials").headers["Content-Type"] == "application/json"


def test_a_client_that_vanishes_ends_its_stream(at: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LOOK_SECONDS", 0.01)
    at.study("waiting", queued=NOW)
    secret = at.token("viewer")
    shared = at.app.state.shared
    seen: list[bytes] = []

    async def watched() -> None:
        vanished = asyncio.Event()

        async def receive() -> dict[str, Any]:
            await vanished.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            seen.append(message.get("body", b""))
            if message["type"] == "http.response.body":
                assert shared.watching.active == 1
                vanished.set()

        await asyncio.wait_for(at.app(asgi_scope("/v1/studies/waiting/events", secret), receive, send), 20)

    asyncio.run(watched())
    assert b'"QUEUED"' in b"".join(seen)
    assert shared.watching.active == 0


def test_a_server_that_ends_ends_its_streams(at: Place) -> None:
    at.study("waiting", queued=NOW)
    at.app.state.shared.ending.set()
    assert at.http().get("/v1/studies/waiting/events").text == ""


def trained(at: Place) -> None:
    """Give the best trial a model, as a worker leaves it."""
    import torch

    from goodfit.trainers.data import load
    from goodfit.trainers.messages import DataSpec
    from goodfit.trainers.registry import resolve

    facts = load(DataSpec("digits", None)).facts
    folder = at.settings.home / "studies" / "digits" / "trials" / "00005"
    folder.mkdir(parents=True)
    (folder / "facts.json").write_text(json.dumps(facts.to_dict()))
    trainer = resolve("mlp")
    assert trainer.build is not None
    torch.save(
        {"model": trainer.build(trainer.configure({"learning_rate": 0.01}), facts).state_dict()}, folder / "best.pt"
    )


def test_a_model_is_loaded_from_afar_without_running_code(at: Place) -> None:
    from goodfit.trainers.data import load
    from goodfit.trainers.messages import DataSpec

    trained(at)
    here, there = at.local()["digits"].model(), at.remote()["digits"].model()
    import torch

    rows = torch.as_tensor(load(DataSpec("digits", None)).validation.x[:20])

    with torch.no_grad():
        assert torch.equal(here.module(rows), there.module(rows))
    parts = zipfile.ZipFile(io.BytesIO(at.http().get("/v1/studies/digits/model").content))
    assert sorted(parts.namelist()) == ["model.json", "weights.pt"]


def test_a_checkpoint_is_sent_as_it_is(at: Place) -> None:
    trained(at)
    answer = at.http(role="viewer").get("/v1/studies/digits/checkpoint?trial=5")
    file = at.settings.home / "studies" / "digits" / "trials" / "00005" / "best.pt"
    assert answer.content == file.read_bytes()
    assert answer.headers["Content-Disposition"] == 'attachment; filename="digits-5.pt"'
    assert at.http().get("/v1/studies/digits/checkpoint").content == file.read_bytes()
    assert at.http().get("/v1/studies/digits/checkpoint?trial=99").status_code == 400
    assert at.http("").get("/v1/studies/digits/checkpoint").status_code == 401


def test_the_address_of_a_model_is_one_that_a_client_can_reach(at: Place) -> None:
    trained(at)
    path = "/v1/studies/digits/checkpoint?trial=5"
    assert at.http().get("/v1/studies/digits/best").json()["best"][0]["model_uri"] == path
    assert at.remote()["digits"].best().model_uri == f"http://testserver{path}"
    assert str(at.local()["digits"].best().model_uri).startswith("file://")


def test_downloads_leave_neither_handles_nor_files(at: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    trained(at)
    handles = Path("/proc/self/fd")
    http = at.http()
    http.get("/v1/studies/digits/model")
    before = len(list(handles.iterdir()))
    for _ in range(5):
        assert http.get("/v1/studies/digits/model").status_code == 200
        assert http.get("/v1/studies/digits/checkpoint").status_code == 200
        assert http.get("/v1/studies/digits/model?trial=1").status_code == 422  # it kept no checkpoint
    assert len(list(handles.iterdir())) <= before
    assert list(scratch.iterdir()) == []


def test_the_reference_is_a_page_that_loads_nothing(at: Place) -> None:
    answer = at.http("").get("/docs")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'unsafe-inline'")
    page = answer.text
    assert not re.search(r"(?i)<script|<link|<img|<iframe|src=|url\(|@import|https?://", page)
    for path in at.app.openapi()["paths"]:
        assert html.escape(path) in page
    for text in ("submitter", "from 1 to 1000", "default 100", "-H &quot;Authorization: Bearer"):
        assert text in page


def zipped(**parts: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as found:
        for name, text in parts.items():
            found.writestr(name.replace("__", "/").replace("_", "."), text)
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no zip",
        zipped(),
        zipped(model_json="{}"),
        zipped(model_json="[]"),
        zipped(__etc__passwd="x"),
        zipped(model_json='{"trainer": "os:system"}'),
        zipped(model_json='{"trainer": "trainer.py:net"}', trainer_py="raise SystemExit"),
        zipped(model_json='{"trainer": "trainer.py:net"}'),
        zipped(model_json="{}", evil_py=""),
        zipped(model_json="{}", **{"code__..__evil_py": ""}),
    ],
)
def test_what_is_no_model_is_refused(content: bytes) -> None:
    from goodfit.service.client.models import unpacked

    with pytest.raises(TrainerError):
        unpacked(content, trust=False)


@pytest.mark.parametrize("name", ["my_net.py", "größe netz.py", "nets.v2/a (1).py"])
def test_a_model_from_afar_may_bring_files_of_any_name(name: str, tmp_path: Path) -> None:
    import torch

    from goodfit.service.client.models import unpacked

    parts = {
        "model.json": json.dumps({"format": 1, "trainer": f"code/{name}:net", "params": {}, "facts": None}),
        f"code/{name}": "import torch\nfrom goodfit import register\n\n\n"
        "@register('net', build=lambda config, facts: torch.nn.Linear(2, 1))\ndef net(trial): ...\n",
    }
    torch.save(torch.nn.Linear(2, 1).state_dict(), tmp_path / "weights.pt")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as content:
        content.write(tmp_path / "weights.pt", "weights.pt")
        for part, text in parts.items():
            content.writestr(part, text)
    assert unpacked(stream.getvalue(), trust=True).predict([[0.0, 0.0]]).shape == (1, 1)


def test_no_call_of_the_api_is_a_fault(tmp_path: Path) -> None:
    """Each operation of the OpenAPI document, with all kinds of values in its parameters and body."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st

    from goodfit.service.server.limits import Rate

    at = place(tmp_path, asking=Rate(1e9, 1e9), failing=Rate(1e9, 1e9))
    study = at.study(queued=NOW)
    trials, reports = some_trials()
    at.write(study, trials, reports, StudyState.DONE)
    client = at.http(raise_server_exceptions=False)
    schema = schemathesis.openapi.from_dict(at.app.openapi())
    operations = [operation.ok() for operation in schema.get_all_operations()]
    assert len(operations) > 30

    @settings(
        max_examples=250,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def fuzzed(data: st.DataObject) -> None:
        operation = data.draw(st.sampled_from(operations))
        case = data.draw(operation.as_strategy())
        if "name" in (case.path_parameters or {}) and data.draw(st.booleans()):
            case.path_parameters["name"] = "digits"
        sent = case.as_transport_kwargs(base_url="http://testserver")
        sent = {key: sent[key] for key in ("method", "url", "params", "json", "data", "content") if key in sent}
        answer = client.request(**{("content" if key == "data" else key): value for key, value in sent.items()})
        assert answer.status_code < 500, (sent, answer.text)
        case.validate_response(answer, checks=[response_schema_conformance, content_type_conformance])

    fuzzed()
    assert app.Rules() == at.rules
