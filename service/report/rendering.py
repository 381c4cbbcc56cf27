"""The page: the template with its style, its script and the facts put in. Nothing of it is fetched.

A strict Content-Security-Policy allows this one style and this one script, by their hashes, and no
request at all. What comes from users is only ever text: escaped in HTML, and in the JSON block without
any `<`, so that no `</script>` can end it; the script makes text nodes of it.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from goodfit.service.report.facts import ReportFacts
from goodfit.trainers.readable import readable

# In this order they make one script, in one scope.
SCRIPTS = (
    "dom", "scales", "frame", "state", "chart", "answer", "front", "history", "curves", "parallel", "drivers", "map",
    "table", "labels", "growth", "explanation", "fairness", "release", "details", "main",
)  # fmt: skip
_PLACE = re.compile(r"\{\{(\w+)\}\}")


def report_html(facts: ReportFacts) -> str:
    """A study's report as one HTML page."""
    name, answer = str(facts.study["name"]), facts.answer
    words = {"name": name, "summary": " ".join([f"{answer['headline']}.", *answer["sure"]])}
    return page("report", f"{name} · Goodfit", words, facts.to_dict(), SCRIPTS)


def page(kind: str, title: str, words: Mapping[str, str], data: Mapping[str, Any], scripts: tuple[str, ...]) -> str:
    """One HTML page.

    Args:
        kind: the template of its content.
        title: of the page.
        words: texts that the content has places for.
        data: what its scripts draw, in plain JSON values.
        scripts: these scripts.
    """
    style, script = _file("page.css"), _script(scripts)
    parts = {
        "title": _text(title),
        "policy": (
            f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:; "
            "base-uri 'none'; form-action 'none'"
        ),
        "style": style,
        "content": _filled(_file(f"{kind}.html"), {name: _text(text) for name, text in words.items()}),
        "script": script,
        "data": _json(data),
    }
    return _filled(_file("page.html"), parts)


def _filled(template: str, parts: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda place: parts[place[1]], template)  # in one pass: what is put in is not read


@cache
def _script(names: tuple[str, ...]) -> str:
    parts = "\n".join(_file(f"{name}.js") for name in names)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


@cache
def _file(name: str) -> str:
    return (files("goodfit.service.report") / "page" / name).read_text(encoding="utf-8")


def _json(data: Mapping[str, Any]) -> str:
    """JSON in ASCII, in which nothing can end the element or open another."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _text(text: str) -> str:
    """Text that HTML and UTF-8 can hold."""
    return html.escape(readable(text))
