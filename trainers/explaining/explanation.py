"""What an explanation is: attributions of rows, what holds over all of them, and the checks that were made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1  # of explanation.json
MOST_SHOWN = 20  # parts of a table, or tokens, in a report
MOST_POINTS = 100  # rows in a report's picture
ROWS_IN_REPORT = 6  # one by one
MAP_SIDE = 28  # numbers a side that a map is kept with in JSON


@dataclass(frozen=True)
class Check:
    """How an attribution was checked.

    Attributes:
        name: additivity, convergence delta, deletion, sampling error, local fidelity.
        method: of which.
        value: what was measured.
        limit: what it is held against.
        passed: whether it holds.
        text: the same as a sentence.
    """

    name: str
    method: str
    value: float
    limit: float
    passed: bool
    text: str


@dataclass(frozen=True)
class RowExplained:
    """One row.

    Attributes:
        row: its number, or its label in the user's frame.
        output: the output that is explained.
        prediction: of that output.
        base: the same with all parts absent.
        values: one a part, in the unit of the output; with the base they add up to the prediction, if the method's do.
        error: their standard errors; None: they are exact.
        shown: the row's parts as people read them: values, or tokens.
        maps: method -> (height, width) of an image, (steps, channels) of a series.
        image: the pixels between 0 and 1, (channels, height, width); of an image alone.
    """

    row: Any
    output: str
    prediction: float
    base: float
    values: np.ndarray
    error: np.ndarray | None = None
    shown: tuple[str, ...] = ()
    maps: Mapping[str, np.ndarray] = field(default_factory=dict)
    image: np.ndarray | None = None

    def strongest(self, most: int) -> list[int]:
        """The places of the parts that count most, first the strongest."""
        order = np.argsort(-np.abs(self.values), kind="stable")[:most]
        return [int(place) for place in order]


@dataclass(frozen=True)
class Importance:
    """By how much a measure gets worse when a column is shuffled among the rows, with an interval of 95%."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Dependence:
    """The output over values of a column, on average over background rows; 80% of their centred curves are between."""

    part: str
    output: str
    values: tuple[Any, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Explanation:
    """Why a model predicts what it predicts.

    Attributes:
        family: table, image, series or text.
        method: that gave `values`; `methods`: all that were used.
        unit: of the values.
        outputs: what the model gives: classes, steps, or the target.
        output: the one that is explained, or "predicted": of each row its predicted class.
        parts: columns of a table, channels of a series, or the tokens that count most.
        rows: one by one.
        size: the mean size of the values by part and output, (parts, outputs); None where one output was looked at.
        importance: of the parts of a table, by shuffling; empty where the targets are not known.
        measure: what it is measured by.
        dependence: of the output on the columns that count most.
        checks: of the attributions.
        notes: what to know, in sentences.
        study, trial: whose model it is; empty and None of a model from elsewhere.
    """

    family: str
    method: str
    methods: tuple[str, ...]
    unit: str
    outputs: tuple[str, ...]
    output: str
    parts: tuple[str, ...]
    rows: tuple[RowExplained, ...]
    size: np.ndarray | None = None
    importance: tuple[Importance, ...] = ()
    measure: str = ""
    dependence: tuple[Dependence, ...] = ()
    checks: tuple[Check, ...] = ()
    notes: tuple[str, ...] = ()
    study: str = ""
    trial: int | None = None

    @property
    def mean_size(self) -> np.ndarray:
        """The mean size of each part's values over the rows; of tokens what they add to a text on average, signed."""
        if self.family == "text" and self.size is not None:
            return self.size[:, 0]
        if not self.rows or not self.parts:
            return np.zeros(len(self.parts))
        return np.asarray(np.mean([np.abs(row.values) for row in self.rows], axis=0))

    @property
    def values(self) -> pd.DataFrame:
        """One row a row, one column a part: what each part adds to the output, in its unit.

        Of texts, whose parts differ, one row a token: row, token, value. Of images see `rows`, which have their maps.
        """
        import pandas as pd

        if self.family == "text":
            found = [
                (row.row, token, value) for row in self.rows for token, value in zip(row.shown, row.values, strict=True)
            ]
            return pd.DataFrame(found, columns=["row", "token", "value"])
        if self.family == "image":
            return pd.DataFrame({"row": [row.row for row in self.rows], "output": [row.output for row in self.rows]})
        index = pd.Index([row.row for row in self.rows], name="row")
        return pd.DataFrame([row.values for row in self.rows], index=index, columns=list(self.parts))

    def said_of(self, row: RowExplained) -> str:
        """What the model gives for a row, and with all parts absent: "P(yes) = 0.28, base 0.58"."""
        output = f"P({row.output})" if self.unit == "probability" else row.output
        unit = "" if self.unit == "probability" else f" ({self.unit})"
        return f"{output} = {row.prediction:.4g}, base {row.base:.4g}{unit}"

    @property
    def base_values(self) -> pd.Series:
        """What the model gives with all parts absent, by row: with the values it adds up to the prediction."""
        import pandas as pd

        return pd.Series([row.base for row in self.rows], index=[row.row for row in self.rows], name="base")

    @property
    def predictions(self) -> pd.Series:
        """The output that is explained, by row."""
        import pandas as pd

        return pd.Series([row.prediction for row in self.rows], index=[row.row for row in self.rows], name="prediction")

    @property
    def importances(self) -> pd.DataFrame:
        """The parts by their mean size, the largest first; with the permutation importance where it was measured."""
        import pandas as pd

        found: dict[str, Any] = {"part": list(self.parts), "mean_size": self.mean_size}
        if self.importance:
            for name in ("mean", "low", "high"):
                found["permutation" if name == "mean" else name] = [getattr(one, name) for one in self.importance]
        return pd.DataFrame(found).sort_values("mean_size", ascending=False, kind="stable", ignore_index=True)

    @property
    def dependences(self) -> pd.DataFrame:
        """Partial dependence: part, output, value, mean, low, high."""
        import pandas as pd

        columns = ["part", "output", "value", "mean", "low", "high"]
        rows = [
            (one.part, one.output, *point)
            for one in self.dependence
            for point in zip(one.values, one.mean, one.low, one.high, strict=True)
        ]
        return pd.DataFrame(rows, columns=columns)

    def order(self) -> list[int]:
        """The places of the parts, first the one that counts most."""
        return [int(place) for place in np.argsort(-np.abs(self.mean_size), kind="stable")]

    def to_dict(self) -> dict[str, Any]:
        """As `goodfit explain --json` gives it and a report keeps it: plain JSON values, of bounded size."""
        order = self.order()[:MOST_SHOWN] if self.family != "text" else list(range(len(self.parts)))
        rows = list(self.rows[: MOST_POINTS if self.family == "table" else ROWS_IN_REPORT])
        return {
            "format": FORMAT,
            "study": self.study,
            "trial": self.trial,
            "family": self.family,
            "method": self.method,
            "methods": list(self.methods),
            "unit": self.unit,
            "outputs": list(self.outputs),
            "output": self.output,
            "count": len(self.rows),
            "parts": [self.parts[place] for place in order],
            "left_out": len(self.parts) - len(order),
            "mean_size": _numbers(self.mean_size[order]) if self.rows else [],
            "size": None
            if self.size is None or self.family == "text"
            else [_numbers(self.size[place]) for place in order],
            "importance": [_importance(self.importance[place]) for place in order] if self.importance else [],
            "measure": self.measure,
            "dependence": [_dependence(one) for one in self.dependence],
            "rows": [self._row(one, order) for one in rows],
            "checks": [_check(one) for one in self.checks],
            "notes": list(self.notes),
        }

    def _row(self, row: RowExplained, order: Sequence[int]) -> dict[str, Any]:
        label = row.row if isinstance(row.row, (int, str)) else str(row.row)
        facts: dict[str, Any] = {
            "row": label,
            "output": row.output,
            "prediction": _number(row.prediction),
            "base": _number(row.base),
        }
        if self.family == "table":
            facts |= {
                "values": _numbers(row.values[order]),
                "shown": [row.shown[place] for place in order] if row.shown else [],
                "rest": _number(float(row.values.sum() - row.values[order].sum())),
            }
            if row.error is not None:
                facts["error"] = _numbers(row.error[order])
        elif self.family == "text":
            facts |= {"values": _numbers(row.values), "shown": list(row.shown)}
        else:
            facts |= {"values": _numbers(row.values[order])} if self.family == "series" else {}
            facts |= {"maps": {name: _small(one) for name, one in row.maps.items()}, "pictures": _pictures(row)}
        return facts

    def __repr__(self) -> str:
        whose = f" of trial {self.trial} of {self.study}" if self.study else ""
        return f"<explanation{whose}: {len(self.rows)} rows by {', '.join(self.methods)}, in {self.unit}>"

    def _repr_html_(self) -> str:
        """As a notebook shows it: its pictures, and the checks."""
        from goodfit.trainers.explaining.pictures import as_html

        return as_html(self)


def _pictures(row: RowExplained) -> dict[str, str]:
    """The image and the maps of a row, as the addresses of themselves."""
    from goodfit.trainers.explaining.pictures import data_uri, image_png, map_png

    if row.image is None:
        return {
            f"{name}: steps to the right, channels down": data_uri(map_png(one.T, None))
            for name, one in row.maps.items()
        }
    maps = {name: data_uri(map_png(one, row.image)) for name, one in row.maps.items()}
    return {"image": data_uri(image_png(row.image)), **maps}


def _small(values: np.ndarray) -> list[list[float | None]]:
    """A map with few enough numbers for JSON: means of blocks."""
    step = [max(1, math.ceil(side / MAP_SIDE)) for side in values.shape]
    blocks = [
        [values[y : y + step[0], x : x + step[1]].mean() for x in range(0, values.shape[1], step[1])]
        for y in range(0, values.shape[0], step[0])
    ]
    return [_numbers(np.array(row)) for row in blocks]


def _number(value: float) -> float | None:
    return float(f"{value:.7g}") if math.isfinite(value) else None


def _numbers(values: np.ndarray) -> list[float | None]:
    return [_number(float(value)) for value in values]


def _importance(one: Importance) -> dict[str, float | None]:
    return {name: _number(getattr(one, name)) for name in ("mean", "low", "high")}


def _dependence(one: Dependence) -> dict[str, Any]:
    values = [value if isinstance(value, str) else _number(float(value)) for value in one.values]
    return {
        "part": one.part,
        "output": one.output,
        "values": values,
        **{name: _numbers(np.array(getattr(one, name))) for name in ("mean", "low", "high")},
    }


def _check(one: Check) -> dict[str, Any]:
    return {
        "name": one.name,
        "method": one.method,
        "value": _number(one.value),
        "limit": _number(one.limit),
        "passed": one.passed,
        "text": one.text,
    }
