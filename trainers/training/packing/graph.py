"""The steps of a pack's epoch as replays of one that was captured: on a GPU small nets wait for launches of kernels.

The first steps of an epoch are made one by one. The next one is captured as a CUDA graph, and those after it, of as
many rows, are one launch each: their rows and masks are copied to where the captured step reads them. What else changes
from step to step lies in the device's memory (optimizers.py). A last batch of another size is a step by itself. Each
epoch captures anew: its rates and its losses are made at its start.

The first replay of a model is compared with the same step made by itself. Where they differ, or a step cannot be
captured, the model's steps are made one by one from then on, and a warning says why.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import torch
from torch import Tensor

from goodfit.trainers.errors import is_out_of_memory
from goodfit.trainers.readable import one_line
from goodfit.trainers.training.packing.stack import Stack

WARM_UP = 3  # steps before the first capture, as torch advises; a later epoch's one makes what that epoch's steps share
LEAST = 16  # steps of one size for which a graph is captured: it takes as long as some steps; not measured on a GPU
APART = 1e-2  # of what a step changes in a member, by norms: what a replay may differ by; rounding errors are smaller
NOISE = 1e-6  # likewise of the numbers themselves
LONGEST = 160  # letters of an error

Batch = tuple[Tensor, Tensor, Tensor]  # what the layers take, its targets, and which rows these are
Step = Callable[[Tensor, Tensor, Tensor], None]
_log = logging.getLogger(__name__)


class Captures(Protocol):
    """Captures work on a device as a graph."""

    def beside(self) -> AbstractContextManager[None]:
        """Within it work is done where it can be captured: after all that came before, and before all that follows."""
        ...

    def refusing(self) -> AbstractContextManager[None]:
        """Within it an operation that waits for the device raises an error, and does nothing."""
        ...

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """What does the work each time that it is called, in the same memory; doing none of it now."""
        ...


@functools.cache
def captures_on(device: torch.device) -> Captures | None:
    """What captures work on this device; None: nothing does."""
    return CudaGraphs(device) if device.type == "cuda" else None


class CudaGraphs:
    """CUDA's graphs, captured on one stream of a device."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._stream = device, torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    @contextlib.contextmanager
    def beside(self) -> Iterator[None]:
        before = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(before)
        try:
            with torch.cuda.stream(self._stream):
                yield
        finally:
            before.wait_stream(self._stream)

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """Before a capture: one that such an operation ends leaves torch's generator and its memory in disorder."""
        before = torch.cuda.get_sync_debug_mode()
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # torch says that it is new
            torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode(before)

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            work()
        return graph.replay


