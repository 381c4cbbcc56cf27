"""`make bench-search`: measures searches, section by section, keeps the figures, and writes docs/searches.md.

python -m benchmarks.search --data DIR                      everything; takes hours
python -m benchmarks.search --seeds 1 --tasks 2             a short version without LCBench
python -m benchmarks.search --sections families-5,recorded-4
python -m benchmarks.search --page                          the page alone, of what was kept
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.search import page
from benchmarks.search.measure import document, heading, known_methods, measure, tables
from benchmarks.search.methods import METHODS
from benchmarks.search.sections import SECTIONS, Options
from goodfit.service.errors import InputError, did_you_mean

ROOT = Path(__file__).parents[2]
SLOW = ("gp", "cqr", "cqr+promotion1")
VARIANTS = ("auto+none", "random+auto", "tpe+auto")  # of auto: for a look at its parts
COMPARED = [name for name in METHODS if name not in (*SLOW, *VARIANTS)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, metavar="DIR", help="LCBench's surrogate; without it LCBench is left out")
    parser.add_argument("--sections", metavar="A,B", default=",".join(SECTIONS), help="default: all (%(default)s)")
    parser.add_argument("--methods", metavar="M,N", default=",".join(COMPARED), help="default: %(default)s")
    parser.add_argument("--seeds", type=int, default=3, help="how many (default: %(default)s)")
    parser.add_argument("--tasks", type=int, help="the first so many of each section; default: all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="studies run at once, in processes")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "goodfit-lcbench", metavar="DIR")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks/results/search", metavar="DIR")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/searches.md", metavar="FILE", help="the page")
    parser.add_argument("--page", action="store_true", help="measure nothing; write the page of what was kept")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    try:
        sections, methods = _known_sections(given.sections), known_methods(given.methods)
        options = Options(given.data, given.cache, methods, given.seeds, given.tasks, given.jobs)
        if not given.page:
            _measure(sections, options, given.results)
        page.write(given.results, given.out)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _known_sections(text: str) -> list[str]:
    sections = [name.strip() for name in text.split(",")]
    for name in sections:
        if name not in SECTIONS:
            raise InputError(f"--sections: no section {name!r}: {did_you_mean(name, SECTIONS)}")
    return sections


def _measure(sections: Sequence[str], options: Options, results: Path) -> None:
    results.mkdir(parents=True, exist_ok=True)
    for name in sections:
        settings = SECTIONS[name].settings(options)
        if settings is None or not settings.tasks:
            print(f"{name}: left out, its data are not there", flush=True)
            continue
        found = measure(settings, lambda line: print(line, file=sys.stderr, flush=True))
        kept = {"date": dt.datetime.now(dt.UTC).date().isoformat(), **document(settings, found)}
        (results / f"{name}.json").write_text(json.dumps(_rounded(kept), indent=1) + "\n")
        print("\n".join([*heading(settings), "", *tables(found, settings), ""]), flush=True)


def _rounded(value: object) -> object:
    """Figures to four places: the file is read by people, too."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list) else value


if __name__ == "__main__":
    sys.exit(main())
