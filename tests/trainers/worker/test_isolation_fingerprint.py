"""Whether data or modules have changed."""

from __future__ import annotations

import itertools
import random
import threading
from typing import Any

import numpy as np
import pandas as pd
import torch

from goodfit.trainers.worker.isolation import fingerprint


class Thing:
    def __init__(self) -> None:
        self.items = [1, {"a": np.zeros(3)}]


def test_a_fingerprint_changes_with_what_is_inside_and_else_not() -> None:
    def changed(value: Any, change: Any) -> bool:
        before = fingerprint(value)
        assert fingerprint(value) == before
        change(value)
        return fingerprint(value) != before

    assert changed([1, 2], lambda value: value.append(3))
    assert changed({"a": [np.ones(2)]}, lambda value: value["a"][0].__setitem__(0, 5))
    assert changed(np.arange(10), np.random.default_rng(0).shuffle)
    assert changed(np.arange(10)[::2], lambda value: value.__setitem__(1, 5))
    assert changed(np.array(["a", [1]], dtype=object), lambda value: value[1].append(2))
    assert changed(torch.ones(3, dtype=torch.bfloat16), lambda value: value.add_(1))
    assert changed(torch.Generator(), lambda value: torch.rand(1, generator=value))
    assert changed(torch.nn.Linear(1, 1), lambda value: torch.nn.init.zeros_(value.weight))
    assert changed(random.Random(0), lambda value: value.random())
    assert changed(np.random.RandomState(0), lambda value: value.rand())
    assert changed(pd.DataFrame({"a": [1, 2]}), lambda value: value.__setitem__("a", 0))
    assert changed(Thing(), lambda value: value.items[1]["a"].fill(1))
    assert changed(itertools.count(), next)
    itself: list[Any] = []
    itself.append(itself)
    assert changed(itself, lambda value: value.append(1))
    assert not changed([open, {1, 2}, threading.Lock(), Thing], lambda _: None)
