"""`goodfit schema`: what editors check study files against."""

from __future__ import annotations

import json

from goodfit.service.cli.base import cli


@cli.command()
def schema() -> None:
    """Print the JSON Schema of a study file, with which an editor completes, explains and checks its keys."""
    from goodfit.service.spec import json_schema

    print(json.dumps(json_schema(), indent=2))
