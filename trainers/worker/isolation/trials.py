"""Each trial in a thread of its own, and everything put back after it, or after the last of those side by side."""

from __future__ import annotations

import contextlib
import contextvars
import decimal
import gc
import multiprocessing
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from goodfit.trainers.seeding import hear_imports, when_imported
from goodfit.trainers.worker.isolation.libraries import Originals
from goodfit.trainers.worker.isolation.library_settings import LATE
from goodfit.trainers.worker.isolation.modules import UsersModules, is_users_file
from goodfit.trainers.worker.isolation.settings import Snapshot

LINGER_SECONDS = 0.2  # for what a trainer has started to end after it


class Isolation:
    """Has none of the trials of a worker change what the next comes to.

    Trials that share the worker share its settings, too: they are put back when the last of them has ended.

    Args:
        own_process: whether the process is the worker's alone; in another its streams, loggers and paths are left.
    """

    def __init__(self, *, own_process: bool = True) -> None:
        self._own_process = own_process
        self._originals = Originals()
        self._modules = UsersModules(own_process=own_process)
        self._trials = 0
        self._snapshot: Snapshot | None = None  # of an earlier trial, after which all was put back
        self._since: tuple[str, int, int] | None = None  # what was imported when it was made
        self._session = contextlib.ExitStack()  # from the first of the trials side by side to the last
        self._put_back: Callable[[], list[str]] = list

    def begin(self, trainer: str) -> None:
        """A trial is about to run, in a thread of its own: what is set for a thread alone ends with it.

        Args:
            trainer: as the study names it; it has been imported.
        """
        if not self._trials:
            self._begin(trainer)
        self._trials += 1

    def end(self, trainer: str) -> list[str]:
        """A trial has run: put back what it has changed, in the thread that called `begin`.

        Returns:
            What only a new process would take back; empty for nearly all trainers.
        """
        self._trials -= 1
        return [] if self._trials else self._end(trainer)

    def _begin(self, trainer: str) -> None:
        hear_imports()  # before the snapshot, which is put back: what each trial adds differs from it each time
        self._originals.note_new()
        self._modules.note_new(trainer)
        snapshot, imported = self._snapshot, self._imported(trainer)
        # To read it all again takes 2 ms. In a process of its own nothing but an import changes it between trials.
        if snapshot is None or not self._own_process or self._since != imported:
            snapshot, self._since = Snapshot(own_process=self._own_process), imported
            self._snapshot = snapshot
        before = set(threading.enumerate())

        def note_new() -> None:
            snapshot.note_new()
            self._originals.note_new()

        self._session.enter_context(when_imported(note_new, LATE))
        self._put_back = lambda: [*snapshot.restore(), *_left_running(before)]

    def _end(self, trainer: str) -> list[str]:
        self._session.close()
        _end_processes()
        self._originals.restore()
        left = self._put_back()
        once = self._modules.renew(trainer)
        return [*left, once] if once else left

    def _imported(self, trainer: str) -> tuple[str, int, int]:
        """What differs where something has been imported since."""
        return trainer, len(sys.modules), self._modules.renewals


def start_thread(work: Callable[[], None]) -> threading.Thread:
    """Do it in a thread of its own, with the contexts and torch's switches of this one; what it sets ends with it."""
    inherit = _torch_switches()

    def run() -> None:
        inherit()
        decimal.setcontext(decimal.getcontext().copy())  # a copied context has the same object
        work()

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), name="goodfit-trial", daemon=True)
    thread.start()
    return thread


def _torch_switches() -> Callable[[], None]:
    """What torch has for each thread, and a trainer's module may have set as it was imported."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return lambda: None
    device, gradients, threads = torch.get_default_device(), torch.is_grad_enabled(), torch.get_num_threads()

    def inherit() -> None:
        torch.set_grad_enabled(gradients)
        torch.set_num_threads(threads)
        if device.type != "cpu":
            torch.set_default_device(device)

    return inherit


def _end_processes() -> None:
    """End the processes that a trainer has left, such as those of its data loaders."""
    if not multiprocessing.active_children():
        return
    gc.collect()  # a loader ends its own when it goes
    for child in multiprocessing.active_children():
        if type(child).__module__.startswith("multiprocessing"):  # joblib's are its own to end
            child.terminate()
            child.join(LINGER_SECONDS)


def _left_running(before: set[threading.Thread]) -> Iterator[str]:
    """Threads that still run code of the user's; those of libraries wait for work, and do nothing by themselves."""
    for thread in set(threading.enumerate()) - before:
        if _runs_users_code(thread):
            thread.join(LINGER_SECONDS)
            if thread.is_alive():
                yield f"its thread {thread.name} still runs"


def _runs_users_code(thread: threading.Thread) -> bool:
    frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001 - Python has no other way to a thread's code
    while frame is not None:
        if is_users_file(frame.f_code.co_filename):
            return True
        frame = frame.f_back
    return False
