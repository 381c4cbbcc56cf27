"""A study of small nets that can train together, for tests of what becomes of them when something dies."""

from __future__ import annotations

from typing import Any

SPACE: dict[str, Any] = {
    "learning_rate": {"type": "float", "low": 1e-3, "high": 0.1, "log": True},
    "width": {"type": "int", "low": 8, "high": 64},
    "depth": [1, 2],
}
NETS: dict[str, Any] = {
    "trainer": "mlp",
    "data": {"source": "digits"},
    "space": SPACE,
    "search": {"method": "random", "seed": 3, "try_defaults": False},
    "pruning": {"method": "none"},
}
