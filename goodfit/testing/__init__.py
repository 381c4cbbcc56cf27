"""Contract suites for what you add to Goodfit: a test class of yours inherits one, and overrides a fixture.

    from goodfit.testing import SearchContract

    class TestMySearch(SearchContract):
        @pytest.fixture
        def new_search(self):
            return MySearch

docs/extending.md has an example of each. The suites need pytest, which nothing else of Goodfit imports.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from goodfit.testing.data_kinds import DataKindCase as DataKindCase
    from goodfit.testing.data_kinds import DataKindContract as DataKindContract
    from goodfit.testing.executors import ExecutorContract as ExecutorContract
    from goodfit.testing.executors import PackingExecutorContract as PackingExecutorContract
    from goodfit.testing.executors import ProcessExecutorContract as ProcessExecutorContract
    from goodfit.testing.samplers import SamplerContract as SamplerContract
    from goodfit.testing.samplers import SearchContract as SearchContract
    from goodfit.testing.stores import AccessContract as AccessContract
    from goodfit.testing.stores import StoreContract as StoreContract
    from goodfit.testing.trackers import TrackerContract as TrackerContract
    from goodfit.testing.trainers import TrainerCase as TrainerCase
    from goodfit.testing.trainers import TrainerContract as TrainerContract

_LISTED = {
    "data_kinds": ("DataKindCase", "DataKindContract"),
    "executors": ("ExecutorContract", "PackingExecutorContract", "ProcessExecutorContract"),
    "samplers": ("SamplerContract", "SearchContract"),
    "stores": ("AccessContract", "StoreContract"),
    "trackers": ("TrackerContract",),
    "trainers": ("TrainerCase", "TrainerContract"),
}
_MODULES = {name: module for module, names in _LISTED.items() for name in names}
__all__ = sorted(_MODULES)

if under_test := sys.modules.get("pytest"):  # a failing assertion shows its values, as in your own tests
    under_test.register_assert_rewrite(*(f"goodfit.testing.{module}" for module in (*_LISTED, "recorder")))


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'goodfit.testing' has no attribute {name!r}")
    try:
        import pytest  # noqa: F401 - the suites import it
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("goodfit.testing needs pytest: pip install pytest", name="pytest") from error
    return getattr(importlib.import_module(f"goodfit.testing.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
