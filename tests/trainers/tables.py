"""Tables as users have them: numbers and text, with gaps, and a rare class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from goodfit.trainers.messages import DataSpec


def customers(rows: int = 400, seed: int = 0, **columns: Any) -> pd.DataFrame:
    """Who leaves depends on the city, the plan and the age; a fifth of the ages and some cities are missing."""
    random = np.random.default_rng(seed)
    city = random.choice(["Rome", "Oslo", "Lima"], rows)
    plan = random.choice(["free", "paid"], rows)
    age = random.integers(18, 80, rows).astype(float)
    score = 2.0 * (city == "Rome") + 2.0 * (plan == "free") + (age < 35) + random.normal(0, 0.3, rows)
    age[random.random(rows) < 0.2] = np.nan
    frame = pd.DataFrame({"age": age, "city": city, "plan": plan, "spend": random.exponential(20, rows)})
    frame.loc[random.random(rows) < 0.1, "city"] = None
    frame["left"] = np.where(score > np.quantile(score, 0.85), "yes", "no")
    return frame.assign(**columns)


def spec_of(folder: Path, frame: pd.DataFrame, target: str = "left", **spec: Any) -> DataSpec:
    """The spec of a frame kept as a CSV; gaps are filled unless it says otherwise."""
    path = folder / "customers.csv"
    frame.to_csv(path, index=False)
    return DataSpec(str(path), target, **{"missing": "median", **spec})
