"""The OpenAPI document, as docs/openapi.json has it: `python -m goodfit.service.server.document FILE` writes it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from goodfit.service.server.factory import described


def document() -> str:
    """The document as text."""
    return json.dumps(described().openapi(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(document(), encoding="utf-8")
