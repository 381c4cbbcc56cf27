"""What a training costs: when it is sampled, and what a machine tells."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from goodfit.trainers.trial.meter import Gpus, Machine, Meter, usual_seconds


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Probe:
    def used(self) -> dict[str, float]:
        return {"cpu_utilization_percentage": 50.0}


def train(meter: Meter, clock: Clock, seconds: float, *, waiting: float = 0.0, last: bool = False) -> Any:
    meter.begin()
    clock.now += seconds
    meter.waited(waiting, 100)
    found = meter.end(last=last)
    clock.now += 5.0  # of a pause between two epochs, which is no training
    return found


def test_the_first_and_the_last_epoch_are_sampled_and_others_once_a_second() -> None:
    clock = Clock()
    meter = Meter(Probe(), clock)
    first = train(meter, clock, 2.0, waiting=1.5)
    assert first == {
        "epoch_seconds": 2.0,
        "waiting_seconds": 1.5,
        "rows_per_second": 50.0,
        "cpu_utilization_percentage": 50.0,
    }
    clock.now -= 5.0
    assert train(meter, clock, 0.25) is None
    clock.now -= 5.0
    assert train(meter, clock, 0.25) is None
    clock.now -= 5.0
    found = train(meter, clock, 0.5)
    assert found["epoch_seconds"] == pytest.approx(1 / 3)
    clock.now -= 5.0
    assert train(meter, clock, 0.25) is None
    clock.now -= 5.0
    assert train(meter, clock, 0.25, last=True)["epoch_seconds"] == 0.25


def test_rows_that_nobody_has_counted_are_no_rows_a_second() -> None:
    clock = Clock()
    meter = Meter(Probe(), clock)
    meter.begin()
    clock.now += 1.0
    assert "rows_per_second" not in (meter.end(last=False) or {})


def write(root: Path, idle: int, busy: int, energy: int) -> None:
    package = root / "sys/class/powercap/intel-rapl:0"
    for folder in (root / "proc/self", package, package.with_name("intel-rapl:0:0")):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "energy_uj").write_text(str(energy))
    (package / "max_energy_range_uj").write_text("9000000")
    (root / "proc/stat").write_text(f"cpu {busy} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 2 3\n")
    (root / "proc/self/statm").write_text("2000 500 100 1 0 1 0\n")
    (root / "proc/meminfo").write_text("MemTotal: 4000 kB\nMemFree: 1 kB\nMemAvailable: 1000 kB\n")


def test_a_machine_tells_cpu_memory_and_energy(tmp_path: Path) -> None:
    clock = Clock()
    write(tmp_path, idle=100, busy=100, energy=8_000_000)
    machine = Machine(tmp_path, {}, clock)
    clock.now += 2.0
    write(tmp_path, idle=125, busy=175, energy=8_500_000)
    found = machine.used()
    assert found["cpu_utilization_percentage"] == 75.0
    assert found["process_cpu_utilization_percentage"] >= 0
    assert found["system_memory_usage_megabytes"] == 3.072
    assert found["system_memory_usage_percentage"] == 75.0
    assert found["process_memory_usage_megabytes"] > 1
    assert found["cpu_energy_joules"] == pytest.approx(0.5)
    write(tmp_path, idle=125, busy=175, energy=1_500_000)  # its counter began anew
    assert machine.used()["cpu_energy_joules"] == pytest.approx(0.5 + 2.0)


def test_a_machine_that_tells_nothing_is_said_nothing_of(tmp_path: Path) -> None:
    clock = Clock()
    machine = Machine(tmp_path, {}, clock)
    clock.now += 1.0
    assert set(machine.used()) == {"process_cpu_utilization_percentage"}


def torch_with(**cuda: Any) -> dict[str, Any]:
    found = {
        "is_initialized": lambda: True,
        "device_count": lambda: 1,
        "mem_get_info": lambda _: (30_000_000, 40_000_000),
    }
    return {"torch": SimpleNamespace(cuda=SimpleNamespace(**{**found, **cuda}))}


def test_without_nvml_a_gpu_tells_its_memory_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    memory = {"gpu_0_memory_usage_megabytes": 10.0, "gpu_0_memory_usage_percentage": 25.0}
    assert Gpus(torch_with()).used() == memory
    assert Gpus(torch_with(is_initialized=lambda: False)).used() == {}
    assert Gpus({}).used() == {}


class NvmlError(Exception):
    """What NVML says where a GPU does not tell something."""


def test_nvml_tells_the_use_and_the_energy_of_the_gpu_that_torch_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    joules = [7_000.0, 12_000.0]

    def refuse(_: str) -> int:
        raise NvmlError

    nvml = SimpleNamespace(
        NVMLError=NvmlError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetUtilizationRates=lambda handle: SimpleNamespace(gpu=93 if handle == "GPU-ab-12" else 0),
        nvmlDeviceGetPowerUsage=refuse,
        nvmlDeviceGetTotalEnergyConsumption=lambda _: joules.pop(0),
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    gpus = Gpus(torch_with(get_device_properties=lambda _: SimpleNamespace(uuid="ab-12")))
    assert gpus.used()["gpu_0_energy_joules"] == 0.0
    found = gpus.used()
    assert (found["gpu_0_utilization_percentage"], found["gpu_0_energy_joules"]) == (93.0, 5.0)
    assert "gpu_0_power_usage_watts" not in found


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [
        ([4.0], 4.0),
        ([4.0, 1.0], 1.25),  # half of the mean
        ([4.0, 2.0, 2.0], 2.0),  # the first one pays for what is made once
        ([3.0, 0.0], 0.75),  # a clock that stood still says nothing
        ([1.0, 1.0, 1.0, 9.0], 6.0),  # nor does a machine that was busy with something else
        ([0.0], 0.0),
    ],
)
def test_another_epoch_takes_as_long_as_the_last_about(epochs: list[float], expected: float) -> None:
    assert usual_seconds(epochs) == expected
