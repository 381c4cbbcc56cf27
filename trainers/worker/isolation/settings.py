"""What a process has one of, and a trainer may set: read before a trial, and put back after it.

Threads have settings of their own (torch's gradient mode, numpy's errors, decimal's context, active runs of
libraries): each trial has a thread of its own, so these are not here.
"""

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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goodfit.trainers import importing
from goodfit.trainers.seeding import is_loading
from goodfit.trainers.worker.isolation.modules import is_users_file

_ABSENT = object()
Read = Callable[[], Any]
Write = Callable[[Any], object]


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that a process has one of.

    Attributes:
        name: for messages.
        read: its value, copied where it can change in place.
        write: puts a value back.
    """

    name: str
    read: Read
    write: Write


class Snapshot:
    """The settings as they are now.

    Args:
        own_process: with those that other threads of a shared process may set meanwhile.
    """

    def __init__(self, *, own_process: bool = True) -> None:
        settings = [*PYTHON, *(OWN_PROCESS if own_process else ())]
        self._values = [(setting, setting.read()) for setting in settings]
        self._libraries: set[str] = set()
        self.note_new()

    def note_new(self) -> None:
        """Add the settings of libraries that have been imported since."""
        for library, settings in LIBRARIES.items():
            if library in sys.modules and library not in self._libraries and not is_loading(library):
                self._libraries.add(library)
                self._values += [(setting, setting.read()) for setting in settings()]

    def restore(self) -> list[str]:
        """Put back what has changed since; what cannot be."""
        stuck = []
        for setting, value in self._values:
            try:
                if setting.read() != value:
                    setting.write(value)
            except (OSError, ValueError, RuntimeError) as error:
                stuck.append(f"{setting.name} cannot be put back: {error}")
        return stuck


def _attribute(owner: Any, name: str) -> Setting:
    """An attribute; it may be absent."""

    def write(value: Any) -> None:
        if value is _ABSENT:
            delattr(owner, name)
        else:
            setattr(owner, name, value)

    return Setting(f"{getattr(owner, '__name__', owner)}.{name}", lambda: getattr(owner, name, _ABSENT), write)


def _list(name: str, items: list[Any]) -> Setting:
    def write(value: list[Any]) -> None:
        items[:] = value

    return Setting(name, lambda: list(items), write)


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


def _dict(name: str, items: Any) -> Setting:
    """A dictionary whose values are not changed in place."""

    def write(value: Mapping[Any, Any]) -> None:
        items.clear()
        items.update(value)

    return Setting(name, lambda: dict(items), write)


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
    *(_attribute(sys, name) for name in ("argv", "dont_write_bytecode", "tracebacklimit")),
    *(_attribute(sys, name) for name in ("excepthook", "displayhook", "unraisablehook", "breakpointhook")),
    _list("the arguments", sys.argv),
    Setting("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
    Setting("the switch interval", sys.getswitchinterval, sys.setswitchinterval),
    Setting("the digits of integers", sys.get_int_max_str_digits, sys.set_int_max_str_digits),
    Setting("garbage collection", gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
    Setting("the thresholds of gc", gc.get_threshold, lambda value: gc.set_threshold(*value)),
    _list("gc.callbacks", gc.callbacks),
    Setting("the locale", lambda: locale.setlocale(locale.LC_ALL), lambda v: locale.setlocale(locale.LC_ALL, v)),
    Setting("the longest field of csv", csv.field_size_limit, csv.field_size_limit),
    Setting("the timeout of sockets", socket.getdefaulttimeout, socket.setdefaulttimeout),
    _attribute(tempfile, "tempdir"),
    _attribute(threading, "excepthook"),
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
    *(_attribute(sys, name) for name in ("stdin", "stdout", "stderr", "path", "meta_path", "path_hooks")),
    _list("sys.path", sys.path),
    *(_finders(f"sys.{name}", getattr(sys, name)) for name in ("meta_path", "path_hooks")),
    _list("the folders of trainers", importing._folders),  # noqa: SLF001 - it goes with sys.path
    _timers(),
    Setting("the debugging of gc", gc.get_debug, gc.set_debug),
    Setting("frozen objects", lambda: gc.get_freeze_count() > 0, lambda frozen: None if frozen else gc.unfreeze()),
    Setting("tracemalloc", tracemalloc.is_tracing, lambda on: tracemalloc.start() if on else tracemalloc.stop()),
    _filters(),
    _attribute(warnings, "showwarning"),
    _attribute(warnings, "formatwarning"),
    _loggers(),
    Setting("logging.disable", lambda: logging.root.manager.disable, logging.disable),
    _attribute(logging, "raiseExceptions"),
]


def _torch() -> Iterator[Setting]:
    import torch
    from torch._tensor_str import PRINT_OPTS
    from torch.nn.modules import module as modules
    from torch.optim import optimizer as optimizers

    yield Setting("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype)
    anomaly = torch.autograd.set_detect_anomaly
    yield Setting(
        "torch's anomaly detection",
        lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        lambda value: anomaly(*value),
    )
    yield Setting(
        "torch's deterministic algorithms",
        lambda: (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()),
        lambda value: torch.use_deterministic_algorithms(value[0], warn_only=value[1]),
    )
    yield Setting(
        "torch's precision of matrix products", torch.get_float32_matmul_precision, torch.set_float32_matmul_precision
    )
    sharing = torch.multiprocessing
    yield Setting("torch's sharing of tensors", sharing.get_sharing_strategy, sharing.set_sharing_strategy)
    yield Setting("torch's process group", _has_process_group, lambda _: _end_process_group())
    yield Setting("torch's warnings", torch.is_warn_always_enabled, torch.set_warn_always)
    for owner, names in (
        (torch.backends.cudnn, ("enabled", "benchmark", "deterministic", "allow_tf32", "benchmark_limit")),
        (torch.backends.cuda.matmul, ("allow_tf32", "allow_fp16_reduced_precision_reduction")),
        (torch.backends.mkldnn, ("enabled",)),
        (torch.backends.opt_einsum, ("enabled", "strategy")),
        (torch.backends.quantized, ("engine",)),
        (torch.distributions.Distribution, ("_validate_args",)),
        (torch.hub, ("_hub_dir",)),
        (torch.utils.deterministic, ("fill_uninitialized_memory",)),
    ):
        yield from (_attribute(owner, name) for name in names)
    yield _dict("torch's print options", vars(PRINT_OPTS))
    yield from _torch_switches()
    for owner in (modules, optimizers):
        for name, hooks in vars(owner).items():
            if name.startswith("_global_") and isinstance(hooks, dict):
                yield _dict(f"torch's {name}", hooks)


def _torch_switches() -> Iterator[Setting]:
    """Which kernels torch takes, and how it loads and converts."""
    import torch

    cuda, backends = torch.backends.cuda, torch.backends
    for kind in ("flash", "mem_efficient", "math", "cudnn"):
        yield Setting(
            f"torch's {kind} attention", getattr(cuda, f"{kind}_sdp_enabled"), getattr(cuda, f"enable_{kind}_sdp")
        )
    yield _attribute(cuda.matmul, "allow_bf16_reduced_precision_reduction")
    yield Setting("torch's linear algebra", cuda.preferred_linalg_library, cuda.preferred_linalg_library)
    yield Setting("NNPACK", torch._C._get_nnpack_enabled, backends.nnpack.set_flags)  # noqa: SLF001 - no other way
    yield Setting("torch's fast path", backends.mha.get_fastpath_enabled, backends.mha.set_fastpath_enabled)
    yield Setting("torch's threads between operations", torch.get_num_interop_threads, torch.set_num_interop_threads)
    future = torch.__future__
    for name in ("overwrite_module_params_on_conversion", "swap_module_params_on_conversion"):
        yield Setting(f"torch's {name}", getattr(future, f"get_{name}"), getattr(future, f"set_{name}"))


def _has_process_group() -> bool:
    from torch import distributed

    return distributed.is_available() and distributed.is_initialized()


def _end_process_group() -> None:
    from torch import distributed

    if _has_process_group():
        distributed.destroy_process_group()


def _numpy() -> Iterator[Setting]:
    import numpy as np

    yield Setting("numpy's print options", np.get_printoptions, lambda value: np.set_printoptions(**value))


def _pandas() -> Iterator[Setting]:
    from pandas._config import config

    values: dict[str, Any] = vars(config)["_global_config"]  # pandas has no public way to all of its options
    yield Setting("pandas' options", lambda: _copied(values), lambda value: values.update(_copied(value)))


def _copied(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _copied(value) if isinstance(value, dict) else value for name, value in values.items()}


def _matplotlib() -> Iterator[Setting]:
    import matplotlib as mpl

    params = mpl.rcParams
    yield Setting("matplotlib's rcParams", lambda: dict.copy(params), lambda value: dict.update(params, value))


def _pyplot() -> Iterator[Setting]:
    from matplotlib import pyplot as plt

    def write(numbers: list[int]) -> None:
        for number in set(plt.get_fignums()) - set(numbers):
            plt.close(number)

    yield Setting("pyplot's figures", plt.get_fignums, write)


def _images() -> Iterator[Setting]:
    from PIL import Image, ImageFile

    yield _attribute(Image, "MAX_IMAGE_PIXELS")
    yield _attribute(ImageFile, "LOAD_TRUNCATED_IMAGES")


def _decimal() -> Iterator[Setting]:
    import decimal

    names = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")
    yield from (_attribute(decimal.DefaultContext, name) for name in names)  # of threads to come


def _asyncio() -> Iterator[Setting]:
    from asyncio import events

    yield _attribute(events, "_event_loop_policy")  # get_event_loop_policy would make one


def _transformers() -> Iterator[Setting]:
    module = sys.modules["transformers.utils.logging"]
    yield from (_attribute(module, name) for name in ("_tqdm_active", "_default_handler"))


def _autologging() -> Iterator[Setting]:
    """Which libraries MLflow logs by itself: without a configuration, what it has put around their functions rests."""
    found: dict[str, Any] = vars(sys.modules["mlflow.utils.autologging_utils"])["AUTOLOGGING_INTEGRATIONS"]

    def write(value: Mapping[str, Any]) -> None:
        for name in found:  # MLflow enters each library's once
            found[name] = dict(value.get(name, {}))

    yield Setting("MLflow's autologging", lambda: _copied(found), write)


def _import_hooks() -> Iterator[Setting]:
    """What MLflow does to a library as soon as that is imported."""
    found: dict[str, Any] = vars(sys.modules["mlflow.utils.import_hooks"])["_post_import_hooks"]

    def waiting() -> dict[str, list[Any]]:
        return {name: list(hooks) for name, hooks in found.items() if hooks}  # none is left of an imported library

    def write(value: Mapping[str, list[Any]]) -> None:
        for name in waiting():
            found[name][:] = value.get(name, [])

    yield Setting("MLflow's import hooks", waiting, write)


LIBRARIES: Mapping[str, Callable[[], Iterator[Setting]]] = {
    "torch.optim.optimizer": _torch,
    "numpy": _numpy,
    "pandas": _pandas,
    "matplotlib": _matplotlib,
    "matplotlib.pyplot": _pyplot,
    "PIL.ImageFile": _images,
    "decimal": _decimal,
    "asyncio.events": _asyncio,
    "transformers.utils.logging": _transformers,
    "mlflow.utils.autologging_utils": _autologging,
    "mlflow.utils.import_hooks": _import_hooks,
}
# Those that a trainer may import while it trains; torch's are read when all of torch has been imported.
LATE = LIBRARIES.keys() - {"torch.optim.optimizer"}
