"""What a user's own code loads into torch's optimizers and schedules, where hyperparameters have changed since.

A member of a population that takes over a model gets files of a checkpoint, and loads them by itself: `load_state_dict`
would bring the former learning rate back, as it does in Ray Tune. Here the optimizer keeps what it was made with, by
the rules of `trial/hyperparameters.py`. What it was made with is noted then, and kept with the checkpoint.
"""

from __future__ import annotations

import contextlib
import functools
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from goodfit.trainers.trial.hyperparameters import built_with, with_own

_MOST = 100  # optimizers and schedules that are noted: a trainer may make new ones in each epoch

Load = Callable[..., Any]


class Built:
    """The optimizers and schedules that a trial makes, in their order.

    Args:
        watch: whether hyperparameters may change while the trial trains; else nothing is noted or changed.
    """

    def __init__(self, *, watch: bool) -> None:
        self._watch = watch
        self._items: list[weakref.ref[Any]] = []
        self._made: list[tuple[str, Any]] = []  # of each its class, and what it was made with
        self._before: list[tuple[str, Any]] = []  # those that the checkpoint is of
        self._loading: list[Any] = []

    def kept(self) -> list[list[Any]]:
        """What a checkpoint holds of it."""
        return [list(one) for one in self._made]

    def restore(self, kept: list[list[Any]]) -> None:
        """Take what the checkpoint that the trial goes on from holds."""
        self._before = [(name, built) for name, built in kept]

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Note what is made meanwhile, and have it keep its own hyperparameters where it is loaded."""
        if not self._watch:
            yield
            return
        from torch.optim import Optimizer, lr_scheduler

        kinds: set[type] = {Optimizer, *(kind for kind in vars(lr_scheduler).values() if isinstance(kind, type))}
        with contextlib.ExitStack() as stack:
            for kind in (Optimizer, lr_scheduler.LRScheduler):
                stack.enter_context(_replaced(kind, "__init__", self._noting))
            for loads in [kind for kind in kinds if "load_state_dict" in vars(kind)]:
                stack.enter_context(_replaced(loads, "load_state_dict", self._keeping))
            yield

    def _noting(self, make: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(make)
        def made(item: Any, *args: Any, **settings: Any) -> None:
            make(item, *args, **settings)
            if len(self._items) < _MOST:
                self._items.append(weakref.ref(item))
                self._made.append((type(item).__name__, built_with(item)))

        return made

    def _keeping(self, load: Load) -> Load:
        @functools.wraps(load)
        def loaded(item: Any, state: Any, *args: Any, **settings: Any) -> Any:
            if any(one is item for one in self._loading):  # by the method of a subclass, which has seen to it
                return load(item, state, *args, **settings)
            self._loading.append(item)
            try:
                return load(item, self._with_own(item, state), *args, **settings)
            finally:
                self._loading.pop()

        return loaded

    def _with_own(self, item: Any, state: Any) -> Any:
        place = next((place for place, made in enumerate(self._items) if made() is item), None)
        if place is None or len(self._before) <= place or self._before[place][0] != self._made[place][0]:
            return state
        return with_own(state, self._before[place][1], self._made[place][1])


@contextlib.contextmanager
def _replaced(kind: type, name: str, by: Callable[[Any], Any]) -> Iterator[None]:
    """Have a method of a class replaced."""
    before = vars(kind)[name]
    setattr(kind, name, by(before))
    try:
        yield
    finally:
        setattr(kind, name, before)
