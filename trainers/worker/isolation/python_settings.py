"""The settings of Python itself: working folder, environment, limits, hooks, loggers."""

from __future__ import annotations

import csv
import gc
import locale
import logging
import multiprocessing
import os
import resource
import signal
import socket
import sys
import tempfile
import threading
import time
import tracemalloc
import types
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from goodfit.trainers import importing
from goodfit.trainers.worker.isolation.modules import is_users_file
from goodfit.trainers.worker.isolation.setting import Setting, attribute, listed


def _finders(name: str, items: list[Any]) -> Setting:
    """What finds modules. One that a library has installed stays: it is imported once, and needs it from then on."""

    def write(value: list[Any]) -> None:
        items[:] = [*(item for item in items if item in value or not _is_users(item)), *_without(value, items)]

    return Setting(name, lambda: list(items), write)


def _is_users(item: Any) -> bool:
    """Whether code of the user's made it."""
    kind = item if isinstance(item, (type, types.FunctionType)) else type(item)
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return file is not None and is_users_file(file)


def _without(items: list[Any], others: list[Any]) -> list[Any]:
    return [item for item in items if item not in others]


def _folder() -> str | None:
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return None


def _environment() -> Setting:
    def write(value: Mapping[str, str]) -> None:
        for name in os.environ.keys() - value.keys():
            del os.environ[name]
        os.environ.update({name: text for name, text in value.items() if os.environ.get(name) != text})
        time.tzset()

    return Setting("the environment", lambda: dict(os.environ), write)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _limit(number: int, name: str) -> Setting:
    return Setting(f"the limit {name}", lambda: resource.getrlimit(number), lambda v: resource.setrlimit(number, v))


def _filters() -> Setting:
    def write(value: list[Any]) -> None:
        warnings.filters[:] = value  # type: ignore[index]
        warnings._filters_mutated()  # type: ignore[attr-defined]  # noqa: SLF001 - as `warnings` itself does

    return Setting("the filters of warnings", lambda: list(warnings.filters), write)


def _loggers() -> Setting:
    """The levels, handlers and filters of all loggers. One that a library has made since keeps its own."""

    def each() -> Iterator[logging.Logger]:
        yield logging.root
        yield from (one for one in list(logging.root.manager.loggerDict.values()) if isinstance(one, logging.Logger))

    def read() -> dict[str, tuple[Any, ...]]:
        return {
            one.name: (one.level, tuple(one.handlers), one.disabled, one.propagate, tuple(one.filters))
            for one in each()
        }

    def write(value: Mapping[str, tuple[Any, ...]]) -> None:
        for one in each():
            if one.name in value or not _of_library(one.name):
                level, handlers, one.disabled, one.propagate, filters = value.get(one.name, fresh)
                one.handlers[:], one.filters[:] = handlers, filters
                if one.level != level:
                    one.setLevel(level)

    fresh = (logging.NOTSET, (), False, True, ())
    return Setting("the loggers", read, write)


def _of_library(logger: str) -> bool:
    module = sys.modules.get(logger.partition(".")[0])
    return "site-packages" in (getattr(module, "__file__", None) or "")


def _scheduling() -> Iterator[Setting]:
    this = os.PRIO_PROCESS, 0
    yield Setting("the nice value", lambda: os.getpriority(*this), lambda value: os.setpriority(*this, value))
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        yield Setting("the CPUs", lambda: os.sched_getaffinity(0), lambda value: os.sched_setaffinity(0, value))


PYTHON: list[Setting] = [
    Setting("the working folder", _folder, lambda folder: None if folder is None else os.chdir(folder)),
    _environment(),
    Setting("the umask", _umask, os.umask),
    *(_limit(getattr(resource, name), name) for name in dir(resource) if name.startswith("RLIMIT_")),
    *_scheduling(),
    *(attribute(sys, name) for name in ("argv", "dont_write_bytecode", "tracebacklimit")),
    *(attribute(sys, name) for name in ("excepthook", "displayhook", "unraisablehook", "breakpointhook")),
    listed("the arguments", sys.argv),
    Setting("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
    Setting("the switch interval", sys.getswitchinterval, sys.setswitchinterval),
    Setting("the digits of integers", sys.get_int_max_str_digits, sys.set_int_max_str_digits),
    Setting("garbage collection", gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
    Setting("the thresholds of gc", gc.get_threshold, lambda value: gc.set_threshold(*value)),
    listed("gc.callbacks", gc.callbacks),
    Setting("the locale", lambda: locale.setlocale(locale.LC_ALL), lambda v: locale.setlocale(locale.LC_ALL, v)),
    Setting("the longest field of csv", csv.field_size_limit, csv.field_size_limit),
    Setting("the timeout of sockets", socket.getdefaulttimeout, socket.setdefaulttimeout),
    attribute(tempfile, "tempdir"),
    attribute(threading, "excepthook"),
    Setting("threading.settrace", threading.gettrace, threading.settrace),
    Setting("threading.setprofile", threading.getprofile, threading.setprofile),
    Setting("the stack of threads", threading.stack_size, threading.stack_size),
    Setting(
        "the start method of processes",
        lambda: multiprocessing.get_start_method(allow_none=True),
        lambda method: multiprocessing.set_start_method(method, force=True),
    ),
]


def _timers() -> Setting:
    """Those that send signals: one that a trainer left would end the worker in the midst of another trial."""
    timers = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)

    def running() -> list[int]:
        return [timer for timer in timers if signal.getitimer(timer)[0] > 0]

    def write(before: list[int]) -> None:
        for timer in running():
            if timer not in before:
                signal.setitimer(timer, 0)

    return Setting("the timers", running, write)


OWN_PROCESS: list[Setting] = [  # what threads of others may set at any time, where a process is shared
    *(attribute(sys, name) for name in ("stdin", "stdout", "stderr", "path", "meta_path", "path_hooks")),
    listed("sys.path", sys.path),
    *(_finders(f"sys.{name}", getattr(sys, name)) for name in ("meta_path", "path_hooks")),
    listed("the folders of trainers", importing._folders),  # noqa: SLF001 - it goes with sys.path
    _timers(),
    Setting("the debugging of gc", gc.get_debug, gc.set_debug),
    Setting("frozen objects", lambda: gc.get_freeze_count() > 0, lambda frozen: None if frozen else gc.unfreeze()),
    Setting("tracemalloc", tracemalloc.is_tracing, lambda on: tracemalloc.start() if on else tracemalloc.stop()),
    _filters(),
    attribute(warnings, "showwarning"),
    attribute(warnings, "formatwarning"),
    _loggers(),
    Setting("logging.disable", lambda: logging.root.manager.disable, logging.disable),
    attribute(logging, "raiseExceptions"),
]
