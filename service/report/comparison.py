"""The page of studies side by side: what `goodfit compare` found, in the style of a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from goodfit.service.report.facts import plain
from goodfit.service.report.rendering import page

# In this order they make one script, in one scope.
SCRIPTS = ("dom", "scales", "frame", "comparison")


def comparison_html(found: Mapping[str, Any]) -> str:
    """A comparison as one HTML page.

    Args:
        found: as service.queries.comparing gives it.
    """
    names = [str(study["study"]) for study in found["studies"]]
    name = " and ".join([", ".join(names[:-1]), names[-1]])
    words = {"name": name, "summary": " ".join(found["answer"])}
    return page("comparison", f"{name} compared · Goodfit", words, plain(found), SCRIPTS)
