"""The API's reference as one page, made from its OpenAPI document: no script, nothing loaded from anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
summary { cursor: pointer; padding: .4rem 0; }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; }
pre { overflow-x: auto; padding: .6rem; border: 1px solid #8886; border-radius: 4px; }
.method { display: inline-block; min-width: 4.5rem; font-weight: bold; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8884; }
details { border-bottom: 1px solid #8884; }
"""
_AUTHORIZATION = '-H "Authorization: Bearer $GOODFIT_TOKEN"'


def documentation_html(document: Mapping[str, Any]) -> str:
    """The page of an OpenAPI document."""
    info = document["info"]
    title = f"{info['title']} {info['version']}"
    description = "".join(f"<p>{escape(part)}</p>" for part in str(info.get("description", "")).strip().split("\n\n"))
    tags: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            tag = (operation.get("tags") or ["other"])[0]
            tags.setdefault(tag, []).append(_operation(document, method.upper(), path, operation))
    sections = "".join(f"<h2 id='{escape(tag)}'>{escape(tag)}</h2>{''.join(found)}" for tag, found in tags.items())
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{escape(title)}: the HTTP API</title>"
        f"<meta name='viewport' content='width=device-width'><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(title)}: the HTTP API</h1>{description}"
        "<p>For programs: <a href='openapi.json'>the OpenAPI document</a>.</p>"
        f"{sections}</body></html>"
    )


def _operation(document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> str:
    head = (
        f"<summary><span class='method'>{method}</span> <code>{escape(path)}</code> "
        f"{escape(operation.get('summary', ''))}</summary>"
    )
    text = f"<p>{escape(operation.get('description', ''))}</p>"
    rows = [_row(document, given["name"], given["in"], given) for given in operation.get("parameters", ())]
    body = _body(document, operation)
    required = set(body.get("required", ()))
    rows += [
        _row(document, name, "body", {"schema": schema, "required": name in required, **schema})
        for name, schema in body.get("properties", {}).items()
    ]
    head_row = "<tr><th>name</th><th>in</th><th>what</th><th></th></tr>"
    table = f"<table>{head_row}{''.join(rows)}</table>" if rows else ""
    return f"<details>{head}{text}{table}<pre>{escape(_example(method, path, operation, body))}</pre></details>"


def _body(document: Mapping[str, Any], operation: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of the body that an operation takes; empty where it takes none."""
    content = operation.get("requestBody", {}).get("content", {})
    return _resolved(document, content.get("application/json", {}).get("schema", {}))


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        found: Any = document
        for part in str(schema["$ref"]).removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def _row(document: Mapping[str, Any], name: str, where: str, given: Mapping[str, Any]) -> str:
    schema = _resolved(document, given.get("schema", {}))
    need = "required" if given.get("required") else _default(schema)
    cells = (f"<code>{escape(name)}</code>", where, escape(" or ".join(_kinds(document, schema))), escape(need))
    description = escape(given.get("description") or schema.get("description") or "")
    return f"<tr><td>{cells[0]}</td><td>{cells[1]}</td><td>{cells[2]}<br>{description}</td><td>{cells[3]}</td></tr>"


def _default(schema: Mapping[str, Any]) -> str:
    return "optional" if schema.get("default") is None else f"default {json.dumps(schema['default'])}"


def _kinds(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    """What values a schema takes, in words."""
    schema = _resolved(document, schema)
    for choice in schema.get("anyOf", ()):
        yield from _kinds(document, choice)
    if "enum" in schema:
        yield from map(str, schema["enum"])
    elif schema.get("type") == "array":
        yield f"a list of {', '.join(_kinds(document, schema.get('items', {}))) or 'values'}"
    elif "type" in schema:
        span = [f"{word} {schema[key]}" for word, key in (("from", "minimum"), ("to", "maximum")) if key in schema]
        yield " ".join([str(schema["type"]), *span])


def _example(method: str, path: str, operation: Mapping[str, Any], body: Mapping[str, Any]) -> str:
    words = ["curl"]
    if method != "GET":
        words.append(f"-X {method}")
    if operation.get("security"):
        words.append(_AUTHORIZATION)
    if body:
        given = dict.fromkeys(body.get("required", ()), "...")
        words.append(f"-H 'Content-Type: application/json' -d '{json.dumps(given)}'")
    return " ".join([*words, f'"$GOODFIT_SERVER{path}"'])
