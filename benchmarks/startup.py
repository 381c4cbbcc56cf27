"""How soon the command line answers, and how soon the first epoch is reported.

Goodfit's modules are compiled before, as pip leaves them.
"""

from __future__ import annotations

import compileall
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figures, run

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "digits.yaml"


def seconds(*words: str, runs: int = 5) -> list[float]:
    """The wall times of a command, after a first run that is not counted."""
    taken = []
    for _ in range(runs + 1):
        begun = time.perf_counter()
        subprocess.run([str(Path(sys.executable).with_name("goodfit")), *words], check=True, capture_output=True)
        taken.append(time.perf_counter() - begun)
    return taken[1:]


def first_epoch(home: Path) -> float:
    """From `goodfit run` to the first report in the store, with nothing warm."""
    from goodfit.service.app import open_home
    from goodfit.service.settings import Settings

    begun = time.time()
    command = [str(Path(sys.executable).with_name("goodfit")), "--home", str(home), "run", str(EXAMPLE)]
    process = subprocess.Popen(
        [*command, "--set", "budget.trials=2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    process.wait()
    store = open_home(Settings.from_environment(home))
    reports = store.reports(store.studies()[0].id)
    return min(report.at for report in reports) - begun


def main(figures: Figures) -> None:
    for package in ("search_spaces", "service", "trainers"):
        compileall.compile_dir(ROOT / package, quiet=1)
    with tempfile.TemporaryDirectory(prefix="goodfit-bench-") as folder:
        first = first_epoch(Path(folder))
        for name, words in (("goodfit --help", ("--help",)), ("goodfit ls", ("--home", folder, "ls"))):
            times = seconds(*words)
            figures.add(name, times, "s")
            print(f"  {name:<28} {statistics.median(times):6.2f} s   (at most 0.4)")
        figures.add("run to the first epoch, cold", first, "s")
        print(f"  run to the first epoch, cold {first:6.2f} s   (at most 15)")


if __name__ == "__main__":
    run("start-up", main)
