"""What training costs: time an epoch, waiting for data, CPU, memory, GPUs and energy, sampled now and then.

A sample is taken with the first epoch, with the first that is trained together with other trials, then with the first
that ends SAMPLE_SECONDS after the one before, and with the last: so it costs a quick trial next to nothing. The names
are those of MLflow's system metrics where it has one. What this machine does not tell is left out: Linux has /proc,
GPUs need torch with CUDA and the package nvidia-ml-py, and the energy of processors (RAPL) is often for root alone.
CPU, memory, GPUs and energy are the whole machine's, other trials included, but for those that begin with `process_`;
the seconds are the trial's own, also where it shares its worker with others.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from goodfit.trainers.messages import PACK_SAVED, PACK_SIZE

SAMPLE_SECONDS = 1.0
# Of an epoch, the mean since the sample before.
SECONDS, WAITING, ROWS = "epoch_seconds", "waiting_seconds", "rows_per_second"
_MEGA = 1e6
HEAD = 1024  # bytes
FACTOR = 2.0  # by which what one epoch took may lie beside the mean


def usual_seconds(epochs: Sequence[float]) -> float:
    """What another epoch takes: as the last one, for the first ones pay for what is made once.

    No further than a factor of 2 from the mean: what a single epoch takes may say nothing.

    Args:
        epochs: the seconds that each took, at least one.
    """
    mean = statistics.fmean(epochs)
    return min(max(epochs[-1], mean / FACTOR), mean * FACTOR)


class Probe(Protocol):
    """What is read of a machine; `used` may be called as often as is wanted."""

    def used(self) -> dict[str, float]: ...


class Meter:
    """The costs of one attempt at a trial.

    Args:
        probe: reads the machine; None: this one.
        clock: seconds, from anywhere.
    """

    def __init__(self, probe: Probe | None = None, clock: Callable[[], float] = time.perf_counter) -> None:
        self._probe, self._clock = probe, clock
        self._began: float | None = None
        self._sampled: float | None = None
        self._seconds = self._waiting = 0.0
        self._epochs = self._rows = self._members = 0
        self._saved = 0.0
        self._shared = False  # whether an epoch was trained together with others

    def begin(self) -> None:
        """An epoch begins."""
        self._began = self._clock()
        if self._probe is None:
            self._probe = Machine()

    def waited(self, seconds: float, rows: int) -> None:
        """The epoch has waited so long for its data, which were so many rows to train on; 0: not known."""
        self._waiting += seconds
        self._rows += rows

    def packed(self, members: int, saved: float) -> None:
        """The epoch was trained together with those of other trials, which saved so many seconds."""
        self._members += members
        self._saved += saved

    def end(self, *, last: bool) -> dict[str, float] | None:
        """An epoch ends; a sample where one is due."""
        if self._began is None or self._probe is None:
            return None
        now = self._clock()
        self._seconds += max(0.0, now - self._began)
        self._epochs += 1
        joined = self._members > self._epochs and not self._shared
        self._shared |= joined
        if not (last or joined) and self._sampled is not None and now - self._sampled < SAMPLE_SECONDS:
            return None
        found = {SECONDS: self._seconds / self._epochs, WAITING: self._waiting / self._epochs}
        if self._rows and self._seconds > 0:
            found[ROWS] = self._rows / self._seconds
        if self._members > self._epochs:  # not alone throughout
            found |= {PACK_SIZE: self._members / self._epochs, PACK_SAVED: self._saved}
        self._sampled, self._seconds, self._waiting, self._saved = now, 0.0, 0.0, 0.0
        self._epochs = self._rows = self._members = 0
        return {**found, **self._probe.used()}


class Machine:
    """This machine and this process, from now on."""

    def __init__(
        self,
        root: Path = Path("/"),
        modules: Mapping[str, Any] = sys.modules,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._clock = clock
        self._stat, self._memory_of_all, self._memory_of_this = (
            os.path.join(root, "proc", name)  # noqa: PTH118 - a Path takes longer than the file
            for name in ("stat", "meminfo", "self/statm")
        )
        self._rapl = _packages(root / "sys/class/powercap")
        self._gpus = Gpus(modules)
        self._before = self._counters()
        self._energy = dict.fromkeys(self._rapl, 0.0)
        self._joules = self._package_joules()

    def used(self) -> dict[str, float]:
        """What was used since the call before, and what is in use now."""
        found: dict[str, float] = {}
        before, self._before = self._before, self._counters()
        elapsed, spent, idle, total = (now - then for now, then in zip(self._before, before, strict=True))
        if elapsed > 0:
            found["process_cpu_utilization_percentage"] = 100 * spent / elapsed
        if total > 0:
            found["cpu_utilization_percentage"] = 100 * (1 - idle / total)
        return {**found, **self._memory(), **self._power(), **self._gpus.used()}

    def _counters(self) -> tuple[float, float, float, float]:
        """Seconds, CPU seconds of this process, and the machine's idle and whole CPU time; 0 where it does not say."""
        idle = total = 0.0
        with contextlib.suppress(OSError, ValueError, IndexError):
            times = [float(number) for number in _head(self._stat).partition("\n")[0].split()[1:9]]
            idle, total = times[3] + times[4], sum(times)
        return self._clock(), time.process_time(), idle, total

    def _memory(self) -> dict[str, float]:
        found: dict[str, float] = {}
        with contextlib.suppress(OSError, ValueError, IndexError):
            pages = int(_head(self._memory_of_this).split()[1])
            found["process_memory_usage_megabytes"] = pages * os.sysconf("SC_PAGE_SIZE") / _MEGA
        with contextlib.suppress(OSError, ValueError, KeyError, IndexError):
            lines = _head(self._memory_of_all).splitlines()
            kilobytes = {line.partition(":")[0]: float(line.split()[1]) for line in lines[:8]}
            whole = kilobytes["MemTotal"] * 1024
            used = whole - kilobytes["MemAvailable"] * 1024
            found["system_memory_usage_megabytes"] = used / _MEGA
            found["system_memory_usage_percentage"] = 100 * used / whole
        return found

    def _package_joules(self) -> dict[Path, float]:
        """The counters of the processors' packages that may be read."""
        found = {}
        for place in self._rapl:
            with contextlib.suppress(OSError, ValueError):
                found[place] = int((place / "energy_uj").read_text(encoding="ascii")) / _MEGA
        return found

    def _power(self) -> dict[str, float]:
        """The energy of the processors since the beginning; nothing where none of them tells it."""
        now = self._package_joules()
        for place, joules in now.items():
            spent = joules - self._joules.get(place, joules)
            if spent < 0:  # the counter began anew
                with contextlib.suppress(OSError, ValueError):
                    spent += int((place / "max_energy_range_uj").read_text(encoding="ascii")) / _MEGA
            self._energy[place] += max(0.0, spent)
        self._joules = now
        return {"cpu_energy_joules": sum(self._energy.values())} if now else {}


