"""The page: the template with its style, its script and a study's facts put in. Nothing of it is fetched.

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
from functools import cache
from importlib.resources import files

from goodfit.service.report.facts import ReportFacts
from goodfit.trainers.readable import readable

# In this order they make one script, in one scope.
SCRIPTS = (
    "dom", "scales", "state", "chart", "answer", "front", "history", "curves", "parallel", "drivers", "map", "table",
    "labels", "growth", "explanation", "details", "main",
)  # fmt: skip
_PLACE = re.compile(r"\{\{(\w+)\}\}")


def report_html(facts: ReportFacts) -> str:
    """A study's report as one HTML page."""
    style, script = _file("page.css"), _script()
    answer = facts.answer
    parts = {
        "title": _text(f"{facts.study['name']} · Goodfit"),
        "name": _text(str(facts.study["name"])),
        "summary": _text(" ".join([f"{answer['headline']}.", *answer["sure"]])),
        "policy": (
            f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:; "
            "base-uri 'none'; form-action 'none'"
        ),
        "style": style,
        "script": script,
        "data": _json(facts),
    }
    return _PLACE.sub(lambda place: parts[place[1]], _file("page.html"))  # in one pass: what is put in is not read


@cache
def _script() -> str:
    parts = "\n".join(_file(f"{name}.js") for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


@cache
def _file(name: str) -> str:
    return (files("goodfit.service.report") / "page" / name).read_text(encoding="utf-8")


def _json(facts: ReportFacts) -> str:
    """JSON in ASCII, in which nothing can end the element or open another."""
    text = json.dumps(facts.to_dict(), separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _text(text: str) -> str:
    """Text that HTML and UTF-8 can hold."""
    return html.escape(readable(text))
