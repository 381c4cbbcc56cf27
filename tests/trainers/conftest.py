"""What all tests of trainers train with."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    """Curves are compared to the last bit, and sums depend on the threads that share them; before any other fixture."""
    import torch

    torch.set_num_threads(1)
