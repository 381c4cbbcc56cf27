"""The batched model of a pack serves the next epoch, unless somebody else has written to a member meanwhile."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest
import torch

from goodfit.trainers.data import Data, load
from goodfit.trainers.messages import DataSpec
from goodfit.trainers.training.packing import epoch as epochs
from goodfit.trainers.training.packing.epoch import BatchedModel
from goodfit.trainers.training.packing.optimizers import Optimizers
from goodfit.trainers.training.packing.work import EpochWork
from tests.trainers.training.packing.works import alone, at, together, work_of

Metrics = tuple[Mapping[str, float], Mapping[str, float]]
PARAMS = [
    {"width": 8, "optimizer": "sgd"},
    {"width": 12, "depth": 1, "optimizer": "adam"},
    {"width": 8, "normalization": "batch"},
]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """With which trials are the same to the last digit; and nothing is kept from other tests."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    epochs._kept.clear()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def iris() -> Data:
    return load(DataSpec("iris"))


def members(data: Data) -> list[EpochWork]:
    return [work_of("mlp", data, params, seed) for seed, params in enumerate(PARAMS)]


def trained(works: Sequence[EpochWork], epoch: int) -> list[Metrics]:
    return [(one.train, one.validation) for one in together(works, [epoch] * len(works))]


def by_itself(work: EpochWork, epoch: int) -> Metrics:
    found = alone(work, epoch)
    return found.train, found.validation


def halve(work: EpochWork) -> None:
    with torch.no_grad():
        next(work.training.model.parameters()).mul_(0.5)


def start_the_optimizer_again(work: EpochWork) -> None:
    optimizer = work.training.optimizer
    optimizer.load_state_dict(optimizer.state_dict() | {"state": {}})


def go_back(work: EpochWork) -> None:
    work.training.optimizer.load_state_dict(work.training.optimizer.state_dict())


def test_one_serves_all_epochs_whoever_comes_first(iris: Data) -> None:
    works = members(iris)
    trained(works, 1)
    (kept,) = epochs._kept
    trained(works[::-1], 2)
    assert epochs._kept == [kept]


@pytest.mark.parametrize("meddle", [halve, start_the_optimizer_again, go_back])
def test_what_was_written_in_between_counts(iris: Data, meddle: Callable[[EpochWork], None]) -> None:
    packed, lone = members(iris), members(iris)
    for epoch in (1, 2, 3):
        found = trained(packed, epoch)
        expected = [by_itself(work, epoch) for work in lone]
        assert found == expected
        for works in (packed, lone):
            meddle(works[1])


def test_members_leave_and_come_back(iris: Data) -> None:
    packed, lone = members(iris), members(iris)
    for epoch, there in enumerate(([0, 1, 2], [0, 2], [0, 1, 2], [1, 2]), start=1):
        found = trained([packed[place] for place in there], epoch)
        assert found == [by_itself(lone[place], epoch) for place in there]


def test_an_epoch_that_fails_leaves_all_as_they_were(iris: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    packed, lone = members(iris), members(iris)
    assert trained(packed, 1) == [by_itself(work, 1) for work in lone]
    step, steps = Optimizers.step, iter(range(100))

    def fails(self: Optimizers) -> None:
        step(self)
        if next(steps) == 1:
            raise torch.OutOfMemoryError("no more")

    with monkeypatch.context() as patch:
        patch.setattr(Optimizers, "step", fails)
        with pytest.raises(torch.OutOfMemoryError):
            trained(packed, 2)
    assert trained(packed, 2) == [by_itself(work, 2) for work in lone]


def test_it_ends_with_its_members_and_few_are_kept(iris: Data) -> None:
    works = [members(iris) for _ in range(epochs.KEPT + 2)]
    for each in works:
        trained(each, 1)
    assert len(epochs._kept) == epochs.KEPT
    works.clear()
    del each
    gc.collect()
    assert epochs._kept == []


def test_another_epoch_of_the_same_is_at_the_epochs_own_rate(iris: Data) -> None:
    packed, lone = members(iris), members(iris)
    for epoch in (1, 2):
        trained(packed, epoch)
        for work in lone:
            by_itself(work, epoch)
    for one, other in zip(packed, lone, strict=True):
        groups, same = one.training.optimizer.param_groups, other.training.optimizer.param_groups
        assert [group["lr"] for group in groups] == [group["lr"] for group in same]
        states, theirs = (each.training.optimizer.state_dict()["state"] for each in (one, other))
        assert str(sorted(states.items())) == str(sorted(theirs.items()))


def test_it_does_not_serve_others(iris: Data) -> None:
    works, others = members(iris), members(iris)
    model = BatchedModel([work.training for work in works])
    model.train([at(work, 1) for work in works])
    assert model.serves([work.training for work in works])
    assert not model.serves([work.training for work in others])
    assert not model.serves([work.training for work in works[:2]])
