"""The metrics of several models on the same rows: each model's are those that it has alone, to the bit."""

from __future__ import annotations

import pytest
import torch

from goodfit.trainers.training.packing.metrics import _of_classes


@pytest.mark.parametrize("rows", [3, 9, 21, 359])
@pytest.mark.parametrize("members", [3, 13])
def test_the_last_bit_does_not_depend_on_the_others(members: int, rows: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(rows)
    for _ in range(50):
        outputs = 3 * torch.randn(members, rows, 10, generator=generator)
        y = torch.randint(10, (rows,), generator=generator)
        together = _of_classes(outputs, y, 10)
        for member in range(members):
            alone = _of_classes(outputs[member : member + 1], y, 10)
            assert {name: values[0] for name, values in alone.items()} == {
                name: values[member] for name, values in together.items()
            }
    torch.set_num_threads(before)
