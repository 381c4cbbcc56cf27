"""The schedule of the learning rate that a trainer declares is known to the search."""

from __future__ import annotations

from typing import Any

import pytest

from goodfit.service.sampler import sampler_of
from goodfit.service.sampler.auto import AutoAllocator
from tests.searching import VALUES, auto_spec

X = VALUES["space"]


@pytest.mark.parametrize(
    ("space", "defaults", "decays"),
    [
        (X, {"schedule": "cosine"}, True),
        (X, {"schedule": "constant"}, False),
        (X, {}, False),
        ([*X, {"name": "schedule", "type": "fixed", "value": "step"}], {"schedule": "constant"}, True),
        ([*X, {"name": "schedule", "type": "fixed", "value": "constant"}], {"schedule": "cosine"}, False),
        ([*X, {"name": "schedule", "type": "choice", "choices": ["cosine", "step"]}], {"schedule": "cosine"}, False),
    ],
)
def test_a_schedule_that_is_pinned_or_the_default_is_known(
    space: list[dict[str, Any]], defaults: dict[str, Any], decays: bool
) -> None:
    allocator = sampler_of(auto_spec(space=space), "s", defaults)
    assert isinstance(allocator, AutoAllocator)
    assert allocator.decays is decays
