"""Epochs of a pack whose steps are replays of a captured one are those whose steps are made one by one."""

from __future__ import annotations

import contextlib
import copy
import random
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from goodfit.trainers.training.packing import graph, optimizers
from goodfit.trainers.training.packing.epoch import BatchedModel
from goodfit.trainers.training.packing.optimizers import Optimizers
from goodfit.trainers.training.packing.work import EpochResult, EpochWork
from tests.trainers.training.packing.emulated_graph import EmulatedGraphs
from tests.trainers.training.packing.works import at, furthest, random_params, rows_of, work_of

OWN = "tests.trainers.training.packing.own_models"
EPOCHS = 3
MLP = {
    "width": range(1, 40), "depth": [0, 1, 2], "activation": ["relu", "tanh", "gelu"],
    "normalization": ["none", "batch", "layer"],
}  # fmt: skip
CNN = {"width": range(1, 9), "depth": [1, 2], "normalization": ["none", "batch", "group"], "residual": [False]}
CASES: dict[str, tuple[str, str, int, int, int, dict[str, Any]]] = {  # trainer, data, rows, batch size, trials, choices
    "mlp": ("mlp", "iris", 75, 4, 10, MLP),
    "mlp, a last batch of one row more": ("mlp", "iris", 73, 4, 6, MLP),
    "mlp of numbers": ("mlp", "diabetes", 64, 4, 6, MLP),
    "cnn": ("cnn", "digits", 75, 4, 6, CNN),
    "residual": ("cnn", "digits", 72, 4, 4, CNN | {"residual": [True]}),
    "gru": ("rnn", "digits", 75, 4, 4, {"width": range(1, 20), "depth": [3]}),
    "lstm": ("rnn", "load_curve", 72, 4, 4, {"width": range(1, 9), "depth": [2], "cell": ["lstm"]}),
    "blocks": ("transformer", "eeg", 68, 4, 4, {"width": [8, 16], "heads": [2, 4], "depth": [1, 2]}),
    "language": ("language-model", "sums", 72, 4, 4, {"epoch_windows": [68], "width": [8, 16], "heads": [2, 4]}),
    "own layers": (f"{OWN}:gated", "iris", 75, 4, 6, {}),
    "attention": (f"{OWN}:attending", "digits", 68, 4, 4, {}),
}


