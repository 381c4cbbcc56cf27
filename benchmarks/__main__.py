"""`make bench`: every benchmark of the service, one after the other.

Its figures are kept in benchmarks/results/, and docs/benchmarks.md is written of them.
"""

from benchmarks import (
    api,
    asha,
    commands,
    confirmation,
    data_path,
    diagnosis,
    engine,
    growth,
    mirror,
    pack_auto,
    packs,
    page,
    rebuild,
    startup,
)
from benchmarks.figures import Figures, differences, keep, kept_files, own_file, read

RUN = {
    "start-up": startup,
    "rebuild": rebuild,
    "engine": engine,
    "service": api,
    "commands": commands,
    "growth": growth,
    "mirror": mirror,
    "diagnosis": diagnosis,
    "confirmation": confirmation,
    "packs": packs,
    "pack auto": pack_auto,
    "data path": data_path,
    "asha": asha,
}

before = read(kept_files()[-1]) if kept_files() else None
for name, benchmark in RUN.items():
    print(f"{name}", flush=True)
    figures = Figures()
    benchmark.main(figures)
    keep(own_file(), name, figures)
    page.write(read(own_file()), page.PAGE)
if before is not None:
    print(f"\nbeside the figures of {before['version']} ({before['date']}):")
    print("\n".join(differences(before, read(own_file()))))