def _head(file: str) -> str:
    """What a file begins with, by one read: all that is of use in those of /proc is there."""
    handle = os.open(file, os.O_RDONLY)
    try:
        return os.read(handle, HEAD).decode("ascii")
    finally:
        os.close(handle)


def _packages(folder: Path) -> list[Path]:
    """Where the processors' packages tell their energy; not their parts, whose names have a second colon."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - as above
    except OSError:
        return []
    return [folder / name for name in names if name.startswith("intel-rapl:") and name.count(":") == 1]


class Gpus:
    """The GPUs that this process may use, in torch's order; nothing of a machine without NVML or without a GPU."""

    def __init__(self, modules: Mapping[str, Any] = sys.modules) -> None:
        self._modules = modules
        self._handles: dict[int, Any] | None = None  # None: not looked for yet
        self._nvml: Any = None
        self._energy: dict[int, float] = {}

    def used(self) -> dict[str, float]:
        """Of each GPU its use, memory and power now, and its energy since the first call."""
        torch = self._modules.get("torch")
        if torch is None or not torch.cuda.is_initialized():
            return {}
        found: dict[str, float] = {}
        for index in range(torch.cuda.device_count()):
            with contextlib.suppress(RuntimeError):
                free, whole = torch.cuda.mem_get_info(index)
                found[f"gpu_{index}_memory_usage_megabytes"] = (whole - free) / _MEGA
                found[f"gpu_{index}_memory_usage_percentage"] = 100 * (whole - free) / whole
        for index, handle in self._found(torch).items():
            found |= self._of(index, handle)
        return found

    def _found(self, torch: Any) -> Mapping[int, Any]:
        """NVML's handles by torch's numbers: NVML counts GPUs that this process may not see."""
        if self._handles is None:
            self._handles = {}
            with contextlib.suppress(ImportError):
                import pynvml

                self._nvml = pynvml
                with contextlib.suppress(pynvml.NVMLError, AttributeError):
                    pynvml.nvmlInit()
                    for index in range(torch.cuda.device_count()):
                        uuid = f"GPU-{torch.cuda.get_device_properties(index).uuid}"
                        self._handles[index] = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        return self._handles

    def _of(self, index: int, handle: Any) -> dict[str, float]:
        nvml, name = self._nvml, f"gpu_{index}"
        reads: dict[str, Callable[[], float]] = {
            f"{name}_utilization_percentage": lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu,
            f"{name}_power_usage_watts": lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1000,
            f"{name}_energy_joules": lambda: self._spent(
                index, nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000
            ),
        }
        found = {}
        for key, read in reads.items():
            with contextlib.suppress(nvml.NVMLError):
                found[key] = float(read())
        return found

    def _spent(self, index: int, joules: float) -> float:
        return joules - self._energy.setdefault(index, joules)