@pytest.fixture(autouse=True)
def rule(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The optimizers as on a GPU."""
    monkeypatch.setattr(optimizers, "CALLED", ())
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def works_of(case: str) -> list[EpochWork]:
    trainer, source, rows, size, trials, choices = CASES[case]
    drawn, data = random.Random(case), rows_of(source, rows)
    params = [random_params(drawn, **choices) | {"batch_size": size} for _ in range(trials)]
    params[0] |= {"dropout": 0.3, "optimizer": "adamw", "weight_decay": 0.1, "schedule": "cosine", "clip_norm": 0.5}
    params[1] |= {"optimizer": "sgd", "momentum": 0.9, "l1": 1e-4, "weight_decay": 0.01, "schedule": "onecycle"}
    return [work_of(trainer, data, each, seed, EPOCHS) for seed, each in enumerate(params)]


def model_of(works: Sequence[EpochWork], captures: graph.Captures | None = None) -> BatchedModel:
    return BatchedModel([work.training for work in works], captures)


def trained(model: BatchedModel, works: Sequence[EpochWork], epoch: int) -> list[EpochResult]:
    return model.train([at(work, epoch) for work in works])


def assert_alike(works: Sequence[EpochWork], others: Sequence[EpochWork]) -> None:
    """Models and optimizers, to the bit."""
    for work, other in zip(works, others, strict=True):
        for one, same in zip(work.training.stateful, other.training.stateful, strict=True):
            torch.testing.assert_close(one.state_dict(), same.state_dict(), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("case", CASES)
def test_epochs_by_replays_are_those_step_by_step(case: str) -> None:
    captures = EmulatedGraphs()
    works, others = works_of(case), works_of(case)
    model, eager = model_of(works, captures), model_of(others)
    for epoch in range(1, EPOCHS + 1):
        found, expected = trained(model, works, epoch), trained(eager, others, epoch)
        assert all(furthest(*each) == 0 for each in zip(found, expected, strict=True))
        assert captures.captured == epoch
        assert_alike(works, others)
    _, _, rows, size, _, choices = CASES[case]
    (rows,) = choices.get("epoch_windows", [rows])
    steps = rows // size - (rows % size == 1)  # of one size
    assert captures.replayed == EPOCHS * steps - graph.WARM_UP - (EPOCHS - 1)


@pytest.mark.parametrize("case", ["mlp", "cnn", "gru", "blocks"])
def test_so_are_those_whose_forward_pass_is_in_half_precision(case: str) -> None:
    """As it is on a GPU."""
    captures = EmulatedGraphs()
    works, others = works_of(case), works_of(case)
    for work in (*works, *others):
        work.training.half = torch.bfloat16
    model, eager = model_of(works, captures), model_of(others)
    for epoch in (1, 2):
        trained(model, works, epoch), trained(eager, others, epoch)
        assert_alike(works, others)
    assert captures.captured == 2


@pytest.mark.parametrize("how", ["weights", "sampling", "row weights"])
def test_so_are_those_of_classes_or_rows_that_weigh_more(how: str) -> None:
    data = rows_of("iris", 75)
    if how != "row weights":
        data = replace(data, facts=replace(data.facts, preparation=replace(data.preparation, balance=how)))
    params = [{"width": 8, "label_smoothing": 0.2, "batch_size": 4}, {"width": 5, "dropout": 0.3, "batch_size": 4}]
    captures = EmulatedGraphs()
    works, others = ([work_of("mlp", data, each, seed) for seed, each in enumerate(params)] for _ in range(2))
    if how == "row weights":
        for work in (*works, *others):
            work.training.row_weights = torch.linspace(0.5, 1.5, len(work.train.y))
    model, eager = model_of(works, captures), model_of(others)
    for epoch in (1, 2):
        trained(model, works, epoch), trained(eager, others, epoch)
        assert_alike(works, others)
    assert captures.captured == 2


class Refusing(EmulatedGraphs):
    """Sees before a capture nothing that waits for the device."""

    def refusing(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext()


@pytest.mark.parametrize("trainer", ["reading", "constant"])
@pytest.mark.parametrize("kind", [EmulatedGraphs, Refusing], ids=["before", "in the capture"])
def test_a_model_that_waits_for_the_device_is_trained_step_by_step(
    trainer: str, kind: type[EmulatedGraphs], caplog: pytest.LogCaptureFixture
) -> None:
    captures, data = kind(), rows_of("iris", 75)
    works, others = (
        [work_of(f"{OWN}:{trainer}", data, {"batch_size": 4, "dropout": 0.3}, seed) for seed in range(2)]
        for _ in range(2)
    )
    model, eager = model_of(works, captures), model_of(others)
    for epoch in (1, 2):
        trained(model, works, epoch), trained(eager, others, epoch)
        assert_alike(works, others)
    (record,) = caplog.records
    assert (record.name, record.levelname) == (graph.__name__, "WARNING")
    assert "a pack of 2 trials of Waiting is trained without a CUDA graph: operation not permitted" in record.message
    assert captures.replayed == 0


def test_a_replay_that_comes_to_something_else_is_undone(caplog: pytest.LogCaptureFixture) -> None:
    captures = EmulatedGraphs()
    captures.wrong = 1.1
    works, others = works_of("mlp"), works_of("mlp")
    model, eager = model_of(works, captures), model_of(others)
    for epoch in (1, 2):
        trained(model, works, epoch), trained(eager, others, epoch)
        assert_alike(works, others)
    assert [record.message for record in caplog.records] == [
        "a pack of 10 trials of Layers is trained without a CUDA graph: "
        "a replay of a step comes to something else than the step"
    ]
    assert captures.replayed == 1


def test_so_is_one_of_a_model_that_python_tells_what_changes(caplog: pytest.LogCaptureFixture) -> None:
    works = [work_of(f"{OWN}:counting", rows_of("iris", 75), {"batch_size": 4}, seed) for seed in range(2)]
    captures = EmulatedGraphs()
    trained(model_of(works, captures), works, 1)
    assert captures.replayed == 1
    assert "something else than the step" in caplog.text


def test_a_failure_in_a_later_epoch_makes_its_steps_one_by_one(caplog: pytest.LogCaptureFixture) -> None:
    captures = EmulatedGraphs()
    works, others = works_of("mlp"), works_of("mlp")
    model, eager = model_of(works, captures), model_of(others)
    for epoch in (1, 2, 3):
        trained(model, works, epoch), trained(eager, others, epoch)
        assert_alike(works, others)
        captures.fails = RuntimeError("CUDA error: no\nmore is to be said")
    assert captures.captured == 1
    assert [record.message.partition(": ")[2] for record in caplog.records] == ["CUDA error: no"]


@pytest.mark.parametrize("hidden", [False, True], ids=["as such", "behind what the end of the capture says"])
def test_running_out_of_memory_is_no_reason_to_go_on(hidden: bool, caplog: pytest.LogCaptureFixture) -> None:
    captures = EmulatedGraphs()
    captures.fails = RuntimeError("operation failed due to a previous error during capture")
    if hidden:
        captures.fails.__context__ = torch.OutOfMemoryError("no more")
    else:
        captures.fails = torch.OutOfMemoryError("no more")
    works = works_of("mlp")
    before = [copy.deepcopy([item.state_dict() for item in work.training.stateful]) for work in works]
    with pytest.raises(torch.OutOfMemoryError, match="no more"):
        trained(model_of(works, captures), works, 1)
    for work, (model, _) in zip(works, before, strict=True):
        torch.testing.assert_close(work.training.model.state_dict(), model, rtol=0, atol=0)
    assert not caplog.records


def test_memory_that_cuda_lacks_for_the_graph_itself_is_named_so() -> None:
    captures = EmulatedGraphs()
    captures.fails = RuntimeError("CUDA error: out of memory")
    works = works_of("mlp")
    with pytest.raises(torch.OutOfMemoryError):
        trained(model_of(works, captures), works, 1)


def test_a_step_that_fails_says_why(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    works, step, steps = works_of("mlp"), Optimizers.step, iter(range(100))

    def fails(self: Optimizers) -> None:
        if next(steps) >= graph.WARM_UP:
            raise ValueError("of the model itself")
        step(self)

    monkeypatch.setattr(Optimizers, "step", fails)
    with pytest.raises(ValueError, match="of the model itself"):
        trained(model_of(works, EmulatedGraphs()), works, 1)
    assert not caplog.records


def test_short_epochs_are_trained_step_by_step() -> None:
    captures, data = EmulatedGraphs(), rows_of("iris", 4 * (graph.LEAST - 1) + 3)
    works = [work_of("mlp", data, {"batch_size": 4}, seed) for seed in range(2)]
    trained(model_of(works, captures), works, 1)
    assert captures.captured == 0


def test_a_cpu_captures_nothing() -> None:
    assert graph.captures_on(torch.device("cpu")) is None


class TestOnCuda:
    """In which order CUDA is asked; what it does then no test here knows."""

    device = torch.device("cuda")

    @pytest.fixture
    def calls(self, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        """What torch.cuda is asked to do; the streams are named."""
        calls = list[Any]()

        class Stream:
            def __init__(self, name: Any) -> None:
                self.name = name if name == "current" else "own"

            def wait_stream(self, other: Stream) -> None:
                calls.append((self.name, "waits for", other.name))

        def context(name: str, *given: str) -> Any:
            @contextlib.contextmanager
            def entered(*args: Any, **kwargs: Any) -> Iterator[None]:
                calls.append((name, *(args[0].name for _ in given), *kwargs.items()))
                yield
                calls.append((name, "ends"))

            return entered

        class Graph:
            def replay(self) -> None:
                calls.append("replayed")

        monkeypatch.setattr(torch.cuda, "Stream", Stream)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda _: Stream("current"))
        monkeypatch.setattr(torch.cuda, "stream", context("on", "stream"))
        monkeypatch.setattr(torch.cuda, "graph", context("capture"))
        monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
        monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: 0)
        monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", lambda mode: calls.append(("waiting", mode)))
        return calls

    def test_steps_come_after_what_was_before_and_before_what_follows(self, calls: list[Any]) -> None:
        with pytest.raises(ValueError, match="of the step"), graph.CudaGraphs(self.device).beside():
            raise ValueError("of the step")
        assert calls == [("own", "waits for", "current"), ("on", "own"), ("current", "waits for", "own")]

    def test_waiting_is_an_error_for_a_while_only(self, calls: list[Any]) -> None:
        with pytest.raises(ValueError, match="of the step"), graph.CudaGraphs(self.device).refusing():
            raise ValueError("of the step")
        assert calls == [("waiting", "error"), ("waiting", 0)]

    def test_a_step_is_captured_on_the_stream_on_which_it_was_made(self, calls: list[Any]) -> None:
        graphs = graph.CudaGraphs(self.device)
        replay = graphs.capture(lambda: calls.append("step"))
        replay()
        mode = ("capture_error_mode", "thread_local")
        assert calls == [("capture", ("stream", graphs._stream), mode), "step", ("capture", "ends"), "replayed"]


class TestCompared:
    before = torch.zeros(2, 100)

    def is_apart(self, found: Tensor, expected: Tensor) -> bool:
        return graph._is_apart([found], [expected], [self.before])

    def test_rounding_errors_are_none(self) -> None:
        expected = torch.randn(2, 100, generator=torch.Generator().manual_seed(0))
        assert not self.is_apart(expected * (1 + 1e-4), expected)

    def test_a_member_that_changes_little_counts_as_much(self) -> None:
        expected = torch.ones(2, 100) * torch.tensor([[1.0], [1e-4]])
        found = expected.clone()
        found[1] *= 1.1
        assert self.is_apart(found, expected)

    def test_a_member_that_has_diverged_hides_no_other(self) -> None:
        expected = torch.ones(2, 100)
        expected[0, 5:] = torch.nan
        found = expected.clone()
        assert not self.is_apart(found, expected)
        found[1, 0] = torch.nan
        assert self.is_apart(found, expected)

    def test_a_count_is_the_same_or_it_is_not(self) -> None:
        counts = torch.tensor([5])
        assert not graph._is_apart([counts], [counts.clone()], [counts - 1])
        assert graph._is_apart([counts], [counts + 1], [counts - 1])
