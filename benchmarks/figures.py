"""The figures of benchmarks, kept as JSON by version in benchmarks/results/ (its README.md has the keys).

A benchmark's `main` prints what it measures, and adds it to the `Figures` that it is given; `run` is its command line.
What a file says of the machine are its cores, memory, system and Python; never its name or a path.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

SCHEMA = 1
FOLDER = Path(__file__).with_name("results")
BENCHMARKS = (
    *(
        "start-up",
        "rebuild",
        "engine",
        "service",
        "commands",
        "growth",
        "mirror",
        "diagnosis",
        "confirmation",
        "packs",
        "pack auto",
        "data path",
        "asha",
    ),  # make bench
    *("constructed cases", "simulation", "examples", "language", "texts", "labels", "fairness", "explanations"),
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured number: the median of the runs, and their standard deviation (None of one run)."""

    value: float
    unit: str
    spread: float | None
    runs: int


class Figures:
    """The figures of one benchmark, by name."""

    def __init__(self) -> None:
        self.found: dict[str, Figure] = {}
        self.load = os.getloadavg()[0]  # of the machine, before anything is measured

    def add(self, name: str, measured: float | Sequence[float], unit: str) -> None:
        """Keep a figure.

        Args:
            name: of the figure, once in a benchmark.
            measured: a number, or that of each run.
            unit: "s", "ms", "MB", "1/s"; "" of a count or a score.
        """
        if name in self.found:
            raise ValueError(f"the figure {name!r} was added before; give each its own name")
        values = [float(value) for value in ([measured] if isinstance(measured, (int, float)) else measured)]
        spread = statistics.stdev(values) if len(values) > 1 else None
        self.found[name] = Figure(_rounded(statistics.median(values)), unit, _rounded(spread), len(values))


def _rounded(value: float | None) -> Any:
    return None if value is None else float(f"{value:.4g}")


def machine() -> dict[str, Any]:
    """What figures depend on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def keep(path: Path, benchmark: str, figures: Figures) -> None:
    """Write the figures of a benchmark into a file; those of other benchmarks stay in it.

    Raises:
        ValueError: the file is of another version or machine.
    """
    facts: dict[str, Any] = {"schema": SCHEMA, "version": version("goodfit"), "machine": machine()}
    before = read(path) if path.is_file() else {"benchmarks": {}, **facts}
    if differing := [key for key in facts if before[key] != facts[key]]:
        raise ValueError(f"{path} has figures of another {' and '.join(differing)}; write these to a file of their own")
    measured = {
        "load": round(figures.load, 1),
        "figures": {name: asdict(one) for name, one in figures.found.items()},
    }
    found = {**before["benchmarks"], benchmark: measured}
    known = [*BENCHMARKS, *(name for name in found if name not in BENCHMARKS)]
    kept = {
        **{key: facts[key] for key in ("schema", "version")},
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": facts["machine"],
        "benchmarks": {name: found[name] for name in known if name in found},
        "not_run": [name for name in known if name not in found],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept, indent=1) + "\n")


def read(path: Path) -> dict[str, Any]:
    """A file of figures."""
    found: dict[str, Any] = json.loads(path.read_text())
    if found["schema"] != SCHEMA:
        raise ValueError(f"{path} has schema {found['schema']}, and this code reads {SCHEMA}")
    return found


def own_file() -> Path:
    """The file of this version."""
    return FOLDER / f"{version('goodfit')}.json"


def kept_files() -> list[Path]:
    """The files of all versions, the oldest version first."""
    return sorted(FOLDER.glob("*.json"), key=lambda path: [int(part) for part in path.stem.split(".")])


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """A line for each figure that both files have: before, now, and the ratio."""
    lines = []
    for benchmark, measured in new["benchmarks"].items():
        before = old["benchmarks"].get(benchmark, {"figures": {}})["figures"]
        for name, figure in measured["figures"].items():
            if name in before and before[name]["unit"] == figure["unit"]:
                was, now = before[name]["value"], figure["value"]
                ratio = f"{now / was:6.2f}x" if was else "      -"
                lines.append(f"{benchmark:<18} {name:<48} {was:>10.4g} -> {now:>10.4g} {figure['unit']:<4} {ratio}")
    return lines


def run(
    benchmark: str, main: Callable[..., object], options: Callable[[argparse.ArgumentParser], None] | None = None
) -> None:
    """The command line of a benchmark.

    Args:
        benchmark: its name in the file.
        main: measures and prints; gets the figures, and its options by name.
        options: adds them to the parser.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks ({benchmark})")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures to this file, too")
    if options is not None:
        options(parser)
    given = vars(parser.parse_args())
    path, figures = given.pop("json"), Figures()
    main(figures, **given)
    if path is not None:
        keep(path, benchmark, figures)
