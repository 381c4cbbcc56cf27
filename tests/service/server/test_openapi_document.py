"""The OpenAPI document: kept in docs/, with a schema for every answer, and what is sent keeps to it."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from schemathesis.specs.openapi import checks

from goodfit.service.server.document import document
from tests.serving import VALUES, filled

ROOT = Path(__file__).parents[3]
PARTS = {"name": "digits", "number": 0}
NAMES = {"/v1/trainers/{name}": "mlp", "/v1/spaces/{name}": "mlp"}
SENT: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/v1/studies/{name}/edit"): {"json": {"set": ["budget.trials=9"]}},
    ("POST", "/v1/studies/{name}/note"): {"json": {"note": "for the paper", "tags": {"paper": "v2"}}},
    ("POST", "/v1/studies"): {"json": {"spec": json.dumps({**VALUES, "name": "new"})}},
    ("POST", "/v1/studies/{name}/resume"): {"json": {"set": ["budget.trials=40"]}},
    ("POST", "/v1/tokens"): {"json": {"name": "bob", "role": "viewer", "expires": "90d"}},
}
CHECKS = [checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance]


def test_the_document_is_kept_in_the_docs() -> None:
    libraries = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line)
    if any(version(name) != libraries[name] for name in ("fastapi", "pydantic")):
        pytest.skip("written with other versions of FastAPI and pydantic")
    assert (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8") == document(), "write it by `make openapi`"


def test_every_answer_has_a_schema() -> None:
    for path, operations in json.loads(document())["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                schemas = [content["schema"] for content in answer.get("content", {}).values()]
                assert schemas, (method, path, status)
                assert all(schema and not schema.keys() <= {"title"} for schema in schemas), (method, path, status)


def test_every_success_is_as_the_document_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    at = filled(tmp_path)
    folder = at.settings.home / "studies" / "digits" / "trials" / "00005"
    folder.mkdir(parents=True)
    torch.save({"epoch": 2, "model": {}}, folder / "best.pt")
    monkeypatch.setattr(at.app.state.shared.source, "nodes", lambda: [{"cpus": 2.0}])
    client = at.http()
    tokens = client.get("/v1/tokens").json()["tokens"]
    operations = [one.ok() for one in schemathesis.openapi.from_dict(at.app.openapi()).get_all_operations()]
    order = {"GET": 0, "POST": 1, "DELETE": 2}
    for operation in sorted(operations, key=lambda one: order[one.method.upper()]):
        method, path = operation.method.upper(), operation.path
        if path == "/v1/studies/{name}/model":  # of a trainer that can build its net: test_api.py
            continue
        given = {**PARTS, "name": NAMES.get(path, "digits"), "token_id": tokens[0]["id"]}
        answer = client.request(method, path.format(**given), **SENT.get((method, path), {}))
        assert answer.is_success, (method, path, answer.text)
        operation.Case(path_parameters=given).validate_response(answer, checks=CHECKS)
