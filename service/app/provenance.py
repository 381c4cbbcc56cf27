"""Where a run of a study comes from: the code and its repository, packages, the machine, seeds, data.

It is kept with the study, one record a run that differs from the one before, so that a result can be traced and
trained again (rerunning.py) when none of that is here any more. The content of the study's own code is kept by the
digests of its files.
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import distributions, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodfit.service.app.git import git_facts
from goodfit.service.records import Batch, StudyRun

if TYPE_CHECKING:
    from goodfit.service.ports import Store
    from goodfit.service.records import Lease, Study
    from goodfit.service.spec import StudySpec
    from goodfit.trainers.code import Code

FORMAT = 1
CODE_BYTES = 4 * 1024 * 1024  # of a study's own code; of more only digests are kept
_GPUS = Path("/proc/driver/nvidia/gpus")
_MEBI = 2**20


def note_run(store: Store, lease: Lease, study: Study, spec: StudySpec, code: Code | None, now: float) -> StudyRun:
    """Keep where this run of a study comes from, unless that is what the run before came from.

    Args:
        store: where the study is.
        lease: the right to write it.
        study: with the inputs of this run.
        spec: as it is on this machine.
        code: the study's own code.
        now: seconds since the epoch.
    """
    earlier = store.runs(study.id)
    found = facts_of(spec, study, code)
    if earlier and earlier[-1].facts == found:
        return earlier[-1]
    run = StudyRun(len(earlier) + 1, now, found)
    store.apply(lease, Batch(runs=[run], sources=_sources(code)))
    return run


def facts_of(spec: StudySpec, study: Study, code: Code | None) -> dict[str, Any]:
    """Where a run that starts now comes from, in plain JSON values."""
    folder = _folder(spec, code)
    return {
        "format": FORMAT,
        "source": _source(spec, code),
        "git": None if folder is None else git_facts(folder),
        "code": None if code is None else {"root": code.root, "files": code.digests},
        "data": (study.inputs or {}).get("data"),
        "goodfit": version("goodfit"),
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "packages": packages(),
        "machine": machine(),
        "seeds": {"search": spec.search.seed, "training": spec.training.seed},
    }


def _source(spec: StudySpec, code: Code | None) -> str:
    """What is trained: the path of its file below that of the code, or the trainer's name."""
    if code is not None and spec.trainer.startswith(f"{code.root}/"):
        return spec.trainer.removeprefix(f"{code.root}/")
    return spec.trainer


def _folder(spec: StudySpec, code: Code | None) -> Path | None:
    """Where the repository is looked for: beside the study's own code, or beside the study file."""
    if code is not None and code.root:
        return Path(code.root)
    file = Path(spec.origin.file)
    return file.parent if file.is_file() else None


def _sources(code: Code | None) -> dict[str, str]:
    """The content of the study's own code by the digests of its files; none where it is too much."""
    if code is None or sum(map(len, code.files.values())) > CODE_BYTES:
        return {}
    digests = code.digests
    return {digests[name]: content.decode("utf-8", "surrogateescape") for name, content in code.files.items()}


def packages() -> dict[str, str]:
    """The installed packages with their versions, in alphabetical order."""
    found = {}
    for one in distributions():
        with contextlib.suppress(Exception):  # one that is half removed has no metadata
            found[one.name] = one.version
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def machine() -> dict[str, Any]:
    """This machine: its name, system, processor, memory and GPUs."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "host": platform.node(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cpus": cpus,
        "memory_mib": _memory(),
        "gpus": gpus(),
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> int | None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _MEBI
    return None


def gpus(driver: Path = _GPUS, modules: Mapping[str, Any] = sys.modules) -> list[str]:
    """The names of this machine's GPUs: from torch where that is loaded, else from NVIDIA's driver."""
    torch = modules.get("torch")
    if torch is not None:
        with contextlib.suppress(RuntimeError, AttributeError):
            return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    found = []
    with contextlib.suppress(OSError):
        for place in sorted(driver.iterdir()):
            lines = (place / "information").read_text(encoding="utf-8", errors="replace").splitlines()
            found += [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
    return found
