"""A kind of data, and a trainer for it: sets of points, each a .json file in the folder of its class.

shapes/ring/0.json        {"points": [[0.3, 1.2], [0.9, -0.4], ...]}
shapes/disc/0.json        {"points": [...]}
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from goodfit import SupervisedConfig, number, supervised
from goodfit.trainers.data import ArrayKind
from goodfit.trainers.errors import DataProblem

if TYPE_CHECKING:
    from torch import nn

    from goodfit.trainers.data import Facts


class PointSets(ArrayKind):
    """`data: {kind: point-sets, source: FOLDER, options: {points: 32}}`."""

    def read(self, source: str, *, points: int = 32) -> tuple[np.ndarray, np.ndarray]:
        """The first so many points of each file, (sets, points, coordinates), and the name of its folder."""
        files = sorted(Path(source).glob("*/*.json"))
        if not files:
            raise DataProblem(f"{source} has no .json files in folders of classes; correct data.source")
        sets = []
        for file in files:
            found = json.loads(file.read_text(encoding="utf-8"))["points"]
            if len(found) < points:
                raise DataProblem(f"{file} has {len(found)} points; give `data: {{options: {{points: {len(found)}}}}}`")
            sets.append(found[:points])
        return np.array(sets, dtype=np.float64), np.array([file.parent.name for file in files])


@dataclass(frozen=True)
class PointNetConfig(SupervisedConfig):
    width: int = number(32, least=1)


@supervised("point-net", PointNetConfig, shapes=["width"], kinds=["point-sets"])
def point_net(config: Any, facts: Facts) -> nn.Module:
    """The same small net for each point, then the largest of its outputs: the order of the points does not count."""
    import torch
    from torch import nn

    class PointNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.each = nn.Sequential(nn.Linear(facts.input_shape[1], config.width), nn.ReLU())
            self.head = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(config.width, facts.outputs))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.head(self.each(x).amax(dim=1))
            return result

    return PointNet()
