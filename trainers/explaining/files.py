"""An explanation as files for people: pictures, and tables of all its values."""

from __future__ import annotations

from pathlib import Path

from goodfit.trainers.explaining.explanation import Explanation
from goodfit.trainers.explaining.pictures import pictures
from goodfit.trainers.files import write_text


def write(explanation: Explanation, folder: Path, name: str) -> None:
    """Write the pictures and the values into a folder of this name below another."""
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    for file, content in pictures(explanation).items():
        write_text(place / file, content)
    if explanation.family != "image":
        explanation.values.to_csv(place / "values.csv", index=explanation.family != "text")
    if explanation.importance:
        explanation.importances.to_csv(place / "importance.csv", index=False)
    if explanation.dependence:
        explanation.dependences.to_csv(place / "dependence.csv", index=False)
    for row in explanation.rows:
        for method, found in row.maps.items():
            import numpy as np

            np.save(place / f"row-{row.row}-{method}.npy", found.astype(np.float32))
