"""Write sets of points to try the kind of data on: `python make_point_sets.py FOLDER`; 60 rings and 60 discs."""

from __future__ import annotations

import json
import math
import random
import sys
from pathlib import Path


def write(folder: Path, sets: int = 60, points: int = 32) -> None:
    chance = random.Random(0)
    for shape in ("ring", "disc"):
        (folder / shape).mkdir(parents=True, exist_ok=True)
        for place in range(sets):
            found = []
            for _ in range(points):
                radius = 1.0 if shape == "ring" else math.sqrt(chance.random())
                angle = chance.uniform(0, 2 * math.pi)
                found.append([radius * math.cos(angle), radius * math.sin(angle)])
            (folder / shape / f"{place}.json").write_text(json.dumps({"points": found}))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
