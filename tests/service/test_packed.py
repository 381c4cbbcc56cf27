"""How trials were trained together, from the costs of their reports."""

from __future__ import annotations

import pytest

from goodfit.service.packed import pack_sentence, packed, packs_of
from goodfit.service.records import Report, Trial


def report(epoch: int, **costs: float) -> Report:
    return Report(0, epoch, {"val/loss": 1.0}, 0.0, costs or None)


def test_a_trial_that_was_alone_throughout_has_no_pack() -> None:
    assert packed([report(1, epoch_seconds=1.0), report(2), report(3, epoch_seconds=1.0)]) == {}
    assert packs_of([Trial(0, {}, 1), Trial(1, {}, 1, diagnosis={"reason": ""})]) is None


def test_sizes_and_seconds_are_of_the_epochs_since_the_sample_before() -> None:
    first = report(1, epoch_seconds=1.0)
    rest = [report(2), report(3, epoch_seconds=0.25, pack_size=8.0, pack_saved_seconds=1.5)]
    (pack,) = packed([first, *rest]).values()
    assert pack == {"size": pytest.approx(17 / 3), "seconds": 1.5, "saved_seconds": 1.5}


def test_a_study_says_what_its_packs_have_saved() -> None:
    diagnoses = [{"pack": {"size": size, "seconds": 10.0, "saved_seconds": 30.0}} for size in (7.0, 8.0)]
    packs = packs_of([Trial(number, {}, 1, diagnosis=one) for number, one in enumerate([*diagnoses, {}])])
    assert packs == {"trials": 2, "size": 7.5, "seconds": 20.0, "saved_seconds": 60.0}
    assert pack_sentence(packs) == (
        "2 trials were trained together, 7.5 at a time on average: 20 s of workers in place of about 80 s"
    )