class Replays:
    """Makes the steps of a batched model, epoch after epoch.

    Args:
        captures: what captures a step; None: each is made by itself.
        stack: of the model.
        name: of the model, for a warning.
    """

    def __init__(self, captures: Captures | None, stack: Stack, name: str) -> None:
        self._captures, self._stack, self._name = captures, stack, name
        self._checked = False

    def run(self, step: Step, batches: Iterator[Batch], sizes: Sequence[int], state: Sequence[Tensor]) -> None:
        """Make the steps of an epoch.

        Args:
            step: changes nothing but the state and what it makes anew; is told by Python nothing that changes.
            batches: of the steps.
            sizes: the rows of each.
            state: what a step changes, (members, ...) each.
        """
        captures = self._captures
        alike = sum(1 for _ in itertools.takewhile(lambda size: size == sizes[0], sizes))
        if captures is None or alike < LEAST:
            for batch in batches:
                step(*batch)
            return
        with captures.beside():
            for batch in itertools.islice(batches, 1 if self._checked else WARM_UP):
                step(*batch)
                alike -= 1
            inputs = _Inputs(next(batches), self._stack)
            replay = self._begun(captures, functools.partial(inputs.make, step), state)
            if replay is not None:
                for batch in itertools.islice(batches, alike - 1):
                    inputs.put(batch)
                    replay()
            for batch in batches:
                step(*batch)

    def _begun(
        self, captures: Captures, once: Callable[[], None], state: Sequence[Tensor]
    ) -> Callable[[], None] | None:
        """Make a step; what makes it again, None where steps are to be made one by one."""
        checked = [] if self._checked else state
        before = _copies(checked)
        try:
            expected = self._expected(captures, once, checked, before)
            replay = captures.capture(once)
            replay()
            if not _is_apart(checked, expected, before):
                self._checked = True
                return replay
            reason = "a replay of a step comes to something else than the step"
        except Exception as error:  # noqa: BLE001 - of any model; where it is not about the capture, the step raises it
            _raise_where_memory_ran_out(error)
            reason = one_line(str(error).partition("\n")[0][:LONGEST])
        _restore(checked, before)
        once()
        self._captures = None
        _log.warning("a pack of %s is trained without a CUDA graph: %s", self._name, reason)
        return None

    def _expected(
        self, captures: Captures, once: Callable[[], None], state: Sequence[Tensor], before: Sequence[Tensor]
    ) -> Sequence[Tensor]:
        """What a step by itself makes of the state, which is as before then; nothing where that is not checked."""
        if self._checked:
            return []
        with captures.refusing():
            once()
        expected = _copies(state)
        _restore(state, before)
        return expected


class _Inputs:
    """Where a captured step finds what is given to it: a batch, and what is drawn for it.

    Args:
        batch: of the first step.
        stack: of the model, which has made a step of as many rows.
    """

    def __init__(self, batch: Batch, stack: Stack) -> None:
        self._feeds = [feed for feed in stack.feeds if feed.draws]
        self._held = [one.clone() for one in self._drawn(batch)]

    def put(self, batch: Batch) -> None:
        """Make ready for the next step."""
        torch._foreach_copy_(self._held, self._drawn(batch))

    def make(self, step: Step) -> None:
        """Make a step of what is there."""
        x, y, rows, *held = self._held
        for feed, own in zip(self._feeds, held, strict=True):
            feed.held = own
        try:
            step(x, y, rows)
        finally:
            for feed in self._feeds:
                feed.held = None

    def _drawn(self, batch: Batch) -> list[Tensor]:
        return [*batch, *(feed.next() for feed in self._feeds)]


def _copies(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [one.detach().clone() for one in tensors]


def _restore(tensors: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for one, value in zip(tensors, values, strict=True):
        one.detach().copy_(value)


def _is_apart(found: Sequence[Tensor], expected: Sequence[Tensor], before: Sequence[Tensor]) -> bool:
    """Whether, of any member, they differ by more than rounding errors."""
    apart = [_differs(*each) for each in zip(found, expected, before, strict=True)]
    return bool(torch.stack(apart).any()) if apart else False


def _differs(found: Tensor, expected: Tensor, before: Tensor) -> Tensor:
    same = (found == expected) | (found.isnan() & expected.isnan())
    if not found.is_floating_point():
        return ~same.all()
    error = torch.where(same, 0.0, found - expected)
    allowed = APART * _norms(expected - before) + NOISE * _norms(expected)
    return ~(_norms(error) <= allowed.nan_to_num(nan=torch.inf)).all()


def _norms(numbers: Tensor) -> Tensor:
    """Of each member."""
    norms: Tensor = torch.linalg.vector_norm(numbers.reshape(len(numbers), -1), dim=1, dtype=torch.float64)
    return norms


def _raise_where_memory_ran_out(error: BaseException) -> None:
    """Raise the error that says so, where it is that or has come of it: the end of a capture may hide it."""
    found: BaseException | None = error
    while found is not None:
        if is_out_of_memory(found):
            raise found
        found = found.__cause__ or found.__context__
    if "out of memory" in str(error):  # of CUDA itself, while it makes a graph
        raise torch.OutOfMemoryError(str(error)) from error
