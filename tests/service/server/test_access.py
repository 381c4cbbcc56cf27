"""Who is let in, to what, and how often."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from goodfit.service.errors import InputError
from goodfit.service.records import Role, Token
from goodfit.service.server.limits import KEPT, Buckets, Rate
from goodfit.service.server.serve import trusted_proxies
from tests.serving import NOW, VALUES, Clock, Place, filled, place

READING = [
    "/v1/studies",
    "/v1/studies/digits",
    "/v1/studies/digits/best",
    "/v1/studies/digits/trials",
    "/v1/studies/digits/trials/0",
    "/v1/studies/digits/trials/0/curve",
    "/v1/studies/digits/trials/0/log",
    "/v1/studies/digits/trials/0/diagnosis",
    "/v1/studies/digits/records",
    "/v1/studies/digits/records/0",
    "/v1/studies/digits/confirmations",
    "/v1/studies/digits/reports",
    "/v1/studies/digits/diagnosis",
    "/v1/studies/digits/report",
    "/v1/studies/digits/events",
    "/v1/trainers/mlp",
    "/v1/spaces",
    "/v1/spaces/mlp",
    "/v1/datasets",
    "/v1/datasets/digits",
    "/v1/nodes",
    "/v1/about",
]
CHANGING = [
    ("POST", "/v1/studies"),
    ("POST", "/v1/studies/digits/stop"),
    ("POST", "/v1/studies/digits/resume"),
    ("DELETE", "/v1/studies/digits"),
]
GOVERNING = [("GET", "/v1/tokens"), ("POST", "/v1/tokens"), ("DELETE", "/v1/tokens/abc"), ("GET", "/v1/audit")]


@pytest.fixture
def at(tmp_path: Path) -> Place:
    return filled(tmp_path, failing=Rate(10_000, 1))


def test_every_route_but_three_wants_a_token(at: Place) -> None:
    client = at.http("")
    paths = at.app.openapi()["paths"]
    routes = {(method.upper(), path) for path in paths for method in paths[path]} | {
        ("GET", "/openapi.json"),
        ("GET", "/docs"),
    }
    assert len(routes) > 30
    open_ones = set()
    for method, path in sorted(routes):
        answer = client.request(method, path.replace("{name}", "digits").replace("{number}", "0"))
        if answer.status_code != 401:
            open_ones.add(path)
    assert open_ones == {"/health", "/ready", "/metrics", "/openapi.json", "/docs"}


@pytest.mark.parametrize(
    "secret", ["gf_wrong", "wrong", "gf_" + "x" * 5000, "gf_größe", "gf_'; DROP TABLE tokens; --", "gf_"]
)
def test_a_wrong_token_opens_nothing(at: Place, secret: str) -> None:
    answer = at.http("").get("/v1/studies", headers={"Authorization": f"Bearer {secret}".encode("latin-1", "replace")})
    assert answer.status_code == 401
    assert answer.json()["error"] == "NotSignedIn"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert secret not in answer.text or len(secret) < 6


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "gf_x", "Bearer  ", "Token gf_x"])
def test_a_header_of_another_kind_opens_nothing(at: Place, header: str) -> None:
    assert at.http("").get("/v1/studies", headers={"Authorization": header}).status_code == 401


def test_an_expired_and_a_revoked_token_open_nothing_from_then_on(at: Place) -> None:
    client = at.http(at.token("viewer", "eve", "12h"))
    assert client.get("/v1/studies").status_code == 200
    at.clock.now += 12 * 3600
    answer = client.get("/v1/studies")
    assert (answer.status_code, "expired" in answer.json()["message"]) == (401, True)
    admin = at.http(role="admin")
    made = admin.post("/v1/tokens", json={"name": "bob", "role": "viewer"}).json()
    bob = at.http(made["secret"])
    assert bob.get("/v1/studies").status_code == 200
    assert admin.delete(f"/v1/tokens/{made['id']}").status_code == 200
    answer = bob.get("/v1/studies")
    assert (answer.status_code, "revoked" in answer.json()["message"]) == (401, True)


def test_a_viewer_reads_and_changes_nothing(at: Place) -> None:
    client = at.http(role="viewer")
    assert {path: client.get(path).status_code for path in READING} == dict.fromkeys(READING, 200)
    for method, path in (*CHANGING, *GOVERNING):
        answer = client.request(
            method, path, json={"spec": "x", "name": "x", "role": "admin"} if method == "POST" else None
        )
        assert answer.status_code == 403, (method, path)
        assert answer.json()["error"] == "NotAllowed"


def test_a_submitter_changes_their_own_studies_alone(at: Place) -> None:
    bob, carl = at.http(role="submitter", name="bob"), at.http(role="submitter", name="carl")
    made = bob.post("/v1/studies", json={"spec": json.dumps({**VALUES, "name": "bobs"})})
    assert made.status_code == 201
    assert made.json()["submitter"] == "bob"
    for method, path in (
        ("POST", "/v1/studies/bobs/stop"),
        ("POST", "/v1/studies/bobs/resume"),
        ("DELETE", "/v1/studies/bobs"),
    ):
        answer = carl.request(method, path)
        assert (answer.status_code, "bob's" in answer.json()["message"]) == (403, True)
    assert bob.post("/v1/studies/bobs/stop").status_code == 200
    assert at.http(role="admin").post("/v1/studies/bobs/resume").status_code == 200
    assert bob.delete("/v1/studies/bobs").status_code == 200
    for method, path in GOVERNING:
        assert bob.request(method, path).status_code in (403, 422)


def test_a_secret_is_kept_nowhere(at: Place) -> None:
    secret = at.http(role="admin").post("/v1/tokens", json={"name": "bob", "role": "admin"}).json()["secret"]
    assert len(secret) > 40
    dump = b"".join(path.read_bytes() for path in at.settings.home.glob("goodfit.db*"))
    assert secret.encode() not in dump
    assert secret not in at.http(role="admin").get("/v1/tokens").text


def test_every_change_is_in_the_audit_log(at: Place) -> None:
    bob = at.http(role="submitter", name="bob")
    bob.post("/v1/studies", json={"spec": json.dumps({**VALUES, "name": "bobs"})})
    bob.post("/v1/studies/bobs/stop")
    bob.post("/v1/studies/bobs/resume")
    bob.delete("/v1/studies/bobs")
    entries = at.http(role="admin", name="root").get("/v1/audit", params={"subject": "bobs"}).json()["entries"]
    told = [(entry["who"], entry["action"]) for entry in reversed(entries) if entry["action"] != "state"]
    assert told == [("bob", "submit"), ("bob", "stop"), ("bob", "resume"), ("bob", "remove")]
    tokens = at.http(role="admin").get("/v1/audit", params={"subject": "root"}).json()["entries"]
    assert tokens[0]["action"] == "create-token"


def test_a_token_that_asks_too_often_waits(tmp_path: Path) -> None:
    at = place(tmp_path, asking=Rate(3, 0.5))
    client, other = at.http(), at.http(role="viewer")
    assert [client.get("/v1/about").status_code for _ in range(4)] == [200, 200, 200, 429]
    answer = client.get("/v1/about")
    assert (answer.headers["Retry-After"], answer.json()["error"]) == ("2", "TooMany")
    assert other.get("/v1/about").status_code == 200, "another token's rate is its own"
    at.clock.now += 2
    assert client.get("/v1/about").status_code == 200


def test_who_fails_to_sign_in_too_often_waits_and_others_do_not(tmp_path: Path) -> None:
    at = place(tmp_path, failing=Rate(3, 0.1))
    client = at.http("")
    assert [client.get("/v1/about").status_code for _ in range(4)] == [401, 401, 401, 429]
    assert at.http().get("/v1/about").status_code == 200, "a good token always opens"
    at.clock.now += 10
    assert client.get("/v1/about").status_code == 401


def test_buckets_forget_who_has_not_asked_for_long() -> None:
    clock = Clock(0)
    buckets = Buckets(Rate(1, 1), clock)
    assert buckets.wait("first") == 0
    assert buckets.wait("first") == 1
    for number in range(KEPT):
        buckets.wait(str(number))
    assert buckets.wait("first") == 0


@pytest.mark.parametrize("life", ["999999y", "101y", "0d", "0h", "999999w"])
def test_an_expiry_is_bounded(at: Place, life: str) -> None:
    answer = at.http().post("/v1/tokens", json={"name": "bob", "role": "viewer", "expires": life})
    assert answer.status_code == 400
    assert "1h to 100y" in answer.json()["message"]
    with pytest.raises(InputError, match="1h to 100y"):
        at.local().source.make_token("bob", "viewer", life)


def test_a_stored_expiry_beyond_the_calendar_is_listed(at: Place, capsys: pytest.CaptureFixture[str]) -> None:
    from goodfit.service.cli import run

    at.access.add_token(Token("abc", "eve", Role.VIEWER, NOW, "old", NOW + 999999 * 365 * 86400.0), "digest")
    rows = at.http().get("/v1/tokens").json()["tokens"]
    assert next(row["expires"] for row in rows if row["id"] == "abc").startswith("9999-12-31")
    assert any(token.id == "abc" for token in at.remote().source.tokens())
    for words in (["token", "ls"], ["--json", "token", "ls"]):
        assert run(["--home", str(at.settings.home), *words]) == 0
        assert "9999-12-31" in capsys.readouterr().out


def test_times_of_the_audit_log_and_of_tokens_are_times(at: Place) -> None:
    at.token(name="gone")
    client = at.http()
    at.access.revoke(next(token.id for token in at.access.tokens() if token.name == "gone"), NOW + 0.25, "test")
    entries = client.get("/v1/audit").json()["entries"]
    assert entries[0]["at"] == "2027-01-15T08:00:00.250000+00:00"
    assert at.remote().source.audit(subject="ann") == at.local().source.audit(subject="ann")
    assert client.get("/v1/tokens").json()["tokens"][0]["created"] == "2027-01-15T08:00:00.000000+00:00"


def test_only_named_proxies_say_whom_a_request_comes_from() -> None:
    assert trusted_proxies(None) == trusted_proxies(" , ") == []
    assert trusted_proxies("127.0.0.1, 10.0.0.0/24,::1") == ["127.0.0.1", "10.0.0.0/24", "::1"]
    for wrong in ("*", "proxy.example.org", "10.0.0.1/24", "127.0.0.1;::1"):
        with pytest.raises(InputError, match="GOODFIT_TRUSTED_PROXIES names"):
            trusted_proxies(wrong)


def test_the_open_routes_say_little(at: Place) -> None:
    client = at.http("")
    assert client.get("/health").json() == {"status": "alive"}
    assert client.get("/ready").json() == {"status": "ready"}
    text = client.get("/metrics").text
    assert 'goodfit_studies{state="DONE"} 1.0' in text
    assert "goodfit_database_up 1.0" in text
    assert 'route="/health"' in text
    assert "digits" not in text
