"""`make bench-diff`: what changed between two files of figures; without names, between the two newest versions."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.figures import differences, kept_files, read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="the older and the newer file")
    files = parser.parse_args().files or kept_files()[-2:]
    if len(files) != 2:
        parser.error(f"two files are compared, not {len(files)}; name an older and a newer one")
    old, new = (read(path) for path in files)
    if old["machine"] != new["machine"]:
        print("measured on different machines: compare only what is a ratio")
    print(f"{old['version']} ({old['date']}) -> {new['version']} ({new['date']})")
    print("\n".join(differences(old, new)) or "no figure is in both files")


if __name__ == "__main__":
    main()
